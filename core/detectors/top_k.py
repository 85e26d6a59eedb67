"""Spectral signatures along the leading k directions of each class, not the first alone.

Where a class has a large variation of its own, the poison's direction may be the second or the fifth. The score
sums the squared projections on the k top right singular vectors of the centred class matrix; k = 1 is Algorithm 1
of Tran, Li and Madry (2018), and k = d the squared distance to the class's mean.
"""

from __future__ import annotations

import numpy as np

from core.detectors.classes import by_class
from core.detectors.spectral import SPECTRUM, top_singular
from core.types import Detection, Features, Labels, Logits


def spectral_top_k(features: Features, labels: Labels, logits: Logits, *, directions: int) -> Detection:
    """Score features [n, d] of classes labels [n] along at most `directions` directions; logits are not used.

    Scores are squared lengths, at least 0, in the features' units squared.
    """
    scores = np.zeros(len(labels))
    spectrum = np.zeros((int(labels.max()) + 1, SPECTRUM))
    for label, members, matrix in by_class(features, labels):
        values, vectors = top_singular(matrix, min(matrix.shape))  # all: only the first of fewer is exact
        leading = values[:SPECTRUM]
        spectrum[label, : len(leading)] = leading
        scores[members] = ((matrix @ vectors[:, :directions]) ** 2).sum(1)
    return Detection(scores, spectrum=spectrum)
