"""Plain faults of features, to be looked at before any score: copies, rows of zeros, and a row far out of its class.

Each of them makes detectors name a class that has no trigger in it. Nothing here is a verdict: poisoned images may be
copies, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.detectors.members import blocks, is_much, members_of, pieces_of
from core.types import Features, Ids, Labels

FEWEST_COPIES = 5  # rows; real sets have a few pairs
FAR = 100.0  # times the median distance: heavy tails stay below, a wrong unit or an overflow does not
SAMPLE = 101  # rows of a class, of which its middle is taken
TOLD = 5  # sentences of a kind, the gravest first; the others are counted
MORE = {"copies": "groups of copies", "wild": "rows far out of their class"}  # as what; of zeros there is one group


class Fault(NamedTuple):
    """Rows that are not as features are, by their ids [m].

    kind: "zero" (one fault for all of them), "copies" (one a group) or "wild" (one a row). label: their class; None
    where they are of several. times: how many copies, or how many times as far out as the rest of the class.
    """

    kind: str
    label: int | None
    ids: Ids
    times: float


def faults(features: Features, labels: Labels) -> list[Fault]:
    """The faults of features [n, d], finite numbers, of classes labels [n], integers of at least 0; the gravest first.

    Copies are rows of a class that are the same in every feature, other than zeros; a wild row is more than a hundred
    times as far from the middle of its class (the median in each feature, of at most 101 rows) as half of the class
    is. Takes a few passes over the features and, beside them, pieces of at most 128 MB and some numbers a row.
    """
    features, labels = np.asarray(features), np.asarray(labels)
    (zero, marks), away = _looked_at(features), _away(features, labels)
    found, copies, wild = list[Fault](), list[Fault](), list[Fault]()
    if zero.any():
        which = np.unique(labels[zero])
        found.append(Fault("zero", int(which[0]) if len(which) == 1 else None, np.flatnonzero(zero), float(zero.sum())))
    for label, ids in members_of(labels):
        copies += _copies(label, ids[~zero[ids]], marks)
        wild += _wild(label, ids, away[ids])
    return [*found, *_gravest(copies), *_gravest(wild)]


def plain_faults(
    features: Features, labels: Labels, names: Sequence[str] | None = None, rows: Ids | None = None
) -> tuple[str, ...]:
    """Sentences on the `faults` of features [n, d] of classes labels [n], those of a kind counted where they are many.

    names [k] are what the classes are called in them, rows [n] int64 the rows; by default their numbers.
    """
    found = faults(features, labels)
    sentences = list[str]()
    for kind in ("zero", *MORE):
        of_kind = [one for one in found if one.kind == kind]
        sentences += [_sentence(one, labels, names, rows) for one in of_kind[:TOLD]]
        sentences += [f"{len(of_kind) - TOLD:,} more {MORE[kind]}"] if len(of_kind) > TOLD else []
    return tuple(sentences)


def _sentence(one: Fault, labels: Labels, names: Sequence[str] | None, rows: Ids | None) -> str:
    if one.kind == "zero":
        where = (
            f"{len(np.unique(labels[one.ids])):,} classes" if one.label is None else f"class {_named(one.label, names)}"
        )
        return f"{_rows(len(one.ids))} all zero, of {where}"
    assert one.label is not None
    name = _named(one.label, names)
    if one.kind == "copies":
        return f"{len(one.ids):,} rows of class {name} are copies of one another"
    row = one.ids[0] if rows is None else rows[one.ids[0]]
    return f"row {row} of class {name} is {one.times:,.0f} times as far out as the rest of its class"


def _looked_at(features: Features) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Which rows are all zero, [n]; and a number for each, [n], that copies share and other rows do not.

    But for one chance in 2 ** 64 a pair.
    """
    factors = np.random.default_rng(0).integers(1, 2**64, size=(features.shape[1], 2), dtype=np.uint64) | np.uint64(1)
    zero, marks = np.empty(len(features), bool), np.empty(len(features), np.uint64)
    for place, block in blocks(features):
        zero[place] = ~block.any(1)
        words = (block.astype(np.float64) + 0.0).view(np.uint64)  # + 0: there are two zeros
        marks[place] = (_mixed(words ^ factors[:, 0]) * factors[:, 1]).sum(1, dtype=np.uint64)
    return zero, marks


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Words whose every bit hangs on all bits of what they were (the finaliser of SplitMix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words = (words ^ (words >> np.uint64(shift))) * np.uint64(factor)
    return words ^ (words >> np.uint64(31))


def _copies(label: int, ids: Ids, marks: NDArray[np.uint64]) -> Iterator[Fault]:
    """Groups of copies among the rows of a class."""
    _, which, counts = np.unique(marks[ids], return_inverse=True, return_counts=True)
    common = counts[which] >= FEWEST_COPIES
    if common.any():
        for _, places in members_of(which[common]):
            yield Fault("copies", label, ids[common][places], float(len(places)))


def _away(features: Features, labels: Labels) -> NDArray[np.float64]:
    """How far each row [n] is from the middle of its class."""
    members, away = dict(members_of(labels)), np.empty(len(features))
    for label, pieces in groupby(pieces_of(features, members.items(), is_much), key=itemgetter(0)):
        ids, middle = members[label], None
        some = slice(None, None, -(-len(ids) // SAMPLE))
        for _, places, rows in pieces:
            if middle is None:
                sample = rows[some] if len(rows) == len(ids) else features[ids[some]]
                middle = np.median(sample.astype(np.float64), axis=0)
            away[ids[places]] = np.concatenate([np.linalg.norm(block - middle, axis=1) for _, block in blocks(rows)])
    return away


def _wild(label: int, ids: Ids, away: NDArray[np.float64]) -> Iterator[Fault]:
    """Rows of a class that lie far out of it, by how far they are from its middle, [m]."""
    usual = float(np.median(away))
    if usual > 0:
        for row in np.flatnonzero(away > FAR * usual):
            yield Fault("wild", label, ids[row : row + 1], float(away[row] / usual))


def _gravest(found: list[Fault]) -> list[Fault]:
    return sorted(found, key=lambda one: -one.times)


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _named(label: int, names: Sequence[str] | None) -> str:
    return str(label) if names is None else names[label]
