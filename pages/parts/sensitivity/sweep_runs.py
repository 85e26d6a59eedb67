"""The runs behind a point of a sweep's grid: which point, its seeds, and the way to each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

import core
from core.configuration import Cell, Sweep
from pages.parts.around import current, cuts
from pages.parts.form import settings
from pages.parts.sensitivity import axes
from pages.parts.sensitivity.sweep_metrics import METRICS, rows_at

COMPARE = "pages/compare.py"
MOST_AXES = 6  # whose places the address has
CELL_AT = "cell"  # in the address: the place of the point whose runs are listed


def cell(sweep: Sweep, table: pd.DataFrame, fixed: Mapping[str, Any]) -> None:
    """A point of the grid by a menu or a click, and its runs to open; the address has its place (`cell=3`)."""
    points = points_of(sweep, fixed)
    names = [place(cell) for cell in points]
    at = int(cuts.option(CELL_AT, "0", [str(number) for number in range(len(points))]))
    st.session_state["sweep cell picker"] = at
    st.selectbox(
        "The runs of", range(len(points)), key="sweep cell picker", format_func=names.__getitem__,
        on_change=lambda: cuts.set_option(CELL_AT, str(st.session_state["sweep cell picker"]), "0"),
        help="A click on a cell of the picture chooses it, too.",
    )  # fmt: skip
    open_runs(sweep, table, points[at])


def forget() -> None:
    """Back to the first point of the grid."""
    for option in (CELL_AT, *(f"axis{number}" for number in range(3, MOST_AXES + 1))):
        cuts.set_option(option, "0", "0")


def points_of(sweep: Sweep, fixed: Mapping[str, Any]) -> list[Cell]:
    """The points of the part of the grid that is looked at, each by its first seed."""
    first = [cell for cell in core.grid.cells(sweep) if cell.seed == sweep.seeds[0]]
    return [cell for cell in first if _fits(cell.point, fixed)]


def choose(points: list[Cell], wanted: Mapping[str, Any]) -> None:
    """Look at the runs of a point."""
    at = next((n for n, one in enumerate(points) if _fits(one.point, wanted)), 0)
    cuts.set_option(CELL_AT, str(at), "0")


def place(cell: Cell) -> str:
    """A point in words."""
    return ", ".join(f"{axes.title(axis)} {axes.label(axis, value)}" for axis, value in cell.point.items()) or "all"


def _fits(point: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(point.get(axis) == value for axis, value in wanted.items())


def open_runs(sweep: Sweep, table: pd.DataFrame, chosen: Cell) -> None:
    """A line for each seed: its figures, and the way to its run: a link where it is whole, else its settings."""
    store = core.Store()
    rows = table[rows_at(table, chosen.point)].set_index("seed")
    for one in core.grid.cells(sweep):
        if dict(one.point) != dict(chosen.point):
            continue
        row = rows.loc[one.seed]
        with st.container(horizontal=True, vertical_alignment="center"):
            key = one.run
            if store.has("run", key):
                if core.jobs.find(key, start=False) is None:
                    core.submit(one.config, start=False)  # so that a link finds it
                st.page_link(COMPARE, label=f"seed {one.seed}", icon=":material/open_in_new:",
                             query_params={current.PARAMETER: key[: current.SHORT]}, width="content")  # fmt: skip
            elif st.button(
                f"seed {one.seed}", icon=":material/tune:", type="tertiary", key=f"cell {key}",
                help="No whole run of it is stored here: opens the Attack screen with its settings, to start it there.",
            ):  # fmt: skip
                fill_form(one)
            st.caption(figures_of(row), width="content")


def fill_form(cell: Cell) -> None:
    """To the Attack screen, with a cell's run in the form; nothing starts."""
    settings.fill(cell.config)
    job = current.current_job()
    st.session_state[settings.OF] = None if job is None else job.key  # or that screen would show the current run's
    st.switch_page(current.ATTACK, query_params={current.PARAMETER: job.key[: current.SHORT]} if job else None)


def figures_of(row: pd.Series) -> str:
    """A run's figures in one line, or why there are none."""
    if row["status"] != "done":
        return str(row["error"] if row["status"] == "failed" else row["status"])
    said = []
    for name, metric in METRICS.items():
        value = row[metric.column]
        if value is not None and not math.isnan(value):
            said.append(f"{name} {metric.write(float(value) * (100 if metric.percent else 1))}")
    return " · ".join(said)
