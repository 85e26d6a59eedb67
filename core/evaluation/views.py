"""What the pictures of one class are made from: its images in order of score, and its plane of singular directions.

Prepared once for a detector's scores; what a moving cut then asks is looked up, not computed again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.detectors import top_singular
from core.types import BadRequest, Features, Ids, Labels, Mask, Scores

PLANE = 2  # singular directions of a scatter


@dataclass(frozen=True)
class Ranked:
    """One class's images, most suspicious first: ids [c], scores [c] falling; ties go to the lower id."""

    ids: Ids
    scores: Scores

    def budget(self, threshold: float) -> int:
        """How many images score at or above a threshold, so many a cut there removes."""
        return int(np.searchsorted(-self.scores, -threshold, side="right"))

    def threshold(self, budget: int) -> float | None:
        """A score between the last image that a budget removes and the first that it keeps; None: none goes."""
        count = min(budget, len(self.scores))
        if count < 1:
            return None
        lowest = float(self.scores[count - 1])
        if count == len(self.scores):
            return lowest
        between = (lowest + float(self.scores[count])) / 2
        return between if between <= lowest else lowest  # halves of neighbouring floats may round up

    def between(self, low: float, high: float) -> Ids:
        """The ids whose scores lie in [low, high], most suspicious first."""
        above = int(np.searchsorted(-self.scores, -high, side="left"))
        return self.ids[above : max(above, self.budget(low))]


def rank(scores: Scores, labels: Labels, classes: int) -> list[Ranked]:
    """Every class's images in order of score, one entry a class; scores [n], labels [n] below `classes`."""
    order = np.lexsort((-scores, labels))
    ends = np.cumsum(np.bincount(labels, minlength=classes))
    parts = np.split(order, ends[:-1])
    return [Ranked(ids, scores[ids]) for ids in parts]


@dataclass(frozen=True)
class Tally:
    """What any budget would remove from each class: how many images, and how many poisoned ones.

    poisons[c] is [size of class c + 1] int64: poisoned images among the class's b most suspicious, at place b.
    """

    poisons: list[NDArray[np.int64]]

    def at(self, budget: int | NDArray[np.int64], classes: NDArray[np.int64]) -> tuple[int, int]:
        """Images and poisoned images that a budget, one for all or one a class [k], removes from the given classes."""
        budgets = np.broadcast_to(budget, len(self.poisons))
        removed = [min(int(budgets[label]), len(self.poisons[label]) - 1) for label in classes]
        hits = [int(self.poisons[label][count]) for label, count in zip(classes, removed, strict=True)]
        return sum(removed), sum(hits)


def tally(ranked: list[Ranked], poisoned: Mask) -> Tally:
    """Running counts of the poisoned images [n] in each class's order."""
    return Tally([np.concatenate([[0], np.cumsum(poisoned[one.ids])]) for one in ranked])


def plane(features: Features) -> NDArray[np.float32]:
    """A class's representations [c, d], centred, on their first two right singular vectors: [c, 2] float32.

    The first column squared is Algorithm 1's outlier score (Tran, Li and Madry 2018); each direction is turned
    so that its longer tail is positive. A direction that the features do not have is all zero.
    """
    if features.ndim != 2 or not features.size:
        raise BadRequest(f"features must be [c, d] and not empty; got shape {features.shape}")
    matrix = features.astype(np.float64)
    matrix -= matrix.mean(0)
    _, vectors = top_singular(matrix, PLANE)
    places = np.zeros((len(matrix), PLANE))
    places[:, : vectors.shape[1]] = matrix @ vectors
    places *= np.where((places**3).sum(0) < 0, -1.0, 1.0)
    return places.astype(np.float32)
