"""Made-up representations for the tests of detectors: Gaussian classes, and the same with a poisoned one among them."""

from __future__ import annotations

import numpy as np

CLASSES, EACH, WIDTH = 6, 400, 20
TARGET = 2
SPREADS = np.linspace(2.0, 0.5, WIDTH)  # of every class, along each axis

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def clean(seed: int, sizes: tuple[int, ...] = (EACH,) * CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of classes that differ in their means alone."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    means = 4 * rng.normal(size=(len(sizes), WIDTH))
    return rng.normal(size=(len(labels), WIDTH)) * SPREADS + means[labels], labels


def poisoned(seed: int, *, poisons: int = 40, shift: float = 6.0, axis: int | None = None) -> Arrays:
    """Features, labels and truth: some more images of one class, shifted along an axis, or in any direction."""
    rng = np.random.default_rng([seed, 1])
    sizes = tuple(EACH + poisons * (label == TARGET) for label in range(CLASSES))
    features, labels = clean(seed, sizes)
    truth = np.zeros(len(labels), bool)
    truth[np.flatnonzero(labels == TARGET)[-poisons:]] = True
    direction = rng.normal(size=WIDTH) if axis is None else np.eye(WIDTH)[axis]
    features[truth] += shift * direction / np.linalg.norm(direction)
    order = rng.permutation(len(labels))
    return features[order], labels[order], truth[order]
