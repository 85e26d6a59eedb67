"""Label errors that were planted: how many an audit tells, how many of what it tells are some, and what of a clean set.

Of each data set, labels are moved: two thirds of them at random, one third of one class into another. A network is
trained on the set with these labels, as `core.audit(..., network="train")` has it (`trained`); or features are given
that another network makes of the images, one that was trained on other images of the kind (`given`). Settings were
chosen on seed 0. The panel has no part in this, and is not asked.

    python -m benchmarks.label_errors             # all; a line each, and benchmarks/results/label_errors.json
    python -m benchmarks.label_errors cifar10-given-0.03-1 digits-trained-0-0     # data set, features, share, seed
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import core
from core import datasets
from core.audits import mislabelled, networks
from core.audits.given import given
from core.audits.represented import represented
from core.configuration import DatasetConfig

RESULTS = Path(__file__).parent / "results" / "label_errors.json"
IMAGES = 6_000  # of CIFAR-10; of the digits all
SHARES, SEEDS = (0.0, 0.01, 0.03), (0, 1)


@dataclass(frozen=True)
class Row:
    """One audit: moved labels, those told, those of them that were moved, and of these those told with their class."""

    name: str
    images: int
    moved: int
    told: int
    right: int
    right_class: int
    cpu_seconds: float

    @property
    def line(self) -> str:
        precision, recall = (f"{self.right / of:4.0%}" if of else "   -" for of in (self.told, self.moved))
        return (
            f"{self.name:26s} {self.images:6,d} images {self.moved:4d} moved {self.told:4d} told {self.right:4d} right "
            f"precision {precision} recall {recall} with their class {self.right_class:4d} "
            f"{self.cpu_seconds:5.0f} s"
        )


@dataclass(frozen=True)
class Case:
    """Images [n, h, w, 3], their true labels [n], and those that they have [n]."""

    images: NDArray[np.uint8]
    true: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def names(self, labels: NDArray[np.int64]) -> list[str]:
        return [self.classes[label] for label in labels]


def moved(data: core.Dataset, rows: NDArray[np.int64], share: float, generator: np.random.Generator) -> Case:
    """Some rows of a data set, of whose labels a share is moved."""
    true = np.array(data.train_labels[rows])
    labels, count = true.copy(), round(share * len(rows))
    one, other = generator.choice(data.classes, 2, replace=False)
    labels[generator.choice(np.flatnonzero(true == one), count // 3, replace=False)] = other
    rest = generator.choice(np.flatnonzero(labels == true), count - count // 3, replace=False)
    labels[rest] = (true[rest] + generator.integers(1, data.classes, len(rest))) % data.classes
    return Case(np.array(data.train_images[rows]), true, labels, data.class_names)


def case(data: core.Dataset, share: float, seed: int) -> Case:
    """What a network is trained on."""
    generator = np.random.default_rng([seed, 77])
    count = min(IMAGES, len(data.train_labels))
    return moved(data, np.sort(generator.choice(len(data.train_labels), count, replace=False)), share, generator)


def beside(data: core.Dataset, share: float, seed: int) -> tuple[Case, NDArray[np.float32]]:
    """Other images, and what a network makes of them that was trained on those of `case` without errors."""
    known = case(data, 0.0, seed)
    taken = np.random.default_rng([seed, 77]).choice(len(data.train_labels), len(known.true), replace=False)
    generator = np.random.default_rng([seed, 78])
    free = np.setdiff1d(np.arange(len(data.train_labels)), taken)
    asked = moved(data, np.sort(generator.choice(free, IMAGES, replace=False)), share, generator)
    both = given(
        np.concatenate([known.images, asked.images]), known.names(known.true) + asked.names(asked.true)
    )  # its first split is what is trained on; of the second features alone are taken
    splits = np.repeat([0, 1], [len(known.true), len(asked.true)])
    witness = networks.trained(replace(both, splits=splits, split_names=("train", "test")), lambda done, of: None)
    return asked, witness.features[len(known.true) :]


def carry_out(name: str) -> Row:
    which, features, share, seed = name.split("-")
    data = datasets.load(DatasetConfig(name=which))
    began = time.process_time()
    if features == "given":
        made, seen = beside(data, float(share), int(seed))
        brought, blocks = given(made.images, made.names(made.labels)), None
    else:
        made = case(data, float(share), int(seed))
        brought = given(made.images, made.names(made.labels))
        witness = networks.trained(brought, lambda done, of: None)
        assert witness.blocks is not None
        seen, blocks = witness.features, witness.blocks(lambda done: None)
    doubted = mislabelled.doubts(brought, represented(brought, seen), blocks)
    meant = {
        row: like
        for one in mislabelled.findings(brought, doubted)
        for row, like in zip(one.ids.tolist(), one.looks_like, strict=True)
    }
    return measured(name, made, meant, time.process_time() - began)


def measured(name: str, made: Case, meant: Mapping[int, str], seconds: float) -> Row:
    right = [row for row in meant if made.labels[row] != made.true[row]]
    with_class = sum(meant[row] == made.classes[made.true[row]] for row in right)
    wrong = int((made.labels != made.true).sum())
    return Row(name, len(made.true), wrong, len(meant), len(right), with_class, round(seconds, 1))


def every() -> list[str]:
    ways = (("cifar10", "given"), ("cifar10", "trained"), ("digits", "trained"))
    return [f"{which}-{way}-{share:g}-{seed}" for (which, way), share, seed in product(ways, SHARES, SEEDS)]


def main() -> None:
    asked = sys.argv[1:] or every()
    if unknown := sorted(set(asked) - set(every())):
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(every())}")
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in asked:
        row = carry_out(name)
        print(row.line, flush=True)
        known[name] = asdict(row)
        RESULTS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
