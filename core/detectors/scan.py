"""SCAn: Tang, Wang, Tang and Zhang, Demon in the variant, USENIX Security 2021.

Every representation is taken for the sum of its class's identity and of a variation that all classes share, both
normal. Three steps:

1. decompose: the covariances of identities and of variation are found by expectation maximisation over all classes;
2. untangle: every class is cut into two groups of the same variation, by Fisher's discriminant between their means,
   taken anew until it settles. In the metric of the variation that is 2-means, which is how it is done here;
3. compare: how much likelier is the class as two groups than as one? A class whose answer is far from the other
   classes', in median absolute deviations, is called poisoned.

Three things differ from the paper. The defender has no clean images here, so the decomposition is made on all that
there are, the poisoned ones included; and a class is looked at in the variation of the *other* classes, so that poison
cannot hide in a variation that it has made itself. The likelihood ratio is taken per image and in shares of what a
class without groups comes to by chance, so that a small class is not suspected for being small. And only a ratio above
the others' is suspicious, not one below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from core.detectors.classes import Matrix, Vector, by_class, principal, standing_out
from core.types import Detection, Features, Ids, Labels, Logits, Mask

ROUNDS, SETTLED = 20, 1e-4  # of expectation maximisation, and the relative change of the variation that ends it
RIDGE = 1e-2  # added to the variation's covariance, as a share of its mean variance
LEAST = 1e-9  # the same, as a share of all there is: where classes have collapsed, the rest is rounding
FEWEST = 20  # images of a class, below which two groups would say nothing
STARTS, TAIL = 3, 0.1  # directions at both ends of which a group of that share of the class is tried first
LEAST_SPREAD = 0.1  # of the classes' ratios, in shares of their median; a few classes can agree by chance
HALVES = 2 / np.pi  # the share of a normal variance that lies between its two halves


class Class(NamedTuple):
    """The rows of a class: ids [m], its mean [d] less the mean of all classes, and the centred rows [m, d]."""

    ids: Ids
    mean: Vector
    matrix: Matrix


def scan(features: Features, labels: Labels, logits: Logits, *, threshold: float) -> Detection:
    """Score features [n, d] of classes labels [n]; logits are not used.

    A score is the log likelihood of an image in the smaller of its class's two groups less that in the larger one:
    0 is the cut. class_statistic [k] is the anomaly index; above `threshold` (the paper's is e squared) the class is
    called poisoned; of one or two classes neither can stand out. A class of fewer than twenty images is not cut: its
    scores are squared distances to its mean.
    """
    count = int(labels.max()) + 1
    found = _classes(features, labels)
    variation = _Variation(list(found.values()))
    scores, cut, ratios = np.zeros(len(labels)), np.full(count, np.inf), {}
    for label, one in found.items():
        points = one.matrix @ _metric(variation.beside(one))
        smaller = untangled(points)
        if smaller is None:
            scores[one.ids] = (points**2).sum(1)
            continue
        scores[one.ids], cut[label] = _log_odds(points, smaller), 0.0
        ratios[label] = _ratio(points, smaller)
    statistic = np.zeros(count)
    if ratios:
        values = np.array(list(ratios.values()))
        statistic[list(ratios)] = standing_out(values, LEAST_SPREAD * float(np.median(values)))
    return Detection(scores, statistic, threshold, cut=cut)


def _classes(features: Features, labels: Labels) -> dict[int, Class]:
    """The classes that are present, in a unit in which the features' mean square is 1."""
    parts = {label: (ids, matrix, features[ids[0]] - matrix[0]) for label, ids, matrix in by_class(features, labels)}
    whole = np.mean([mean for _, _, mean in parts.values()], axis=0, dtype=np.float64)
    squares = sum((matrix**2).sum() for _, matrix, _ in parts.values()) / features.size
    scale = float(np.sqrt(squares)) or 1.0
    return {label: Class(ids, (mean - whole) / scale, matrix / scale) for label, (ids, matrix, mean) in parts.items()}


class _Variation:
    """The variation within classes, by expectation maximisation.

    The expectation is of a class's identity given its images: normal about S m (m S + V)^-1 times the class's mean,
    of covariance S - m S (m S + V)^-1 S, with S [d, d] of identities, V [d, d] of variation, and m images. The
    images' deviations from their class's mean add the same to V in every round.
    """

    def __init__(self, found: list[Class]) -> None:
        means = np.stack([one.mean for one in found])
        self.least = LEAST * float(1 + (means**2).mean())  # 1: the mean variance, in the unit of the classes
        scatter = sum((one.matrix.T @ one.matrix for one in found), np.zeros((means.shape[1],) * 2))
        self.images = sum(len(one.ids) for one in found)
        self.between, self.within = self._ridged(means.T @ means / len(found)), self._ridged(scatter / self.images)
        for turn in range(ROUNDS):
            identities, self.whole = np.zeros_like(scatter), scatter.copy()
            for one in found:
                square, away = self._expected(one)
                identities += square
                self.whole += away
            after = self._ridged(self.whole / self.images)
            if turn == ROUNDS - 1 or np.abs(after - self.within).max() <= SETTLED * np.abs(after).max():
                break
            self.between, self.within = self._ridged(identities / len(found)), after

    def _expected(self, one: Class) -> tuple[Matrix, Matrix]:
        """The expected square of a class's identity [d, d], and of its distance to the mean, times its images."""
        images = len(one.ids)
        gain = images * np.linalg.solve(images * self.between + self.within, self.between).T
        identity, doubt = gain @ one.mean, self.between - gain @ self.between
        left = one.mean - identity
        return np.outer(identity, identity) + doubt, images * (np.outer(left, left) + doubt)

    def beside(self, one: Class) -> Matrix:
        """The covariance [d, d] of the variation in all classes but one; in that one where there is no other."""
        images = self.images - len(one.ids)
        if not images:
            return self.within
        return self._ridged((self.whole - one.matrix.T @ one.matrix - self._expected(one)[1]) / images)

    def _ridged(self, covariance: Matrix) -> Matrix:
        """A covariance made symmetric and safely invertible."""
        floor = RIDGE * np.trace(covariance) / len(covariance) + self.least
        return np.asarray((covariance + covariance.T) / 2 + floor * np.eye(len(covariance)))


def _metric(covariance: Matrix) -> Matrix:
    """The matrix [d, d] that, from the right, turns rows of this covariance into rows of covariance 1."""
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)).T)


def untangled(points: Matrix) -> Mask | None:
    """Which of a class's centred points [m, d] are in the smaller of its two groups, [m]; None where there is no cut.

    The search starts from both ends of the leading directions, and takes the best of what it comes to.
    """
    if len(points) < FEWEST:
        return None
    along, _ = principal(points, STARTS)
    if not along.shape[1]:
        return None
    best: Mask | None = None
    least = np.inf
    for end in np.hstack([along, -along]).T:
        first = end >= np.quantile(end, 1 - TAIL)
        if first.all():  # most of the class is one point, and that point this end
            continue
        centres = np.stack([points[~first].mean(0), points[first].mean(0)])
        search = KMeans(2, init=centres, n_init=1, tol=0.0).fit(points)
        if search.inertia_ < least * (1 - 1e-9):  # threads round their sums differently
            least, best = search.inertia_, search.labels_ == 1
    return ~best if best is not None and 2 * best.sum() > len(best) else best


def _log_odds(points: Matrix, smaller: Mask) -> Vector:
    """The log likelihood ratio [m] of the smaller group to the larger one, for points [m, d] of variation 1."""
    here, there = points[smaller].mean(0), points[~smaller].mean(0)
    return np.asarray(points @ (here - there) + (there @ there - here @ here) / 2)


def _ratio(points: Matrix, smaller: Mask) -> float:
    """Twice the log likelihood ratio of two groups to one, per image, in shares of what chance alone comes to.

    The best cut of m normal points in d dimensions halves their widest direction, whose variance chance makes
    (1 + sqrt(d / m)) ** 2 of 1 (Marchenko and Pastur 1967).
    """
    images, width = points.shape
    between = sum(side.mean() * (points[side].mean(0) ** 2).sum() for side in (smaller, ~smaller))
    return float(between / (HALVES * (1 + np.sqrt(width / images)) ** 2))
