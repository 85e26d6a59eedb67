"""The left-right odd parts of images, laid out in waves and in places, and the sign test on them (for `mirror`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.special import betainc

from core.detectors.views import WHOLE, areas
from core.types import Images

Floats = NDArray[np.float32]
Vector = NDArray[np.float64]
Counts = NDArray[np.int64]

SIDE = WHOLE  # to which longer sides are reduced
CHANNELS = {"luminance": (1, 1, 1), "blue-yellow": (1, 1, -2), "red-green": (1, -1, 0)}  # of red, green and blue
FAMILIES = ("waves", "places")
TAILS = (0.02, 0.05, 0.1, 0.2)  # shares of a class whose signs are counted: those in which a wave is strongest
AROUND = 5  # pixels a side of what a place is compared with
PHASES = 4  # of a wave downwards, an eighth of a turn apart
LEAST_CONTRAST = 1.0  # of an image in a channel, in its units: below it there is but rounding
NOTHING = 1e-2  # of an image's contrast; less has no sign
COLUMNS = 128  # that are sorted at a time
BLOCK = 2**22  # pixels that are floats at a time


class Layout(NamedTuple):
    """Odd parts laid out: values [m, d] in units of each image's contrast, the same in those of the channel, [m, c],
    and what column each of the d stands for: (waves down, waves across, phase) or (row, column), [d, 3 or 2].
    """

    values: Floats
    plain: Floats
    meanings: Counts


class Signs(NamedTuple):
    """What the sign test says of the columns [d]: the smallest p, at which share of TAILS, and the side that leads."""

    p: Vector
    tail: Counts
    side: Counts


def odd_parts(images: Images, weights: tuple[int, int, int]) -> Floats:
    """The left half of the odd parts [m, a, b // 2] of images [m, h, w, 3] in a channel, at most 32 a side."""
    height, width = images.shape[1:3]
    down, across = (areas(side, min(side, SIDE)) for side in (height, width))
    half = len(across) // 2
    found = np.empty((len(images), len(down), half), np.float32)
    step = max(1, BLOCK // (height * width))
    for start in range(0, len(images), step):
        some = images[start : start + step]
        # Sums of whole numbers: what is symmetric stays so to the last bit.
        channel: Floats = some.astype(np.float32) @ np.array(weights, np.float32)
        channel -= channel[:, :, ::-1].copy()
        channel /= 2
        if max(height, width) > SIDE:
            channel = np.asarray(down @ channel @ across.T, np.float32)
        found[start : start + step] = channel[:, :, :half]
    return found


def lay_out(odd: Floats, family: str, width: int) -> Layout:
    """Odd parts [m, a, b], of images so many columns wide, in waves or in places."""
    return waves(odd, width) if family == "waves" else places(odd, width)


def waves(odd: Floats, width: int) -> Layout:
    """Whole waves across, whole waves down in several phases, each divided by the image's waves of that fineness."""
    height, half = odd.shape[1:]
    # An odd row is made of sines about the image's middle; its left half has half of their energy.
    sines = _waves(np.arange(width), width, np.arange(1, half + 1), 0.25)[:, :half]
    kinds = np.array([(k, p) for k in range(height // 2 + 1) for p in range(PHASES) if _there(k, p, height)])
    down = np.stack([_waves(np.arange(height), height, np.array([k]), p / 8)[0] for k, p in kinds])
    found = down @ (odd @ sines.T)  # [m, kinds, half]
    across = np.arange(1, half + 1)
    meanings = np.array([(k, x, p) for k, p in kinds for x in across])
    values = found.reshape(len(odd), -1)
    whole = meanings[:, 2] % 2 == 0  # two phases hold everything
    rings = np.hypot(meanings[:, 0], meanings[:, 1]).astype(np.int64)
    ring = np.zeros((len(rings), rings.max() + 1), np.float32)
    ring[np.arange(len(rings)), rings] = 1
    plain = values[:, whole]
    contrast = np.sqrt(plain**2 @ ring[whole] / np.maximum(ring[whole].sum(0), 1))
    values /= np.maximum(contrast, LEAST_CONTRAST)[:, rings]
    return Layout(values, plain, meanings)


def _there(waves: int, phase: int, height: int) -> bool:
    """Whether so many waves down have this phase: none has one, as many as pixels in pairs the other."""
    return phase == 0 if waves == 0 else phase == 2 if 2 * waves == height else True


def _waves(places: Counts, size: int, counts: Counts, turn: float) -> Floats:
    """Cosines [c, size] of so many waves, counted from the image's edge and turned; their squares sum to about 1."""
    angles = 2 * np.pi * (np.multiply.outer(counts, places + 0.5) / size - turn)
    cosines = np.cos(angles)
    return np.asarray(cosines / np.sqrt(np.maximum((cosines**2).sum(1, keepdims=True), 1)), np.float32)


def places(odd: Floats, width: int) -> Layout:
    """Every pixel of the left half less the mean of what is around it, divided by the image's contrast in these."""
    half = odd.shape[2]
    middle = np.zeros((*odd.shape[:2], width - 2 * half), np.float32)
    whole = np.concatenate([odd, middle, -odd[:, :, ::-1]], 2)
    fine = (whole - uniform_filter(whole, (0, AROUND, AROUND), mode="nearest"))[:, :, :half].reshape(len(odd), -1)
    contrast = np.sqrt((fine**2).mean(1, keepdims=True))
    meanings = np.stack(np.divmod(np.arange(fine.shape[1]), half), 1)
    return Layout(fine / np.maximum(contrast, LEAST_CONTRAST), fine, meanings)


def signs(values: Floats) -> Signs:
    """The sign test on columns [m, d]: of the images in which one is strongest, are too many of one sign?

    The strongest are those of the largest magnitudes, which mirroring leaves as they are: given those, signs are fair
    coins under the null, and p is exactly binomial, two-sided.
    """
    counts = [counted(values[:, start : start + COLUMNS]) for start in range(0, values.shape[1], COLUMNS)]
    above, below = (np.concatenate(side, axis=1) for side in zip(*counts, strict=True))  # [tails, d]
    p = _fair(np.maximum(above, below), above + below)
    tail = p.argmin(0)
    every = np.arange(p.shape[1])
    return Signs(p[tail, every], tail, np.where(above[tail, every] >= below[tail, every], 1, -1))


def leaning(values: Floats) -> Vector:
    """p of the sign test on columns [m, d] over all images, strong or weak: how the bulk of a class is turned, [d]."""
    above, below = (values >= NOTHING).sum(0), (values <= -NOTHING).sum(0)
    return _fair(np.maximum(above, below), above + below)


def _fair(most: Counts, total: Counts) -> Vector:
    """The chance that of so many fair coins so many or more fall on one side, whichever."""
    p = np.minimum(1.0, 2 * betainc(np.maximum(most, 1), total - most + 1, 0.5))
    return np.asarray(np.where(most > 0, p, 1.0))


def counted(values: Floats) -> tuple[Counts, Counts]:
    """How many of the strongest of each tail are positive, and negative, [tails, d] each, for columns [m, d]."""
    across = np.ascontiguousarray(values.T)  # rows are sorted several times as fast
    ordered = np.sort(np.abs(across), axis=1)
    strongest = [len(values) - tail_size(len(values), tail) for tail in TAILS]
    limits = [np.maximum(ordered[:, place, None], NOTHING) for place in strongest]
    above = np.stack([(across >= limit).sum(1) for limit in limits])
    return above, np.stack([(across <= -limit).sum(1) for limit in limits])


def tail_size(images: int, tail: float) -> int:
    """How many images a tail has, at least one."""
    return max(1, int(tail * images))


def tries(height: int, width: int) -> int:
    """How many tests are made of a class's images of this size."""
    height, width = min(height, SIDE), min(width, SIDE)
    kinds = sum(_there(k, p, height) for k in range(height // 2 + 1) for p in range(PHASES))
    return len(TAILS) * len(CHANNELS) * (width // 2) * (kinds + height)
