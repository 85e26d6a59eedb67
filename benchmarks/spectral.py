"""Spectral scores of 10 classes x 5,000 x 512 features against a full SVD of each class's matrix.

Both in float64, both in this process, the same random features with a planted poison; the scores must
agree to 1e-9 of the largest, or the comparison means nothing.

`whitened-spectral`, which looks at every class in the others' metric, is timed beside them.

    python -m benchmarks.spectral
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import core

CLASSES, SIZE, WIDTH, REPEATS = 10, 5_000, 512, 3


def planted(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features whose variances fall off as a network's do, a tenth of each class shifted."""
    generator = np.random.default_rng(seed)
    scale = np.arange(1, WIDTH + 1) ** -0.5
    features = generator.normal(size=(CLASSES * SIZE, WIDTH)) * scale
    features[::10] += 3 * generator.normal(size=WIDTH) * scale
    return features.astype(np.float32), np.repeat(np.arange(CLASSES), SIZE)


def by_svd(features: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Algorithm 1 word for word: a full SVD of the centred matrix of every class."""
    scores = np.zeros(len(labels))
    for label in range(CLASSES):
        members = labels == label
        matrix = features[members].astype(np.float64)
        matrix -= matrix.mean(0)
        scores[members] = (matrix @ np.linalg.svd(matrix, full_matrices=False)[2][0]) ** 2
    return scores


def seconds(call: Callable[[], Any]) -> float:
    """The median time of a few calls."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure, check and print."""
    features, labels = planted()
    ours = core.detect("spectral", features, labels).scores
    theirs = by_svd(features, labels)
    difference = float(np.abs(ours - theirs).max() / theirs.max())
    assert difference < 1e-9, f"the scores differ by {difference}"
    fast = seconds(lambda: core.detect("spectral", features, labels))
    full = seconds(lambda: by_svd(features, labels))
    whitened = seconds(lambda: core.detect("whitened-spectral", features, labels))
    print(json.dumps({"seconds": fast, "full_svd_seconds": full, "times_faster": full / fast,
                      "largest_relative_difference": difference, "whitened_spectral_seconds": whitened,
                      "whitened_over_spectral": whitened / fast}))  # fmt: skip


if __name__ == "__main__":
    main()
