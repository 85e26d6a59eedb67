"""A whitened class on a line: the direction along which its smaller group lies furthest apart, and what is seen there.

The class is a cloud of rows that are held, or a stream of rows that are too many for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg as linalg

from core.detectors import unimodal
from core.detectors.classes import Matrix, Vector
from core.detectors.directions import refined
from core.detectors.mixtures import gap, mixture, standard, standard_of
from core.detectors.moments import Moments, Rows, projected
from core.types import Ids, Scores

IMAGES_PER_DIRECTION = 10  # of a half
DIRECTIONS = 64  # of a half, at most


class Fit(NamedTuple):
    """A class seen along a line: scores [m], the score above which an image is a suspect, and how far apart (Ashman's
    D) the suspects lie; 0 where they are none, or more than half.
    """

    scores: Scores
    cut: float
    apart: float


class Cloud:
    """A class that is held: its rows [m, d], and the metric that they are seen in.

    metric [d, d] is the lower Cholesky factor of the covariance that whitens them.
    """

    def __init__(self, rows: Rows, metric: Rows) -> None:
        self.rows, self.metric = rows, metric

    def along(self, known: Ids | None = None) -> Scores:
        """The class [m] on the direction that is refined on its places `known`, about their mean; by default on all."""
        if known is None:
            return np.asarray(self.rows @ self._direction(self.rows), np.float64)
        rows = self.rows[known]
        middle = rows.mean(0)
        rows -= middle
        direction = self._direction(rows)
        return np.asarray(self.rows @ direction - middle @ direction)

    def _direction(self, rows: Rows) -> Vector:
        """The refined direction [d] of centred rows [m, d], within their own leading ones."""
        leading = self._leading(rows)
        return np.asarray(leading @ refined((rows @ leading).astype(np.float64)))

    def _leading(self, rows: Rows) -> Matrix:
        """What projects centred rows [m, d] as their leading directions project whitened ones, [d, c].

        Where there are more rows than columns nothing is whitened but their second moments, which are fewer numbers.
        """
        count, width = rows.shape
        if count >= width:
            return turned(_top(reduced(rows.T @ rows, self.metric), count), self.metric)
        points = divided(rows, self.metric)
        along = points.T @ _top(points @ points.T, count)
        lengths = np.maximum(np.linalg.norm(along, axis=0), np.finfo(np.float32).tiny ** 0.5)
        return turned(along / lengths, self.metric)


class Stream:
    """The same of a class of `count` rows that is too large to be held: by its moments, and what is projected of it.

    pieces() goes through its centred rows, [p, d] at a time, with which of its places they are.
    """

    def __init__(self, pieces: Callable[[], Iterator[tuple[slice | Ids, Rows]]], count: int, metric: Rows) -> None:
        self.pieces, self.count, self.metric = pieces, count, metric

    def along(self, known: Ids | None = None) -> Scores:
        """As a Cloud's, in two passes over the class; of its rows no more is held than their projections [m, 64]."""
        seen = slice(None) if known is None else known
        within = np.zeros(self.count, bool)
        within[seen] = True
        moments = Moments()
        for piece, rows in self.pieces():
            moments.add(rows[within[piece]])
        leading = turned(_top(reduced(moments.scatter, self.metric), moments.count), self.metric)
        points = projected(self.pieces(), self.count, leading)
        points -= moments.middle @ leading
        return np.asarray(points @ refined(points[seen]))


def judged(points: Cloud | Stream, halves: tuple[Ids, Ids]) -> tuple[float, Scores]:
    """The log e-value against one mode of a whitened class of m rows, and scores [m] along directions without them."""
    scores, logs = np.zeros(sum(map(len, halves))), []
    for known, unseen in (halves, halves[::-1]):
        line = points.along(known)
        shift, spread = standard_of(line[known])
        line = (line - shift) / spread
        scores[unseen] = line[unseen]
        logs.append(unimodal.log_e(line[known], scores[unseen]))
    return unimodal.mean_of(np.array(logs)), scores


def fitted(points: Cloud | Stream) -> Fit:
    """A whitened class on the direction that is refined on all of it."""
    return parted(points.along())


def parted(line: Scores) -> Fit:
    """A class on a line [m], cut where two Gaussians cross."""
    scores = standard(line)
    found = mixture(scores)
    if found is None:
        return Fit(scores, np.inf, 0.0)
    place = gap(found)
    few = 2 * int((scores > place).sum()) <= len(scores)
    return Fit(scores, place, found.separation if few else 0.0)


# --- linear algebra ---------------------------------------------------------------------------------------


def divided(rows: Rows, root: Rows) -> Rows:
    """Rows [m, d] whitened by the lower Cholesky factor [d, d] of a covariance."""
    solved: Any = linalg.solve_triangular(root, rows.T, lower=True, check_finite=False)
    return np.asarray(solved.T)


def reduced(square: Rows, root: Rows) -> Rows:
    """The second moments [d, d] of whitened rows, from those of the rows; only the lower half is filled."""
    reduce: Any = linalg.get_lapack_funcs("sygst", (square, root))
    found, info = reduce(square.T, root, itype=1, lower=1, overwrite_a=1)  # .T: as LAPACK has it, so not copied
    assert info == 0, "sygst was called as it must not be"
    return np.asarray(found)


def turned(directions: Rows, root: Rows) -> Matrix:
    """Directions [d, c] of whitened rows as directions of the rows themselves."""
    return np.asarray(linalg.solve_triangular(root, directions, lower=True, trans="T", check_finite=False))


def _few(count: int, width: int) -> int:
    return max(1, min(width, count // IMAGES_PER_DIRECTION, DIRECTIONS))


def _top(square: Rows, count: int) -> Matrix:
    """The leading eigenvectors [s, c] of a matrix of moments [s, s] of so many rows, the first one first; its
    lower half is read.
    """
    last = len(square) - 1
    some = [last - _few(count, len(square)) + 1, last]
    vectors: Any = linalg.eigh(square, subset_by_index=some, check_finite=False)[1]
    return np.asarray(vectors[:, ::-1])
