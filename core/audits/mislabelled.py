"""Images whose label is likely an error: which they are, and which class each of them looks like.

Poison whose label was changed looks like this to features that know nothing of its trigger. So what the panel flags in
a class that it names stays the backdoor's; but where features alone name a class, and what they flag looks like images
of one other class, the cause is labels, since that is how a plain confusion of two classes looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.audits import networks, noise
from core.audits.brought import Brought
from core.audits.finding import Found, Judged, plain
from core.audits.represented import TEST, Represented
from core.detectors import taken
from core.types import Features, Ids, Labels, Mask, Scores

FEWEST = 5  # errors in a class that are a finding of their own
EXPLAINED = 0.8  # of what is flagged in a class, that must look wrong, and like one class, not to be called planted
TOLD = 3  # classes in a sentence
LIKELY = ("Their labels are likely errors.", "Its label is likely an error.")


@dataclass(frozen=True)
class Doubts:
    """Labels in the light of features: of the images ids [m] that were looked at the chance of theirs to be wrong, and
    the likeliest class [m], another one where that is more than a half. notes: what was not looked at, and why.
    """

    ids: Ids
    wrong: Scores
    likely: Labels
    notes: tuple[str, ...] = ()


def nothing(*notes: str) -> Doubts:
    """No doubt, and why."""
    return Doubts(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), notes)


def doubts(
    brought: Brought,
    seen: Represented | None,
    blocks: Features | None = None,
    without: Mask | None = None,
    tell: Callable[[float], None] = lambda done: None,
) -> Doubts:
    """Doubts about the labels of a set, by features, where these know the classes.

    blocks [n, c]: other features of the images; a label is doubted as much as by those that doubt it more. without [n]:
    images that have no part, since something else is known of them. tell hears which share is done, and may raise.
    """
    if seen is None or seen.constant:
        return nothing()
    able = seen.usable if without is None else seen.usable & ~without
    large = noise.enough(np.where(able, brought.labels, -1))
    ids = np.flatnonzero(large)
    known, labels = np.unique(brought.labels[ids], return_inverse=True)
    if len(known) < 2:
        return nothing()
    if len(known) > noise.MOST_CLASSES:
        return nothing(f"label errors are looked for among at most {noise.MOST_CLASSES:,} classes")
    keys = [brought.digests[row] for row in ids]
    given = [view for view in (seen.features, blocks) if view is not None]
    views = [
        noise.judged(
            taken("what is looked at for label errors", view, ids), labels, keys,
            lambda done, turn=turn: tell((turn + done) / len(given)),  # type: ignore[misc]
        )
        for turn, view in enumerate(given)
    ]  # fmt: skip
    commonest = float(np.bincount(labels).max() / len(labels))
    knowing = [one for one in views if networks.knows(one.right, commonest)]
    if not knowing:
        return nothing(
            f"label errors are not looked for: the features tell {views[0].right:.0%} of the labels, and the commonest "
            f"one is that of {commonest:.0%}"
        )
    wrong, likely = knowing[0].wrong, knowing[0].likely
    for one in knowing[1:]:
        likely = np.where(one.wrong > wrong, one.likely, likely)
        wrong = np.maximum(one.wrong, wrong)
    small = int(len(np.unique(brought.labels[able])) - len(known))
    notes = () if not small else (
        f"label errors are not looked for in {'1 class' if small == 1 else f'{small:,} classes'} of fewer than "
        f"{noise.FEWEST} images",
    )  # fmt: skip
    return Doubts(ids, wrong, known[likely], notes)


def spared(brought: Brought, judged: Judged, doubted: Doubts) -> Judged:
    """The panel's word without the classes that features alone name, of which confused labels explain what is flagged.

    That is, most of it is likely mislabelled, and looks like one other class.
    """
    likely = brought.labels.copy()
    likely[doubted.ids] = doubted.likely
    labels, flagged = brought.labels[judged.ids], judged.flagged.copy()
    for label in _by_features(judged):
        ids = judged.ids[flagged & (labels == label)]
        others = likely[ids[likely[ids] != label]]
        if len(others) and np.bincount(others).max() >= EXPLAINED * len(ids):
            flagged[labels == label] = False
    return replace(judged, flagged=flagged)


def unsure(brought: Brought, judged: Judged) -> Mask:
    """The flagged images of the classes that features alone name, [n]: label errors may explain them (`spared`)."""
    found = np.zeros(len(brought), bool)
    found[judged.ids] = judged.flagged & np.isin(brought.labels[judged.ids], list(_by_features(judged)))
    return found


def _by_features(judged: Judged) -> set[int]:
    """The classes of which features alone say something."""
    findings = judged.detection.findings
    return {one.label for one in findings} - {one.label for one in findings if one.detector != TEST}


def findings(brought: Brought, doubted: Doubts) -> Iterator[Found]:
    """A finding a class with several errors, and one of all others; each image told with the class it looks like."""
    wrong = doubted.likely != brought.labels[doubted.ids]
    ids, likely = doubted.ids[wrong], doubted.likely[wrong]
    labels = brought.labels[ids]
    counts = np.bincount(labels, minlength=len(brought.classes))
    for label in np.argsort(-counts, kind="stable"):
        if counts[label] >= FEWEST:
            yield _found(brought, ids[labels == label], likely[labels == label])
    few = counts[labels] < FEWEST
    if few.any():
        yield _found(brought, ids[few], likely[few])


def _found(brought: Brought, ids: Ids, likely: Labels) -> Found:
    given = [brought.classes[label] for label in np.unique(brought.labels[ids])]
    like = tuple(brought.classes[label] for label in likely)
    of = f"class {plain(given[0])}" if len(given) == 1 else f"{len(given):,} classes"
    count = "1 image" if len(ids) == 1 else f"{len(ids):,} images"
    kinds = Counter(like).most_common()
    first = [f"{number:,} like class {plain(name)}" for name, number in kinds[:TOLD]]
    left = sum(number for _, number in kinds[TOLD:])
    shown = ", ".join(first) + (f", {left:,} like others" if left else "")
    one = len(ids) == 1
    if len(kinds) == 1:
        said = f"{count} of {of} look{'s' if one else ''} like class {plain(kinds[0][0])}"
    else:
        said = f"{count} of {of} look like those of another: {shown}"
    return Found("labels", tuple(given), ids, None, f"{said}. {LIKELY[one]}", looks_like=like)
