"""A sweep's figures as pictures: curves over one axis, a grid over two, all axes at once; and its cells beside them.

What is chosen in a picture is chosen in the table of cells, and the other way; its runs stand beside the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from core.configuration import Cell, Sweep
from pages.parts.around import cuts, words
from pages.parts.images import picked
from pages.parts.sensitivity import (
    axes,
    curves,
    sweep_cells,
    sweep_curves,
    sweep_heatmap,
    sweep_parallel,
    sweep_verdicts,
)
from pages.parts.sensitivity.sweep_metrics import METRICS, meaning, rows_at

RATIO, DETECTOR = "ratio", "detector"
HEATMAP, CURVES, PARALLEL = "Heatmap", "Curves", "All axes"
OVER = "over"  # in the address: the sweep that is laid over
NONE = ""
MOST_AXES = 6  # whose places the address has
MOST_FIGURES = 3  # above each other
NOTHING = "Nothing of this part of the grid is finished yet."


class Other(NamedTuple):
    """Another sweep that can be laid over this one: its name, itself, and how its figures are read."""

    label: str
    sweep: Sweep
    table: Callable[[], pd.DataFrame]


def show(sweep: Sweep, table: pd.DataFrame, others: Mapping[str, Other]) -> None:
    """The chosen figures over the sweep's axes, the cells, and the runs behind what is chosen."""
    told(table)
    done = table[table["status"] == "done"]
    known = [name for name, metric in METRICS.items() if done[metric.column].notna().any()]
    if not known:
        st.info("No run of it is finished yet: the picture grows from the first on.", icon=":material/hourglass_empty:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        look = pictures(sweep)
        names = figures(known)
    fixed = {} if look == PARALLEL else rest(sweep)
    here = done[rows_at(done, fixed)]
    points = sweep_cells.points_of(sweep, fixed)
    shown = [name for name in names if here[METRICS[name].column].notna().any()]
    if not shown:
        what = f"{' and '.join(names)}: not defined in this part of the grid." if len(here) else NOTHING
        st.info(what, icon=":material/hourglass_empty:")
    else:
        draw(sweep, here, look, shown, points, fixed, others)
    if look != PARALLEL or len(sweep.axes) <= 2:  # or they would be means over axes that they do not name
        verdicts(sweep, here, list(sweep.axes)[:2])
    sweep_cells.show(sweep, table, points, names, fixed)


def draw(
    sweep: Sweep, here: pd.DataFrame, look: str, names: Sequence[str], points: Sequence[Cell], fixed: dict[str, Any],
    others: Mapping[str, Other],
) -> None:  # fmt: skip
    """The chosen picture of the part of the grid that is looked at; `here` has its finished runs."""
    across, down = [*sweep.axes, "seed", None][0], [*list(sweep.axes)[1:2], None][0]
    if look == HEATMAP and down is not None:
        for name in names:
            sweep_heatmap.draw(sweep, here, across, down, name, points, fixed)
        if any(sweep_curves.alone(here, [across, down], [name]) for name in names):
            st.caption("Where a cell rests on one seed (n = 1), there is no spread.")
    elif look == PARALLEL:
        if len(names) > 1:
            st.caption(f"All axes at once lead to one figure: {names[0]}, the first of those that are chosen.")
        sweep_parallel.draw(sweep, here, names[0], points)
    else:
        beside = laid_over(across, others)
        sweep_curves.draw(sweep, here, across, down, names, points, fixed, beside)
        st.caption(spread_said(sweep, here, across, down, names))


def spread_said(sweep: Sweep, here: pd.DataFrame, across: str, down: str | None, names: Sequence[str]) -> str:
    """What the bars are, and that one run has none."""
    by = [across] if down is None else [across, down]
    said = "Means over the seeds that are finished, with their standard deviation."
    if sweep_curves.alone(here, by, names):
        said += " A hollow mark rests on one seed (n = 1): there is no spread to draw."
    if down is not None and len(sweep.axes[down]) > curves.MOST_LINES:
        said += f" Lines for the first {curves.MOST_LINES} of {len(sweep.axes[down])}."
    return said


def verdicts(sweep: Sweep, here: pd.DataFrame, varied: Sequence[str]) -> None:
    """What it comes to, in sentences."""
    if DETECTOR in varied and len(varied) == 2:
        other = next(axis for axis in varied if axis != DETECTOR)
        sweep_verdicts.who_finds(here, other, len(sweep.axes[DETECTOR]))
        sweep_verdicts.who_cleans(here, other, len(sweep.axes[DETECTOR]))
    if RATIO in varied and len(here):
        sweep_verdicts.from_which_ratio(here, RATIO, next((axis for axis in varied if axis != RATIO), None))


def told(table: pd.DataFrame) -> None:
    """How many runs are finished, and what went wrong."""
    counts = table["status"].value_counts()
    said = [f"**{counts.get('done', 0)} of {words.count(len(table), 'run')} finished**"]
    said += [f"{counts[status]} {status}" for status in ("failed", "waiting") if status in counts]
    st.markdown(" · ".join(said))
    failed = table[table["status"] == "failed"]
    for error in failed["error"].dropna().unique()[:3]:
        st.warning(words.sentence(str(error)), icon=":material/error:")


# --- what is looked at -----------------------------------------------------------------------------------


def pictures(sweep: Sweep) -> str:
    """Which picture. Of more than two axes, all at once are another part of the grid: nothing of it is chosen yet."""
    if len(sweep.axes) < 2:
        return CURVES
    then = sweep_cells.forget if len(sweep.axes) > 2 else None
    return picked.choice("Picture", "look", [HEATMAP, CURVES, PARALLEL], then=then)


def figures(known: list[str]) -> list[str]:
    """The figures that are drawn, one above the other; in the address as `metric=AUROC,ASR`."""
    named = [name for name in cuts.option("metric", known[0]).split(",") if name in known]
    st.session_state["metric picker"] = (named or known[:1])[:MOST_FIGURES]

    def change() -> None:
        taken = st.session_state["metric picker"] or known[:1]
        cuts.set_option("metric", ",".join(taken), known[0])

    found: list[str] = st.multiselect(
        "Figures, one above the other", known, key="metric picker", on_change=change, max_selections=MOST_FIGURES,
        width=420, help="  \n".join(f"**{words.plain(name)}**: {meaning(name)}" for name in known),
    )  # fmt: skip
    return [name for name in known if name in found] or known[:1]


def laid_over(across: str, others: Mapping[str, Other]) -> tuple[str, Sweep, pd.DataFrame] | None:
    """Another sweep over the same axis, if one is chosen."""
    fitting = {key: one for key, one in others.items() if across in one.sweep.axes}
    if not fitting:
        return None
    key = cuts.option(OVER, NONE, [NONE, *fitting])
    st.session_state["sweep over"] = key
    st.selectbox(
        "Lay another sweep over it", [NONE, *fitting], key="sweep over", width=420,
        format_func=lambda one: fitting[one].label if one else "none",
        on_change=lambda: cuts.set_option(OVER, st.session_state["sweep over"], NONE),
        help=f"Sweeps over {axes.title(across)}, drawn thin and dotted; means over what else they vary.",
    )  # fmt: skip
    if not key:
        return None
    table = fitting[key].table()
    return fitting[key].sweep.name, fitting[key].sweep, table[table["status"] == "done"]


def rest(sweep: Sweep) -> dict[str, Any]:
    """One value of every axis behind the second; the address has its place (`axis3=1`)."""
    fixed: dict[str, Any] = {}
    with st.container(horizontal=True):
        for number, axis in list(enumerate(sweep.axes, start=1))[2:]:
            values, option = list(sweep.axes[axis]), f"axis{number}"
            key = f"sweep rest {option}"
            at = cuts.option(option, "0", [str(place) for place in range(len(values))])
            st.session_state[key] = int(at)
            st.selectbox(
                axes.title(axis), range(len(values)), key=key, width=200, on_change=_moved, args=(key, option),
                format_func=lambda place, axis=axis, values=values: axes.label(axis, values[place]),
            )  # fmt: skip
            fixed[axis] = values[int(at)]
    return fixed


def _moved(key: str, option: str) -> None:
    cuts.set_option(option, str(st.session_state[key]), "0")
    sweep_cells.forget()


def forget() -> None:
    """Another sweep is looked at: back to the first values, and nothing chosen."""
    sweep_cells.forget()
    cuts.set_option(OVER, NONE, NONE)
    for number in range(3, MOST_AXES + 1):
        cuts.set_option(f"axis{number}", "0", "0")
