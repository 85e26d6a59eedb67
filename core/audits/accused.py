"""The panel's word on a set without a truth, put into findings: what is planted, and what only looks so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from core.audits.asked import Evidence, Memory
from core.audits.brought import Brought
from core.audits.finding import ACCUSED, Found, Judged, listed, nobody, plain
from core.audits.represented import TEST, Represented, tested
from core.types import Detection, Features, Finding

DETECTOR, LEVEL = "panel", 0.01
EVERYWHERE = "in other classes as often"  # as `repeats` says it
MIXED = "of two kinds of images that overlap"  # as `image-spectral` says it
FEWEST_CLASSES = 2


def judge(
    brought: Brought,
    memory: Memory,
    seen: Represented | None = None,
    level: float = LEVEL,
    attributions: Features | None = None,
) -> Judged | None:
    """The panel on the labelled images of a set, and on features where there are any; None without a label.

    attributions [m, a]: of the m labelled images alone (core.audits.networks). memory: what it said of them before.
    """
    ids = np.flatnonzero(brought.labels >= 0)
    if not len(ids):
        return None
    whole = len(ids) == len(brought.labels)
    images = brought.images if whole else brought.images[ids]
    labels = brought.labels[ids]
    features, known = (None, {}) if seen is None else tested(brought, seen, ids, memory, level)
    order = None if features is None and attributions is None else memory.order(brought.images)[ids]
    found = memory.said(DETECTOR, level, Evidence(labels, features, order, images, attributions), known)
    assert found.cut is not None
    flagged = found.scores > found.cut[brought.labels[ids]]
    return Judged(ids, found, flagged)


def accusations(brought: Brought, judged: Judged) -> list[Found]:
    """A finding a class that the panel names: a backdoor, or a mark that all classes bear; and classes too small."""
    return [*_named(brought, judged), *_small(brought, judged)]


def _named(brought: Brought, judged: Judged) -> list[Found]:
    labels = brought.labels[judged.ids]
    by_class: dict[int, list[Finding]] = {}
    for one in judged.detection.findings:
        by_class.setdefault(one.label, []).append(one)
    found = []
    for label, told in by_class.items():
        flagged = judged.flagged & (labels == label)
        if not flagged.any():
            continue
        everywhere = all(EVERYWHERE in one.words for one in told)
        assert judged.detection.class_p is not None
        p = float(judged.detection.class_p[label])
        sentence = _sentence(brought.classes[label], int(flagged.sum()), int((labels == label).sum()), told, everywhere)
        place = next((one.place for one in told if one.place is not None), None)
        cause = "mark" if everywhere else "backdoor"
        found.append(Found(cause, (brought.classes[label],), judged.ids[flagged], p, sentence, place))
    return sorted(found, key=lambda one: (one.cause, one.p))


def _sentence(name: str, flagged: int, size: int, told: list[Finding], everywhere: bool) -> str:
    tests = listed(list(dict.fromkeys(one.detector for one in told)))
    first = min(told, key=lambda one: one.p)
    where = "" if first.place is None else f" at row {first.place[0]}, column {first.place[1]}"
    said = f"{flagged:,} of the {size:,} images of class {plain(name)} bear a mark"
    if everywhere:
        return (
            f"{said} that is in other classes as often ({tests}: {first.words}{where}). A watermark looks so, and a "
            "backdoor that turns each class into another; only a network that was trained on the set can tell."
        )
    return f"{said} that the others lack, which no benign class should have ({tests}: {first.words}{where})."


def _small(brought: Brought, judged: Judged) -> list[Found]:
    unjudged = judged.detection.unjudged
    if unjudged is None:
        return []
    sizes = np.bincount(brought.labels[judged.ids], minlength=len(unjudged))
    which = [brought.classes[label] for label in np.flatnonzero(unjudged & (sizes > 0))]
    if not which:
        return []
    count = "1 class" if len(which) == 1 else f"{len(which):,} classes"
    most = int(sizes[unjudged].max())
    of = "1 image" if most == 1 else f"at most {most:,} images"
    said = f"{count} of {of} cannot be judged by any test: {listed(which)}."
    return [Found("small", tuple(which), nobody(), None, said)]


def groups(found: Detection, again: Callable[[], Iterable[Detection] | None]) -> list[Found]:
    """Classes of two kinds of images that overlap: told once, without the images.

    again: what the test on features says of some images, which takes the place of what it said of all, or None; asked
    only where it said something.
    """
    said = [note for note in found.notes if MIXED in note]
    if any(TEST in note for note in said) and (anew := again()) is not None:
        said = [note for note in said if TEST not in note]
        said += dict.fromkeys(note for one in anew for note in one.notes if MIXED in note)
    return [Found("group", (), nobody(), None, f"{note[0].upper()}{note[1:]}.") for note in said]


def reasons(brought: Brought, judged: Judged | None, findings: list[Found]) -> Mapping[int, str]:
    """Why an image is meant, by its id: the panel's tests for those flagged, else the causes of the findings."""
    told: dict[int, list[str]] = {}
    if judged is not None:
        flagged = set(judged.ids[judged.flagged].tolist())
        for one in judged.detection.findings:
            for row in judged.ids[one.ids].tolist():
                if row in flagged:
                    told.setdefault(row, []).append(f"{one.detector}: {one.words}")
    for found in findings:
        if found.cause not in ACCUSED:
            like = found.looks_like or [""] * len(found.ids)
            for row, name in zip(found.ids.tolist(), like, strict=True):
                told.setdefault(row, []).append(f"{found.cause}: looks like class {name}" if name else found.cause)
    return {row: "; ".join(dict.fromkeys(why)) for row, why in told.items()}


def flags(brought: Brought, judged: Judged | None) -> NDArray[np.bool_]:
    """Which images [n] the panel flags."""
    every = np.zeros(len(brought.labels), bool)
    if judged is not None:
        every[judged.ids[judged.flagged]] = True
    return every
