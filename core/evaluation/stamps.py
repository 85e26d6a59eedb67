"""Opaque stamps: one colour in one place in many of the flagged images, and in hardly any of the others.

A trigger that replaces pixels leaves the same colour there in every image that bears it, and no photograph does. So
each pixel's commonest colour among the flagged is counted among them and among the others; as it is the commonest and
not the median, several stamps, each in a part of the images, are seen as well, and benign images among the flagged do
no harm. The flagged may come of any class, so that no class's images may have the colour there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.stats import binom

from core.types import Ids, Images, Mask

Floats = NDArray[np.float64]

STEP = 8  # colours are counted in cells of so many levels a side, on two grids half a cell apart
NEAR = 6  # levels in each channel within which a pixel has a colour
LEAST = 0.2  # share of the flagged that must have it: each of three triggers has a third
TIMES = 4.0  # by how much it must be more frequent than among the rest
LOOSE = 32  # levels within which it is close to it
PART = 0.3  # of its pixels that an image must show to bear a stamp: of three, one
CHANCE = 1e-3  # of one stamp or more where there is none, all pixels together


class Stamp(NamedTuple):
    """Pixels [h, w] bool that are painted over, with what colour [h, w, 3], and which images [m] bear any of them."""

    lit: Mask
    colour: Floats
    bearers: Mask


def find(flagged: Images, classes: Sequence[Images]) -> Stamp | None:
    """The opaque stamp that the flagged [m, h, w, 3] share and no class's others [n, h, w, 3] do; None without one.

    What one half of the flagged shows must be seen in the other half, too.
    """
    colour = commonest(flagged)
    halves = flagged[::2], flagged[1::2]
    lit = _shared(halves[0], classes, colour) & _shared(halves[1], classes, colour) & _same(halves, colour)
    lit = _edged(flagged, lit, colour)
    if not lit.any():
        return None
    return Stamp(lit, np.where(lit[..., None], colour, 0.0), bearing(flagged, lit, colour))


def bearing(images: Images, lit: Mask, colour: Floats) -> Mask:
    """Which images [n, h, w, 3] show a good part of the pixels `lit` [h, w] in a colour [h, w, 3], [n]."""
    shown: Mask = (_having(images, colour) & lit).sum((1, 2)) >= max(1, PART * lit.sum())
    return shown


def looseness(images: Images, stamp: Stamp) -> Floats:
    """How many levels a stamp's pixels differ from its colours by, in images [n, h, w, 3] that show them: [l, 3]."""
    shown, colour = images[:, stamp.lit], stamp.colour[stamp.lit]
    apart = np.abs(shown - colour)
    near = (apart.max(-1) <= NEAR)[..., None]
    mean: Floats = (apart * near).sum(0) / np.maximum(near.sum(0), 1)
    return mean


def _same(halves: tuple[Images, Images], colour: Floats) -> Mask:
    """Where the commonest colour of each half is about that of all, [h, w]."""
    same: Mask = np.all([np.abs(commonest(half) - colour).max(-1) <= 2 * NEAR for half in halves], axis=0)
    return same


def _edged(flagged: Images, lit: Mask, colour: Floats) -> Mask:
    """Of the pixels `lit` [h, w] those whose patch ends in an edge; a light sky, say, goes on beside it."""
    patches, count = label(lit, np.ones((3, 3)))
    kept = np.zeros_like(lit)
    for number in range(1, count + 1):
        patch = patches == number
        if not _goes_on(flagged, patch, lit, colour):
            kept |= patch
    return kept


def _goes_on(flagged: Images, patch: Mask, lit: Mask, colour: Floats) -> bool:
    """Whether images that have a patch [h, w] have its colours beside it, too; of one colour over all, likewise."""
    inside, beside = 0, 0
    for rows, columns, next_rows, next_columns in _ends(patch, lit):
        own = colour[rows, columns]
        has = np.abs(flagged[:, rows, columns] - own).max(-1) <= NEAR
        too = np.abs(flagged[:, next_rows, next_columns] - own).max(-1) <= 2 * NEAR
        inside, beside = inside + int(has.sum()), beside + int((has & too).sum())
    if not inside:
        return bool(np.ptp(colour[patch], axis=0).max() <= 2 * NEAR)
    return beside > inside / 2


def _ends(patch: Mask, lit: Mask) -> Iterator[tuple[Ids, Ids, Ids, Ids]]:
    """Pixels of a patch [h, w] with a neighbour that is not lit: rows and columns of both, side by side."""
    rows, columns = np.nonzero(patch)
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        below = np.clip(rows + down, 0, lit.shape[0] - 1)
        beside = np.clip(columns + right, 0, lit.shape[1] - 1)
        free = ~lit[below, beside]
        yield rows[free], columns[free], below[free], beside[free]


def commonest(images: Images) -> Floats:
    """The commonest colour at each pixel of images [n, h, w, 3], [h, w, 3], to about a level."""
    found, best = np.zeros(images.shape[1:]), np.zeros(images.shape[1:3], np.int64)
    for offset in (0, STEP // 2):
        cells = (images.astype(np.int32) + offset) // STEP
        codes = np.sort((cells[..., 0] << 16) | (cells[..., 1] << 8) | cells[..., 2], axis=0)
        code, count = _longest(codes)
        cell = np.stack([code >> 16, (code >> 8) & 255, code & 255], -1)
        middle = cell * STEP - offset + (STEP - 1) / 2
        found = np.where((count > best)[..., None], middle, found)
        best = np.maximum(best, count)
    return _settled(images, found)


def _longest(ordered: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The value that comes most often in each column of ordered values [n, ...], and how often."""
    best, code = np.ones(ordered.shape[1:], np.int64), ordered[0].copy()
    run = np.ones(ordered.shape[1:], np.int64)
    for before, after in pairwise(ordered):
        run = np.where(before == after, run + 1, 1)
        longer = run > best
        best, code = np.where(longer, run, best), np.where(longer, after, code)
    return code, best


def _settled(images: Images, colour: Floats) -> Floats:
    """The mean of the pixels of images [n, h, w, 3] that are near a colour [h, w, 3], or that where there are none."""
    near = _having(images, colour)[..., None]
    count = near.sum(0)
    mean = np.where(near, images, 0).sum(0, dtype=np.float64) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, mean, colour))


def _having(images: Images, colour: Floats, near: int = NEAR) -> Mask:
    """Where images [n, h, w, 3] have a colour [h, w, 3], to so many levels: [n, h, w]."""
    low, high = np.clip(colour - near, 0, 255), np.clip(colour + near, 0, 255)
    return np.asarray(((images >= low) & (images <= high)).all(-1), bool)


def _shared(flagged: Images, classes: Sequence[Images], colour: Floats) -> Mask:
    """Where a colour [h, w, 3] is more frequent among the flagged than any class allows, [h, w].

    Where images agree anyway (a black background), the flagged may agree on something close to it: so what they must
    exceed by more than chance is how many of a class are near the colour by LOOSE levels.
    """
    count = _having(flagged, colour).sum(0)
    exact, loose = (
        np.max([(_having(images, colour, near).sum(0) + 0.5) / (len(images) + 1) for images in classes], axis=0)
        for near in (NEAR, LOOSE)
    )
    by_chance = binom.sf(count - 1, len(flagged), loose) * count.size
    share = count / len(flagged)
    return np.asarray((share >= LEAST) & (share >= np.minimum(TIMES * exact, 1)) & (by_chance < CHANCE))
