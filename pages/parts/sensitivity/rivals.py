"""All detectors on one network: how well each ranks, what its filter leaves, and which class it names."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

import core
from core import DefenceConfig, Result
from core.evaluation import Decisions, Profile
from pages.parts.around import current, cuts, words
from pages.parts.common import profiles
from pages.parts.images import picked
from pages.parts.sensitivity import curves

RANDOM, PERFECT = "random (chance)", "perfect"
ROW = 32  # pixels of a bar and its space
BAR = "#6B6B6B"  # white is legible on it


class Figure(NamedTuple):
    """A figure that the picture can show: its column, whether it is a percentage, and the end of its axis."""

    column: str
    percent: bool
    most: float | None


FIGURES = {
    "AUROC": Figure("AUROC", False, 1.0),
    "AP": Figure("AP", False, 1.0),
    "TPR at 1% FPR": Figure("TPR at 1% FPR", True, 100.0),
    "#Pois left": Figure("#Pois left", False, None),
}
WHOLE = dict.fromkeys(("#Pois left", "Clean removed"), "Int64")
REAL = dict.fromkeys(("AUROC", "AP", "TPR at 1% FPR"), "Float64")


@st.fragment
def show(result: Result) -> None:
    """The picture, the table, and a button for every detector that has not scored yet."""
    for name in profiles.asked(result):
        profiles.score(result, name)
    known = profiles.stored(result)
    missing = [name for name in core.DETECTORS if name not in known]
    table = pd.DataFrame(rows(result, known)).astype(WHOLE | REAL)
    figure = picked.choice("Figure", "rank", list(FIGURES))
    draw(table, figure, result.config.defence.detector, result.poisoned.truth.count)
    st.caption(assumptions(result))
    st.dataframe(table, hide_index=True, column_config=words.columns(), height="content", placeholder="—",
                 alt="Each detector's figures")  # fmt: skip
    st.download_button(
        "Table as CSV", lambda: core.as_csv(table),
        f"poisonscope-detectors-{core.run_key(result.config)[:8]}.csv", "text/csv", icon=":material/download:",
        on_click="ignore",
    )  # fmt: skip
    if not result.store.has("features", result.features_key):
        current.offer_again("the representations")
    elif missing:
        profiles.offer(result, missing, "rank")


def assumptions(result: Result) -> str:
    defence = result.config.defence
    cut = "at its own gap" if defence.cut == "gap" else f"at {defence.multiplier:g}·ε"
    return (
        f"*#Pois left* and *Clean removed* are for an assumed ratio of {words.exact(defence.assumed_ratio)} and "
        f"{defence.multiplier:g}·ε; this run's own detector (◆) is cut {cut}. The other figures need no budget."
    )


# --- figures ---------------------------------------------------------------------------------------------


def rows(result: Result, known: list[str]) -> list[dict[str, Any]]:
    """A row for every registered detector, and for guessing and knowing with this run's own budget."""
    found = {name: profiles.of(result, name) if name in known else None for name in core.DETECTORS}
    table = [row(result, name, profile) for name, profile in found.items()]
    own = result.config.defence.detector
    if found.get(own) is None:
        own = next((name for name, one in found.items() if one is not None), "")
    return [*table, *bounds(result, own, found[own])] if own else table


def row(result: Result, detector: str, found: Profile | None) -> dict[str, Any]:
    blank = {"Detector": detector, **dict.fromkeys(("AUROC", "AP", "TPR at 1% FPR", "#Pois left", "Clean removed"))}
    if found is None:
        return {**blank, "Class named": None}
    left, clean = cut_of(result, detector, found)
    return {
        "Detector": f"{detector} (this run)" if detector == result.config.defence.detector else detector,
        "AUROC": found.auroc,
        "AP": found.average_precision,
        "TPR at 1% FPR": words.percent(found.tpr_at_1),
        "#Pois left": left,
        "Clean removed": clean,
        "Class named": profiles.named(result, found),
    }


def cut_of(result: Result, detector: str, found: Profile) -> tuple[int, int]:
    """Poisoned images left and clean ones removed, at the cut that this run's assumptions give."""
    return counts(at_cut(result, cuts.defence_of(result, detector), found))


def at_cut(result: Result, defence: DefenceConfig, found: Profile) -> Decisions:
    """What a detector's filter does at the cut of a defence."""
    if defence.cut == "gap":
        return found.at_gap(defence.scope)
    return found.by_budget(np.array([core.filter.budget(result.poisoned.labels, defence)]), defence.scope)


def counts(at: Decisions) -> tuple[int, int]:
    """Poisoned images left, clean images removed."""
    return int(at.poisons_left[0]), int(at.clean_removed[0])


def bounds(result: Result, detector: str, own: Profile) -> list[dict[str, Any]]:
    """What guessing and what knowing would come to, with as many images as `own` removes at its cut."""
    guess = at_cut(result, cuts.defence_of(result, detector), own.by_lot)
    know = own.perfect(guess)
    shares = [own.tally.poisons[label][-1] / own.sizes[label] for label in own.poisoned_classes]
    share = float(np.mean(shares)) if shares else 0.0
    there = own.poisons > 0
    return [
        {
            "Detector": name,
            "AUROC": figures[0] if there else None,
            "AP": figures[1] if there else None,
            "TPR at 1% FPR": figures[2] if there else None,
            "#Pois left": counts(at)[0],
            "Clean removed": counts(at)[1],
            "Class named": None,
        }
        for name, figures, at in ((RANDOM, (0.5, share, 1.0), guess), (PERFECT, (1.0, 1.0, 100.0), know))
    ]


# --- the picture -----------------------------------------------------------------------------------------


def draw(table: pd.DataFrame, name: str, own: str, poisons: int) -> None:
    """A bar for each scored detector; guessing and knowing are lines through all of them."""
    what = FIGURES[name]
    values = table.set_index("Detector")[what.column].dropna().astype(float)
    bars = values.drop([RANDOM, PERFECT], errors="ignore")
    if not len(bars):
        st.info(f"{name} is not defined here: " + ("no detector has scored." if poisons else "nothing was poisoned."))
        return
    picture = curves.figure(name, "", percent_x=what.percent, height=136 + ROW * len(bars))
    mine = [f"{own} (this run)" == detector for detector in bars.index]
    names = [f"◆ {own}" if one else detector for one, detector in zip(mine, bars.index, strict=True)]
    picture.add_bar(
        x=bars.tolist(), y=names, orientation="h", text=[write(what, value) for value in bars],
        textposition="auto", insidetextanchor="start", hovertemplate="%{y}: %{text}<extra></extra>", showlegend=False,
        marker=dict(color=[curves.ink() if one else BAR for one in mine]),
        insidetextfont=dict(color=[curves.ground() if one else "#FFFFFF" for one in mine]),
        outsidetextfont=dict(color=curves.ink()),
    )  # fmt: skip
    for bound, dash in ((RANDOM, "dot"), (PERFECT, "dash")):
        if bound in values:
            curves.upright(picture, float(values[bound]), bound.split()[0], dash, layer="above", anchor="center")
    top = what.most or max(1.0, float(values.max()))
    picture.update_xaxes(range=[0, 1.08 * top])
    picture.update_yaxes(autorange="reversed", ticklabelstandoff=6)
    best = bars.idxmin() if name == "#Pois left" else bars.idxmax()
    alt = f"{name} of {len(bars)} detectors; best is {best} with {write(what, float(bars[best]))}."
    curves.show(
        picture, "detector bars", alt, f"poisonscope-detectors-{what.column.strip('#').lower().replace(' ', '-')}"
    )


def write(what: Figure, value: float) -> str:
    """A figure as the picture writes it."""
    if what.percent:
        return f"{value:.1f}%"
    return f"{value:,.0f}" if what.most is None else words.score(value)
