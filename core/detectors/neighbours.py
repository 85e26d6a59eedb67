"""How lonely an image is among those of its label: the distance to its k-th neighbour, and the local outlier factor.

Both look at k neighbours within the class, k a share of it. Poisoned images are not lonely but a crowd: while k is
smaller than that crowd they are each other's neighbours and look at home, so the share should be larger than the
share that may be poisoned.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from core.detectors.classes import by_class
from core.types import Detection, Features, Labels, Logits

MOST = 1000  # neighbours of an image; the lists of all images of a large class must fit in memory


def knn(features: Features, labels: Labels, logits: Logits, *, share: float) -> Detection:
    """The distance to the k-th neighbour within the class, k = share * class size, 1 to 1000 (scikit-learn).

    features [n, d], labels [n]; logits are not used. Scores are Euclidean distances, at least 0; 0 for an image
    that is alone in its class. Ramaswamy, Rastogi and Shim, SIGMOD 2000.
    """
    scores = np.zeros(len(labels))
    for _, members, matrix in by_class(features, labels):
        if len(members) > 1:
            search = NearestNeighbors(n_neighbors=neighbours(len(members), share)).fit(matrix)
            scores[members] = search.kneighbors()[0][:, -1]
    return Detection(scores)


def local_outlier_factor(features: Features, labels: Labels, logits: Logits, *, share: float) -> Detection:
    """How much thinner the surroundings of an image are than those of its k nearest of the class (scikit-learn).

    features [n, d], labels [n]; logits are not used; k = share * class size, 1 to 1000. Scores are about 1 in the
    midst of the class; 0 for an image that is alone in its class. Images of which more than k are the same lie
    infinitely thick, in numbers 1e10, and what is near them looks lonely. Breunig, Kriegel, Ng and Sander, SIGMOD 2000.
    """
    scores = np.zeros(len(labels))
    for _, members, matrix in by_class(features, labels):
        if len(members) > 1:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Duplicate values")  # said in the docstring
                factor = LocalOutlierFactor(n_neighbors=neighbours(len(members), share)).fit(matrix)
            scores[members] = -factor.negative_outlier_factor_
    return Detection(scores)


def neighbours(images: int, share: float) -> int:
    """How many neighbours of an image are looked at in a class of so many, at least two."""
    return min(max(1, round(share * images)), images - 1, MOST)
