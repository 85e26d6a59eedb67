"""The direction along which a smaller group of a class lies furthest apart: sought from several ends, refined."""

from __future__ import annotations

import numpy as np

from core.detectors.classes import Matrix, Vector
from core.detectors.mixtures import FEWEST, mixture, standard, suspicion

RIDGE = 1e-2  # added to a covariance, as a share of its mean variance
DIRECTIONS, SHARES, QUICK_ROUNDS = 12, (0.02, 0.1), 3  # where refinement may begin
TAILS = 2  # of them, besides the leading direction, those with the longest tails
ROUNDS = 6  # of refinement
ALIKE = 0.9999  # cosine of two rounds' directions, above which the last would change nothing
IMAGES_PER_DIRECTION = 20  # a small class is refined within few directions, or noise would look like a trace
MOST_DIRECTIONS = 128  # what the class has over the others lies in the leading ones


def directions_for(images: int, width: int) -> int:
    """How many leading directions a class of so many images is looked along, at most as many as it has features."""
    return max(1, min(width, images // IMAGES_PER_DIRECTION, MOST_DIRECTIONS))


def ridged(covariance: Matrix) -> Matrix:
    """A covariance made safely invertible."""
    ridged: Matrix = covariance + floor(float(np.trace(covariance)), len(covariance)) * np.eye(len(covariance))
    return ridged


def floor(trace: float, width: int) -> float:
    """What is added to the variances of a covariance of this trace and width."""
    tiny: float = np.finfo(float).tiny ** 0.5
    return RIDGE * trace / width + tiny


def refined(points: Matrix) -> Vector:
    """The direction [c] that sets the suspects among centred points [n, c] furthest apart, of all that are tried."""
    inverse: Matrix = np.asarray(np.linalg.inv(ridged(points.T @ points / len(points))), np.float64)
    ends = [_climbed(points, inverse, start) for start in _starts(points, inverse)]
    return max(ends, key=lambda end: end[1])[0]


def _starts(points: Matrix, inverse: Matrix) -> Matrix:
    """Directions [s, c] to begin with: the leading one, and those at whose end the longest tails lie.

    The poison need not lie along the class's leading direction. Both ends of several directions are tried with
    several shares of suspects, each followed for a few rounds; the tail is judged by the third moment.
    """
    few = min(DIRECTIONS, points.shape[1])
    ends = np.hstack([np.eye(points.shape[1], few), -np.eye(points.shape[1], few)])
    tried = [_followed(points, inverse, ends, max(int(FEWEST), int(share * len(points)))) for share in SHARES]
    directions = np.hstack([ends[:, [0, few]], *tried])
    tails = _tails(points @ directions)
    leading = int(tails[:2].argmax())
    return directions[:, [leading, *(2 + np.argsort(-tails[2:], kind="stable")[:TAILS])]].T


def _followed(points: Matrix, inverse: Matrix, directions: Matrix, count: int) -> Matrix:
    """Directions [c, s] after a few rounds of taking the `count` highest for suspects."""
    least = min(count, len(points))  # a class may be smaller than the fewest suspects
    for _ in range(QUICK_ROUNDS):
        projections = points @ directions
        suspects = projections >= np.partition(projections, -least, axis=0)[-least]
        directions = inverse @ (points.T @ suspects)  # Fisher's, but for its length: see _climbed
    return directions


def _tails(projections: Matrix) -> Vector:
    """The standardised third moment of each column of [n, s]."""
    centred = projections - projections.mean(0)
    spread = np.maximum(centred.std(0), np.finfo(float).tiny ** 0.25)
    centred /= spread
    tails: Vector = (centred * centred * centred).mean(0)  # a power of 3 is many times slower
    return tails


def _climbed(points: Matrix, inverse: Matrix, direction: Vector) -> tuple[Vector, float]:
    """The direction [c] of the largest Ashman's D on the way of refining one with the mixture's suspects, and that D.

    Fisher's discriminant needs the covariance within suspects and rest. That is the whole covariance less a
    multiple of the outer product of the means' difference, and subtracting it changes the length of the solution
    but not its direction (Sherman and Morrison 1950): so one inverse serves all rounds.
    """
    best = direction, 0.0
    for _ in range(ROUNDS):
        projection = standard(points @ direction)
        fitted = mixture(projection)
        if fitted is None:
            break
        best = max(best, (direction, fitted.separation), key=lambda end: end[1])
        suspects = suspicion(projection, fitted)
        total = suspects.sum()
        if min(total, len(points) - total) < FEWEST:
            break
        upper = suspects @ points
        before, direction = direction, inverse @ (upper / total + upper / (len(points) - total))  # the mean is 0
        if before @ direction > ALIKE * np.linalg.norm(before) * np.linalg.norm(direction):
            break
    return best
