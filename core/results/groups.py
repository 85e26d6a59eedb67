"""Groups of images that lie near each other in the representation, so that a reviewer can judge each group at once.

What bears the same trigger lies together, and so do the benign images that a cut takes along; a distance that is usual
in the class keeps the two apart (docs/screens.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.types import BadRequest, Features, Ids, Labels

Rows = NDArray[np.float32]

REACH = 1.25  # times the usual distance: groups of recorded runs (see the tests) are of one kind each; at 1.5 not all
MOST = 10_000  # images that are compared with each other: so many of one class take seconds
ASKED = 1_000  # images of a class whose nearest one says what is usual
BLOCK = 64  # images that are compared with all of MOST at once: 3 MB of distances, 40 MB of links where all are near
PIECE = 2_000  # images of a class that are read at once and compared with all of ASKED: 8 MB of distances
ROUNDING = 1e-3  # of a class's spread: below it float32 does not tell distances apart


def near(features: Features, labels: Labels, ids: Ids) -> Ids:
    """The groups of images ids [m], by number [m]: 0 is the largest, an image that is near none is one by itself.

    features [n, d] and labels [n] are those of the whole training set. Images of one label are in one group where a
    chain of images leads from one to the other, each at most REACH times the class's usual distance from the next one:
    single linkage, cut at that distance. Usual is the median distance (Euclidean) from an image of the class, flagged
    or not, to its nearest. Groups of one size are in the order of their first image in ids; images beyond the first
    MOST of ids are not compared and stand alone. Memory, beside the features: the rows of those of one label that are
    compared, at most 5,000 further rows, and 50 MB, however large the class. BadRequest where ids are no rows of
    features, or named twice.
    """
    ids = np.asarray(ids, np.int64)
    if len(ids) and not 0 <= ids.min() <= ids.max() < len(features):
        raise BadRequest(f"ids must lie in [0, {len(features) - 1}], got {ids.min()} to {ids.max()}")
    if len(np.unique(ids)) < len(ids):
        raise BadRequest("ids must be different images, got some of them twice")
    found = np.arange(len(ids))
    given = labels[ids[:MOST]]
    for label in np.unique(given):
        places = np.flatnonzero(given == label)
        if len(places) > 1:
            rows, reach = _rows(features, labels, int(label), ids[places])
            found[places] = places[_linked(rows, reach)]
    return _by_size(found)


def _rows(features: Features, labels: Labels, label: int, ids: Ids) -> tuple[Rows, float]:
    """The rows of ids, images of a class, about the class's mean [m, d]; and how far from each other near ones are.

    The class itself is never copied whole: it may be most of a large training set.
    """
    every = np.flatnonzero(labels == label)
    pieces = [every[first : first + PIECE] for first in range(0, len(every), PIECE)]
    total = sum(features[piece].sum(0, dtype=np.float64) for piece in pieces)
    mean = np.asarray(total / len(every), np.float32)
    asked = np.linspace(0, len(every) - 1, min(ASKED, len(every))).astype(np.int64)
    some = _about(features, every[asked], mean)
    norms, nearest, spread = _norms(some), np.full(len(some), np.inf, np.float32), 0.0
    for n, piece in enumerate(pieces):
        rows = _about(features, piece, mean)
        sizes = _norms(rows)
        spread += float(sizes.sum(dtype=np.float64))
        squared = _squared(some, rows, norms, sizes)
        own = np.flatnonzero(asked // PIECE == n)
        squared[own, asked[own] - n * PIECE] = np.inf
        np.minimum(nearest, squared.min(1), out=nearest)
    usual = float(np.sqrt(np.median(nearest)))
    return _about(features, ids, mean), max(REACH * usual, ROUNDING * float(np.sqrt(spread / len(every))))


def _about(features: Features, ids: Ids, mean: Rows) -> Rows:
    """Rows of images [m] about a mean [d], [m, d]."""
    rows = features[ids].astype(np.float32, copy=False)
    rows -= mean
    return rows


def _norms(rows: Rows) -> Rows:
    """Squared lengths [m] of rows [m, d]."""
    return np.asarray(np.einsum("md,md->m", rows, rows), np.float32)


def _squared(some: Rows, every: Rows, lengths: Rows, others: Rows) -> Rows:
    """Squared distances [b, m] between rows [b, d] and [m, d], not below 0; their squared lengths are given."""
    found: Rows = some @ every.T
    found *= -2
    found += lengths[:, None]
    found += others
    return np.maximum(found, 0, out=found)


def _linked(rows: Rows, reach: float) -> Ids:
    """The first row of the group that each row [m, d] belongs to, [m]."""
    found, norms = np.arange(len(rows)), _norms(rows)
    for first in range(0, len(rows), BLOCK):
        later, sizes = rows[first:], norms[first:]
        near = _squared(later[:BLOCK], later, sizes[:BLOCK], sizes) <= reach**2
        near &= found[first : first + BLOCK, None] != found[first:]  # else a crowd has as many links as pairs
        one, other = np.nonzero(near)
        if not len(one):
            continue
        links = coo_array((np.ones(len(one), bool), (found[first + one], found[first + other])), shape=[len(rows)] * 2)
        groups = connected_components(links, directed=False)[1][found]
        found = np.unique(groups, return_index=True)[1][np.unique(groups, return_inverse=True)[1]]
    return found


def _by_size(found: Ids) -> Ids:
    """Groups [m], known by any number, numbered by size; those of one size by where they begin."""
    _, begins, number, sizes = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    places = np.empty(len(sizes), np.int64)
    places[np.lexsort((begins, -sizes))] = np.arange(len(sizes))
    return places[number]
