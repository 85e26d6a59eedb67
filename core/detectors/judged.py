"""What a detector cannot judge, and how that is said: a class that cannot be judged is told of, never named or cut."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.detectors.members import is_much, members_of, pieces_of
from core.store import let_go
from core.types import Detection, Features, Labels, Mask

FEWEST = 3  # images of a class, below which none can be apart from the others
COMPARED = 3  # classes that can be judged, below which none of them can stand out from the others


class TooSmall(NamedTuple):
    """The classes of too few images, [k] bool, and a sentence on them; None and no sentence where there are none."""

    mask: Mask | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, sizes: NDArray[np.int64], fewest: int) -> TooSmall:
        """Those of classes of sizes [k] (0: absent, and not counted) that have fewer than `fewest` images."""
        mask = (sizes > 0) & (sizes < fewest)
        if not mask.any():
            return cls(None, ())
        return cls(mask, (f"{classes(int(mask.sum()))} too small to judge: fewer than {fewest} images",))


def classes(count: int) -> str:
    """So many classes, with the verb."""
    return "1 class is" if count == 1 else f"{count:,} classes are"


def too_few(detector: str, judged: int) -> tuple[str, ...]:
    """That a detector which compares classes has too few of them, and what can be used instead; nothing if not."""
    if judged >= COMPARED:
        return ()
    return (
        f"{detector} compares classes and names none where fewer than three can be judged, here {judged}; "
        "whitened-spectral judges one or two, too",
    )


def still(features: Features, labels: Labels) -> Mask:
    """The classes whose rows of features [n, d] are all the same, [k]; one without rows is one."""
    found = np.ones(int(labels.max()) + 1, bool)
    unsure = []
    for label, ids in members_of(labels):
        found[label] = (features[ids[-1]] == features[ids[0]]).all()
        if found[label]:
            unsure.append((label, ids))
        let_go(features)
    first = {label: features[ids[0]] for label, ids in unsure}
    for label, _, rows in pieces_of(features, unsure, is_much):
        found[label] &= (rows == first[label]).all()
    return found


def told(found: Detection, labels: Labels, constant: Mask | None) -> Detection:
    """A detection with the classes added in which no image can be told from another, and with words on them.

    Those are the `constant` ones [k], whose features do not vary, and those of one image or two (`constant` is None
    where features have no part in the scores); and those whose scores do not vary.
    """
    present = np.unique(labels)
    flat = np.zeros(int(labels.max()) + 1, bool)
    low, high = np.full(len(flat), np.inf), np.full(len(flat), -np.inf)
    np.minimum.at(low, labels, found.scores)
    np.maximum.at(high, labels, found.scores)
    flat[present] = high[present] <= low[present]
    sizes = np.bincount(labels)
    if constant is None:
        constant = np.zeros(len(flat), bool)
    else:
        flat |= sizes < FEWEST
    known = np.zeros(len(flat), bool) if found.unjudged is None else found.unjudged
    unjudged = np.zeros(len(flat), bool)
    unjudged[present] = (flat | constant | known)[present]
    if not unjudged.any():
        return replace(found, unjudged=None)
    if (sizes > 1).any() and constant[sizes > 1].all():
        return replace(found, unjudged=unjudged, notes=("features do not vary within any class: nothing can be told",))
    notes = (*_alike(sizes, unjudged & ~known, constant), *found.notes)
    return replace(found, unjudged=unjudged, notes=notes)


def _alike(sizes: NDArray[np.int64], unjudged: Mask, constant: Mask) -> tuple[str, ...]:
    """Sentences on classes [k] that are unjudged because nothing varies in them, or because they are so small."""
    small = TooSmall.of(np.where(unjudged, sizes, 0), FEWEST)
    alike = unjudged & (sizes >= FEWEST)
    if not alike.any():
        return small.notes
    what = "features" if constant[alike].any() else "scores"
    return (*small.notes, f"{classes(int(alike.sum()))} not judged: nothing can be told where {what} do not vary")
