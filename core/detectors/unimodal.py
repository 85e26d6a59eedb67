"""Whether a class falls in two on a line: an e-value against one mode, that no other class is needed for.

The null: what unseen images of a class are on a direction that was found without them has one mode. The e-value is a
split likelihood ratio (Wasserman, Ramdas, Balakrishnan, Universal inference, PNAS 2020) in its sequential form. The
images come in chunks; each is predicted from those before it and from the half that the direction was found on (the
numerator), and all are set against the best histogram with one mode (the denominator, by isotonic regression). Under
the null the chance of an e-value of 1/a or more is at most a, whatever the sizes; a mean of e-values is one.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from core.detectors.classes import Vector
from core.detectors.mixtures import mixture, standard_of

BINS = 12  # of the half's range; chosen with the mixture's weight on recorded runs, on which nothing is reported
OF_MIXTURE = 0.9  # weight of the fitted mixture in a prediction; the rest is the histogram itself
CHUNKS = 8
FEWEST_SEEN = 30  # images of the unseen half, from which on they are fitted themselves
FAR = 15.0  # robust spreads from the median, beyond which no bin is made: one wild image would widen all of them


def log_e(known: Vector, unseen: Vector) -> float:
    """The log e-value of `unseen` [m], in random order, having one mode; the direction and `known` [n] are independent.

    Values outside the range of `known` have no part in it. -inf where there is nothing to tell.
    """
    edges = _edges(known)
    if edges is None:
        return -np.inf
    places = np.searchsorted(edges, unseen, side="right") - 1
    inside = (places >= 0) & (places < BINS)
    unseen, places = unseen[inside], places[inside]
    if not len(unseen):
        return -np.inf
    predictor, fixed, total = _Predictor(), _masses(known, edges), 0.0
    for start, stop in pairwise(np.linspace(0, len(unseen), CHUNKS + 1).astype(int)):
        own = _masses(unseen[:start], edges) if start >= FEWEST_SEEN else None
        total += predictor.next(np.bincount(places[start:stop], minlength=BINS), fixed, own)
    return total - one_mode(np.bincount(places, minlength=BINS))


class _Predictor:
    """Two ways to predict chunks, averaged by how well each has done so far."""

    def __init__(self) -> None:
        self.done = np.zeros(2)

    def next(self, counts: NDArray[np.int64], fixed: Vector, own: Vector | None) -> float:
        """The log probability of a chunk's counts [BINS], each image by itself."""
        ways = np.log(np.stack([fixed, fixed if own is None else own]))
        weights = np.exp(self.done - self.done.max())
        mixed = (weights[:, None] * np.exp(ways)).sum(0) / weights.sum()
        self.done += ways @ counts
        return float(counts @ np.log(mixed))


def _edges(known: Vector) -> Vector | None:
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.35
    if spread <= 0:
        return None
    ends = np.clip([known.min(), known.max()], middle - FAR * spread, middle + FAR * spread)
    edges: Vector = np.linspace(ends[0], ends[1], BINS + 1)
    edges[-1] = np.nextafter(edges[-1], np.inf)
    return edges


def _masses(points: Vector, edges: Vector) -> Vector:
    """The probability of each bin [BINS], from points [m]: two fitted Gaussians with a little of the histogram."""
    counts = np.histogram(points, edges)[0] + 0.5
    masses: Vector = counts / counts.sum()
    middle, spread = standard_of(points)
    fitted = mixture((points - middle) / spread)
    if fitted is None:
        return masses
    places = (edges - middle) / spread
    below = ndtr((places[:, None] - fitted.means) / np.sqrt(fitted.variances)) @ fitted.weights
    inside = np.maximum(np.diff(below), 0.0)
    if inside.sum() <= 0:
        return masses
    return np.asarray(OF_MIXTURE * inside / inside.sum() + (1 - OF_MIXTURE) * masses)


def one_mode(counts: NDArray[np.int64]) -> float:
    """The largest log likelihood of counts [b] in bins of one width under masses [b] that rise and then fall."""
    total = counts.sum()
    best = (_rising(counts) + _rising(counts[::-1])[::-1]).max()
    return float(best - total * np.log(total)) if total else 0.0


def _rising(counts: NDArray[np.int64]) -> Vector:
    """For each prefix of the bins the sum of count * log level at the best rising levels [b + 1]; pools violators."""
    found, levels = [0.0], list[tuple[float, int]]()
    for count in counts:
        level, width = float(count), 1
        while levels and levels[-1][0] >= level:
            before, wide = levels.pop()
            level, width = (before * wide + level * width) / (wide + width), wide + width
        levels.append((level, width))
        found.append(sum(high * wide * np.log(high) for high, wide in levels if high > 0))
    return np.array(found)


def mean_of(logs: Vector, weights: Vector | None = None) -> float:
    """The log of the (weighted) mean of e-values, from their logs."""
    share = np.full(len(logs), 1 / len(logs)) if weights is None else weights / weights.sum()
    return float(np.logaddexp.reduce(np.asarray(logs) + np.log(share)))
