"""The scores of what the filter may show, as a slim histogram above the grid, and the range that it lets through.

Dragging across it sets the filters "score from" and "score to" (pages/flagged.py), which stand in the address as ever.
What it shows is made once for a cut and the filters on kind and class: verdicts, which change with every key, and the
range itself do not touch it. Drawn by strip.js.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core import Result
from pages.parts.around import components, cuts, plots, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.images import brush

Mask = NDArray[np.bool_]

KEY = "score strip"
HINT = "drag to filter by score"
ROOM = 0.07  # share of the width that the cut's name takes from the ticks on either side
FINE = 10  # steps of a bin to which a brushed score is written
MARKS = {"benign": "● benign", "poisoned": "✕ poisoned", "images": ""}

_HTML = """<div class="strip">
<div class="head"><span class="title"></span><span class="legend"></span>
<span class="readout" aria-hidden="true"></span></div>
<div class="frame">
<div class="plot">
<div class="bars" role="img"></div>
<div class="dim"></div><div class="dim"></div>
<div class="cut" aria-hidden="true" hidden></div>
<div class="end" role="slider" tabindex="0" aria-label="Score from" aria-valuemin="0"></div>
<div class="end" role="slider" tabindex="0" aria-label="Score to" aria-valuemin="0"></div>
</div>
<div class="ticks" aria-hidden="true"></div>
</div>
</div>"""
_draw = components.beside(__file__, _HTML)

Ends = tuple[float | None, float | None]


def show(
    result: Result, found: Scored, cut: Cut, shown: tuple[str, ...], wanted: Mask, truth: bool, ends: Ends,
    change: Callable[[float | None, float | None], None],
) -> None:  # fmt: skip
    """The picture with the filter's range on it, whose ends are given; `change` is called when the hand has set them.

    Nothing where no image is wanted. wanted [n]: what the filters on kind and class let through; shown: those filters,
    by which the picture is known.
    """
    made = _picture(*cuts.key(result, cut.detector), cut, shown, truth, result, found, wanted)
    if made is None:
        return
    axis, data = made

    def touched() -> None:
        low, high = (None if end is None else float(end) for end in st.session_state[KEY]["range"]["ends"])
        change(*moved(axis, ends, (low, high)))

    _draw(key=KEY, data={**data, "range": places(axis, ends)}, on_range_change=touched)


@st.cache_resource(max_entries=48, show_spinner=False)
def _picture(
    store: str, features_key: str, detector: str, parameters: str, cut: Cut, shown: tuple[str, ...], truth: bool,
    _result: Result, _found: Scored, _wanted: Mask,
) -> tuple[plots.Axis, dict[str, Any]] | None:  # fmt: skip
    return picture(_found, cut, _wanted, _result.poisoned.truth.poisoned if truth else None)


def picture(found: Scored, cut: Cut, wanted: Mask, poisoned: Mask | None) -> tuple[plots.Axis, dict[str, Any]] | None:
    """The score axis of the wanted images [n], and what is drawn on it; None where there are none."""
    if not wanted.any():
        return None
    scores, gone = found.scores[wanted], limits(found, cut, wanted)
    axis = fitted(np.concatenate([scores, gone]), found.spans_orders)
    bars = plots.bars(scores, None if poisoned is None else poisoned[wanted], axis, plots.LARGE_BINS)
    drawn = plots.drawn(bars, False, True)
    kinds = {"images": bars.benign} if bars.poisoned is None else {"benign": bars.benign, "poisoned": bars.poisoned}
    counts = {kind: int(numbers.sum()) for kind, numbers in kinds.items()}
    ends = [plots.figure_text(float(score)) for score in axis.score(bars.edges)]
    ticks = [(round(float(axis.share(tick)), 4), f"{tick:g}") for tick in axis.ticks()]
    cut_at = [float(axis.share(end)) for end in (gone.min(), gone.max())] if len(gone) else []
    named = float(np.mean(cut_at)) if cut_at else -1.0
    title = f"Outlier scores of {words.count(len(scores), 'image')}"
    return axis, {
        "picture": {
            "bins": plots.LARGE_BINS,
            "bars": drawn,
            "ends": ends,
            "says": [says(ends[n], ends[n + 1], kinds, n) for n in range(plots.LARGE_BINS)],
            "ticks": [tick for tick in ticks if abs(tick[0] - named) > ROOM],
            "cuts": cut_at or None,
            "cut": [named, "cut" if len(set(cut_at)) < 2 else "cuts"],
        },
        "title": title,
        "legend": [[kind, f"{count:,} {MARKS[kind]}"] for kind, count in counts.items() if count and MARKS[kind]],
        "alt": f"Histogram: {title.lower()}, {ends[0]} to {ends[-1]}",
        "hint": HINT,
    }


def says(low: str, high: str, kinds: dict[str, NDArray[np.int64]], bin: int) -> str:
    """What one bin holds."""
    counts = ", ".join(f"{numbers[bin]:,} {MARKS[kind] or 'images'}" for kind, numbers in kinds.items())
    return f"{low} to {high}: {counts}"


def limits(found: Scored, cut: Cut, wanted: Mask) -> NDArray[np.float64]:
    """Where the cut goes through each class that has wanted images, as far as it does."""
    labels = np.intersect1d(found.labels[wanted], found.in_scope(cut.scope))
    at = [cuts.threshold(found, cut, int(label)) for label in labels]
    return np.array([one for one in at if one is not None], float)


def fitted(scores: NDArray[np.float64], log: bool) -> plots.Axis:
    """An axis from the lowest of the scores to the highest: here zero is nothing to start from."""
    axis, low = plots.axis(scores, log), float(scores.min())
    return axis._replace(low=low) if axis.high - low > plots.TINY else axis._replace(low=low, high=low + 1.0)


def places(axis: plots.Axis, ends: Ends) -> Ends:
    """How far from the left the two ends of a range of scores stand; None where one is open."""
    low, high = (None if end is None else float(np.clip(axis.share(end), 0, 1)) for end in ends)
    return low, high


def moved(axis: plots.Axis, ends: Ends, shares: Ends) -> Ends:
    """The range of scores after its ends were put at shares of the width: one that was not moved stays as it is."""
    given = places(axis, ends)

    def score(n: int, towards: Callable[[float], int]) -> float | None:
        share = shares[n]
        if share is None:
            return None
        for old in (n, 1 - n):  # one that was drawn over the other stands where that stood
            if share == given[old]:
                return ends[old]
        return written(axis, share, towards)

    return score(0, math.floor), score(1, math.ceil)


def written(axis: plots.Axis, share: float, towards: Callable[[float], int]) -> float:
    """The score that stands so far from the left, with the digits that tell it from those beside it."""
    value = axis.at(share)
    beside = abs(axis.at(share + 1 / plots.LARGE_BINS) - value) / FINE
    return brush.outward(value, 10.0 ** math.floor(math.log10(max(beside, plots.TINY))), towards)
