"""How likely each label is wrong, from features that know the classes: confident learning by maximum likelihood.

A network has seen the labels that it was trained on, and may know the wrong ones by heart. So what its features say of
an image is asked out of sample: of a multinomial logistic regression that was fitted on other images (five folds). The
labels are then taken for those of the true classes, of which some were moved: p(y | x) = sum_c s(x)_c M(c, y), s being
the softmax of the regression's logits times a common factor (so that what is unsure by nature is not taken for an
error), M all but the identity. M has one rate for a label drawn at random from all classes, and one for each pair of
classes of which one is often called the other; the rates, and the factor, are those of the highest likelihood (EM). A
rate stays only where chance would hardly find it, so that of a clean set nothing is told. A label is wrong with the
chance that it was moved, given x and y.

Kin: Northcutt, Jiang, Chuang, Confident learning: estimating uncertainty in dataset labels, JAIR 2021 (the joint of
given and true labels, from out-of-sample predictions); Patrini et al., Making deep neural networks robust to label
noise, CVPR 2017 (M); Dawid and Skene, Applied Statistics 1979 (EM).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import chi2

from core.detectors import blocks
from core.types import Features, Labels, Mask, Scores

FOLDS = 5
FEWEST = 10  # images of a class, two of them in each fold
WIDEST = 128  # leading directions of the features that are looked at
STRENGTH = 5.0  # of the fit, on all its images together, against its penalty (scikit-learn's C times their number)
MOST_FITTED = 20_000  # images of a fold's fit
MOST_CLASSES = 300  # a fit's time and M grow with them
CHANCE = 1e-4  # of a clean set to have a rate of any pair of classes, at most
ROUNDS, STEPS = 20, 40  # of dropping rates, and of EM between them
RATES = tuple(np.geomspace(1e-4, 0.3, 25).tolist())  # of labels drawn at random, that are tried
FACTORS = (-3.0, 5.0)  # between which the log of the factor lies
TIE = 0.5  # of the log likelihood: what is less likely by less is as likely
CALIBRATED = 5_000  # images by which factor and rate are chosen
LARGER = (1.0, 1.5, 2.25, 3.5, 5.0, 8.0)  # times the factor that is best without pairs
LEAST_RATE = 1e-3  # of labels drawn at random, before the first step
START = 0.03  # of each class, spread over all others, before the first step
WRONG = 0.5  # the chance above which a label is called wrong
LEAST = 1e-12  # a rate or a probability of nought
FITS = 0.9  # of the time, about, that the regressions take

Matrix = NDArray[np.float64]
Tell = Callable[[float], None]  # the share that is done; may raise to end it


class Moved(NamedTuple):
    """Labels [n] in the light of features. wrong [n]: the chance of each to be wrong; likely [n]: the label itself, or
    where it is likelier wrong the likeliest other class; right: the share of labels that features tell, out of sample.
    """

    wrong: Scores
    likely: Labels
    right: float


def judged(features: Features, labels: Labels, keys: Sequence[bytes], tell: Tell = lambda done: None) -> Moved:
    """Judge labels [n] of classes 0 to k - 1 by features [n, d]; twice, the second fit without what looked wrong.

    keys [n]: what an image holds; those with the same key are seen together, and the order of the rows has no part.
    Every class must have at least FEWEST images. Of features that lie in a file a block is looked at at a time; beside
    them 8 x min(d, 128) bytes a row are held.
    """
    points = points_of(features)
    found = _once(points, labels, keys, None, lambda done: tell(done / 2))
    fitted = found.wrong <= WRONG
    kept, sizes = np.bincount(labels[fitted], minlength=int(labels.max()) + 1), np.bincount(labels)
    fitted |= (2 * kept < sizes)[labels]  # no class is fitted on less than half of it
    return found if fitted.all() else _once(points, labels, keys, fitted, lambda done: tell((1 + done) / 2))


def _once(points: Matrix, labels: Labels, keys: Sequence[bytes], fitted: Mask | None, tell: Tell) -> Moved:
    logits = out_of_sample(points, labels, keys, fitted, lambda done: tell(FITS * done))
    return moved(logits, labels, lambda done: tell(FITS + (1 - FITS) * done))


def out_of_sample(
    points: Matrix,
    labels: Labels,
    keys: Sequence[bytes],
    fitted: Mask | None = None,
    tell: Tell = lambda done: None,
) -> Matrix:
    """Logits [n, k] of points [n, c], each by a fit on other images; at most 0, the largest 0 (see `judged`).

    fitted [n]: which to fit on, by default all; some of every class in any four folds.
    """
    fitted = np.ones(len(labels), bool) if fitted is None else fitted
    from sklearn.linear_model import LogisticRegression

    order, places = _places(labels, keys)
    logits = np.zeros((len(labels), int(labels.max()) + 1))
    for fold in range(FOLDS):
        tell(fold / FOLDS)
        known, asked = order[(places[order] % FOLDS != fold) & fitted[order]], places % FOLDS == fold
        if not asked.any():
            continue
        known = known[np.argsort(places[known], kind="stable")][:MOST_FITTED]  # of all classes alike
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fit that is not yet at its end is as good here
            fit = LogisticRegression(C=STRENGTH / len(known), max_iter=100, tol=1e-3).fit(points[known], labels[known])
        seen = np.atleast_2d(fit.decision_function(points[asked]))
        if seen.shape[0] == 1:  # of two classes there is one number an image
            seen = np.stack([np.zeros(seen.size), seen.ravel()], axis=1)
        logits[asked] = seen
    return np.asarray(logits - logits.max(1, keepdims=True))


def _places(labels: Labels, keys: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows in the order of their keys, and each one's place in that order within its class; one for one key."""
    _, number = np.unique(np.array(keys), return_inverse=True)
    order = np.lexsort((number, labels))
    new_class = np.r_[True, labels[order][1:] != labels[order][:-1]]
    new_key = new_class | np.r_[True, number[order][1:] != number[order][:-1]]
    running = np.cumsum(new_key) - 1
    starts = np.maximum.accumulate(np.where(new_class, running, 0))
    places = np.empty(len(labels), np.int64)
    places[order] = running - starts
    return order, places


def points_of(features: Features) -> Matrix:
    """Features [n, d] in their own units, or along their leading directions where there are many, [n, c]."""
    middle, spread = _moments(features)
    varying = spread > 0

    def scaled(rows: Features) -> Matrix:
        some = rows[:, varying].astype(np.float64)
        some -= middle[varying]
        some /= spread[varying]
        return some

    width = int(varying.sum())
    if width <= WIDEST:
        return _each(features, scaled, width)
    step = -(-len(features) // MOST_FITTED)
    scatter = np.zeros((width, width))
    for place, rows in blocks(features):
        some = scaled(rows[-place.start % step :: step])  # every step-th of all rows
        scatter += some.T @ some
    directions = np.linalg.eigh(scatter)[1][:, -WIDEST:]
    points = _each(features, lambda rows: np.asarray(scaled(rows) @ directions), WIDEST)
    points /= points.std(0).mean()
    return points


def _moments(features: Features) -> tuple[Matrix, Matrix]:
    """The mean and the standard deviation of each feature, [d]; 0 of one that does not vary."""
    middle = np.asarray(sum(rows.sum(0, dtype=np.float64) for _, rows in blocks(features))) / len(features)
    squares, varying = np.zeros(len(middle)), np.zeros(len(middle), bool)
    for _, rows in blocks(features):
        squares += np.square(rows - middle).sum(0)
        varying |= (rows != features[0]).any(0)  # exactly: rounding is no spread
    return middle, np.where(varying, np.sqrt(squares / len(features)), 0.0)


def _each(features: Features, made: Callable[[Features], Matrix], width: int) -> Matrix:
    """What is made of each block of features, [n, width]."""
    points = np.empty((len(features), width))
    for place, rows in blocks(features):
        points[place] = made(rows)
    return points


def moved(logits: Matrix, labels: Labels, tell: Tell = lambda done: None) -> Moved:
    """Which of labels [n] were likely moved, given out-of-sample logits [n, k] of what the images are."""
    count = logits.shape[1]
    some = np.linspace(0, len(labels) - 1, min(len(labels), CALIBRATED)).astype(int)
    factor, anywhere = _anywhere(logits[some], labels[some])
    members = [np.flatnonzero(labels == label) for label in range(count)]
    share, rates = _likeliest(logits, members, factor, max(anywhere, LEAST_RATE), tell)
    wrong, likely = np.zeros(len(labels)), labels.copy()
    for label, ids in enumerate(members):
        weights = share[ids] * (rates.pairs[:, label] + rates.anywhere / count)
        weights[:, label] = 0.0
        whole = weights.sum(1) + share[ids, label] * (rates.stays[label] + rates.anywhere / count)
        wrong[ids] = weights.sum(1) / np.maximum(whole, LEAST)
        likely[ids] = np.where(wrong[ids] > WRONG, weights.argmax(1), label)
    return Moved(wrong, likely, float((logits.argmax(1) == labels).mean()))


def _anywhere(logits: Matrix, labels: Labels) -> tuple[float, float]:
    """The factor of logits [n, k], and the rate at which labels [n] are drawn at random.

    Where classes are so far apart that a wrong label is as surprising anywhere, a small factor explains a few of them
    as well as a rate does. So of all pairs that are about as likely as the likeliest, that with the largest rate is
    taken: confusion that does not lessen away from the border of two classes is what a wrong label is.
    """
    rows, count = np.arange(len(labels)), logits.shape[1]

    def loss(log_factor: float, rate: float) -> float:
        scaled = np.exp(log_factor) * logits
        own = np.exp(scaled[rows, labels] - logsumexp(scaled, axis=1))
        return float(-np.log(np.maximum((1 - rate) * own + rate / count, LEAST)).sum())

    fits = [(rate, minimize_scalar(loss, bounds=FACTORS, args=(rate,), method="bounded")) for rate in (0.0, *RATES)]
    best = min(fit.fun for _, fit in fits)
    rate, fit = max((one for one in fits if one[1].fun <= best + TIE), key=lambda one: one[0])
    return float(np.exp(fit.x)), rate


def _likeliest(
    logits: Matrix, members: list[NDArray[np.int64]], factor: float, anywhere: float, tell: Tell
) -> tuple[Matrix, _Rates]:
    """What images are, [n, k], and the rates: by the factor, or a larger one where pairs of classes ask for it.

    One class that is often called another looks to a factor alone as if the two overlapped.
    """
    found = []
    for turn, times in enumerate(LARGER):
        share = np.exp(times * factor * logits)
        share /= share.sum(1, keepdims=True)
        seen = _Seen(share, members)
        rates = _pairs(seen, anywhere, partial(tell, turn / len(LARGER)))
        worth = _log_likelihood(seen, rates) - _needed(len(members)) / 2 * np.count_nonzero(rates.pairs)
        found.append((worth, share, rates))
    return max(found, key=lambda one: one[0])[1:]


def _needed(count: int) -> float:
    """Twice the log likelihood that a pair of so many classes must bring, by Bonferroni's inequality."""
    return float(chi2.isf(min(1.0, 2 * CHANCE / (count * (count - 1))), 1))  # a rate of 0 is at its bound: half of it


class _Seen(NamedTuple):
    """What images are, share [n, k], and the ids of each label."""

    share: Matrix
    members: list[NDArray[np.int64]]


class _Rates(NamedTuple):
    """pairs [k, k]: of a true class (row) the share that is called another; anywhere: the share drawn at random."""

    pairs: Matrix
    anywhere: float

    @property
    def stays(self) -> Scores:
        """The share of each true class that keeps its label, [k]."""
        return np.asarray(1 - self.anywhere - self.pairs.sum(1))


def _pairs(seen: _Seen, anywhere: float, poll: Callable[[], None]) -> _Rates:
    """The rates at which one class is called another, those that chance may find dropped, the weakest first."""
    count = seen.share.shape[1]
    needed = _needed(count)
    pairs = np.full((count, count), START / max(1, count - 1))
    np.fill_diagonal(pairs, 0.0)
    rates = _Rates(pairs, anywhere)
    for _ in range(ROUNDS):
        poll()
        for _ in range(STEPS):
            rates = _step(seen, rates)
        gains = _gains(seen, rates)
        weak = (rates.pairs > 0) & (gains < needed)
        if not weak.any():
            break
        kept = rates.pairs * ~(weak & (gains <= np.median(gains[weak])))
        rates = _Rates(kept, rates.anywhere)
    else:
        rates = _Rates(rates.pairs * (_gains(seen, rates) >= needed), rates.anywhere)
    return rates


def _step(seen: _Seen, rates: _Rates) -> _Rates:
    """One step of EM: rates by what images of each class were likely called."""
    count = seen.share.shape[1]
    pairs, stays, anywhere = np.zeros_like(rates.pairs), np.zeros(count), 0.0
    for label, ids in enumerate(seen.members):
        share = seen.share[ids]
        whole = _whole(share, rates, label)
        pairs[:, label] = rates.pairs[:, label] * (share / whole[:, None]).sum(0)
        stays[label] = rates.stays[label] * float((share[:, label] / whole).sum())
        anywhere += float((rates.anywhere / count / whole).sum())
    drawn = anywhere / len(seen.share)
    sizes = np.maximum(stays + pairs.sum(1), LEAST)
    return _Rates((1 - drawn) * pairs / sizes[:, None], drawn)


def _whole(share: Matrix, rates: _Rates, label: int) -> Scores:
    """The chance of a label, given what images [m, k] are, [m]."""
    called = share @ rates.pairs[:, label] + share[:, label] * rates.stays[label]
    return np.asarray(np.maximum(called + rates.anywhere / share.shape[1], LEAST))


def _log_likelihood(seen: _Seen, rates: _Rates) -> float:
    return sum(float(np.log(_whole(seen.share[ids], rates, label)).sum()) for label, ids in enumerate(seen.members))


def _gains(seen: _Seen, rates: _Rates) -> Matrix:
    """Twice the log likelihood that each pair's rate brings, [k, k]: against its images keeping their label."""
    gains = np.zeros_like(rates.pairs)
    for label, ids in enumerate(seen.members):
        share = seen.share[ids]
        whole = _whole(share, rates, label)[:, None]
        part = share * rates.pairs[:, label]
        gains[:, label] -= 2 * np.log(np.maximum(1 - part / whole, LEAST)).sum(0)
        gains[label] -= 2 * np.log1p(share[:, label, None] * rates.pairs[label] / whole).sum(0)
    return gains


def enough(labels: Labels) -> Mask:
    """Which of labels [n], -1 for none, are of classes that are large enough to be looked at, [n]."""
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    return np.asarray((labels >= 0) & (sizes[labels] >= FEWEST))
