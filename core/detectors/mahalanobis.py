"""Robust Mahalanobis distance: how far an image is from its class in the metric of the class's inner half.

Mean and covariance are those of the minimum covariance determinant (Rousseeuw and Van Driessen, Technometrics
1999), which outliers of up to nearly half of the class cannot pull. In all of a network's dimensions that takes
hours and more images than a class has; so it is taken on the class's leading principal directions. What stands out
in none of these is not seen.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.covariance import MinCovDet

from core.detectors.classes import Matrix, Vector, by_class, whitened
from core.types import Detection, Features, Labels, Logits

SEED = 0  # of the subsets that the search begins with
IMAGES_PER_DIRECTION = 5  # fewer, and half of the class would say little about its covariance
FEWEST = 10  # images of a class; below, its covariance is that of all of them
FLAT = 1e-6  # added to the inner half's variances, in the class's: whoever leaves a flat direction is far away


def mahalanobis(features: Features, labels: Labels, logits: Logits, *, dimensions: int) -> Detection:
    """Score features [n, d] of classes labels [n] on at most `dimensions` directions; logits are not used.

    Scores are squared distances, at least 0, without unit. A class has one direction for every five images at most.
    """
    scores = np.zeros(len(labels))
    for _, members, matrix in by_class(features, labels):
        points = whitened(matrix, max(1, min(dimensions, len(members) // IMAGES_PER_DIRECTION)))
        scores[members] = _distances(points)
    return Detection(scores)


def _distances(points: Matrix) -> Vector:
    """Squared robust distances [m] of points [m, c] whose covariance is the identity."""
    plain: Vector = (points**2).sum(1)
    if len(points) < FEWEST or not points.shape[1]:
        return plain
    try:
        with warnings.catch_warnings():
            # A subset whose covariance is all but singular; the search goes on with the others.
            warnings.filterwarnings("ignore", "Determinant has increased", RuntimeWarning)
            inner = MinCovDet(random_state=SEED).fit(points)
    except ValueError:  # half of the class is one point: it has no covariance
        return plain
    away = points - inner.location_
    covariance = inner.covariance_ + FLAT * np.eye(points.shape[1])
    return np.asarray((away * np.linalg.solve(covariance, away.T).T).sum(1))
