"""One class in large, with the cut through it and the brush on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core import Result
from pages.parts.around import cuts, plots, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.images import brush
from pages.parts.scores import budget, histogram, ranking
from pages.parts.scores.scales import Scales


def draw(result: Result, found: Scored, cut: Cut, label: int, scales: Scales, stacked: bool, truth: bool) -> None:
    """The class in large, with the cut through it and the brush on it."""
    axis, one = scales.axis, found.ranked[label]
    picture = scales.picture(label, stacked)
    name = words.class_name(result.config, label)
    gone = int(ranking.removed(found, cut)[label])
    spared = label not in found.in_scope(cut.scope)
    chosen = brush.read(label)
    scale = "log" if axis.log else "linear"

    def at(share: float) -> int:
        return one.budget(axis.at(share)) if share < 1 else 0

    def choose(budget: int) -> None:
        cuts.choose(result, cuts.at_budget(cuts.chosen(result), min(max(budget, 0), cuts.limit(result))))

    def take(ends: tuple[float, float] | None) -> None:
        if ends is None:
            brush.clear()
        else:
            brush.keep(brush.rounded(label, axis.at(ends[0]), axis.at(ends[1])))

    data = {
        "picture": picture,
        "legend": legend(result, found, picture, name, chosen, truth),
        "title": f"outlier score ({scale}) →",
        "alt": f"Histogram of the outlier scores of the images labelled {name}; the cut removes {gone:,} of them.",
        "cut": None if spared else plots.cut_place(found, label, cut, axis),
        "removed": f"{gone:,} removed from {name}",
        "budget": budget.count(found, cut, label),
        "most": cuts.limit(result),
        "says": f"{gone:,} images labelled {name} removed",
        "brush": None if chosen is None else [float(np.clip(axis.share(end), 0, 1)) for end in chosen[1:]],
    }
    histogram.show(data, histogram.Hands(lambda share: cuts.try_on(at(share)), lambda s: choose(at(s)), choose, take))
    if spared:
        st.caption(f"The cut removes nothing from {name}: it is not among the classes that the detector names.")


def legend(
    result: Result, found: Scored, picture: dict[str, Any], name: str, chosen: brush.Brush | None, truth: bool
) -> list[list[str]]:
    """The kinds of bars, and what the brush holds: [kind, words]."""
    kinds = {bar[0] for bar in picture["bars"]}
    marks = {"benign": "● benign", "poisoned": "✕ poisoned", "images": "images"}
    entries = [[kind, f"{text} labelled {name}"] for kind, text in marks.items() if kind in kinds]
    if chosen is not None:
        ids = brush.brushed(found, chosen)
        hits = f", {int(result.poisoned.truth.poisoned[ids].sum()):,} ✕ poisoned" if truth else ""
        entries.append(["brushed", f"{len(ids):,} brushed{hits}: see below ↓"])
    return entries
