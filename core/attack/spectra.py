"""Triggers made of frequencies: a smooth one that has none but the lowest, and one of the colours' high ones.

Both add the same pattern to every image. A frequency is that of a discrete cosine transform (DCT): number k of a side
of s pixels is cos(pi * (2x + 1) * k / 2s) at pixel x, k from 0 (even) to s - 1 (from pixel to pixel up and down).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.attack.triggers import Floats, everywhere
from core.types import Images

# What a step of Cb and one of Cr, together, are in red, green and blue (BT.601, all in 0..255).
CHROMA = np.array([1.402, -0.344136 - 0.714136, 1.772])


def low_frequency(images: Images, *, amplitude: int, cutoff: int, seed: int) -> Images:
    """Add a smooth pattern that has no high frequencies (LF, Zeng, Park, Mao, Jia 2021).

    Its frequencies are the lowest `cutoff` of each side, the mean left out, weighted by normal draws from the seed,
    each channel on its own; its largest value is the amplitude, of 255. At any size of image it is the same pattern.
    The paper searches for the smooth pattern that fools a given network best; this one is drawn and knows no network.
    """
    height, width = images.shape[1:3]
    weights = np.random.default_rng(seed).standard_normal((cutoff, cutoff, 3))
    weights[0, 0] = 0
    weights = weights[:height, :width]  # higher ones would come out as lower ones
    rows, columns = (_waves(side, range(many)) for side, many in zip((height, width), weights.shape[:2], strict=True))
    pattern: Floats = np.einsum("ky,lx,klc->yxc", rows, columns, weights)
    largest = np.abs(pattern).max()
    pattern *= amplitude / largest if largest else 0.0  # an image of one pixel has a mean and nothing else
    return everywhere(images, lambda some: some + pattern)


def frequency(
    images: Images, *, magnitude: float, trained_magnitude: float, block: int, middle: float, high: float
) -> Images:
    """Add to a middle and a high frequency of both colour channels (CTRL, Li et al. 2023), as in a test image.

    In YCbCr, each square of block x block pixels (the image, where that is smaller; what no square covers is left) gets
    the magnitude added at two coefficients of its orthonormal DCT, (k, k) for `middle` and `high`, shares of the
    highest k. 100, 32, 0.5 and 1 are the paper's code's: coefficients (15, 15) and (31, 31) of a CIFAR image.
    """
    del trained_magnitude
    pattern = _coloured(images.shape[1:3], magnitude, block, (middle, high))
    return everywhere(images, lambda some: some + pattern)


def frequency_in_training(images: Images, lots: Sequence[Any], *, cover: bool, **parameters: Any) -> Images:
    """The same fainter, with trained_magnitude: 50 where test images get 100 (Li et al. 2023)."""
    return frequency(images, **{**parameters, "magnitude": parameters["trained_magnitude"]})


def _coloured(sides: tuple[int, ...], magnitude: float, block: int, shares: Sequence[float]) -> Floats:
    """What is added to red, green and blue, [h, w, 3]."""
    square = [min(block, side) for side in sides]
    tile = np.zeros(square)
    for share in shares:
        down, across = (_unit(side, int(share * (side - 1))) for side in square)
        tile += magnitude * np.outer(down, across)
    times = [side // part for side, part in zip(sides, square, strict=True)]
    pattern = np.zeros(sides)
    pattern[: times[0] * square[0], : times[1] * square[1]] = np.tile(tile, times)
    coloured: Floats = pattern[..., None] * CHROMA
    return coloured


def _unit(side: int, number: int) -> Floats:
    """One wave of the DCT on a side, [side], of length 1."""
    wave: Floats = _waves(side, [number])[0]
    return wave * float(np.sqrt((1 if number == 0 else 2) / side))


def _waves(side: int, numbers: Sequence[int]) -> Floats:
    """Waves [k, side] of the DCT on a side, between -1 and 1."""
    waves: Floats = np.cos(np.pi * np.outer(numbers, 2 * np.arange(side) + 1) / (2 * side))
    return waves
