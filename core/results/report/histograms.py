"""The section of the scores: a class in large with the cut through it, and every class in small on the same axis."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from core.configuration import DETECTORS
from core.results import markup
from core.results.result import Result
from core.results.templates import render
from core.types import Detection, Mask

LARGE, SMALL = (720, 230), (230, 110)  # pixels


def scores(result: Result, found: Detection, flagged: Mask, truth: bool) -> Markup:
    """Each class's scores and what was removed of it; with the truth, which ones are poisoned."""
    names, labels = result.dataset.class_names, result.poisoned.labels
    poisoned = result.poisoned.truth.poisoned if truth else None
    scale = markup.Scale(found.scores)
    large = result.config.attack.target if truth else _most_suspicious(found, labels)

    def taken(label: int) -> str:
        return f"{int(flagged[labels == label].sum()):,} of {int((labels == label).sum()):,} removed"

    def drawn(label: int, says: str, size: tuple[int, int]) -> Markup:
        alt = f"{says} of {names[label]}; {taken(label)}"
        return _histogram(found, labels == label, flagged, poisoned, scale, alt, size)

    detector = result.config.defence.detector
    return render(
        "report/histograms.html.jinja", detector=detector, summary=DETECTORS[detector].summary, truth=truth,
        large=dict(name=names[large], picture=drawn(large, "Histogram of the scores", LARGE)),
        cards=[
            dict(name=names[label], taken=taken(label), picture=drawn(label, "Scores", SMALL))
            for label in np.unique(labels)
        ],
    )  # fmt: skip


def _most_suspicious(found: Detection, labels: NDArray[np.int64]) -> int:
    """The class that a defender would look at first."""
    if found.class_statistic is not None:
        return int(np.argmax(found.class_statistic))
    return int(labels[np.argmax(found.scores)])


def _histogram(
    found: Detection,
    members: Mask,
    flagged: Mask,
    poisoned: Mask | None,
    scale: markup.Scale,
    alt: str,
    size: tuple[int, int],
) -> Markup:
    taken = found.scores[members & flagged]
    return markup.histogram(
        found.scores[members],
        None if poisoned is None else poisoned[members],
        scale,
        alt,
        float(taken.min()) if len(taken) else None,
        size,
    )
