"""A representation's word on each class, without comparing classes: whiten, halve, refine on one half, judge the other.

Every class is whitened by the pooled within-class covariance of the others, of which the 5% furthest out are left
out, so that covers there do not hide what they show here. Its rows are halved at random (by what they hold, not by
their order). On each half a direction is refined (core.detectors.directions) within that half's own leading ones; the
other half, projected on it, gives the e-value of core.detectors.unimodal and the scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg as linalg
from numpy.typing import NDArray

from core.detectors import unimodal
from core.detectors.classes import Matrix, Vector
from core.detectors.directions import floor, refined
from core.detectors.members import members_of
from core.detectors.mixtures import gap, mixture, standard, standard_of
from core.types import Ids, Labels, Scores

TRIMMED = 0.05  # of each class, left out of the covariance
FEWEST_IMAGES = 40  # of a class: two halves, each with something to find and something to compare it with
IMAGES_PER_DIRECTION = 10  # of a half
DIRECTIONS = 64  # of a half, at most
MOST_HELD = 16_000_000  # numbers of the classes' own matrices; beyond that they are made again when they are needed

Rows = NDArray[np.floating]


class Fit(NamedTuple):
    """A class seen along a line: scores [m], the score above which an image is a suspect, and how far apart (Ashman's
    D) the suspects lie; 0 where they are none, or more than half.
    """

    scores: Scores
    cut: float
    apart: float


class Measured(NamedTuple):
    """A class's rows [m, d], and the metric that they are seen in: the lower Cholesky factor [d, d] of a covariance."""

    rows: Rows
    metric: Rows

    @property
    def whitened(self) -> Rows:
        """The rows [m, d] in their metric."""
        return divided(self.rows, self.metric)


class Split:
    """Features [n, d] of classes (`by_order`), made ready for looking at one class after the other.

    order [n]: a number of each row that its place has no part in (see `by_content`). One copy of the features is held,
    and a matrix [d, d], of each class another where they are few; all is computed in the features' precision. A class's
    ids stand in the order of `order`.
    """

    def __init__(self, features: NDArray[np.floating], members: Mapping[int, Ids], order: NDArray[np.uint64]) -> None:
        self.order = order
        self.members = members
        self.rows: Rows = np.empty_like(features)
        for ids in self.members.values():
            rows = features[ids]
            rows -= rows[0]  # so that rows that are all the same are nought to the last bit
            self.rows[ids] = rows - rows.mean(0, dtype=np.float64)
        spread = max((float(np.abs(self.rows[ids]).max()) for ids in self.members.values()), default=0.0)
        self._unit = self.rows.dtype.type(spread if spread > 0 else 1.0)
        self.rows /= self._unit
        self.width = features.shape[1]
        self._ridge, self._kept = 0.0, np.ones(len(features), bool)
        few = len(self.members) * self.width**2 <= MOST_HELD
        self._held: dict[int, Rows] | None = {} if few else None
        self._whole = self._trimmed()

    def _trimmed(self) -> Rows:
        """The scatter [d, d] within classes, of all rows but the furthest out of each class, which are told apart."""
        scatters = ((label, self._scatter(ids)) for label, ids in self.members.items())
        held = dict(scatters) if self._held is not None else None
        of_all = sum(held.values() if held is not None else (one for _, one in scatters), start=self._nothing())
        spread = floor(float(np.trace(of_all)) / len(self.rows), self.width)
        self._ridge = max(spread, float(np.finfo(np.float32).tiny) ** 0.5)  # there in single precision, too
        root = self._root(of_all, len(self.rows))
        whole = self._nothing()
        for label, ids in self.members.items():
            lengths = (divided(self.rows[ids], root) ** 2).sum(1)
            self._kept[ids] = lengths <= np.quantile(lengths, 1 - TRIMMED)
            own = self._kept_of(label, held[label] if held is not None else None)
            whole += own
            if self._held is not None:
                self._held[label] = own
        return whole

    def _kept_of(self, label: int, every: Rows | None) -> Rows:
        """The scatter [d, d] of a class without its furthest rows; every: that of all of its rows, which are centred.

        Taking the few away from all is quicker than adding up the others, and as exact unless they make up most.
        """
        ids = self.members[label]
        out = self.rows[ids[~self._kept[ids]]]
        if every is None or 2 * float((out.astype(np.float64) ** 2).sum()) > float(np.trace(every)):
            return self._scatter(ids[self._kept[ids]])
        shift, kept = out.sum(0), len(ids) - len(out)
        return np.asarray(every - out.T @ out - np.outer(shift, shift) / every.dtype.type(kept))

    def _nothing(self) -> Rows:
        return np.zeros((self.width, self.width), self.rows.dtype)

    def _scatter(self, ids: Ids) -> Rows:
        """The scatter [d, d] of some rows of one class about their own mean."""
        return scatter(self.rows[ids])

    def _root(self, scatter: Rows, count: int) -> Rows:
        """The lower Cholesky factor of the covariance of so many rows, with its ridge."""
        covariance = scatter / scatter.dtype.type(max(count, 1))
        covariance[np.diag_indices(self.width)] += self._ridge
        return np.asarray(linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False))

    def measured(self, label: int) -> Measured:
        """A class's rows [m, d] and the metric of the other classes."""
        return Measured(self.rows[self.members[label]], self.metric(label))

    def metric(self, label: int) -> Rows:
        """The lower Cholesky factor [d, d] of the covariance of all classes but one."""
        ids = self.members[label]
        own = self._held[label] if self._held is not None else self._scatter(ids[self._kept[ids]])
        return self._root(self._whole - own, int(self._kept.sum()) - int(self._kept[ids].sum()))

    def placed(self, rows: NDArray[np.floating], metric: Rows) -> Measured:
        """Other features [m, d] in the place of a class's, in a `metric` of the other classes."""
        centred = rows - rows.mean(0, dtype=np.float64)
        return Measured(np.asarray(centred, self.rows.dtype) / self._unit, metric)

    def varies(self, label: int) -> bool:
        """Whether a class's rows differ, and so do some others': else there is nothing to tell."""
        others = (self.rows[ids].any() for one, ids in self.members.items() if one != label)
        return bool(self.rows[self.members[label]].any() and any(others))

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


def by_content(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """A random-looking number of each row [n], from what is in it alone."""
    rows = np.ascontiguousarray(rows)
    digests = (blake2b(row.data, digest_size=8).digest() for row in rows.reshape(len(rows), -1))
    return np.frombuffer(b"".join(digests), np.uint64)


def judged(points: Measured, halves: tuple[Ids, Ids]) -> tuple[float, Scores]:
    """The log e-value against one mode of a class [m, d], and scores [m] on directions found without them."""
    scores, logs = np.zeros(len(points.rows)), []
    for known, unseen in (halves, halves[::-1]):
        rows = points.rows[known]
        middle = rows.mean(0)
        rows -= middle
        direction = _direction(Measured(rows, points.metric))
        seen, other = rows @ direction, (points.rows[unseen] - middle) @ direction
        shift, spread = standard_of(seen)
        scores[unseen] = (other - shift) / spread
        logs.append(unimodal.log_e((seen - shift) / spread, scores[unseen]))
    return unimodal.mean_of(np.array(logs)), scores


def fitted(points: Measured) -> Fit:
    """A class [m, d] on the direction that is refined on all of it."""
    return parted((points.rows @ _direction(points)).astype(np.float64))


def parted(line: Scores) -> Fit:
    """A class on a line [m], cut where two Gaussians cross."""
    scores = standard(line)
    found = mixture(scores)
    if found is None:
        return Fit(scores, np.inf, 0.0)
    place = gap(found)
    few = 2 * int((scores > place).sum()) <= len(scores)
    return Fit(scores, place, found.separation if few else 0.0)


def _direction(points: Measured) -> Vector:
    """The refined direction [d] of centred rows [m, d], within their leading ones in the metric."""
    leading = _leading(points)
    return np.asarray(leading @ refined((points.rows @ leading).astype(np.float64)))


def _leading(points: Measured) -> Matrix:
    """Directions [d, c] such that centred rows [m, d], projected on them, are whitened rows on their leading ones.

    Where there are more rows than columns nothing is whitened but their scatter, which is the smaller.
    """
    count, width = points.rows.shape
    few = max(1, min(width, count // IMAGES_PER_DIRECTION, DIRECTIONS))
    if count >= width:
        return _multiplied(points.metric, _last(_whitened(points.rows.T @ points.rows, points.metric), few))
    rows = points.whitened
    along = rows.T @ _last(rows @ rows.T, few)
    lengths = np.maximum(np.linalg.norm(along, axis=0), np.finfo(np.float32).tiny ** 0.5)
    return _multiplied(points.metric, along / lengths)


# --- linear algebra ---------------------------------------------------------------------------------------


def scatter(rows: Rows) -> Rows:
    """The scatter [d, d] of rows [m, d] about their mean."""
    middle = rows.mean(0)
    return np.asarray(rows.T @ rows - len(rows) * np.outer(middle, middle))


def divided(rows: Rows, root: Rows) -> Rows:
    """Rows [m, d] whitened by the lower Cholesky factor [d, d] of a covariance."""
    solved: Any = linalg.solve_triangular(root, rows.T, lower=True, check_finite=False)
    return np.asarray(solved.T)


def _whitened(square: Rows, root: Rows) -> Rows:
    """The scatter [d, d] of whitened rows, from theirs; only its lower half is filled."""
    reduce: Any = linalg.get_lapack_funcs("sygst", (square, root))
    found, info = reduce(square.T, root, itype=1, lower=1, overwrite_a=1)  # .T: as LAPACK has it, so not copied
    assert info == 0, "sygst was called as it must not be"
    return np.asarray(found)


def _last(square: Rows, few: int) -> Rows:
    """The leading eigenvectors [n, c] of a symmetric matrix [n, n], the first first; its lower half is read."""
    last = len(square) - 1
    vectors: Any = linalg.eigh(square, subset_by_index=[last - few + 1, last], check_finite=False)[1]
    return np.asarray(vectors[:, ::-1])


def _multiplied(root: Rows, directions: Rows) -> Matrix:
    """What projects rows as `directions` [d, c] project whitened rows."""
    solved: Any = linalg.solve_triangular(root, directions, lower=True, trans="T", check_finite=False)
    return np.asarray(solved)
