"""What is measured: Nat, ASR, #Pois left, TPR, FPR, precision, AUROC, average precision.

Shares are in [0, 1]. None stands where a figure is not defined (no poisoned image, no such class).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.types import Labels, Mask, Scores


@dataclass(frozen=True)
class Quality:
    """How well a network does: before or after the defence.

    nat: accuracy on clean test images. asr: share of triggered test images whose true class is not the
    target that are classified as the target. source_asr: the same over the source class alone.
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
    """How well scores rank poisoned above benign images of the target class; no budget touches these."""

    auroc: float | None
    average_precision: float | None


def quality(
    clean: NDArray[np.int64], triggered: NDArray[np.int64], labels: Labels, target: int, source: int | None
) -> Quality:
    """Nat and ASR from the predicted classes [n] for clean and for triggered test images with labels [n]."""
    right = clean == labels
    fooled = triggered == target
    return Quality(
        nat=float(right.mean()),
        asr=float(fooled[labels != target].mean()),
        source_asr=None if source is None else float(fooled[labels == source].mean()),
        per_class=[float(right[labels == label].mean()) for label in range(int(labels.max()) + 1)],
    )


def found(flagged: Mask, poisoned: Mask) -> Found:
    """Counts and rates of a filter's decision [n] against the truth [n]."""
    hits = int((flagged & poisoned).sum())
    poisons, benign, total = int(poisoned.sum()), int((~poisoned).sum()), int(flagged.sum())
    return Found(
        poisons=poisons,
        poisons_left=poisons - hits,
        flagged=total,
        clean_removed=total - hits,
        tpr=hits / poisons if poisons else None,
        fpr=(total - hits) / benign if benign else None,
        precision=hits / total if total else None,
    )


def ranking(scores: Scores, labels: Labels, poisoned: Mask, target: int) -> Ranking:
    """AUROC and average precision of scores [n] within the target class."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # slow to import, seldom needed

    members = labels == target
    truth = poisoned[members]
    if truth.all() or not truth.any():
        return Ranking(None, None)
    return Ranking(
        auroc=float(roc_auc_score(truth, scores[members])),
        average_precision=min(1.0, float(average_precision_score(truth, scores[members]))),  # it rounds above 1
    )


def plain(value: Any) -> dict[str, Any]:
    """A figure's dataclass as a dict for JSON."""
    return asdict(value)
