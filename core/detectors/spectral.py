"""Spectral signatures: Tran, Li and Madry, NeurIPS 2018, Algorithm 1.

For every label y, the representations of the images labelled y form, centred, the matrix M [n, d]; v is
its top right singular vector; the outlier score of row i is (M_i . v)^2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.detectors.members import held_and_large, members_of
from core.detectors.moments import Large
from core.types import Detection, Features, Ids, Labels, Logits

SPECTRUM = 10  # leading singular values that the screens show
ROUNDING = 1e-13  # residuals, as a share of the largest eigenvalue, that count as zero
SMALL = 1e-6  # the same for the values behind the first: an eigenvalue's error is its residual squared
STRIDE = 16  # Lanczos steps between looks at the residuals

Matrix = NDArray[np.float64]


def spectral(features: Features, labels: Labels, logits: Logits) -> Detection:
    """Algorithm 1: centred and squared. features [n, d], labels [n]; logits are not used.

    Scores are at least 0, in squared units of the features; spectrum [k, 10] has each class's singular values.
    """
    return _score(features, labels, centred=True)


def spectral_released(features: Features, labels: Labels, logits: Logits) -> Detection:
    """The released code's score: v from the centred matrix, |x . v| of the uncentred representation.

    features [n, d], labels [n]; logits are not used. Scores are at least 0, in units of the features.
    Where the poison's shift opposes the class's mean this ranks the poison last; for comparison only.
    """
    return _score(features, labels, centred=False)


def _score(features: Features, labels: Labels, *, centred: bool) -> Detection:
    scores = np.zeros(len(labels))
    spectrum = np.zeros((int(labels.max()) + 1, SPECTRUM))

    def told(label: int, ids: Ids, values: Matrix, projection: Matrix, away: NDArray[np.float64]) -> None:
        spectrum[label, : len(values)] = values
        scores[ids] = projection**2 if centred else np.abs(projection + away)

    held, large = held_and_large(features, members_of(labels))
    for label, ids, rows in held:
        matrix = rows.astype(np.float64)
        mean = matrix.mean(0)
        matrix -= mean
        values, vectors = top_singular(matrix, SPECTRUM)
        told(label, ids, values, matrix @ vectors[:, 0], mean @ vectors[:, 0])
    for label, ids in large:
        whole = Large(features, ids)
        values, vectors = _leading(whole.scatter(), SPECTRUM)
        told(label, ids, values, whole.projected(vectors[:, 0]), whole.mean @ vectors[:, 0])
    return Detection(scores, spectrum=spectrum)


def top_singular(matrix: Matrix, count: int) -> tuple[Matrix, Matrix]:
    """The leading singular values [c], largest first, and right singular vectors [d, c] of a matrix [n, d].

    By Lanczos iteration on the Gram matrix, d x d or n x n, whichever is the smaller: a small part of the cost
    of a full SVD. c = min(count, d); where that is most of the Gram matrix, all its eigenvectors are taken at
    once. Where there are fewer rows than c, values and vectors behind the last are 0.
    """
    rows, width = matrix.shape
    if rows >= width:
        values, vectors = _leading(matrix.T @ matrix, count)
        return values, vectors
    values, left = _leading(matrix @ matrix.T, count)
    kept = values > SMALL * max(float(values[0]), np.finfo(float).tiny ** 0.5)  # the rest is rounding of the squares
    missing = min(count, width) - int(kept.sum())
    values, right = values[kept], matrix.T @ (left[:, kept] / values[kept])
    return np.pad(values, (0, missing)), np.pad(right, ((0, 0), (0, missing)))


def _leading(gram: Matrix, count: int) -> tuple[Matrix, Matrix]:
    """The roots of the leading eigenvalues [c] of a Gram matrix [w, w], largest first, and its eigenvectors [w, c]."""
    width = len(gram)
    count = min(count, width)
    values, vectors = _lanczos(gram, count) if 4 * count < width else np.linalg.eigh(gram)
    order = np.argsort(values)[::-1][:count]
    return np.sqrt(np.maximum(values[order], 0.0)), vectors[:, order]


def _lanczos(gram: Matrix, count: int) -> tuple[Matrix, Matrix]:
    """The leading eigenpairs of a symmetric matrix [d, d]: the first to rounding, the others as values.

    Every new direction is made orthogonal to all before it, twice (Golub and Van Loan, Matrix computations,
    10.3), until the first residual is rounding. The start is fixed, so the same features give the same scores.
    A library's iteration would do; but SciPy brings a BLAS of its own, whose threads and NumPy's, taken in
    turns, cost three times what this does.
    """
    width = len(gram)
    basis = np.zeros((width, width))
    images = np.zeros((width, width))  # gram @ basis
    direction = np.random.default_rng(0).normal(size=width)
    for size in range(width):
        for _ in range(2):
            direction -= basis[:, :size] @ (basis[:, :size].T @ direction)
        length = np.linalg.norm(direction)
        if size == width - 1 or length <= ROUNDING * np.linalg.norm(images[:, max(0, size - 1)]):
            return np.linalg.eigh(gram)  # an invariant subspace, or all of it: nothing is saved
        basis[:, size] = direction / length
        images[:, size] = direction = gram @ basis[:, size]
        direction = direction.copy()
        if size + 1 >= 2 * count and (size + 1) % STRIDE == 0:
            known, seen = basis[:, : size + 1], images[:, : size + 1]
            values, small = np.linalg.eigh(known.T @ seen)
            leading = small[:, -count:]
            residuals = np.linalg.norm(seen @ leading - (known @ leading) * values[-count:], axis=0)
            if residuals[-1] <= ROUNDING * values[-1] and residuals.max() <= SMALL * values[-1]:
                return values[-count:], known @ leading
    return np.linalg.eigh(gram)
