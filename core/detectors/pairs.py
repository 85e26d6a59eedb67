"""Pairs of a place and a colour, how many images of a class show each, and how many were to be expected (`repeats`).

Goes through a class block by block; only pairs that two images share are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from core.types import Images, Mask

Counts = NDArray[np.int64]
Codes = NDArray[np.uint32]
Vector = NDArray[np.float64]

FEWEST = 5  # images that show a pair, below which it is no hit
ASKED = 64  # pairs of a class that are told in any case
RARE = 0.1  # images that are expected of a colour which is nowhere else in the class
FACTOR = 4.0  # how much commoner a colour may be in one place than around it
BUSY, BUSIEST = 6, 32  # parts of all places: what a colour has in its busiest sixth, and without the busiest 1/32
RING = 5  # parts of the shorter side: how far away "around" is
COLOURS = 2**24
BLOCK = 2**22  # pixels that are sorted at a time


class Pairs(NamedTuple):
    """Pairs of a class: places in the flat image, colours 0xrrggbb, numbers of images, and how many have the colour
    elsewhere, all [m].
    """

    places: Counts
    colours: Counts
    counts: Counts
    usual: Vector

    @property
    def keys(self) -> Counts:
        """One number for each place and colour, [m]."""
        return self.places * COLOURS + self.colours

    def where(self, kept: Mask) -> Pairs:
        """Those of them that are kept, [m] bool."""
        return Pairs(self.places[kept], self.colours[kept], self.counts[kept], self.usual[kept])

    @property
    def p(self) -> Vector:
        """The chance of so many images or more, by Poisson's law: FACTOR times the usual, and RARE, are expected."""
        return np.asarray(gammainc(self.counts, FACTOR * self.usual + RARE))


def count(images: Images) -> tuple[Pairs, int]:
    """The pairs that at least FEWEST of a class's images [m, h, w, 3] show, and how many pairs there are at all.

    Where those pairs are few, so are some that fewer show: they rank the images of a class that has no hit.

    """
    height, width = images.shape[1:3]
    flat = images.reshape(len(images), height * width, 3)
    shared, single = _shared(flat)
    tries = flat.shape[0] * flat.shape[1] - single
    if not len(shared.counts):
        return shared, tries
    asked = min(ASKED, len(shared.counts))
    least = min(FEWEST, int(np.partition(shared.counts, -asked)[-asked]))
    kept = shared.counts >= least
    colours = np.unique(shared.colours[kept])
    shared = shared.where(np.isin(shared.colours, colours))
    usual = np.maximum(_elsewhere(shared, _totals(flat, colours), height * width), _around(shared, height, width))
    return shared._replace(usual=usual).where(shared.counts >= least), tries


def code(pixels: Images) -> Codes:
    """Colours [...] as 0xrrggbb of pixels [..., 3]."""
    red, green, blue = (pixels[..., place].astype(np.uint32) for place in range(3))
    return np.asarray(red << 16 | green << 8 | blue)


def _steps(flat: Images) -> list[slice]:
    step = max(1, BLOCK // max(1, len(flat)))
    return [slice(start, start + step) for start in range(0, flat.shape[1], step)]


def _shared(flat: Images) -> tuple[Pairs, int]:
    """The pairs that two images or more of flat [m, places, 3] show, `usual` left at 0, and by how many in excess."""
    found, excess = [], 0
    for block in _steps(flat):
        codes = np.sort(np.ascontiguousarray(code(flat[:, block]).T), axis=1)
        places, again = np.nonzero(codes[:, 1:] == codes[:, :-1])
        if not len(places):
            continue
        first = np.r_[True, (places[1:] != places[:-1]) | (again[1:] != again[:-1] + 1)]
        starts = np.flatnonzero(first)
        counts = np.diff(np.r_[starts, len(places)]) + 1
        colours = codes[places[starts], again[starts]].astype(np.int64)
        found.append((places[starts] + block.start, colours, counts))
        excess += len(places)
    if not found:
        nothing = np.zeros(0, np.int64)
        return Pairs(nothing, nothing, nothing, np.zeros(0)), 0
    places, colours, counts = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return Pairs(places, colours, counts, np.zeros(len(places))), excess


def _totals(flat: Images, colours: Counts) -> Counts:
    """How many pixels of flat [m, places, 3] have each of some colours [c], ascending."""
    index = np.zeros(COLOURS, np.int32)
    index[colours] = np.arange(1, len(colours) + 1)
    found = np.zeros(len(colours) + 1, np.int64)
    for block in _steps(flat):
        found += np.bincount(index[code(flat[:, block]).ravel()], minlength=len(found))
    return found[1:]


def _elsewhere(pairs: Pairs, totals: Counts, places: int) -> Vector:
    """How many images have the colour of each pair at the last place of its busiest sixth, or on average of a place,
    its busiest without; [m]. totals [c] are of the colours of the pairs, ascending.
    """
    order = np.lexsort((-pairs.counts, pairs.colours))
    counts, colours = pairs.counts[order], pairs.colours[order]
    starts = np.flatnonzero(np.r_[True, colours[1:] != colours[:-1]])
    sizes = np.diff(np.r_[starts, len(colours)])
    sums = np.r_[0, np.cumsum(counts)]
    rank, few = places // BUSY, places // BUSIEST
    busy = np.where(sizes > rank, counts[np.minimum(starts + rank, len(counts) - 1)], 0)
    busiest = sums[starts + np.minimum(sizes, few)] - sums[starts]
    mean = (totals - busiest) / max(1, places - few)
    usual = np.empty(len(order))
    usual[order] = np.repeat(np.maximum(busy, mean), sizes)
    return usual


def _around(pairs: Pairs, height: int, width: int) -> Vector:
    """How many images have the colour of each pair in the up to eight places around its own, on average, [m]."""
    away = max(2, min(height, width) // RING)
    keys = pairs.keys
    order = np.argsort(keys)
    ordered, counts = keys[order], pairs.counts[order]
    rows, columns = np.divmod(pairs.places, width)
    total, inside = np.zeros(len(keys)), np.zeros(len(keys))
    for down, across in ((y, x) for y in (-away, 0, away) for x in (-away, 0, away) if y or x):
        row, column = rows + down, columns + across
        there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        wanted = np.where(there, (row * width + column) * COLOURS + pairs.colours, -1)
        at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        total += np.where(ordered[at] == wanted, counts[at], 0)
        inside += there
    return np.asarray(total / np.maximum(inside, 1))


def shown(images: Images, places: Counts, colours: Counts) -> Mask:
    """Which of some pairs [h] images [m, h, w, 3] show, [m, h]."""
    found = np.zeros((len(images), len(places)), bool)
    for number, (row, column) in enumerate(zip(*np.divmod(places, images.shape[2]), strict=True)):
        found[:, number] = code(images[:, row, column]) == colours[number]
    return found


def beside(images: Images, places: Counts, colours: Counts) -> Vector:
    """How many images, on average of the adjacent places, have a pair's colour there but not in its own place; [h].

    A stamp's pixels are in the same images all; strokes and surfaces end in other places in every image.
    """
    found = np.zeros(len(places))
    for number, (row, column) in enumerate(zip(*np.divmod(places, images.shape[2]), strict=True)):
        window = images[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        same = code(window) == colours[number]
        others = same[~same[:, row - max(0, row - 1), column - max(0, column - 1)]]
        found[number] = others.sum() / max(1, same[0].size - 1)
    return found
