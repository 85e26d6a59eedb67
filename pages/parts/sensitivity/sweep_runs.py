"""The runs behind a point of a sweep's grid: its seeds, and the way to each."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

import core
from core.configuration import Cell, Sweep
from pages.parts.around import current
from pages.parts.form import settings
from pages.parts.sensitivity import axes
from pages.parts.sensitivity.sweep_metrics import METRICS, rows_at

COMPARE = "pages/compare.py"


def place(cell: Cell) -> str:
    """A point in words."""
    return ", ".join(f"{axes.title(axis)} {axes.label(axis, value)}" for axis, value in cell.point.items()) or "all"


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
