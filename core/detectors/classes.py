"""What several detectors share: the classes one by one, their leading directions, and which class stands out.

Detectors that draw lots (a forest, the starts of a search) draw them by position. So that the place of a row in
the training set has no part in its score, the rows of a class are first put in an order that their own values give.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from core.detectors.members import members_of, rows_of
from core.detectors.spectral import top_singular
from core.types import Features, Ids, Labels

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

NOTHING = 1e-6  # a singular value, as a share of the largest, below which a direction holds rounding only
NORMAL = 1.4826  # a normal distribution's standard deviation, in median absolute deviations


def by_class(features: Features, labels: Labels) -> Iterator[tuple[int, Ids, Matrix]]:
    """Each class that is present: its label, its rows' ids [m], and those rows, centred, [m, d] float64.

    The rows come in the order of their bytes in float32, whatever their dtype: any order would do that depends on
    nothing but the values.
    """
    for label, members, rows in rows_of(features, members_of(labels)):
        order = _order(rows)
        members, matrix = members[order], rows[order].astype(np.float64)
        matrix -= matrix[0]  # so that rows which are all the same are zero, and not what is left of rounding a mean
        yield label, members, matrix - matrix.mean(0)


def _order(rows: Features) -> Ids:
    """The order [m] of rows [m, d] by their bytes in float32, and of what is alike there, in float64."""
    keys = np.ascontiguousarray(rows, np.float32)
    if rows.dtype != np.float32:
        keys = np.hstack([keys.view(np.uint8), np.ascontiguousarray(rows, np.float64).view(np.uint8)])
    return np.asarray(keys.view(np.dtype((np.void, keys.strides[0]))).ravel().argsort(kind="stable"))


def batches(matrices: Iterable[Matrix]) -> Iterator[Matrix]:
    """Matrices [m, d] put together until there are d rows: the scatter of many small classes by few products."""
    waiting: list[Matrix] = []
    for matrix in matrices:
        waiting.append(matrix)
        if sum(map(len, waiting)) >= matrix.shape[1]:
            yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def principal(matrix: Matrix, most: int) -> tuple[Matrix, Vector]:
    """A centred class [m, d] on its leading principal directions, [m, c], and its standard deviation in each, [c].

    c is at most `most`, and 0 where nothing varies.
    """
    values, directions = top_singular(matrix, most)
    kept = values > NOTHING * max(float(values[0]), np.finfo(float).tiny ** 0.5)
    return matrix @ directions[:, kept], values[kept] / np.sqrt(len(matrix))


def whitened(matrix: Matrix, most: int) -> Matrix:
    """A centred class [m, d] on its leading principal directions, each scaled to variance 1: [m, c]."""
    points, spreads = principal(matrix, most)
    return np.asarray(points / spreads)


def unit(matrix: Matrix) -> Matrix:
    """A centred class [m, d] in units of its root mean square; all zero where nothing varies."""
    spread = float(np.sqrt((matrix**2).mean()))
    return matrix / spread if spread > 0 else matrix


def standing_out(values: Vector, least: float) -> Vector:
    """By how many spreads each of some values [c] exceeds their median; the spread is robust, and at least `least`."""
    usual = np.median(values)
    spread = max(least, NORMAL * float(np.median(np.abs(values - usual))))
    return np.asarray((values - usual) / spread)
