"""Pictures that are in a set more than once: exact copies, and near ones, which differ by little.

A near copy of an image is looked for as its nearest neighbour among small pictures of all, in few directions; then
pixels are compared. Every image is compared with every other one, so beyond `MOST` images near copies are not looked
for, and that is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.types import Ids, Images, Mask

NEAR = 16.0  # root mean square difference in grey levels, up to which two images are one picture
NOISE = 8  # grey levels by which two pictures of one thing may differ anywhere
FEW = 0.1  # of the places: so many may differ by more, as where one of the two bears a stamp
SMALL, DIRECTIONS = 8, 32
MOST = 100_000  # images
VERSION = 1  # raise it when other copies are found
BLOCK = 1_000  # images that are compared at a time
AT_A_TIME = 128  # images that are compared with all others at a time: more of them leave the processor's cache
FLAT = 4.0  # standard deviation in grey levels, below which an image is like many others

Pixels = NDArray[np.uint8]
Pairs = NDArray[np.int64]  # [m, 2], ids, the lower first
Tell = Callable[[float], None]


class Alike(NamedTuple):
    """Exact copies: a group number of every image [n]. near: pairs [m, 2] that differ, but little; None: not sought."""

    groups: NDArray[np.int64]
    near: Pairs | None

    def exact(self) -> Pairs:
        """Pairs [m, 2] of exact copies: each with the first of its group."""
        firsts = np.full(self.groups.max(initial=-1) + 1, len(self.groups))
        np.minimum.at(firsts, self.groups, np.arange(len(self.groups)))
        first = firsts[self.groups]
        others = np.flatnonzero(first < np.arange(len(first)))
        return np.stack([first[others], others], axis=1)


def alike(images: Images, tell: Tell = lambda done: None) -> Alike:
    """Copies among images [n, h, w, 3] uint8. tell hears which share is done, and may raise to end it."""
    groups = _groups(images)
    if len(images) > MOST or len(images) < 2:
        return Alike(groups, None if len(images) > MOST else np.zeros((0, 2), np.int64))
    kept = np.unique(groups, return_index=True)[1]
    return Alike(groups, _near(images, kept, tell))


def _groups(images: Images) -> NDArray[np.int64]:
    known: dict[bytes, int] = {}
    return np.array([known.setdefault(image.tobytes(), len(known)) for image in images], np.int64)


def _near(images: Images, ids: Ids, tell: Tell) -> Pairs:
    """Pairs of different images that are each other's nearest, or one of them the other's, and hardly differ."""
    small = _small(images)[ids]
    lively = small.std(1) > FLAT
    ids, small = ids[lively], small[lively]
    if len(ids) < 2:
        return np.zeros((0, 2), np.int64)
    nearest = _nearest(_projected(small), tell)
    pairs = np.unique(np.sort(np.stack([ids, ids[nearest]], 1), axis=1), axis=0)
    return pairs[_one_picture(images, pairs)]


def _one_picture(images: Images, pairs: Pairs) -> Mask:
    """Whether pairs [m, 2] of images are one picture each: they differ little everywhere, or in few places only.

    Of the places, those count that are not of an image's commonest colour: two drawings on one ground are not one.
    """
    alike = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), BLOCK):
        first, second = (images[pairs[start : start + BLOCK, side]] for side in (0, 1))
        apart = np.abs(first.astype(np.int16) - second)
        differing = (apart.max(3) > NOISE).sum((1, 2))
        little = np.square(apart, dtype=np.float32).mean((1, 2, 3)) <= NEAR**2
        for row in np.flatnonzero(~little & (differing <= FEW * apart[0, ..., 0].size)):
            little[row] = differing[row] <= FEW * (_drawn(first[row]) | _drawn(second[row])).sum()
        alike[start : start + BLOCK] = little
    return alike


def _drawn(image: Pixels) -> Mask:
    middle = np.median(image, axis=(0, 1))
    return np.asarray((np.abs(image - middle) > NOISE).any(2))


def _small(images: Images) -> NDArray[np.float32]:
    """Images as averages over at most 8 x 8 areas, [n, d]."""
    rows, columns = (np.linspace(0, side, min(side, SMALL) + 1).astype(int) for side in images.shape[1:3])
    blocks = []
    for start in range(0, len(images), BLOCK):
        some = images[start : start + BLOCK].astype(np.float32)
        down = np.add.reduceat(some, rows[:-1], axis=1) / np.diff(rows)[:, None, None]
        across = np.add.reduceat(down, columns[:-1], axis=2) / np.diff(columns)[:, None]
        blocks.append(across.reshape(len(some), -1).astype(np.float32))
    return np.concatenate(blocks)


def _projected(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows [n, d] along their leading directions, [n, c]."""
    centred = small - small.mean(0)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :DIRECTIONS]
    return np.asarray(centred @ directions)


def _nearest(points: NDArray[np.float32], tell: Tell) -> Ids:
    """The nearest other one of each of points [n, c], [n].

    Of all y the nearest to x has the largest x . y - |y|^2 / 2, which is one product of matrices.
    """
    ones = np.ones((len(points), 1), points.dtype)
    here = np.concatenate([points, ones], axis=1)
    there = np.concatenate([points, -(points**2).sum(1, keepdims=True) / 2], axis=1).T
    nearest = np.empty(len(points), np.int64)
    for start in range(0, len(points), AT_A_TIME):
        tell(start / len(points))
        close = here[start : start + AT_A_TIME] @ there
        close[np.arange(len(close)), np.arange(start, start + len(close))] = -np.inf
        nearest[start : start + AT_A_TIME] = close.argmax(1)
    return nearest
