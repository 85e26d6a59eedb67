"""Spectral signatures along the leading k directions of each class, not the first alone.

Where a class has a large variation of its own, the poison's direction may be the second or the fifth. The score
sums the squared projections on the k top right singular vectors of the centred class matrix; k = 1 is Algorithm 1
of Tran, Li and Madry (2018), and k = d the squared distance to the class's mean.
"""

from __future__ import annotations

import numpy as np

from core.detectors.classes import by_class
from core.detectors.spectral import SPECTRUM
from core.types import Detection, Features, Labels, Logits


def spectral_top_k(features: Features, labels: Labels, logits: Logits, *, directions: int) -> Detection:
    """Score features [n, d] of classes labels [n] along at most `directions` directions; logits are not used.

    Scores are squared lengths, at least 0, in the features' units squared.
    """
    scores = np.zeros(len(labels))
    spectrum = np.zeros((int(labels.max()) + 1, SPECTRUM))
    for label, members, matrix in by_class(features, labels):
        values, vectors = np.linalg.eigh(matrix.T @ matrix)
        leading = np.sqrt(np.maximum(values[::-1][:SPECTRUM], 0.0))
        spectrum[label, : len(leading)] = leading
        scores[members] = ((matrix @ vectors[:, -directions:]) ** 2).sum(1)
    return Detection(scores, spectrum=spectrum)
