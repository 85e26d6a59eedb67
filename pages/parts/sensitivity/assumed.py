"""What the assumed ratio does to every detector's filter: curves over all ratios, and a table at the chosen one."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

import core
from core import Result
from core.evaluation import Decisions, Profile
from pages.parts.around import cuts, trouble, words
from pages.parts.common import profiles
from pages.parts.images import picked
from pages.parts.sensitivity import curves

STEP, MOST = 0.5, 100 * core.sensitivity.MOST_SHARE  # percent
LEAST_TIMES, MOST_TIMES = 0.5, 5.0
AT_FIRST = 4  # lines
FEW = 1  # of them, beside guessing and knowing, have their names at their ends
NAMES = 140  # pixels for those


class Figure(NamedTuple):
    """What a curve can show: its name in core.sensitivity.Decisions, whether it is a share, and what is better."""

    field: str
    share: bool
    better: str


FIGURES = {
    "#Pois left": Figure("poisons_left", False, "lower is better"),
    "TPR": Figure("tpr", True, "higher is better"),
    "FPR": Figure("fpr", True, "lower is better"),
    "Clean removed": Figure("clean_removed", False, "lower is better"),
}


class Line(NamedTuple):
    """A detector's curve: its decisions at every assumed ratio, and at its own gap where it has one."""

    detector: str
    scope: str
    found: Profile
    decisions: Decisions
    gap: Decisions | None


@st.fragment
@trouble.said()
def show(result: Result) -> None:
    """The sliders, the picture and the table; reruns alone."""
    known = profiles.stored(result)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        share = ratio(result)
        times = multiplier(result)
        figure = picked.choice("Figure", "figure", list(FIGURES))
    chosen = detectors(result, known)
    shares = core.sensitivity.grid()
    lines = [line for name in known if (line := line_of(result, name, shares, times)) is not None]
    if not lines:
        st.info("No detector's scores are stored for this run. *Detectors* has a button for each.")
        return
    drawn = [line for name in chosen for line in lines if line.detector == name]
    draw(result, drawn or lines[:1], shares, share, times, figure)
    table = at_ratio(result, lines, share, times)
    st.markdown(said(result, share, times))
    st.dataframe(table, hide_index=True, column_config=words.columns(), height="content", placeholder="—",
                 alt=f"What each stored detector's filter does at an assumed ratio of {share:.1f}%")  # fmt: skip
    downloads(result, lines, shares, times, table)


# --- what is assumed -------------------------------------------------------------------------------------


def ratio(result: Result) -> float:
    """The assumed ratio in percent; at first the run's own, or the nearest that the curves have."""
    own = 100 * result.config.defence.assumed_ratio
    st.session_state["assumed slider"] = number("assumed", own, 0.0, MOST)

    def change() -> None:
        cuts.set_option("assumed", f"{st.session_state['assumed slider']:g}", f"{own:g}")

    return st.slider(
        "Assumed ratio", 0.0, MOST, step=STEP, format="%g%%", key="assumed slider", on_change=change, width=330,
        help="What the defender believes: so large a share of a class of median size is poisoned. ε is that number.",
    )  # fmt: skip


def multiplier(result: Result) -> float:
    """How many times ε goes; at first as in the run, or as near as the curves come."""
    own = result.config.defence.multiplier
    st.session_state["times number"] = number("times", own, LEAST_TIMES, MOST_TIMES)

    def change() -> None:
        cuts.set_option("times", f"{st.session_state['times number'] or own:g}", f"{own:g}")

    value = st.number_input(
        "Times ε removed", LEAST_TIMES, MOST_TIMES, step=0.1, format="%g", key="times number", on_change=change,
        width=150, help="The filter removes so many times ε images from each class in scope; 1.5 in the paper.",
    )  # fmt: skip
    return float(value if value is not None else own)


def number(name: str, own: float, low: float, high: float) -> float:
    """A number of the address, or the run's own where that is none or out of range."""
    value = core.reading.real(cuts.option(name, f"{own:g}"), low, high)
    return min(max(own, low), high) if value is None else value


def detectors(result: Result, known: list[str]) -> list[str]:
    """Which detectors have a curve; at first the run's own and the next few that are stored."""
    own = result.config.defence.detector
    usual = [own, *(name for name in known if name != own)][:AT_FIRST] if own in known else known[:AT_FIRST]
    asked = [name for name in cuts.option("lines", ",".join(usual)).split(",") if name in known]
    st.session_state["lines picker"] = (asked or usual)[: curves.MOST_LINES]

    def change() -> None:
        cuts.set_option("lines", ",".join(st.session_state["lines picker"]), ",".join(usual))

    return st.multiselect(
        "Detectors", known, key="lines picker", on_change=change, max_selections=curves.MOST_LINES,
        format_func=lambda name: f"{name} (this run's)" if name == own else name,
        help="Those whose scores of this network are stored; *Detectors* computes the others. At most "
        f"{curves.MOST_LINES} curves; the table has all.",
    )  # fmt: skip


# --- figures ---------------------------------------------------------------------------------------------


def line_of(result: Result, detector: str, shares: np.ndarray, times: float) -> Line | None:
    """A detector's curve at the scope that it has in this run, or by default."""
    found = profiles.of(result, detector)
    if found is None:
        return None
    scope = cuts.defence_of(result, detector).scope
    budgets = core.sensitivity.budgets(result.poisoned.labels, shares, times)
    gap = found.at_gap(scope) if found.gap is not None and found.names_classes else None
    return Line(detector, scope, found, found.by_budget(budgets, scope), gap)


def at_ratio(result: Result, lines: list[Line], share: float, times: float) -> pd.DataFrame:
    """Every stored detector's filter at one assumed ratio, and at its gap; a row each."""
    budget = core.sensitivity.budgets(result.poisoned.labels, np.array([share / 100]), times)
    rows = []
    for line in lines:
        at = line.found.by_budget(budget, line.scope)
        rows.append(row(line, f"{times:g}·ε", at))
        if line.gap is not None:
            rows.append(row(line, "at the gap", line.gap))
    if own := next((line for line in lines if line.detector == result.config.defence.detector), lines[0]):
        for name, at in bounds(own, budget).items():
            rows.append(row(own._replace(detector=name), f"{times:g}·ε", at))
    whole = dict.fromkeys(("#Pois left", "Clean removed"), "Int64")
    return pd.DataFrame(rows).astype(whole)


def bounds(line: Line, budgets: np.ndarray) -> dict[str, Decisions]:
    """What a filter that guesses, and one that knows, would do with a detector's budgets."""
    guess = line.found.by_lot.by_budget(budgets, line.scope)
    return {"random": guess, "perfect": line.found.perfect(guess)}


def row(line: Line, cut: str, at: Decisions) -> dict[str, Any]:
    return {
        "Detector": line.detector,
        "Cut": cut,
        "Removed from": "every class" if line.scope == "every_class" else "named classes",
        "#Pois left": int(at.poisons_left[0]),
        "Clean removed": int(at.clean_removed[0]),
        "TPR": words.percent(curves.finite(float(at.tpr[0]))),
        "FPR": words.percent(curves.finite(float(at.fpr[0]))),
    }


def said(result: Result, share: float, times: float) -> str:
    """The assumption in images, and the truth beside it."""
    labels = result.poisoned.labels
    epsilon = core.filter.epsilon(labels, share / 100)
    budget = int(core.sensitivity.budgets(labels, np.array([share / 100]), times)[0])
    each = ", in each class" if result.config.attack.everywhere else ""
    return (
        f"**At an assumed ratio of {share:g}%**: ε = {epsilon:,}, so {times:g}·ε = **{budget:,}** images go from each "
        f"class in scope. In truth {words.count(result.poisoned.truth.count, 'image')} are poisoned "
        f"({true_share(result):.1f}% of a class of median size{each}); no detector is told so."
    )


def true_share(result: Result) -> float:
    """The poisoned images of a poisoned class, in percent of a class of median size, as the defender's ratio is."""
    labels, poisoned = result.poisoned.labels, result.poisoned.truth.poisoned
    sizes = np.bincount(labels)
    classes = max(1, len(np.unique(labels[poisoned])))
    return float(100 * poisoned.sum() / classes / np.median(sizes[sizes > 0]))


# --- the picture -----------------------------------------------------------------------------------------


def draw(result: Result, lines: list[Line], shares: np.ndarray, share: float, times: float, name: str) -> None:
    """Curves over the assumed ratio, the chosen one, the attacker's, this run's working point, and the gaps."""
    what = FIGURES[name]
    y = f"{name} ({what.better})"
    picture = curves.figure("assumed ratio, of a median class", y, percent_x=True, percent_y=what.share)
    x, hover = 100 * shares, "%{y:.1f}% at %{x:.1f}%" if what.share else "%{y:,} at %{x:.1f}%"
    references(picture, result, lines[0], shares, times, what)
    for place, line in enumerate(lines):
        curves.line(picture, x, values(line.decisions, what), line.detector, curves.style(place), hover)
    for place, line in enumerate(lines):
        gap_mark(picture, result, line, times, what, curves.style(place))
    own_mark(picture, result, lines, what)
    true = true_share(result)
    if 0 < true <= MOST:
        curves.upright(picture, true, f"the attacker's {true:.1f}%", "dot", low=True)
    curves.upright(picture, share, f"assumed {share:g}%")
    picture.update_xaxes(range=[-0.6, MOST + 0.6])
    picture.update_yaxes(rangemode="tozero")
    if len(lines) <= FEW:
        label_ends(picture)
    curves.show(picture, "assumed curves", spoken(lines, shares, share, name), f"poisonscope-assumed-{what.field}")


def label_ends(picture: Any) -> None:
    """The lines' names at their ends, and the marks' beside them, in place of a legend."""
    lines = [trace for trace in picture.data if "lines" in trace.mode]
    top = 1.05 * max(float(np.nanmax(np.asarray(trace.y, float))) for trace in lines) or 1.0
    low = -0.02 * top
    ends = [(MOST, float(trace.y[-1]), trace.name, trace.line.color) for trace in lines]
    picture.update_yaxes(range=[low, top])
    curves.named(picture, [end for end in ends if end[1] == end[1]], low, top, curves.HEIGHT - 120, 1)
    picture.update_layout(showlegend=False, margin=dict(r=NAMES))
    for mark in (trace for trace in picture.data if trace.mode == "markers"):
        says = mark.name.partition(" at its gap")[1].strip() or mark.name
        mark.update(mode="markers+text", text=[says], textposition="top right",
                    textfont=dict(size=curves.SMALL - 1, color=curves.ink()))  # fmt: skip


def values(found: Decisions, what: Figure) -> np.ndarray:
    return (100 if what.share else 1) * getattr(found, what.field)


def references(picture: Any, result: Result, line: Line, shares: np.ndarray, times: float, what: Figure) -> None:
    """What a filter of the same budget as the first line's would do by guessing, and by knowing."""
    budgets = core.sensitivity.budgets(result.poisoned.labels, shares, times)
    for (name, at), dash in zip(bounds(line, budgets).items(), ("dot", "dashdot"), strict=True):
        curves.reference(picture, 100 * shares, values(at, what), name, dash)


def gap_mark(picture: Any, result: Result, line: Line, times: float, what: Figure, look: curves.Style) -> None:
    """A star where the detector would cut by itself, above the assumed ratio that removes as many from a class."""
    if line.gap is None:
        return
    sizes = line.found.sizes
    taken = [int(line.found.gap[label]) for label in line.found.scopes[line.scope]] or [0]
    as_ratio = 100 * max(taken) / (times * float(np.median(sizes[sizes > 0])))
    picture.add_scatter(
        x=[min(as_ratio, MOST)], y=values(line.gap, what), mode="markers", name=f"{line.detector} at its gap",
        marker=dict(symbol="star", size=18, color=look.colour, line=dict(color=curves.ground(), width=1.5)),
        hovertemplate=f"{line.detector} at its gap: %{{y}}<extra></extra>", cliponaxis=False,
    )  # fmt: skip


def own_mark(picture: Any, result: Result, lines: list[Line], what: Figure) -> None:
    """A ring where the run itself worked, if its detector has a curve and its cut was a budget."""
    defence = result.config.defence
    line = next((line for line in lines if line.detector == defence.detector), None)
    if line is None or defence.cut == "gap":
        return
    budget = core.sensitivity.budgets(result.poisoned.labels, np.array([defence.assumed_ratio]), defence.multiplier)
    picture.add_scatter(
        x=[100 * defence.assumed_ratio], y=values(line.found.by_budget(budget, line.scope), what), mode="markers",
        name="this run", hovertemplate="this run: %{y}<extra></extra>", cliponaxis=False,
        marker=dict(symbol="diamond-open", size=18, color=curves.ink(), line=dict(width=3)),
    )  # fmt: skip


def spoken(lines: list[Line], shares: np.ndarray, share: float, name: str) -> str:
    """The picture for who cannot see it."""
    place = int(np.abs(100 * shares - share).argmin())
    what = FIGURES[name]
    at = [f"{line.detector} {values(line.decisions, what)[place]:,.4g}{'%' if what.share else ''}" for line in lines]
    return f"{name} against the assumed ratio. At {share:g}%: {', '.join(at)}."


# --- to take away ----------------------------------------------------------------------------------------


def downloads(result: Result, lines: list[Line], shares: np.ndarray, times: float, table: pd.DataFrame) -> None:
    run = core.run_key(result.config)[:8]
    with st.container(horizontal=True):
        st.download_button(
            "Curves as CSV", partial(as_csv, result, lines, shares, times), f"poisonscope-assumed-{run}.csv",
            "text/csv", icon=":material/download:", on_click="ignore",
            help="Every stored detector at every assumed ratio.",
        )  # fmt: skip
        st.download_button(
            "Table as CSV", lambda: core.as_csv(table), f"poisonscope-assumed-table-{run}.csv",
            "text/csv", icon=":material/download:", on_click="ignore",
        )  # fmt: skip


def as_csv(result: Result, lines: list[Line], shares: np.ndarray, times: float) -> bytes:
    """One row for each detector and assumed ratio; shares stay shares."""
    labels = result.poisoned.labels
    budgets = core.sensitivity.budgets(labels, shares, times)
    frames = [
        pd.DataFrame(
            {
                "detector": line.detector,
                "scope": line.scope,
                "assumed_ratio": shares,
                "multiplier": times,
                "epsilon": [core.filter.epsilon(labels, float(share)) for share in shares],
                "budget": budgets,
                **vars(line.decisions),
            }
        )
        for line in lines
    ]
    return core.as_csv(pd.concat(frames))
