"""SPECTRE: Hayase, Kong, Somani and Oh, Defending against backdoor attacks using robust statistics, ICML 2021.

In every class:

1. the representations are projected on their k top principal directions;
2. mean and covariance are estimated robustly there, by iterative filtering (Diakonikolas, Kamath, Kane, Li, Moitra
   and Stewart 2017): among quadratic forms of the whitened points the one that varies most is sought, and while it
   varies more than a normal cloud's would, the points at its ends are left out;
3. all points are whitened with these estimates, so that the poison is what is left to vary, and get their QUE score
   (quantum entropy, Dong, Hopkins and Li 2019): their squared length in the metric exp(alpha (S - 1) / (|S| - 1)) /
   trace, S being the covariance of the whitened points;
4. of several k that is taken for which the mean QUE score is largest; so is, of all classes, the poisoned one.

What differs from the papers: each round of filtering leaves out the same number of points, twice the assumed share in
all, instead of those beyond a bound on the tail until the form varies as little as a normal cloud's; that makes clean
classes comparable with each other. What leaving points out takes from the covariance is made good by the median of
the squared lengths. The widest form is found by a few power iterations. And the class of the largest mean score is
not always called poisoned: it must also stand out from the others.
"""

from __future__ import annotations

import numpy as np

from core.detectors.classes import Matrix, Vector, by_class, standing_out, whitened
from core.detectors.judged import COMPARED, TooSmall, too_few
from core.types import Detection, Features, Ids, Labels, Logits

ALPHA = 4.0  # as in the paper's experiments
DIRECTIONS = (1, 4, 9, 16, 25, 36, 49, 64, 81, 100)  # candidates for k: squares up to 100, as in its experiments
FEWEST = 20  # images of a class, below which its scores would say nothing
IMAGES_PER_DIRECTION = 20  # a small class is looked at in few directions
ROUNDS, ITERATIONS = 4, 6  # of filtering; of the search for the form that varies most
LEAST_EXPONENT = 100.0  # of a metric; far below, it rounds to 0
RIDGE = 1e-6  # added to a covariance of points of variance about 1
LEAST_SPREAD = 0.1  # of the classes' log mean scores; a few classes can agree by chance


def spectre(features: Features, labels: Labels, logits: Logits, *, assumed_share: float, threshold: float) -> Detection:
    """Score features [n, d] of classes labels [n], at most `assumed_share` of each poisoned; logits are not used.

    Scores are QUE scores, at least 0, without unit, of order 1 in a class without poison. class_statistic [k] says by
    how many spreads a class's log mean score exceeds the classes' median; above `threshold` it is called poisoned.
    Of fewer than three classes none can stand out. A class of fewer than twenty images is not judged: its scores are
    squared projections on its leading direction.
    """
    count = int(labels.max()) + 1
    scores, means = np.zeros(len(labels)), {}
    small = TooSmall.of(np.bincount(labels), FEWEST)
    for label, members, matrix in by_class(features, labels):
        if len(members) < FEWEST:
            scores[members] = (whitened(matrix, 1) ** 2).sum(1)
            continue
        points = whitened(matrix, max(1, min(DIRECTIONS[-1], len(members) // IMAGES_PER_DIRECTION)))
        tried = [_scores(points[:, :k], assumed_share) for k in DIRECTIONS if k <= points.shape[1]]
        if tried:
            scores[members] = best = max(tried, key=lambda one: float(one.mean()))
            means[label] = max(float(best.mean()), np.finfo(float).tiny)
    statistic = np.zeros(count)
    if len(means) >= COMPARED:
        statistic[list(means)] = standing_out(np.log(list(means.values())), LEAST_SPREAD)
    notes = (*small.notes, *too_few("spectre", len(means)))
    return Detection(scores, statistic, threshold, unjudged=small.mask, notes=notes)


def _scores(points: Matrix, share: float) -> Vector:
    """The QUE scores [m] of points [m, k], whitened by robust estimates."""
    cleaned = whitened_by(points, points[robust(points, share)])
    cleaned *= _shrinkage(cleaned)
    values, vectors = np.linalg.eigh(cleaned.T @ cleaned / len(cleaned))
    beyond = max(float(values[-1]) - 1, np.finfo(float).tiny)
    exponents = np.clip(ALPHA * (values - 1) / beyond, -LEAST_EXPONENT, ALPHA)
    weights = np.exp(exponents - exponents.max())
    return np.asarray((cleaned @ vectors) ** 2 @ (weights / weights.sum()))


def _shrinkage(points: Matrix) -> float:
    """What points [m, k] must be multiplied by to have the median squared length of normal points of variance 1.

    That median is k (1 - 2 / 9k)^3 (Wilson and Hilferty 1931). 1 where half of the points are one.
    """
    width = points.shape[1]
    median = float(np.median((points**2).sum(1)))
    return float(np.sqrt(width * (1 - 2 / (9 * width)) ** 3 / median)) if median > RIDGE else 1.0


def robust(points: Matrix, share: float) -> Ids:
    """The ids of the points [m, k] of which mean and covariance are taken: all but those at suspicious ends."""
    kept = np.arange(len(points))
    fewer = int(2 * share * len(points) / ROUNDS)
    for _ in range(ROUNDS):
        values = _widest_form(whitened_by(points[kept], points[kept]))
        away = np.abs(values - np.median(values))
        kept = np.sort(kept[np.argsort(away, kind="stable")[: len(kept) - fewer]])
    return kept


def whitened_by(points: Matrix, reference: Matrix) -> Matrix:
    """Points [m, k] less the mean of the reference points [r, k], and divided by their covariance's root."""
    mean = reference.mean(0)
    centred = reference - mean
    covariance = centred.T @ centred / len(reference) + RIDGE * np.eye(points.shape[1])
    return np.asarray((points - mean) @ np.linalg.inv(np.linalg.cholesky(covariance)).T)


def _widest_form(points: Matrix) -> Vector:
    """The values [m] at white points [m, k] of the quadratic form x' A x - trace A, |A| = 1, that varies most."""
    width = points.shape[1]
    form: Matrix = np.eye(width) / np.sqrt(width)
    for _ in range(ITERATIONS):
        form = (points * _form_at(points, form)[:, None]).T @ points / len(points)
        length = float(np.linalg.norm(form))
        if length <= np.finfo(float).tiny ** 0.5:
            break
        form /= length
    return _form_at(points, form)


def _form_at(points: Matrix, form: Matrix) -> Vector:
    values: Vector = ((points @ form) * points).sum(1) - np.trace(form)
    return values
