"""Activation clustering: Chen, Carvalho, Baracaldo, Ludwig, Edwards, Lee, Molloy and Srivastava, arXiv:1811.03728.

The representations of every label are reduced to ten independent components and cut in two by k-means. Where the
poison is, the cut parts it from the rest: one cluster is much the smaller, and the two lie apart.

Independent components are whitened principal components, turned; and k-means looks at distances, which no turn
changes. So they need not be found: the clusters are those of the whitened principal components (a test compares).
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from core.detectors.classes import Matrix, Vector, by_class, whitened
from core.detectors.judged import TooSmall
from core.types import Detection, Features, Labels, Logits, Mask

SEED, STARTS = 0, 30  # of k-means: a small cluster is found from few starts
FEWEST = 20  # images of a class, below which two clusters would say nothing
MOST_COMPARED = 3000  # images between which all distances are taken for the silhouette


def activation_clustering(
    features: Features, labels: Labels, logits: Logits, *, dimensions: int, largest_share: float, threshold: float
) -> Detection:
    """Score features [n, d] of classes labels [n] after reducing each class to `dimensions`; logits are not used.

    A score is the distance to the larger cluster's centre less that to the smaller one's: above 0 (the cut) in the
    smaller cluster. class_statistic [k] is the silhouette of the two clusters, or 0 where the smaller one holds more
    than `largest_share` of the class; above `threshold` the class is called poisoned. A class of fewer than twenty
    images is not judged: it is not cut, its scores are distances to its mean and its statistic is 0.
    """
    classes = int(labels.max()) + 1
    small = TooSmall.of(np.bincount(labels), FEWEST)
    scores, statistic, cut = np.zeros(len(labels)), np.zeros(classes), np.full(classes, np.inf)
    for label, members, matrix in by_class(features, labels):
        points = whitened(matrix, dimensions)
        if len(points) < FEWEST or not points.shape[1]:
            scores[members] = np.linalg.norm(points, axis=1)
            continue
        smaller = smaller_cluster(points)
        scores[members], cut[label] = _towards(points, smaller), 0.0
        if smaller.mean() <= largest_share:
            statistic[label] = max(0.0, _silhouette(points, smaller, scores[members]))
    return Detection(scores, statistic, threshold, cut=cut, unjudged=small.mask, notes=small.notes)


def smaller_cluster(points: Matrix) -> Mask:
    """Which of points [m, c] lie in the smaller of two clusters, [m]; of two equal ones, the one without the first."""
    # Until no point changes its cluster: then the clusters do not depend on how threads round their sums.
    found = KMeans(2, n_init=STARTS, tol=0.0, random_state=SEED).fit_predict(points)
    second: Mask = found != found[0]
    return ~second if 2 * second.sum() > len(second) else second


def _towards(points: Matrix, smaller: Mask) -> Vector:
    """How much nearer each of points [m, c] is to the centre of the smaller cluster than to that of the other."""
    here, there = (np.linalg.norm(points - points[side].mean(0), axis=1) for side in (smaller, ~smaller))
    return np.asarray(there - here)


def _silhouette(points: Matrix, smaller: Mask, scores: Vector) -> float:
    """The mean silhouette; of a large class, that of every so many-th image in the order of scores."""
    compared = np.argsort(scores, kind="stable")[:: -(-len(points) // MOST_COMPARED)]
    return float(silhouette_score(points[compared], smaller[compared])) if smaller[compared].any() else 0.0
