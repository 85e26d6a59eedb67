"""From scores to decisions: the only place that says what is removed.

Algorithm 1 of Tran, Li and Madry (2018) removes the 1.5 * epsilon highest scores of every class, where
epsilon is the assumed upper bound on the number of poisoned images. Where a detector says where the poison
ends, the cut can be made there instead, and epsilon need not be known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.configuration import DefenceConfig
from core.types import BadRequest, Detection, Labels, Mask, Scores


def epsilon(labels: Labels, assumed_ratio: float) -> int:
    """The assumed number of poisoned images: a share of the median class size of labels [n]."""
    sizes = np.bincount(labels)
    return round(assumed_ratio * float(np.median(sizes[sizes > 0])))


def budget(labels: Labels, defence: DefenceConfig) -> int:
    """How many images are removed from each class in scope: multiplier * epsilon, rounded down."""
    return int(defence.multiplier * epsilon(labels, defence.assumed_ratio) + 1e-9)


def suspicious_classes(labels: Labels, detection: Detection, scope: str) -> NDArray[np.int64]:
    """The classes that the filter looks at: all, or those whose statistic passes the detector's threshold."""
    present = np.unique(labels)
    if scope == "every_class":
        return present
    if detection.class_statistic is None or detection.class_threshold is None:
        raise BadRequest("this detector does not name suspicious classes; the scope must be 'every_class'")
    return present[detection.class_statistic[present] > detection.class_threshold]


def flag(scores: Scores, labels: Labels, count: int, classes: NDArray[np.int64]) -> Mask:
    """Flag the `count` highest scores of each of the given classes; ties go to the lower id. Returns [n] bool."""
    if count < 0:
        raise BadRequest(f"the number of images to remove per class must be at least 0, got {count}")
    if not np.isfinite(scores).all():
        raise BadRequest(f"scores must be finite numbers, got {int((~np.isfinite(scores)).sum())} that are not")
    flagged = np.zeros(len(scores), bool)
    for label in classes:
        members = np.flatnonzero(labels == label)
        order = np.argsort(-scores[members], kind="stable")
        flagged[members[order[:count]]] = True
    return flagged


def keep_mask(detection: Detection, labels: Labels, defence: DefenceConfig) -> Mask:
    """True where an image stays, [n] bool."""
    classes = suspicious_classes(labels, detection, defence.scope)
    if defence.cut == "gap":
        return ~beyond_gap(detection, labels, classes)
    return ~flag(detection.scores, labels, budget(labels, defence), classes)


def beyond_gap(detection: Detection, labels: Labels, classes: NDArray[np.int64]) -> Mask:
    """Flag what scores above the detector's own cut in each of the given classes, [n] bool; no epsilon is assumed."""
    if detection.cut is None:
        raise BadRequest("this detector finds no gap to cut at; the cut must be 'budget'")
    return np.isin(labels, classes) & (detection.scores > detection.cut[labels])


def lots(images: int, seed: int) -> Scores:
    """What the random reference filter ranks by: lots [images] in [0, 1), drawn with the run's seed."""
    return np.random.default_rng([seed, 0xFA1]).random(images)


def random_keep(labels: Labels, flagged: Mask, seed: int) -> Mask:
    """Reference filter: removes as many images of each class as `flagged` does, those with the highest lots."""
    drawn = lots(len(labels), seed)
    keep = np.ones(len(labels), bool)
    for label, count in enumerate(np.bincount(labels[flagged], minlength=int(labels.max()) + 1)):
        keep &= ~flag(drawn, labels, int(count), np.array([label]))
    return keep


def perfect_keep(flagged: Mask, poisoned: Mask) -> Mask:
    """Reference filter that knows the truth: the same total budget, spent on poisoned images only, so that it removes
    no clean image and, where the budget is larger than the poison, fewer images than `flagged` does.
    """
    keep = np.ones(len(flagged), bool)
    keep[np.flatnonzero(poisoned)[: int(flagged.sum())]] = False
    return keep
