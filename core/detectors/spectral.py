"""Spectral signatures: Tran, Li and Madry, NeurIPS 2018, Algorithm 1.

For every label y, the representations of the images labelled y form, centred, the matrix M [n, d]; v is
its top right singular vector; the outlier score of row i is (M_i . v)^2.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from core.types import Detection, Features, Labels, Logits

SPECTRUM = 10  # leading singular values that the screens show

Matrix = NDArray[np.float64]


def spectral(features: Features, labels: Labels, logits: Logits) -> Detection:
    """Algorithm 1: centred and squared. features [n, d], labels [n]; logits are not used."""
    return _score(features, labels, centred=True)


def spectral_released(features: Features, labels: Labels, logits: Logits) -> Detection:
    """The released code's score: v from the centred matrix, |x . v| of the uncentred representation.

    Where the poison's shift opposes the class's mean this ranks the poison last; for comparison only.
    """
    return _score(features, labels, centred=False)


def _score(features: Features, labels: Labels, *, centred: bool) -> Detection:
    scores = np.zeros(len(labels))
    spectrum = np.zeros((int(labels.max()) + 1, SPECTRUM))
    for label in np.unique(labels):
        members = labels == label
        raw = features[members].astype(np.float64)
        matrix = raw - raw.mean(0)
        values, vectors = top_singular(matrix, SPECTRUM)
        spectrum[label, : len(values)] = values
        scores[members] = (matrix @ vectors[:, 0]) ** 2 if centred else np.abs(raw @ vectors[:, 0])
    return Detection(scores, spectrum=spectrum)


def top_singular(matrix: Matrix, count: int) -> tuple[Matrix, Matrix]:
    """The leading singular values [c], largest first, and right singular vectors [d, c] of a matrix [n, d].

    By the eigenvectors of the d x d Gram matrix: for n much larger than d a small part of the cost of a
    full SVD. c = min(count, d).
    """
    width = matrix.shape[1]
    count = min(count, width)
    values, vectors = scipy.linalg.eigh(matrix.T @ matrix, subset_by_index=[width - count, width - 1])
    return np.sqrt(np.maximum(values[::-1], 0.0)), vectors[:, ::-1]
