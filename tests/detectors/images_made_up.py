"""Images made up for the detectors that look at images alone: smooth textures, as likely as their mirror images."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits


def textures(classes: int = 2, each: int = 300, side: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Coloured waves of random directions with some noise, [n, side, side, 3], each as likely mirrored; labels [n]."""
    rng = np.random.default_rng(seed)
    count = classes * each
    rows, columns = np.indices((side, side))
    turns = rng.normal(size=(count, 3, 2, 1, 1)) * 0.4
    angles = turns[:, :, 0] * rows + turns[:, :, 1] * columns + rng.uniform(0, 6.3, (count, 3, 1, 1))
    images = 128 + 50 * np.sin(angles) + rng.normal(0, 12, (count, 3, side, side))
    images = np.clip(np.moveaxis(images, 1, 3), 0, 255).astype(np.uint8)
    flipped = rng.random(count) < 0.5
    images[flipped] = images[flipped][:, :, ::-1]
    return images, np.arange(count) % classes


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The digits of scikit-learn as RGB, [1797, 8, 8, 3], and their labels."""
    bunch = load_digits()
    grey = (bunch.images * 15.9).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 3), bunch.target.astype(np.int64)
