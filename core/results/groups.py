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

REACH = 1.25  # times the usual distance: groups of all recorded runs are of one kind each; at 1.5 some are not
MOST = 10_000  # images that are compared with each other: so many of one class take seconds
ASKED = 1_000  # images of a class whose nearest one says what is usual
BLOCK = 256  # images that are compared with all others at once: 10 MB of distances at most
ROUNDING = 1e-3  # of a class's spread: below it float32 does not tell distances apart


def near(features: Features, labels: Labels, ids: Ids) -> Ids:
    """The groups of images ids [m], by number [m]: 0 is the largest, an image that is near none is one by itself.

    features [n, d] and labels [n] are those of the whole training set. Images of one label are in one group where a
    chain of images leads from one to the other, each at most REACH times the class's usual distance from the next one:
    single linkage, cut at that distance. Usual is the median distance (Euclidean) from an image of the class, flagged
    or not, to its nearest. Groups of one size are in the order of their first image in ids; images beyond the first
    MOST of ids are not compared and stand alone. BadRequest where ids are no rows of features, or named twice.
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
    """The rows of ids, images of a class, about the class's mean [m, d]; and how far from each other near ones are."""
    every = np.array(features[labels == label], np.float32)
    mean = every.mean(0)
    every -= mean
    some = np.linspace(0, len(every) - 1, min(ASKED, len(every))).astype(np.int64)
    nearest = np.empty(len(some))
    for first in range(0, len(some), BLOCK):
        block = some[first : first + BLOCK]
        squared = _squared(every[block], every)
        squared[np.arange(len(block)), block] = np.inf
        nearest[first : first + BLOCK] = squared.min(1)
    spread = float(np.sqrt(np.square(every).sum(1).mean()))
    usual = float(np.sqrt(np.median(nearest)))
    return np.asarray(features[ids] - mean, np.float32), max(REACH * usual, ROUNDING * spread)


def _squared(some: Rows, every: Rows) -> Rows:
    """Squared distances [b, m] between rows [b, d] and [m, d], not below 0."""
    both = np.square(some).sum(1)[:, None] + np.square(every).sum(1) - 2 * (some @ every.T)
    return np.asarray(np.maximum(both, 0, out=both), np.float32)


def _linked(rows: Rows, reach: float) -> Ids:
    """The first row of the group that each row [m, d] belongs to, [m]."""
    found = np.arange(len(rows))
    for first in range(0, len(rows), BLOCK):
        later = rows[first:]
        near = _squared(later[:BLOCK], later) <= reach**2
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
