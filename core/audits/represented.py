"""Features beside the images, looked at before any test: which rows can be used, and what is told of the others.

A failed embedding (all zero, no number), a row far out of its class, or features that do not vary are faults of the
features, and no sign of an attack. Rows with such a fault have no part in the tests on features; their images are
judged by the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.audits.asked import Evidence, Memory
from core.audits.brought import Brought
from core.audits.finding import Found, listed, nobody, plain
from core.audits.given import ARRAYS
from core.detectors import Fault, blocks, faults, still, taken
from core.store import lies_in, on_disk
from core.types import BadRequest, Detection, Features, Ids, Labels, Mask

LARGEST = float(np.finfo(np.float32).max)  # beyond it `detect` takes no number
TEST = "split-spectral"  # the panel's test on features
TOLD = 3  # names in a sentence
FEWEST_PICTURES = 5  # different ones with the same features, from which on that is told

LEFT_OUT = "left out of every test on features"


@dataclass(frozen=True)
class Represented:
    """Features [n, d] of a set's images. usable [n]: rows of labelled images that tests may rest on; found: the rest.

    constant: nothing can be told of any class, since the features vary within none.
    """

    features: Features
    usable: Mask
    found: tuple[Found, ...]
    constant: bool


def represented(brought: Brought, features: Features) -> Represented:
    """Look at features [n, d] of a set, those of images with a label; BadRequest where they are no real numbers."""
    if features.dtype.kind not in "fiu":
        raise BadRequest(f"features must be real numbers, got dtype {features.dtype}")
    labelled, finite = brought.labels >= 0, _finite(features)
    usable, found = labelled & finite, list[Found]()
    if (labelled & ~finite).any():
        found.append(_failed(brought, np.flatnonzero(labelled & ~finite), "not finite in float32"))
    ids = np.flatnonzero(usable)
    if not len(ids):
        return Represented(features, usable, tuple(found), constant=True)
    labels, rows = brought.labels[ids], taken("what can be used", features, ids)
    if _still(rows, labels):
        said = "The features do not vary within any class: nothing can be told from them."
        return Represented(features, usable, (*found, Found("wild", (), nobody(), None, said)), constant=True)
    told = [one._replace(ids=ids[one.ids]) for one in faults(rows, labels)]
    for one in told:
        if one.kind != "copies":
            usable[one.ids] = False
    return Represented(features, usable, (*found, *_findings(brought, told)), constant=False)


def _finite(features: Features) -> Mask:
    return np.concatenate([(np.abs(rows.astype(np.float64)) <= LARGEST).all(1) for _, rows in blocks(features)])


def _still(features: Features, labels: Labels) -> bool:
    """Whether features vary within no class of several images, of which there is one."""
    several = np.bincount(labels) > 1
    return bool(several.any() and still(features, labels)[several].all())


# --- what is told ---------------------------------------------------------------------------------------------


def _findings(brought: Brought, told: Sequence[Fault]) -> Iterator[Found]:
    for one in told:
        if one.kind == "zero":
            yield _failed(brought, one.ids, "all zero")
    wild = [one for one in told if one.kind == "wild"]
    for label in dict.fromkeys(one.label for one in wild):
        assert label is not None
        yield _wild(brought, label, [one for one in wild if one.label == label])
    for one in told:
        if one.kind == "copies" and len({brought.images[row].tobytes() for row in one.ids}) >= FEWEST_PICTURES:
            assert one.label is not None
            said = (
                f"{len(one.ids):,} images of class {plain(brought.classes[one.label])} have the same features, though "
                "their pictures differ."
            )
            yield Found("wild", (brought.classes[one.label],), one.ids, None, said)


def _failed(brought: Brought, ids: Ids, what: str) -> Found:
    classes = tuple(brought.classes[label] for label in np.unique(brought.labels[ids]))
    rows = "1 row is" if len(ids) == 1 else f"{len(ids):,} rows are"
    of = f"class {plain(classes[0])}" if len(classes) == 1 else f"{len(classes):,} classes"
    said = f"Failed embeddings: {rows} {what}, of {of}; {'it is' if len(ids) == 1 else 'they are'} {LEFT_OUT}."
    return Found("wild", classes, ids, None, said)


def _wild(brought: Brought, label: int, rows: Sequence[Fault]) -> Found:
    """Rows of one class that are far out of it, the furthest first."""
    ids = np.concatenate([one.ids for one in rows])
    name = brought.classes[label]
    what = "row " if brought.kind == ARRAYS else ""  # whose names are their numbers
    names = listed([f"{what}{brought.names[row]}" for row in ids], TOLD)
    count = "1 row is" if len(ids) == 1 else f"{len(ids):,} rows are"
    times = f"{'' if len(ids) == 1 else 'up to '}{rows[0].times:,.0f} times as far as the rest"
    said = f"{count} far out of class {plain(name)}, {times}: {names}; {LEFT_OUT}."
    return Found("wild", (name,), np.sort(ids), None, said)


# --- the test on features -------------------------------------------------------------------------------------


def tested(
    brought: Brought, seen: Represented, ids: Ids, memory: Memory, level: float
) -> tuple[Features | None, dict[str, Detection]]:
    """Features of a set's labelled images ids [m], fit for the panel, and what its test on them says (`memory`).

    Nothing is said of rows that cannot be used; where all can, the panel asks itself.
    """
    usable = seen.usable[ids]
    if seen.constant or not usable.any():
        return None, {}
    features = taken("what has a label", seen.features, ids)
    if usable.all():
        return features, {}
    labels, able = brought.labels[ids], np.flatnonzero(usable)
    rows = taken("what can be used", features, able)
    found = memory.said(TEST, level, Evidence(labels[able], rows, memory.order(brought.images)[ids[able]]))
    return _without(features, usable), {TEST: _spread(found, labels, usable)}


def _without(features: Features, usable: Mask) -> Features:
    """Features [m, d] with noughts in the rows that cannot be used; those of a file in another one."""
    if lies_in(features) is None:
        return np.where(usable[:, None], features, features.dtype.type(0))
    rows = (np.where(usable[place, None], some, some.dtype.type(0)) for place, some in blocks(features))
    return on_disk("what can be used", rows, features.shape, features.dtype)


def _spread(found: Detection, labels: Labels, usable: Mask) -> Detection:
    """A detection on some rows as one on all [m]: the others are least suspicious, and classes without any unjudged."""
    assert found.class_p is not None
    assert found.class_statistic is not None
    assert found.cut is not None
    rows, count = np.flatnonzero(usable), int(labels.max()) + 1
    scores = np.full(len(labels), np.inf)
    scores[rows] = found.scores
    least = np.full(count, np.inf)
    np.minimum.at(least, labels, scores)
    scores[~usable] = np.where(np.isfinite(least), least, 0.0)[labels[~usable]]
    missing = np.bincount(labels[rows], minlength=count) == 0
    if found.unjudged is not None:
        missing[: len(found.unjudged)] |= found.unjudged
    return replace(
        found,
        scores=scores,
        class_p=_longer(found.class_p, count, 1.0),
        class_statistic=_longer(found.class_statistic, count, 0.0),
        cut=_longer(found.cut, count, np.inf),
        unjudged=missing if missing.any() else None,
        findings=tuple(replace(one, ids=rows[one.ids]) for one in found.findings),
    )


def _longer(values: NDArray[np.float64], count: int, filled: float) -> NDArray[np.float64]:
    return np.concatenate([values, np.full(count - len(values), filled)])
