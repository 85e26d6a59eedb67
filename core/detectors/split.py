"""A representation's word on each class, without comparing classes: whiten, halve, refine on one half, judge the other.

Every class is whitened by the pooled within-class covariance of the others, of which the 5% furthest out are left
out, so that covers there do not hide what they show here. Its rows are halved at random (by what they hold, not by
their order). On each half a direction is refined (core.detectors.directions) within that half's own leading ones; the
other half, projected on it, gives the e-value of core.detectors.unimodal and the scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg as linalg
from numpy.typing import NDArray

from core.detectors import unimodal
from core.detectors.classes import Matrix, Vector
from core.detectors.directions import floor, refined
from core.detectors.members import blocks, members_of, rows_of
from core.detectors.mixtures import gap, mixture, standard, standard_of
from core.types import Ids, Labels, Scores

TRIMMED = 0.05  # of each class, left out of the covariance
FEWEST_IMAGES = 40  # of a class: two halves, each with something to find and something to compare it with
IMAGES_PER_DIRECTION = 10  # of a half
DIRECTIONS = 64  # of a half, at most

Rows = NDArray[np.floating]


class Fit(NamedTuple):
    """A class seen along a line: scores [m], the score above which an image is a suspect, and how far apart (Ashman's
    D) the suspects lie; 0 where they are none, or more than half.
    """

    scores: Scores
    cut: float
    apart: float


class Split:
    """Features [n, d] of classes (`by_order`), made ready for looking at one class after the other.

    order [n]: a number of each row that its place has no part in (see `by_content`). Two matrices [d, d] are held, and
    of the features one class at a time (of features in a file those of some classes); all is computed in `dtype`, by
    default the features' own. A class's ids stand in the order of `order`.
    """

    def __init__(
        self,
        features: NDArray[np.floating],
        members: Mapping[int, Ids],
        order: NDArray[np.uint64],
        dtype: type[np.floating] | None = None,
    ) -> None:
        self.order, self.members, self.features = order, members, features
        self.dtype = np.dtype(features.dtype if dtype is None else dtype)
        self.width = features.shape[1]
        self._unit = self.dtype.type(1.0)
        self._ridge, self._kept = 0.0, np.ones(len(features), bool)
        self._varying: set[int] = set()
        self._whole = self._trim(self._measure())

    def _measure(self) -> Rows:
        """The scatter [d, d] within all classes, in a unit in which their largest number is 1."""
        scatter, largest = self._nothing(), 0.0
        for label, _, rows in self._classes():
            scatter += self._scatter(rows)
            spread = float(max(rows.max(), -rows.min()))
            largest = max(largest, spread)
            if spread > 0:
                self._varying.add(label)
        if largest > 0:
            self._unit = self.dtype.type(largest)
        return np.asarray(scatter / self._unit / self._unit)

    def _trim(self, scatter: Rows) -> Rows:
        """Say which rows the covariance rests on, all but the furthest out of each class; their scatter [d, d]."""
        spread = floor(float(np.trace(scatter)) / len(self.features), self.width)
        self._ridge = max(spread, float(np.finfo(np.float32).tiny) ** 0.5)  # there in single precision, too
        root, whole = self._root(scatter, len(self.features)), self._nothing()
        for _, ids, rows in self._classes():
            divided = self._divided(rows, root)
            lengths = (np.square(divided, out=divided)).sum(1)
            self._kept[ids] = lengths <= np.quantile(lengths, 1 - TRIMMED)
            whole += self._scatter(rows[self._kept[ids]])
        return whole

    def _classes(self, labels: Iterable[int] | None = None) -> Iterator[tuple[int, Ids, Rows]]:
        """Classes, by default all: each one's label, ids [m], and centred rows [m, d] in the unit of the whole."""
        which = self.members if labels is None else labels
        for label, ids, rows in rows_of(self.features, ((label, self.members[label]) for label in which)):
            yield label, ids, self._centred(rows)

    def _centred(self, rows: NDArray[np.floating]) -> Rows:
        exact = rows.astype(np.float64)
        exact -= exact[0]  # so that rows that are all the same are nought to the last bit
        exact -= exact.mean(0)
        held = exact.astype(self.dtype, copy=False)
        held /= self._unit
        return held

    def _nothing(self) -> Rows:
        return np.zeros((self.width, self.width), self.dtype)

    @staticmethod
    def _scatter(rows: Rows) -> Rows:
        """The scatter [d, d] of some rows of one class about their own mean."""
        middle = rows.mean(0)
        scatter = rows.T @ rows
        scatter -= np.outer(len(rows) * middle, middle)
        return np.asarray(scatter)

    def _root(self, scatter: Rows, count: int) -> Rows:
        """The lower Cholesky factor of the covariance of so many rows, with its ridge."""
        covariance = scatter / scatter.dtype.type(max(count, 1))
        covariance[np.diag_indices(self.width)] += self._ridge
        return np.asarray(linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False))

    @staticmethod
    def _divided(rows: Rows, root: Rows) -> Rows:
        solved: Any = linalg.solve_triangular(root, rows.T, lower=True, check_finite=False)
        return np.asarray(solved.T)

    def whitened(self, labels: Iterable[int]) -> Iterator[tuple[int, Rows]]:
        """Classes one after the other: each one's label, and its rows [m, d] in the metric of the other classes."""
        for label, _, rows in self._classes(labels):
            metric = self._metric(label, rows)
            yield label, self._divided(rows, metric)

    def metric(self, label: int) -> Rows:
        """The lower Cholesky factor [d, d] of the covariance of all classes but one."""
        return self._metric(label, next(rows for _, _, rows in self._classes([label])))

    def _metric(self, label: int, rows: Rows) -> Rows:
        kept = self._kept[self.members[label]]
        return self._root(self._whole - self._scatter(rows[kept]), int(self._kept.sum()) - int(kept.sum()))

    def placed(self, rows: NDArray[np.floating], metric: Rows) -> Rows:
        """Other features [m, d] in the place of a class's, in a `metric` of the other classes."""
        centred = rows - rows.mean(0, dtype=np.float64)
        return self._divided(np.asarray(centred, self.dtype) / self._unit, metric)

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


def judged(points: Rows, halves: tuple[Ids, Ids]) -> tuple[float, Scores]:
    """The log e-value against one mode of a whitened class [m, d], and scores [m] on directions found without them."""
    scores, logs = np.zeros(len(points)), []
    for known, unseen in (halves, halves[::-1]):
        middle = points[known].mean(0)
        direction = _direction(points[known] - middle)
        seen, other = ((points[half] - middle) @ direction for half in (known, unseen))
        shift, spread = standard_of(seen)
        scores[unseen] = (other - shift) / spread
        logs.append(unimodal.log_e((seen - shift) / spread, scores[unseen]))
    return unimodal.mean_of(np.array(logs)), scores


def fitted(points: Rows) -> Fit:
    """A whitened class [m, d] on the direction that is refined on all of it."""
    return parted((points @ _direction(points)).astype(np.float64))


def parted(line: Scores) -> Fit:
    """A class on a line [m], cut where two Gaussians cross."""
    scores = standard(line)
    found = mixture(scores)
    if found is None:
        return Fit(scores, np.inf, 0.0)
    place = gap(found)
    few = 2 * int((scores > place).sum()) <= len(scores)
    return Fit(scores, place, found.separation if few else 0.0)


def _direction(rows: Rows) -> Vector:
    """The refined direction [d] of centred rows [m, d], within their own leading ones."""
    leading = _leading(rows)
    points = (rows @ leading).astype(np.float64)
    return np.asarray(leading @ refined(points))


def _leading(rows: Rows) -> Matrix:
    """The leading directions [d, c] of centred rows [m, d], the first one first."""
    count, width = rows.shape
    few = max(1, min(width, count // IMAGES_PER_DIRECTION, DIRECTIONS))
    tall = count >= width
    square = rows.T @ rows if tall else rows @ rows.T
    last = len(square) - 1
    vectors: Any = linalg.eigh(square, subset_by_index=[last - few + 1, last], check_finite=False)[1]
    if tall:
        return np.asarray(vectors[:, ::-1])
    along = rows.T @ vectors[:, ::-1]
    return np.asarray(along / np.maximum(np.linalg.norm(along, axis=0), np.finfo(np.float32).tiny ** 0.5))
