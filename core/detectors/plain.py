"""Plain faults of features, to be looked at before any score: copies, rows of zeros, and a row far out of its class.

Each of them makes detectors name a class that has no trigger in it. Nothing here is a verdict: poisoned images may be
copies, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.detectors.members import blocks, members_of, rows_of
from core.types import Features, Ids, Labels

FEWEST_COPIES = 5  # rows; real sets have a few pairs
FAR = 100.0  # times the median distance: heavy tails stay below, a wrong unit or an overflow does not
SAMPLE = 101  # rows of a class, of which its middle is taken
TOLD = 5  # sentences of a kind, the gravest first; the others are counted


def plain_faults(
    features: Features, labels: Labels, names: Sequence[str] | None = None, rows: Ids | None = None
) -> tuple[str, ...]:
    """Sentences on features [n, d], finite numbers, of classes labels [n], integers of at least 0; none if all is well.

    names [k] are what the classes are called in them, rows [n] int64 the rows; by default their numbers.

    Copies are rows of a class that are the same in every feature, other than zeros; a wild row is more than a hundred
    times as far from the middle of its class (the median in each feature, of at most 101 rows) as half of the class
    is. Takes a few passes over the features and, beside them, a few blocks of 16 MB and some numbers a row.
    """
    features = np.asarray(features)
    zero, marks = _looked_at(features)
    sentences = (f"{_rows(int(zero.sum()))} all zero{_where(labels, zero, names)}",) if zero.any() else ()
    copies: list[tuple[float, str]] = []
    wild: list[tuple[float, str]] = []
    for label, ids, seen in rows_of(features, members_of(np.asarray(labels))):
        copies += _copies(_named(label, names), ids[~zero[ids]], marks)
        wild += _wild(_named(label, names), ids if rows is None else rows[ids], seen)
    return (*sentences, *_gravest(copies, "groups of copies"), *_gravest(wild, "rows far out of their class"))


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


def _copies(name: str, ids: Ids, marks: NDArray[np.uint64]) -> list[tuple[float, str]]:
    """Groups of copies among the rows of a class: how many they are, and a sentence."""
    _, counts = np.unique(marks[ids], return_counts=True)
    return [(float(count), f"{count:,} rows of class {name} are copies of one another")
            for count in counts[counts >= FEWEST_COPIES]]  # fmt: skip


def _wild(name: str, called: Ids, rows: Features) -> list[tuple[float, str]]:
    """Rows [m, d] far out of their class, called so [m]: how many times as far as the rest, and a sentence."""
    middle = np.median(rows[:: -(-len(rows) // SAMPLE)].astype(np.float64), axis=0)
    away = np.concatenate([np.linalg.norm(block - middle, axis=1) for _, block in blocks(rows)])
    usual = float(np.median(away))
    if usual <= 0:
        return []
    return [(float(away[row] / usual), f"row {called[row]} of class {name} is {away[row] / usual:,.0f} times as far "
             "out as the rest of its class") for row in np.flatnonzero(away > FAR * usual)]  # fmt: skip


def _gravest(found: list[tuple[float, str]], what: str) -> list[str]:
    """The sentences of the largest figures, and how many others there are."""
    ordered = [sentence for _, sentence in sorted(found, key=lambda one: -one[0])]
    more = len(ordered) - TOLD
    return ordered[:TOLD] + ([f"{more:,} more {what}"] if more > 0 else [])


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _where(labels: Labels, rows: NDArray[np.bool_], names: Sequence[str] | None) -> str:
    """The class of rows [n] where they are of one, and how many they are of where not."""
    which = np.unique(np.asarray(labels)[rows])
    return f", of class {_named(int(which[0]), names)}" if len(which) == 1 else f", of {len(which):,} classes"


def _named(label: int, names: Sequence[str] | None) -> str:
    return str(label) if names is None else names[label]
