"""Sets in which nothing is planted: how often does the panel name a class?

    python -m benchmarks.clean_sets          # all; prints a line a set and writes benchmarks/results/clean_sets.json
    python -m benchmarks.clean_sets clouds   # one kind: photographs, digits or clouds

Photographs: subsets of CIFAR-10 of different seeds, 500 to 5,000 of each class and 500 + 9 x 100; with the handwritten
digits they are judged by the panel's image side. Clouds: classes of 64 features, as a network might have them, with
Student's t tails, a skew, or two components that overlap (Ashman's D of 2 and 3), judged by `split-spectral`. A class
that is named is a false discovery; of a hundred sets at most one should have any, at the panel's rate of 1%.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import core
from core.configuration import DatasetConfig
from core.types import Detection

RESULTS = Path(__file__).parent / "results" / "clean_sets.json"
SIZES = {500: 8, 1_000: 4, 2_000: 2, 5_000: 1}  # images of each class -> how many sets
UNEVEN = 5  # sets of 500 + 9 x 100
CLOUDS = 5  # seeds of each shape and size
FEATURES, CLASSES = 64, 10


class Clean(NamedTuple):
    """A set without poison, and what judges it."""

    name: str
    images: int
    judge: Callable[[], Detection]


def photographs() -> Iterator[Clean]:
    """Subsets of CIFAR-10, drawn by a seed each."""
    data = core.datasets.load(DatasetConfig(name="cifar10"))
    drawn = [([size] * CLASSES, seed) for size, count in SIZES.items() for seed in range(count)]
    drawn += [([500, *[100] * (CLASSES - 1)], seed) for seed in range(UNEVEN)]
    for sizes, seed in drawn:
        generator = np.random.default_rng([seed, sizes[0], sizes[1]])
        order = generator.permutation(CLASSES)  # which class is the large one
        rows = np.concatenate(
            [
                generator.choice(np.flatnonzero(data.train_labels == label), size, replace=False)
                for label, size in zip(order, sizes, strict=True)
            ]
        )
        even = f"{sizes[0]:,} of each" if sizes[0] == sizes[1] else "500 + 9 x 100"
        yield Clean(
            f"photographs, {even}, seed {seed}", len(rows), _by_images(data.train_images[rows], data.train_labels[rows])
        )


def digits() -> Iterator[Clean]:
    """The handwritten digits."""
    data = core.datasets.load(DatasetConfig(name="digits"))
    yield Clean("digits", len(data.train_labels), _by_images(data.train_images, data.train_labels))


def clouds() -> Iterator[Clean]:
    """Classes of features of four shapes and three sizes."""
    for shape in SHAPES:
        for size in (200, 500, 2_000):
            for seed in range(CLOUDS):
                generator = np.random.default_rng([seed, size])
                rows = np.concatenate([_mixed(SHAPES[shape](generator, size), generator) for _ in range(CLASSES)])
                labels = np.repeat(np.arange(CLASSES), size)
                yield Clean(f"clouds, {shape}, {size:,} of each, seed {seed}", len(rows), _by_features(rows, labels))


def _tails(generator: np.random.Generator, size: int) -> np.ndarray:
    return generator.standard_t(4, (size, FEATURES))


def _skewed(generator: np.random.Generator, size: int) -> np.ndarray:
    return generator.gamma(2.0, 1.0, (size, FEATURES))


def _two(apart: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Two Gaussians along a direction, one of them a fifth of the class, that lie so many deviations apart."""

    def drawn(generator: np.random.Generator, size: int) -> np.ndarray:
        rows = generator.normal(size=(size, FEATURES))
        rows[: size // 5, 0] += apart
        return rows

    return drawn


SHAPES = {"t of 4 degrees": _tails, "gamma": _skewed, "two of D 2": _two(2.0), "two of D 3": _two(3.0)}


def _mixed(rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A class's features turned, by the same turn for no two classes, and with variances of their own."""
    turn, _ = np.linalg.qr(generator.normal(size=(FEATURES, FEATURES)))
    return np.asarray((rows @ turn + generator.normal(size=FEATURES) * 3).astype(np.float32))


def _by_images(images: np.ndarray, labels: np.ndarray) -> Callable[[], Detection]:
    return lambda: core.detect("panel", None, labels, evidence={"images": images})


def _by_features(rows: np.ndarray, labels: np.ndarray) -> Callable[[], Detection]:
    return lambda: core.detect("split-spectral", rows, labels)


KINDS: dict[str, Callable[[], Iterator[Clean]]] = {"photographs": photographs, "digits": digits, "clouds": clouds}


def main() -> None:
    wanted = sys.argv[1:] or list(KINDS)
    if unknown := sorted(set(wanted) - set(KINDS)):
        sys.exit(f"unknown kinds {unknown}; there are {list(KINDS)}")
    rows: list[dict[str, Any]] = []
    for kind in wanted:
        for one in KINDS[kind]():
            began = time.perf_counter()
            found = one.judge()
            assert found.class_statistic is not None
            named = np.flatnonzero(found.class_statistic > found.class_threshold).tolist()
            rows.append(
                {
                    "set": one.name,
                    "images": one.images,
                    "named": named,
                    "seconds": round(time.perf_counter() - began, 1),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    wrong = sum(bool(row["named"]) for row in rows)
    print(f"{wrong} of {len(rows)} sets with a class that is named")
    if len(wanted) == len(KINDS):
        RESULTS.write_text(
            json.dumps({"sets": len(rows), "named": wrong, "rows": rows}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
