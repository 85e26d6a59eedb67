"""What is measured: Nat, ASR, #Pois left, TPR, FPR, precision, AUROC, average precision.

Shares are in [0, 1]. None stands where a figure is not defined (no poisoned image, no such class).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.types import Labels, Mask, Scores

# Test images, the first ones, on which a network's Nat and ASR are looked at while it trains: at least, and at most.
PROBE_LEAST, PROBE_IMAGES = 40, 500
PROBE_SHARE = 1 / 48  # of the images that a training goes through, so that the looks take a tenth of its time


@dataclass(frozen=True)
class Quality:
    """How well a network does: before or after the defence.

    nat: accuracy on clean test images. asr: share of triggered test images whose true class is not the
    target that are classified as the target; all-to-all, of all that are classified as the class after their own.
    source_asr: the same over the source class alone.
    per_class: accuracy of each class, [k].
    """

    nat: float
    asr: float
    source_asr: float | None
    per_class: list[float]


@dataclass(frozen=True)
class Found:
    """How well the flagged images match the poisoned ones, over all classes."""

    poisons: int
    poisons_left: int
    flagged: int
    clean_removed: int
    tpr: float | None
    fpr: float | None
    precision: float | None


@dataclass(frozen=True)
class Ranking:
    """How well scores rank poisoned above benign images of the same class; no budget touches these."""

    auroc: float | None
    average_precision: float | None


def probed(passes: int) -> int:
    """On how many of the first test images a training that goes through so many images is looked at on its way."""
    return min(PROBE_IMAGES, max(PROBE_LEAST, round(passes * PROBE_SHARE)))


def quality(
    clean: NDArray[np.int64], triggered: NDArray[np.int64], labels: Labels, target: int | Labels, source: int | None
) -> Quality:
    """Nat and ASR from the predicted classes [n] for clean and for triggered test images with labels [n].

    target is the class that the attacker wants, one for all images or one for each [n] (core.attack.poison.aim).
    """
    right = clean == labels
    fooled = triggered == target
    return Quality(
        nat=float(right.mean()),
        asr=float(fooled[labels != target].mean()),
        source_asr=None if source is None else float(fooled[labels == source].mean()),
        per_class=[float(right[labels == label].mean()) for label in range(int(labels.max()) + 1)],
    )


def given(clean: NDArray[np.int64], triggered: NDArray[np.int64], labels: Labels) -> dict[str, Any]:
    """Nat, and for every class as target the ASR [k], as JSON: what a table asks of answers [n] and labels [n]."""
    classes = range(int(labels.max()) + 1)
    return {
        "nat": float((clean == labels).mean()),
        "asr": [float((triggered[labels != target] == target).mean()) for target in classes],
    }


@dataclass(frozen=True)
class Curves:
    """The working points of all thresholds on a ranking, from none flagged to all; each array is [t].

    Images of equal score fall together, as in scikit-learn. precision at the first point, where nothing is
    flagged, is 1 by convention.
    """

    tpr: NDArray[np.float64]
    fpr: NDArray[np.float64]
    precision: NDArray[np.float64]


def found(flagged: Mask, poisoned: Mask) -> Found:
    """Counts and rates of a filter's decision [n] against the truth [n]."""
    hits = int((flagged & poisoned).sum())
    return counted(len(poisoned), int(poisoned.sum()), int(flagged.sum()), hits)


def counted(images: int, poisons: int, flagged: int, hits: int) -> Found:
    """The rates of a decision that is given as counts: of all images, poisoned, flagged, and both."""
    benign, total = images - poisons, flagged
    return Found(
        poisons=poisons,
        poisons_left=poisons - hits,
        flagged=total,
        clean_removed=total - hits,
        tpr=hits / poisons if poisons else None,
        fpr=(total - hits) / benign if benign else None,
        precision=hits / total if total else None,
    )


def ranking(scores: Scores, labels: Labels, poisoned: Mask, target: int | None = None) -> Ranking:
    """AUROC and average precision of scores [n] within one class, by default within each that holds poison.

    A score is compared with those of its own class alone; of several classes that hold both kinds of images this is
    the mean, each counting the same.
    """
    classes = np.unique(labels[poisoned]) if target is None else [target]
    ranked = [one for label in classes if (one := _ranking(scores[labels == label], poisoned[labels == label]))]
    if not ranked:
        return Ranking(None, None)
    auroc, precision = np.mean(ranked, axis=0)
    return Ranking(float(auroc), float(precision))


def _ranking(scores: Scores, poisoned: Mask) -> tuple[float, float] | None:
    """AUROC and average precision of one class, [c] each; None where all its images are of one kind.

    Off its curves: to import what scikit-learn has for it takes a second and a half of every run.
    """
    points = _points(scores, poisoned)
    if points is None:
        return None
    steps = np.diff(points.fpr) * (points.tpr[1:] + points.tpr[:-1]) / 2
    precision = np.diff(points.tpr) * points.precision[1:]
    return min(1.0, float(steps.sum())), min(1.0, float(precision.sum()))  # sums round above 1


def tpr_at(fpr: float, scores: Scores, labels: Labels, poisoned: Mask) -> float | None:
    """The largest share of a class's poisoned images that some threshold on scores [n] finds while at most this share
    of its benign images lies above it: the mean over the classes that hold both kinds, None where there is none.
    """
    rates = [
        float(points.tpr[points.fpr <= fpr].max())
        for label in np.unique(labels[poisoned])
        if (points := _points(scores[labels == label], poisoned[labels == label])) is not None
    ]
    return float(np.mean(rates)) if rates else None


def _points(scores: Scores, poisoned: Mask) -> Curves | None:
    """The curves of one class, [c] each in any order."""
    order = np.argsort(-scores, kind="stable")
    return curves(poisoned[order], scores[order])


def curves(poisoned: Mask, scores: Scores) -> Curves | None:
    """ROC and precision-recall curves of one class; None where only one kind of image is in it.

    poisoned [c] and scores [c], both in falling order of score. Points between which only benign images lie add
    nothing to either curve and are left out; about two for every poisoned image stay.
    """
    poisons = int(poisoned.sum())
    benign = len(poisoned) - poisons
    if not poisons or not benign:
        return None
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) + 1  # images flagged at each distinct score
    flagged = np.concatenate([[0], last])
    hits = np.concatenate([[0], np.cumsum(poisoned)])[flagged]
    rise = np.diff(hits) > 0
    corner = np.concatenate([[True], rise[:-1] | rise[1:], [True]])
    flagged, hits = flagged[corner], hits[corner]
    precision = np.divide(hits, flagged, out=np.ones(len(flagged)), where=flagged > 0)
    return Curves(hits / poisons, (flagged - hits) / benign, precision)


def plain(value: Any) -> dict[str, Any]:
    """A figure's dataclass as a dict for JSON."""
    return asdict(value)
