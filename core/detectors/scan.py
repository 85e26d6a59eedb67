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
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from core.detectors.classes import Matrix, Vector, batches, by_class, principal, standing_out
from core.detectors.judged import COMPARED, TooSmall, classes, too_few
from core.detectors.narrow import narrow
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
    called poisoned; of fewer than three classes none can stand out. A class of fewer than twenty images is not judged:
    it is not cut, and its scores are squared distances to its mean. Nor is one beside which there are not more images
    than features: they say too little of the variation.
    """
    sizes = np.bincount(labels)
    small = TooSmall.of(sizes, FEWEST)
    features = narrow(features)
    hidden = (sizes >= FEWEST) & (len(labels) - sizes <= features.shape[1]) & (sizes < len(labels))
    found = _classes(features, labels)
    variation = _Variation(list(found.values()))
    common = _metric(variation.within)
    scores, cut, ratios = np.zeros(len(labels)), np.full(len(sizes), np.inf), {}
    for label, one in found.items():
        if len(one.ids) < FEWEST:
            scores[one.ids] = (one.matrix @ common) ** 2 @ np.ones(common.shape[1])
            continue
        points = _seen_in(variation.beside(one), one.matrix)
        smaller = untangled(points)
        if smaller is None:
            scores[one.ids] = (points**2).sum(1)
            continue
        scores[one.ids], cut[label] = _log_odds(points, smaller), 0.0
        if not hidden[label]:
            ratios[label] = _ratio(points, smaller, len(labels) - len(points) or np.inf)
    statistic = np.zeros(len(sizes))
    if len(ratios) >= COMPARED:
        values = np.array(list(ratios.values()))
        statistic[list(ratios)] = standing_out(values, LEAST_SPREAD * float(np.median(values)))
    notes = (*small.notes, *_hidden(int(hidden.sum()), features.shape[1]), *too_few("scan", len(ratios)))
    unjudged = hidden if small.mask is None else hidden | small.mask
    return Detection(scores, statistic, threshold, cut=cut, unjudged=unjudged, notes=notes)


def _hidden(count: int, width: int) -> tuple[str, ...]:
    """That so many classes are seen beside too few others."""
    if not count:
        return ()
    return (f"{classes(count)} not judged by scan: beside them there are not more images than features ({width:,})",)


def _classes(features: Features, labels: Labels) -> dict[int, Class]:
    """The classes that are present, in a unit in which the features' mean square is 1."""
    parts = {label: (ids, matrix, features[ids[0]] - matrix[0]) for label, ids, matrix in by_class(features, labels)}
    whole = np.mean([mean for _, _, mean in parts.values()], axis=0, dtype=np.float64)
    squares = sum((matrix**2).sum() for _, matrix, _ in parts.values()) / features.size
    scale = float(np.sqrt(squares)) or 1.0
    for _, matrix, _ in parts.values():
        matrix /= scale
    return {label: Class(ids, (mean - whole) / scale, matrix) for label, (ids, matrix, mean) in parts.items()}


class _Variation:
    """The variation within classes, by expectation maximisation.

    The expectation is of a class's identity given its images: normal about S m (m S + V)^-1 times the class's mean,
    of covariance S - m S (m S + V)^-1 S, with S [d, d] of identities, V [d, d] of variation, and m images. The
    images' deviations from their class's mean add the same to V in every round. With T such that V = T T' and
    S = T D T', D diagonal, all of this is diagonal for every class at once.
    """

    def __init__(self, found: list[Class]) -> None:
        means, sizes = np.stack([one.mean for one in found]), np.array([len(one.ids) for one in found])
        self.least = LEAST * float(1 + (means**2).mean())  # 1: the mean variance, in the unit of the classes
        scatter: Matrix = np.zeros((means.shape[1],) * 2)
        for matrix in batches(one.matrix for one in found):
            scatter += matrix.T @ matrix
        self.images = int(sizes.sum())
        self.between, self.within = self._ridged(means.T @ means / len(found)), self._ridged(scatter / self.images)
        for turn in range(ROUNDS):
            self._diagonalise()
            identities, away = self._expected(means, sizes)
            self.whole = scatter + away
            after = self._ridged(self.whole / self.images)
            if turn == ROUNDS - 1 or np.abs(after - self.within).max() <= SETTLED * np.abs(after).max():
                break
            self.between, self.within = self._ridged(identities / len(found)), after

    def _diagonalise(self) -> None:
        """T [d, d], its inverse, and the diagonal D [d]."""
        root = np.linalg.cholesky(self.within)
        inverse = np.linalg.inv(root)
        values, vectors = np.linalg.eigh(inverse @ self.between @ inverse.T)
        self.diagonal = np.maximum(values, 0.0)
        self.turned, self.back = root @ vectors, vectors.T @ inverse

    def _expected(self, means: Matrix, sizes: NDArray[np.int64]) -> tuple[Matrix, Matrix]:
        """Summed over classes [c]: the expected square of identity [d, d], and of its distance to the mean, times m."""
        images = sizes[:, None]
        doubt = self.diagonal / (images * self.diagonal + 1)  # [c, d]; 1 less the gain is 1 / (m D + 1)
        coordinates = means @ self.back.T
        identity, left = coordinates * images * doubt, coordinates / (images * self.diagonal + 1)
        squares = identity.T @ identity + np.diag(doubt.sum(0))
        away = (images * left).T @ left + np.diag((images * doubt).sum(0))
        return self.turned @ squares @ self.turned.T, self.turned @ away @ self.turned.T

    def beside(self, one: Class) -> Matrix:
        """The covariance [d, d] of the variation in all classes but one; in that one where there is no other."""
        images = self.images - len(one.ids)
        if not images:
            return self.within
        away = self._expected(one.mean[None], np.array([len(one.ids)]))[1]
        return self._ridged((self.whole - one.matrix.T @ one.matrix - away) / images)

    def _ridged(self, covariance: Matrix) -> Matrix:
        """A covariance made symmetric and safely invertible."""
        floor = RIDGE * np.trace(covariance) / len(covariance) + self.least
        return np.asarray((covariance + covariance.T) / 2 + floor * np.eye(len(covariance)))


def _metric(covariance: Matrix) -> Matrix:
    """The matrix [d, d] that, from the right, turns rows of this covariance into rows of covariance 1."""
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)).T)


def _seen_in(covariance: Matrix, rows: Matrix) -> Matrix:
    """Rows [m, d] in the metric in which this covariance [d, d] is 1."""
    if len(rows) >= rows.shape[1]:
        return rows @ _metric(covariance)
    return np.asarray(np.linalg.solve(np.linalg.cholesky(covariance), rows.T).T)


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


def _ratio(points: Matrix, smaller: Mask, others: float = np.inf) -> float:
    """Twice the log likelihood ratio of two groups to one, per image, in shares of what chance alone comes to.

    The best cut of m normal points in d dimensions halves their widest direction, whose variance chance makes
    (1 + sqrt(d / m)) ** 2 of 1 (Marchenko and Pastur 1967); in a metric that is itself estimated, from `others`
    images, ((1 + sqrt(d / m + d / others - d / m * d / others)) / (1 - d / others)) ** 2 (Wachter 1980). Where
    there are not more of them than d, the first is taken.
    """
    images, width = points.shape
    between = sum(side.mean() * (points[side].mean(0) ** 2).sum() for side in (smaller, ~smaller))
    own, beside = width / images, width / others if others > width else 0.0
    return float(between / (HALVES * ((1 + np.sqrt(own + beside - own * beside)) / (1 - beside)) ** 2))
