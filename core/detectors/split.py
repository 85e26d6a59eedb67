"""A representation's word on each class, without comparing classes: whiten, halve, refine on one half, judge the other.

Every class is whitened by the pooled within-class covariance of the others, of which the 5% furthest out are left
out, so that covers there do not hide what they show here. Its rows are halved at random (by what they hold, not by
their order). On each half a direction is refined (core.detectors.directions) within that half's own leading ones; the
other half, projected on it, gives the e-value of core.detectors.unimodal and the scores (core.detectors.lines).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from hashlib import blake2b
from itertools import groupby
from typing import Any

import numpy as np
import scipy.linalg as linalg
from numpy.typing import NDArray

from core.detectors.directions import floor
from core.detectors.lines import Cloud, Stream, divided
from core.detectors.members import MOST_OWN, MOST_ROWS, OWN_SHARE, blocks, is_large, members_of, pieces_of
from core.detectors.moments import Large, Moments, Rows
from core.store import lies_in
from core.types import Ids, Labels

TRIMMED = 0.05  # of each class, left out of the covariance
FEWEST_IMAGES = 40  # of a class: two halves, each with something to find and something to compare it with


class Split:
    """Features [n, d] of classes (`by_order`), made ready for looking at one class after the other.

    order [n]: a number of each row that its place has no part in (see `by_content`). Of features that are many or in a
    file a few matrices [d, d] are held, and one class at a time, of a large one a piece (core.detectors.members); of
    others a copy, and not they. Where there is room for it, a matrix a class is held, too. All is computed in `dtype`,
    by default the features' own. A class's ids stand in the order of `order`.
    """

    def __init__(
        self,
        features: NDArray[np.floating],
        members: Mapping[int, Ids],
        order: NDArray[np.uint64],
        dtype: type[np.floating] | None = None,
    ) -> None:
        self.order, self.members = order, members
        self.dtype = np.dtype(features.dtype if dtype is None else dtype)
        self.count, self.width = features.shape
        self._unit = self.dtype.type(1.0)
        self._ridge, self._kept = 0.0, np.ones(self.count, bool)
        self._varying: set[int] = set()
        held = features.size <= MOST_ROWS and lies_in(features) is None
        self._features = None if held else features
        self._large = (
            {} if held else {one: Large(features, ids) for one, ids in members.items() if is_large(ids, features)}
        )
        self._rows = {label: self._centred(label, features[ids]) for label, ids in members.items()} if held else {}
        room = MOST_OWN if held else min(MOST_OWN, OWN_SHARE * features.size)
        few = len(members) * self.width**2 <= room
        self._own: dict[int, Moments] | None = {} if few else None  # of each class's kept rows, in the end
        self._whole = self._trim(self._measure())

    def _measure(self) -> Rows:
        """The scatter [d, d] within all classes, in a unit in which their largest number is 1."""
        scatter, largest = self._nothing(), 0.0
        for label, pieces in self._classes():
            moments, spread = Moments(), 0.0
            for _, rows in pieces:
                moments.add(rows)
                spread = max(spread, float(rows.max()), -float(rows.min()))
            if self._own is not None:
                self._own[label] = moments
            scatter += moments.scatter
            largest = max(largest, spread)
            if spread > 0:
                self._varying.add(label)
        if largest > 0:
            self._unit = self.dtype.type(largest)
        for held in self._rows.values():
            held /= self._unit
        for own in (self._own or {}).values():
            own.rescale(self._unit)
        return np.asarray(scatter / self._unit / self._unit)

    def _trim(self, scatter: Rows) -> Rows:
        """Say which rows the covariance rests on, all but the furthest out of each class; their scatter [d, d]."""
        spread = floor(float(np.trace(scatter)) / self.count, self.width)
        self._ridge = max(spread, float(np.finfo(np.float32).tiny) ** 0.5)  # there in single precision, too
        root, whole = self._root(scatter, self.count), self._nothing()
        for label, pieces in self._classes():
            ids, every = self.members[label], None
            lengths = np.empty(len(ids), self.dtype)
            for places, rows in pieces:
                points = divided(rows, root)
                lengths[places] = np.square(points, out=points).sum(1)
                every = rows if len(rows) == len(ids) else None
            self._kept[ids] = lengths <= np.quantile(lengths, 1 - TRIMMED)
            own = self._kept_of(label, every)
            if self._own is not None:
                self._own[label] = own
            whole += own.scatter
        return whole

    def _kept_of(self, label: int, rows: Rows | None = None) -> Moments:
        """The moments of those rows of a class that the covariance rests on; rows: all of it, if it is held.

        Taking the few others away from all is quicker than adding up, and as exact unless they make up most.
        """
        kept, moments = self._kept[self.members[label]], Moments()
        if rows is not None:
            every, out = (self._own or {}).get(label), rows[~kept]
            if every is not None and 2 * float(np.square(out, dtype=np.float64).sum()) <= np.trace(every.square):
                return every.without(out)
            moments.add(rows[kept])
            return moments
        for places, piece in self.pieces(label):
            moments.add(piece[kept[places]])
        return moments

    def pieces(self, label: int) -> Iterator[tuple[slice | Ids, Rows]]:
        """A class's centred rows in the unit of the whole, [p, d] at a time, and which of its ids they are."""
        return next(pieces for _, pieces in self._classes([label]))

    def _classes(self, labels: Iterable[int] | None = None) -> Iterator[tuple[int, Iterator[tuple[slice | Ids, Rows]]]]:
        """Classes, by default all: each one's label, and its pieces (`pieces`)."""
        which = self.members if labels is None else labels
        if self._features is None:
            for label in which:
                yield label, iter([(slice(None), self._rows[label])])
            return
        pieces = pieces_of(self._features, ((label, self.members[label]) for label in which))
        for label, some in groupby(pieces, key=lambda piece: piece[0]):
            yield label, ((places, self._centred(label, rows)) for _, places, rows in some)

    def _centred(self, label: int, rows: NDArray[np.floating]) -> Rows:
        if label in self._large:
            exact = self._large[label].centred(rows)
        else:
            exact = rows.astype(self.dtype)
            exact -= exact[0]  # so that rows that are all the same are nought to the last bit
            exact -= exact.mean(0, dtype=np.float64)
        held = exact.astype(self.dtype, copy=False)
        held /= self._unit
        return held

    def _nothing(self) -> Rows:
        return np.zeros((self.width, self.width), self.dtype)

    def _root(self, scatter: Rows, count: int) -> Rows:
        """The lower Cholesky factor of the covariance of so many rows, with its ridge."""
        covariance = scatter / scatter.dtype.type(max(count, 1))
        covariance[np.diag_indices(self.width)] += self._ridge
        return np.asarray(linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False))

    def whitened(self, labels: Iterable[int]) -> Iterator[tuple[int, Cloud | Stream]]:
        """Classes one after the other, each one's label and its rows in the metric of the other classes."""
        labels = list(labels)
        held = self._classes(label for label in labels if label not in self._large)
        for label in labels:
            if label in self._large:
                yield label, Stream(partial(self.pieces, label), len(self.members[label]), self.metric(label))
                continue
            _, rows = next(next(held)[1])
            yield label, Cloud(rows, self.metric(label, rows))

    def metric(self, label: int, rows: Rows | None = None) -> Rows:
        """The lower Cholesky factor [d, d] of the covariance of all classes but one; rows: that one's, if known."""
        own = self._kept_of(label, rows) if self._own is None else self._own[label]
        return self._root(self._whole - own.scatter, int(self._kept.sum()) - own.count)

    def placed(self, rows: NDArray[np.floating], metric: Rows) -> Cloud:
        """Other features [m, d] in the place of a class's, in a `metric` of the other classes."""
        centred = rows - rows.mean(0, dtype=np.float64)
        return Cloud(np.asarray(centred, self.dtype) / self._unit, metric)

    def varies(self, label: int) -> bool:
        """Whether a class's rows differ, and so do some others': else there is nothing to tell."""
        return label in self._varying and len(self._varying) > 1

    def halves(self, label: int) -> tuple[Ids, Ids]:
        """A class's places [m] in two halves, each in random order; copies of one image come together in one."""
        return in_halves(self.order[self.members[label]])


def in_halves(order: NDArray[np.uint64]) -> tuple[Ids, Ids]:
    """The places [m] of ascending numbers in two halves; equal ones, which copies have, come together in one."""
    places, starts = np.arange(len(order)), np.flatnonzero(order[1:] != order[:-1]) + 1
    middle = starts[np.abs(starts - len(order) // 2).argmin()] if len(starts) else len(order) // 2
    return places[:middle], places[middle:]


def by_order(labels: Labels, order: NDArray[np.uint64]) -> dict[int, Ids]:
    """The ids of each class in the order of `order` [n], so that no sum hangs on the order of the rows."""
    return {label: ids[np.argsort(order[ids], kind="stable")] for label, ids in members_of(labels)}


def by_content(rows: NDArray[Any], dtype: type | None = None) -> NDArray[np.uint64]:
    """A random-looking number of each row [n], from what is in it alone, read as `dtype`, by default its own."""
    found = np.empty(len(rows), np.uint64)
    for place, block in blocks(rows.reshape(len(rows), -1)):
        exact = np.ascontiguousarray(block, dtype)
        digests = b"".join(blake2b(row.data, digest_size=8).digest() for row in exact)
        found[place] = np.frombuffer(digests, np.uint64)
    return found
