"""A positive control: known triggers, planted into copies of a set, and what the panel's image side finds of them.

"Nothing found" says little without what would have been found. Single classes get the marks one after the other, on
images of their own and with their own labels: all that could give them away is the mark. A trigger that is not named
at some share of a class is not tried at a smaller one, and counts as not found there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from core.attack import triggers
from core.configuration import TRIGGERS
from core.detectors import Ground, Plant, grown
from core.types import BadRequest, Detection, Images, Labels

PLANTED = ("pixel", "patch", "blended", "sinusoid")  # with the settings that they have by default
SHARES = (0.05, 0.02, 0.01, 0.005)  # of a class


@dataclass(frozen=True)
class Control:
    """One trigger at one share of one class: whether the class is named, and the share of the marks that is flagged.

    planted: images that bear it. tried: False where a larger share was not named, so that this one was not asked about.
    """

    trigger: str
    share: float
    label: int
    planted: int
    named: bool
    found: float
    tried: bool


@dataclass(frozen=True)
class Reach:
    """A trigger at a share over the classes: in how many of them it is named, and the mean share that is flagged."""

    trigger: str
    share: float
    classes: int
    named: int
    found: float


def control(
    images: Images,
    labels: Labels,
    found: Detection,
    *,
    level: float,
    planted: Sequence[str] = PLANTED,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    tell: Callable[[float], None] = lambda done: None,
) -> list[Control]:
    """Plant triggers into images [n, h, w, 3] uint8 of classes labels [n]; shares of a class in (0, 1).

    found: what the panel says of the set as it is, at a false discovery rate of `level`; classes that it names are left
    out, as are those that it cannot judge. tell hears of the share that is done. BadRequest for an unknown trigger, a
    share out of range, or a detection without p-values.
    """
    if found.class_p is None:
        raise BadRequest("a positive control needs the panel's own detection, which has a p-value of each class")
    if unknown := sorted(set(planted) - set(TRIGGERS)):
        raise BadRequest(f"unknown triggers {unknown}; allowed are {sorted(TRIGGERS)}")
    if wrong := [share for share in shares if not 0 < share < 1]:
        raise BadRequest(f"shares of a class must lie between 0 and 1, got {wrong}")
    rows: list[Control] = []
    alive = [(label, trigger) for label in _able(labels, found) for trigger in planted]
    tried, ground = sorted(shares, reverse=True), Ground(images, labels, found, level)
    for turn, share in enumerate(tried):
        plants = {pair: plant(images, labels, *pair, share, seed) for pair in alive}
        told = grown(
            ground,
            list(plants.values()),
            lambda done, turn=turn: tell((turn + done) / len(tried)),  # type: ignore[misc]
        )
        for ((label, trigger), planting), one in zip(plants.items(), told, strict=True):
            rows.append(Control(trigger, share, label, len(planting.ids), one.named, one.share, True))
        missed = [pair for pair, one in zip(alive, told, strict=True) if not one.named]
        rows += [
            Control(trigger, smaller, label, _count(labels, label, smaller), False, 0.0, False)
            for label, trigger in missed
            for smaller in tried[turn + 1 :]
        ]
        alive = [pair for pair in alive if pair not in set(missed)]
    return rows


def reach(rows: Sequence[Control]) -> list[Reach]:
    """The control over the classes, trigger by trigger, the largest share first."""
    places = dict.fromkeys((row.trigger, row.share) for row in rows)
    order = {trigger: place for place, trigger in enumerate(dict.fromkeys(row.trigger for row in rows))}
    found = []
    for trigger, share in sorted(places, key=lambda place: (order[place[0]], -place[1])):
        some = [row for row in rows if (row.trigger, row.share) == (trigger, share)]
        named = sum(row.named for row in some)
        found.append(Reach(trigger, share, len(some), named, float(np.mean([row.found for row in some]))))
    return found


def sentences(rows: Sequence[Control]) -> Iterator[str]:
    """The control for a terminal or a report, a trigger a line."""
    yield "what would have been found, planted into one class after the other (its images, their own labels):"
    for trigger, some in groupby(reach(rows), key=lambda one: one.trigger):
        told = (f"{one.share:.1%} of a class in {one.named} of {one.classes} ({one.found:.0%} flagged)" for one in some)
        yield f"  {trigger}: {', '.join(told)}"


def plant(images: Images, labels: Labels, label: int, trigger: str, share: float, seed: int) -> Plant:
    """A trigger on a share of a class, always on the same images of it: a smaller share is a part of a larger one."""
    ids = np.flatnonzero(labels == label)
    drawn = np.random.default_rng([seed, label]).permutation(ids)[: _count(labels, label, share)]
    some = np.sort(drawn)
    return Plant(label, some, triggers.apply(trigger, _usual(trigger), images[some]))


def _able(labels: Labels, found: Detection) -> list[int]:
    """The classes that are judged, and not named already."""
    sizes = np.bincount(labels)
    named = np.zeros(len(sizes), bool)
    if found.class_statistic is not None and found.class_threshold is not None:
        named = found.class_statistic > found.class_threshold
    able = (sizes > 1) & ~named
    return np.flatnonzero(able if found.unjudged is None else able & ~found.unjudged).tolist()


def _count(labels: Labels, label: int, share: float) -> int:
    return max(1, round(share * int((labels == label).sum())))


def _usual(trigger: str) -> dict[str, Any]:
    return {name: one.default for name, one in TRIGGERS[trigger].parameters.items()}
