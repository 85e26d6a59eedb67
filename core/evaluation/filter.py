"""From scores to decisions: the only place that says what is removed.

Algorithm 1 of Tran, Li and Madry (2018) removes the 1.5 * epsilon highest scores of every class, where
epsilon is the assumed upper bound on the number of poisoned images. Where a detector says where the poison
ends, the cut can be made there instead, and epsilon need not be known.

Algorithm 1 removes the same number from each class: epsilon is a share of the median class ("median_class"). That is
what runs do, and what is stored of them. Where classes are uneven, as those of one's own features may be, it is better
a share of each class's own size ("own_class").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.configuration import DefenceConfig
from core.types import BadRequest, Detection, Labels, Mask, Scores

EpsilonOf = Literal["median_class", "own_class"]


def epsilon(labels: Labels, assumed_ratio: float) -> int:
    """The assumed number of poisoned images: a share of the median class size of labels [n]."""
    sizes = np.bincount(labels)
    return round(assumed_ratio * float(np.median(sizes[sizes > 0])))


def budget(labels: Labels, defence: DefenceConfig) -> int:
    """How many images are removed from each class in scope: multiplier * epsilon, rounded down."""
    return int(defence.multiplier * epsilon(labels, defence.assumed_ratio) + 1e-9)


def budgets(labels: Labels, defence: DefenceConfig, epsilon_of: EpsilonOf = "median_class") -> NDArray[np.int64]:
    """How many images each class loses if it is in scope, [k]: as `budget`, or by each class's own size."""
    sizes = np.bincount(labels)
    if epsilon_of == "median_class":
        return np.full(len(sizes), budget(labels, defence))
    if epsilon_of != "own_class":
        raise BadRequest(f"epsilon_of must be 'median_class' or 'own_class', got {epsilon_of!r}")
    return np.asarray(defence.multiplier * np.rint(defence.assumed_ratio * sizes) + 1e-9, np.int64)


def unassumed(
    labels: Labels, detection: Detection, defence: DefenceConfig, epsilon_of: EpsilonOf = "median_class"
) -> NDArray[np.int64]:
    """The classes in scope that lose nothing because the assumed share of so few images comes to none."""
    if defence.cut == "gap" or not defence.assumed_ratio:
        return np.zeros(0, np.int64)
    classes = suspicious_classes(labels, detection, defence.scope)
    return np.asarray(classes[budgets(labels, defence, epsilon_of)[classes] == 0])


def told(
    detection: Detection, labels: Labels, defence: DefenceConfig, epsilon_of: EpsilonOf = "median_class"
) -> tuple[str, ...]:
    """Sentences on what was not judged and why: the detector's own, and those of a budget that comes to no image."""
    count = len(unassumed(labels, detection, defence, epsilon_of))
    if not count:
        return detection.notes
    share = f"{defence.multiplier:g} times {defence.assumed_ratio:.4g} of"
    if epsilon_of == "median_class":
        return (*detection.notes, f"nothing is removed: {share} the median class is no image")
    which, size = ("1 class is", "its size") if count == 1 else (f"{count:,} classes are", "their size")
    return (*detection.notes, f"{which} too small to judge: {share} {size} is no image")


def suspicious_classes(labels: Labels, detection: Detection, scope: str) -> NDArray[np.int64]:
    """The classes that the filter looks at: all that can be judged, or of those the ones that are named."""
    present = np.unique(labels)
    if detection.unjudged is not None:
        present = present[~detection.unjudged[present]]
    if scope == "every_class":
        return present
    if detection.class_statistic is None or detection.class_threshold is None:
        raise BadRequest("this detector does not name suspicious classes; the scope must be 'every_class'")
    return present[detection.class_statistic[present] > detection.class_threshold]


def flag(scores: Scores, labels: Labels, count: int | NDArray[np.int64], classes: NDArray[np.int64]) -> Mask:
    """Flag the `count` highest scores of each of the given classes; ties go to the lower id. Returns [n] bool.

    count: one number for all, or one for each class, [k].
    """
    if np.min(count) < 0:
        raise BadRequest(f"the number of images to remove per class must be at least 0, got {np.min(count)}")
    if not np.isfinite(scores).all():
        raise BadRequest(f"scores must be finite numbers, got {int((~np.isfinite(scores)).sum())} that are not")
    flagged = np.zeros(len(scores), bool)
    for label in classes:
        members = np.flatnonzero(labels == label)
        order = np.argsort(-scores[members], kind="stable")
        flagged[members[order[: count if isinstance(count, int) else count[label]]]] = True
    return flagged


def keep_mask(
    detection: Detection, labels: Labels, defence: DefenceConfig, epsilon_of: EpsilonOf = "median_class"
) -> Mask:
    """True where an image stays, [n] bool. A class that the detector could not judge stays whole."""
    classes = suspicious_classes(labels, detection, defence.scope)
    if defence.cut == "gap":
        return ~beyond_gap(detection, labels, classes)
    return ~flag(detection.scores, labels, budgets(labels, defence, epsilon_of), classes)


def beyond_gap(detection: Detection, labels: Labels, classes: NDArray[np.int64]) -> Mask:
    """Flag what scores above the detector's own cut in each of the given classes, [n] bool; no epsilon is assumed."""
    if detection.cut is None:
        raise BadRequest("this detector finds no gap to cut at; the cut must be 'budget'")
    return np.isin(labels, classes) & (detection.scores > detection.cut[labels])


def reviewed_keep(flagged: Mask, spared: Iterable[int] = (), added: Iterable[int] = ()) -> Mask:
    """What stays after a person's review of a cut, [n] bool: all but the cut less `spared`, and less `added`.

    spared, added: rows that were judged to be clean, or poison, whether they are flagged or not. Where one stands in
    both, it goes.
    """
    keep = ~flagged
    keep[np.fromiter(spared, np.int64)] = True
    keep[np.fromiter(added, np.int64)] = False
    return keep


def check_keep(keep: Mask, images: int) -> None:
    """BadRequest where a keep-mask is none of so many images, keeps all of them or none: nothing could be trained."""
    if keep.shape != (images,) or keep.dtype != bool:
        raise BadRequest(f"a keep-mask must be [{images}] bool, got {list(keep.shape)} {keep.dtype}")
    if keep.all():
        raise BadRequest("all images are kept, so the network would be the same; there must be some to leave out")
    if not keep.any():
        raise BadRequest("no image is kept; there must be some to train on")


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
