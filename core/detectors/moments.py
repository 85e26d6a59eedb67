"""Sum, second moments and projections of rows that come piece by piece, as those of a large class do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from core.detectors.members import pieces_of
from core.types import Features, Ids

Matrix = NDArray[np.float64]
Rows = NDArray[np.floating]


class Moments:
    """Sum [d] and second moments [d, d] of rows that come piece by piece."""

    def __init__(self) -> None:
        self.count = 0
        self.sum: Rows = np.zeros(0)
        self.square: Rows = np.zeros((0, 0))

    def add(self, rows: Rows) -> None:
        """Some more rows [p, d]."""
        total, square = rows.sum(0), rows.T @ rows
        if self.count:
            self.sum += total
            self.square += square
        else:
            self.sum, self.square = total, square
        self.count += len(rows)

    def without(self, rows: Rows) -> Moments:
        """The moments of the others than these rows [p, d]."""
        rest = Moments()
        rest.count = self.count - len(rows)
        rest.sum, rest.square = self.sum - rows.sum(0), self.square - rows.T @ rows
        return rest

    def rescale(self, unit: np.floating) -> None:
        """Go on in another unit."""
        self.sum, self.square = self.sum / unit, self.square / unit / unit

    @property
    def middle(self) -> Rows:
        """The mean [d]."""
        return np.asarray(self.sum / self.sum.dtype.type(self.count))

    @property
    def scatter(self) -> Rows:
        """The scatter [d, d] about the mean."""
        away = np.outer(self.middle, self.middle)
        away *= self.count
        return np.asarray(self.square - away)


def projected(pieces: Iterable[tuple[slice | Ids, Rows]], count: int, directions: Rows) -> Matrix:
    """So many rows in pieces [p, d], each with its places, on directions [d, c]: [count, c]; on one [d]: [count]."""
    found = np.empty((count, *directions.shape[1:]))
    for places, rows in pieces:
        found[places] = rows @ directions
    return found


class Large:
    """A class of features [n, d] whose rows `ids` [m] are looked at in pieces, less their mean, in double precision."""

    def __init__(self, features: Features, ids: Ids) -> None:
        self.features, self.ids = features, ids
        self.first = features[ids[0]].astype(np.float64)
        total = np.zeros(features.shape[1])
        for _, _, rows in pieces_of(features, [(0, ids)]):
            total += (rows.astype(np.float64) - self.first).sum(0)
        self.middle = total / len(ids)

    def pieces(self) -> Iterator[tuple[slice | Ids, Matrix]]:
        """Which of the ids they are, and their rows [p, d]."""
        for _, places, rows in pieces_of(self.features, [(0, self.ids)]):
            yield places, self.centred(rows)

    def centred(self, rows: Features) -> Matrix:
        """Some of the class's rows [p, d] less the mean of all."""
        exact = rows.astype(np.float64)
        exact -= self.first
        exact -= self.middle
        return exact

    @property
    def mean(self) -> Rows:
        """The mean [d]."""
        return np.asarray(self.first + self.middle)

    def scatter(self) -> Matrix:
        """The scatter [d, d] about the mean."""
        moments = Moments()
        for _, rows in self.pieces():
            moments.add(rows)
        return np.asarray(moments.scatter)

    def projected(self, directions: Matrix) -> Matrix:
        """The rows less their mean, in the order of the ids, on directions [d, c]: [m, c]; on one [d]: [m]."""
        return projected(self.pieces(), len(self.ids), directions)
