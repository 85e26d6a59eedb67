"""Which images the filters let through, and in which order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts.around.cuts import Scored
from pages.parts.flagged import verdicts

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

ALL, HITS, FALSE, MISSED = "All flagged", "True positives ✕", "False positives ●", "Missed poisons ✕"
LEFT = "Not flagged"
COVERS = "Flagged covers ○"  # asked where there are any; they are among the false positives
EVERY = "every class"
HIGHEST, LOWEST, GROUPS, RANK, ID, ORIGINAL, VERDICT = (
    *("highest score", "lowest score", "groups of near images", "rank in its class"),
    *("id", "original class", "verdict"),
)


class View(NamedTuple):
    """What is asked of the images: which, in which order."""

    kind: str = ALL
    label: str = EVERY
    origin: str = EVERY
    verdict: str = verdicts.ANY
    low: float | None = None
    high: float | None = None
    order: str = HIGHEST


def kinds(truth: bool, covers: bool) -> list[str]:
    """What may be asked for by what the cut and the truth say; in blind review by the cut alone."""
    return [ALL, HITS, FALSE, MISSED, *([COVERS] if covers else []), LEFT] if truth else [ALL, LEFT]


def orders(truth: bool) -> list[str]:
    """The orders that may be asked for; an id, or what an image was, would tell in blind review."""
    return [HIGHEST, LOWEST, GROUPS, RANK, *([ID, ORIGINAL] if truth else []), VERDICT]


def fitting(result: Result, found: Scored, flagged: Mask, asked: View) -> Mask:
    """What the filters on kind and class let through, [n]: all that does not change while one judges."""
    poisoned, names = result.poisoned, np.array(core.class_names(result.config.dataset.name))
    truth = poisoned.truth.poisoned
    wanted = {
        **{ALL: flagged, HITS: flagged & truth, FALSE: flagged & ~truth, MISSED: ~flagged & truth},
        **{COVERS: flagged & poisoned.truth.covers, LEFT: ~flagged},
    }[asked.kind]
    if asked.label != EVERY:
        wanted = wanted & (names[found.labels] == asked.label)
    if asked.origin != EVERY:
        wanted = wanted & (names[poisoned.source_labels] == asked.origin)
    return wanted


def select(
    result: Result, found: Scored, wanted: Mask, asked: View, book: verdicts.Book | None, groups: Ids | None
) -> Ids:
    """Ids of what all filters let through, in the order asked for; ties go to the higher score, then the lower id.

    wanted [n] as `fitting` says; groups [n]: the group of each wanted image, where the order is that of groups.
    """
    if asked.low is not None:
        wanted = wanted & (found.scores >= asked.low)
    if asked.high is not None:
        wanted = wanted & (found.scores <= asked.high)
    ids = np.flatnonzero(wanted)
    if book is not None and asked.verdict != verdicts.ANY:
        ids = ids[[book.fits(int(id), asked.verdict) for id in ids]] if len(ids) else ids
    by = _sort_key(result, found, asked.order, ids, book) if groups is None else groups[ids]
    return ids[np.lexsort((-found.scores[ids], by))]


def _sort_key(result: Result, found: Scored, order: str, ids: Ids, book: verdicts.Book | None) -> NDArray[np.float64]:
    """What the images [n] are ordered by, smallest first."""
    if order == VERDICT:
        given = {} if book is None else book.verdicts
        places = {verdict: place for place, verdict in enumerate(core.reviews.VERDICTS)}
        return np.array([places.get(given.get(int(id), ""), len(places)) for id in ids], float)
    keys = {LOWEST: found.scores, RANK: found.ranks, ID: np.arange(len(found.scores))}
    return {**keys, ORIGINAL: result.poisoned.source_labels}.get(order, -found.scores)[ids]


def groups(result: Result, found: Scored, wanted: Mask, order: str) -> Ids | None:
    """The group of near images that each wanted image [n] is in, by number; None where that is not the order.

    None, with a message, where the representations of the run are gone.
    """
    if order != GROUPS:
        return None
    ids = np.flatnonzero(wanted)
    ids = ids[np.argsort(-found.scores[ids], kind="stable")]
    known = str(result.store.folder), result.features_key, ids.tobytes()
    numbers = _groups(*known, result, found, ids)
    if numbers is None:
        _groups.clear(*known)  # so that they are looked for again once it is there
        st.info("The run's representation is not stored, so there are no groups: the highest score comes first.")
        return None
    if len(ids) > core.groups.MOST:
        st.caption(
            f"The {core.groups.MOST:,} highest scores are in groups; what scores lower stands alone behind them."
        )
    return numbers


@st.cache_resource(max_entries=8, show_spinner="Looking for groups of near images …")
def _groups(store: str, features_key: str, ids: bytes, _result: Result, _found: Scored, _ids: Ids) -> Ids | None:
    features = _result.features
    if features is None:
        return None
    numbers = np.full(len(_found.labels), len(_ids))
    numbers[_ids] = core.groups.near(features, _found.labels, _ids)
    return numbers
