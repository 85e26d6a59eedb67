"""Two Gaussians fitted to a projection: who is a suspect, and where the gap lies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.detectors.classes import Matrix, Vector

FEWEST = 3.0  # suspects (expected) below which there is nothing to refine
BINS = 512  # of a projection, in which the mixture is fitted
STARTS = ((0.95, 0.1), (0.99, 0.01))  # quantile and weight of the upper Gaussian at first; the likelier end is taken
STEPS, TOLERANCE = 200, 1e-4  # of the fit, in log-likelihood per image
FLOOR = 1e-4  # of a variance, in variances of the class


class Mixture(NamedTuple):
    """Two Gaussians on a line, the lower first: weights, means and variances [2], log-likelihood per point."""

    weights: Vector
    means: Vector
    variances: Vector
    likelihood: float

    @property
    def separation(self) -> float:
        """Ashman's D: the distance of the means in root mean square standard deviations."""
        return float((self.means[1] - self.means[0]) / np.sqrt(self.variances.mean()))


def standard(projection: Vector) -> Vector:
    """Shifted to median 0 and scaled to standard deviation 1; all zero where nothing varies."""
    middle, spread = standard_of(projection)
    return (projection - middle) / spread


def standard_of(projection: Vector) -> tuple[float, float]:
    """The median and the standard deviation of a projection, 1 in place of 0."""
    spread = float(projection.std())
    return float(np.median(projection)), spread if spread > 0 else 1.0


def mixture(projection: Vector) -> Mixture | None:
    """Two Gaussians fitted to a projection [n] of median 0 and standard deviation 1; None where nothing varies.

    Expectation maximisation on a histogram that keeps the count, sum and sum of squares of every bin: only the
    responsibilities are rounded to bins, and a step costs the same for any n.
    """
    low, width = float(projection.min()), float(np.ptp(projection))
    if len(projection) < 2 * FEWEST or width <= 0:
        return None
    bins = np.minimum((projection - low) * (BINS / width), BINS - 1).astype(np.intp)
    sums: Matrix = np.stack(
        [np.bincount(bins, weights, BINS) for weights in (np.ones(len(bins)), projection, projection**2)]
    )
    sums = sums[:, sums[0] > 0]
    uppers = np.quantile(projection, [quantile for quantile, _ in STARTS])
    fits = [_fit(sums, float(upper), weight) for upper, (_, weight) in zip(uppers, STARTS, strict=True)]
    return max(fits, key=lambda fit: fit.likelihood)


def _fit(sums: Matrix, upper: float, weight: float) -> Mixture:
    """Expectation maximisation, the Gaussians at 0 and `upper` at first; sums [3, b] of powers 0 to 2 in each bin."""
    places, total = sums[1] / sums[0], sums[0].sum()
    weights, means, variances = np.array([1 - weight, weight]), np.array([0.0, upper]), np.full(2, 0.25)
    likelihood = -np.inf
    for _ in range(STEPS):  # hot: thousands of steps a second, each of many small operations
        logs = _log_densities(places, weights, means, variances)
        top = np.maximum(logs[0], logs[1])
        parts = np.exp(logs - top)
        both = parts[0] + parts[1]
        before, likelihood = likelihood, float(sums[0] @ (top + np.log(both)) / total)
        if likelihood - before < TOLERANCE:
            break
        powers = sums @ (parts / both).T  # [3, 2]
        sizes = powers[0] + 1e-10
        weights, means = sizes / sizes.sum(), powers[1] / sizes
        variances = np.maximum(powers[2] / sizes - means**2, 0.0) + FLOOR
    order = means.argsort()
    return Mixture(weights[order], means[order], variances[order], likelihood)


def _log_densities(places: Vector, weights: Vector, means: Vector, variances: Vector) -> Matrix:
    """The log density of each component, with its weight, at places [b]: [2, b], but for a constant."""
    height = np.log(weights) - 0.5 * np.log(variances)
    away = places - means[:, None]
    return np.asarray(height[:, None] - 0.5 * (away * away) / variances[:, None])


def suspicion(projection: Vector, fitted: Mixture) -> Vector:
    """How likely each point [n] is of the upper component."""
    lower, upper = _log_densities(projection, *fitted[:3])
    likely: Vector = 1 / (1 + np.exp(np.minimum(lower - upper, 700.0)))
    likely[projection < fitted.means[0]] = 0.0  # a wide upper Gaussian also claims the far lower tail
    return likely


def gap(fitted: Mixture) -> float:
    """The score between the means above which the upper component is the likelier: where the densities cross."""
    places = np.linspace(float(fitted.means[0]), float(fitted.means[1]), 1001)
    lower, upper = _log_densities(places, *fitted[:3])
    below = np.flatnonzero(upper <= lower)
    return float(places[below[-1]] if len(below) else places[0])
