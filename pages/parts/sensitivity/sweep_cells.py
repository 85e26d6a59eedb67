"""The cells of a sweep as a table, chosen in it or in the picture: the one shows what is chosen in the other.

What is chosen stands in the address (`cell=0,3`: places of the part of the grid that is looked at). The picture and the
table each keep what was chosen by them; when it was chosen by the other, they are made anew with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

import core
from core.configuration import Cell, Sweep
from pages.parts.around import cuts, words
from pages.parts.sensitivity import axes, sweep_runs
from pages.parts.sensitivity.sweep_metrics import METRICS, rows_at

AT = "cell"  # in the address
CHART, TABLE = "chart", "table"
MOST_OPEN = 8  # cells whose runs are listed
HEIGHT = 388  # pixels, whatever is chosen: nothing moves under the hand
_MADE = "cells made anew"  # in session state: how often, by which of the two


def points_of(sweep: Sweep, fixed: Mapping[str, Any]) -> list[Cell]:
    """The points of the part of the grid that is looked at, each by its first seed."""
    first = [cell for cell in core.grid.cells(sweep) if cell.seed == sweep.seeds[0]]
    return [cell for cell in first if all(cell.point.get(axis) == value for axis, value in fixed.items())]


def chosen(points: Sequence[Cell]) -> list[int]:
    """The places of the chosen cells; what the address names that is not there is passed over."""
    named = [core.reading.whole(part, 0, len(points) - 1) for part in cuts.option(AT, "").split(",") if part]
    return list(dict.fromkeys(place for place in named if place is not None))


def choose(places: Collection[int], by: str) -> None:
    """These cells are looked at from now on; the other of the two is made anew."""
    cuts.set_option(AT, ",".join(str(place) for place in sorted(set(places))), "")
    other = TABLE if by == CHART else CHART
    st.session_state[_MADE] = {**_made(), other: _made().get(other, 0) + 1}


def forget() -> None:
    cuts.set_option(AT, "", "")


def key(sweep: Sweep, fixed: Mapping[str, Any], of: str, more: str = "") -> str:
    """What the picture or the table is known by."""
    part = ",".join(axes.label(axis, value) for axis, value in fixed.items())
    return f"cells {of} {core.grid.key(sweep)[:8]} {part} {more} {_made().get(of, 0)}"


def _made() -> dict[str, int]:
    found: dict[str, int] = st.session_state.get(_MADE, {})
    return found


def clicked(state_key: str) -> None:
    """The picture's own choice: points carry the places of their cells, one or several."""
    taken: list[int] = []
    points = st.session_state[state_key].selection["points"]
    for point in points:
        given = point.get("customdata")
        if given is None and "point_index" not in point:
            continue
        given = given[0] if isinstance(given, list | tuple) and len(given) == 1 else given
        taken += [int(place) for place in str(given).split("+") if place.isdigit()]
    if taken or not points:  # a point of another sweep, or without a cell, chooses nothing else
        choose(taken, CHART)


def show(sweep: Sweep, table: pd.DataFrame, points: Sequence[Cell], names: Sequence[str],
         fixed: Mapping[str, Any]) -> None:  # fmt: skip
    """The table on the left, the runs of what is chosen on the right."""
    left, right = st.columns([3, 2], gap="medium")
    places = chosen(points)
    with left:
        state_key = key(sweep, fixed, TABLE, " ".join(names))
        st.dataframe(
            rows(table, points, names), key=state_key, hide_index=True, height=HEIGHT, on_select=_ticked(state_key),
            selection_mode="multi-row", selection_default={"selection": {"rows": places}}, placeholder="—",
            column_config=columns(names), alt="Cells of the sweep with the chosen figures",
        )  # fmt: skip
    with right, st.container(height=HEIGHT, border=True, gap="xsmall"):
        if not places:
            st.caption("Choose a cell, in the picture or by its box in the table: its runs stand here. With Shift, "
                       "several.")  # fmt: skip
        for place in places[:MOST_OPEN]:
            st.markdown(f"**{words.plain(sweep_runs.place(points[place]))}**")
            sweep_runs.open_runs(sweep, table, points[place])
        if len(places) > MOST_OPEN:
            st.caption(f"and {len(places) - MOST_OPEN} more cells; the runs of the first {MOST_OPEN} are listed.")


def _ticked(state_key: str) -> Any:
    return lambda: choose(st.session_state[state_key].selection["rows"], TABLE)


def rows(table: pd.DataFrame, points: Sequence[Cell], names: Sequence[str]) -> pd.DataFrame:
    """A row a cell: its place on the axes, means over the seeds, their standard deviations, and how many there are."""
    found = []
    for point in points:
        here = table[rows_at(table, point.point)]
        row: dict[str, Any] = {axes.title(axis): axes.label(axis, value) for axis, value in point.point.items()}
        for name in names:
            metric = METRICS[name]
            values = here[metric.column].dropna().astype(float) * (100 if metric.percent else 1)
            row |= {name: values.mean() if len(values) else None, f"± {name}": spread(values)}
        found.append({**row, "n": int((here["status"] == "done").sum())})
    return pd.DataFrame(found).astype({name: "Float64" for one in names for name in (one, f"± {one}")})


def spread(values: pd.Series) -> float | None:
    """The standard deviation over the seeds; of one there is none."""
    return float(values.std(ddof=0)) if len(values) > 1 else None


def columns(names: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"n": st.column_config.NumberColumn(help="finished runs, a seed each; of one, no spread")}
    for name in names:
        metric = METRICS[name]
        format = f"%.{metric.digits}f{'%%' if metric.percent else ''}"
        found[name] = st.column_config.NumberColumn(format=format, help="mean over the seeds")
        found[f"± {name}"] = st.column_config.NumberColumn("±", format=format, help=f"{name}: standard deviation")
    return found
