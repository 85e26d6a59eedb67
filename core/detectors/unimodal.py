"""Whether a class falls in two on a line: an e-value against one mode, that no other class is needed for.

The null: what unseen images of a class are on a direction that was found without them has one mode. The e-value is a
split likelihood ratio (Wasserman, Ramdas, Balakrishnan, Universal inference, PNAS 2020) in its sequential form. The
images come in chunks; each is predicted from those before it and from the half that the direction was found on (the
numerator), and all are set against the best histogram with one mode (the denominator, by isotonic regression). Under
the null the chance of an e-value of 1/a or more is at most a, whatever the sizes; a mean of e-values is one.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from core.detectors.classes import Vector
from core.detectors.mixtures import mixture, standard_of

# Bins, in robust spreads of the half that is known; chosen on one seed, which nothing rests on. Far out they grow:
# what lies there lies there clearly.
WIDTH, EVEN, GROWTH = 1.2, 8.0, 1.5
CHUNKS = 5
FEWEST_SEEN = 30  # images of the unseen half, from which on they are fitted themselves
MOST = 1e6  # robust spreads from the median, beyond which nothing is looked at


def log_e(known: Vector, unseen: Vector) -> float:
    """The log e-value of `unseen` [m], in random order, having one mode; the direction and `known` [n] are independent.

    Values outside the range of `known` have no part in it. -inf where there is nothing to tell.
    """
    edges = _edges(known)
    if edges is None:
        return -np.inf
    bins = len(edges) - 1
    places = np.searchsorted(edges, unseen, side="right") - 1
    inside = (places >= 0) & (places < bins)
    unseen, places = unseen[inside], places[inside]
    if not len(unseen):
        return -np.inf
    total, before = 0.0, _Predictions(known, edges)
    for start, stop in pairwise(np.linspace(0, len(unseen), CHUNKS + 1).astype(int)):
        total += before.of(np.bincount(places[start:stop], minlength=bins), unseen[:start])
    return total - one_mode(np.bincount(places, minlength=bins), np.diff(edges))


class _Predictions:
    """Chunks of counts [b], each predicted in three ways from what came before, averaged by how well each has done.

    The ways: two Gaussians fitted to the half that is known, two fitted to what has been seen of the other, each with
    as much of the histogram behind it; and the histogram of both.
    """

    def __init__(self, known: Vector, edges: Vector) -> None:
        self.edges = edges
        self.counts = np.histogram(known, edges)[0]
        self.of_known = _masses(known, edges)
        self.done = np.zeros(3)

    def of(self, counts: NDArray[np.int64], seen: Vector) -> float:
        """The log probability of a chunk's counts [b], each image by itself, after the images `seen` [m]."""
        of_seen = _masses(seen, self.edges) if len(seen) >= FEWEST_SEEN else self.of_known
        histogram = _share(self.counts + np.histogram(seen, self.edges)[0])
        ways = np.stack([self.of_known, of_seen, histogram])
        weights = np.exp(self.done - self.done.max())
        self.done += np.log(ways) @ counts
        return float(counts @ np.log(weights @ ways / weights.sum()))


def _edges(known: Vector) -> Vector | None:
    """The edges of bins [b + 1] that cover known values [n]; None where more than half of these are the same."""
    ordered = np.sort(known)
    half = len(ordered) // 2
    widths = ordered[half:] - ordered[: len(ordered) - half]
    first = int(widths.argmin())  # the shortest half: a second group of up to half of all hardly widens it
    middle, spread = float(ordered[first : first + half + 1].mean()), float(widths[first]) / 1.35
    if spread <= 0:
        return None
    ends = (np.array([known.min(), known.max()]) - middle) / spread
    below, above = (_outward(min(MOST, end)) for end in np.abs(ends))
    return np.asarray(middle + spread * np.r_[-below[::-1], above])


def _outward(end: float) -> Vector:
    """Edges from half a bin to beyond `end`, in spreads: even ones first, then growing."""
    even = np.arange(WIDTH / 2, EVEN, WIDTH)
    steps = max(0, int(np.ceil(np.log(max(end, 1.0) / even[-1]) / np.log(GROWTH))))
    edges = np.r_[even, even[-1] * GROWTH ** np.arange(1, steps + 1)]
    return np.asarray(edges[: int(np.searchsorted(edges, end, side="right")) + 1])


def _share(counts: NDArray[np.int64]) -> Vector:
    return np.asarray((counts + 0.5) / (counts + 0.5).sum())


def _masses(points: Vector, edges: Vector) -> Vector:
    """The probability of each bin [b], from points [m]: two fitted Gaussians with as much of the histogram."""
    masses = _share(np.histogram(points, edges)[0])
    middle, spread = standard_of(points)
    fitted = mixture((points - middle) / spread)
    if fitted is None:
        return masses
    places = (edges - middle) / spread
    below = ndtr((places[:, None] - fitted.means) / np.sqrt(fitted.variances)) @ fitted.weights
    inside = np.maximum(np.diff(below), 0.0)
    return masses if inside.sum() <= 0 else np.asarray((inside / inside.sum() + masses) / 2)


def one_mode(counts: NDArray[np.int64], widths: Vector) -> float:
    """The largest log likelihood of counts [b] in bins of such widths [b] under a density that rises and then falls.

    A density with one mode has one in any bins, whatever their widths. The likelihood is that of the bins' masses.
    """
    total = counts.sum()
    if not total:
        return 0.0
    best = (_rising(counts, widths) + _rising(counts[::-1], widths[::-1])[::-1]).max()
    return float(best + (counts * np.log(widths)).sum() - total * np.log(total))


def _rising(counts: NDArray[np.int64], widths: Vector) -> Vector:
    """For each prefix of the bins the sum of count * log level at the best rising levels [b + 1]; pools violators."""
    found, levels = [0.0], list[tuple[float, float]]()
    for count, width in zip(counts.tolist(), widths.tolist(), strict=True):
        level, wide = count / width, width
        while levels and levels[-1][0] >= level:
            before, more = levels.pop()
            level, wide = (before * more + level * wide) / (more + wide), more + wide
        levels.append((level, wide))
        found.append(sum(high * wide * math.log(high) for high, wide in levels if high > 0))
    return np.array(found)


def mean_of(logs: Vector, weights: Vector | None = None) -> float:
    """The log of the (weighted) mean of e-values, from their logs."""
    share = np.full(len(logs), 1 / len(logs)) if weights is None else weights / weights.sum()
    return float(np.logaddexp.reduce(np.asarray(logs) + np.log(share)))
