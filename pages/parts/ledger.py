"""All runs of the ledger in a table."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import core
from core import Job, RunConfig

from . import current, words

FIGURES = {
    "nat1": "Nat1",
    "asr1": "ASR1",
    "poisons": "Poisons",
    "poisons_left": "#Pois left",
    "clean_removed": "Clean removed",
    "nat2": "Nat2",
    "asr2": "ASR2",
    "tpr": "TPR",
    "fpr": "FPR",
    "auroc": "AUROC",
    "average_precision": "AP",
}
SHARES = ("Nat1", "ASR1", "Nat2", "ASR2", "TPR", "FPR")


def show() -> None:
    """A sortable table; a click on a row opens that run; a download as CSV."""
    jobs = current.runs()
    if not jobs:
        st.caption("No run yet.")
        return
    table = frame(jobs)

    def opened() -> None:
        rows = st.session_state["all runs"].selection.rows
        if rows:
            current.choose(jobs[rows[0]])

    st.dataframe(
        table,
        hide_index=True,
        key="all runs",
        on_select=opened,
        selection_mode="single-row",
        column_config=columns(),
        alt="All runs with their settings and figures",
    )
    st.download_button(
        "All runs as CSV", table.to_csv(index=False).encode(), "poisonscope-runs.csv", "text/csv",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip


def frame(jobs: list[Job]) -> pd.DataFrame:
    """One row a run, in the order given."""
    return pd.DataFrame([_row(job) for job in jobs])


def columns() -> dict[str, Any]:
    """How the figures are written, and what each column means. The shares stay shares, as in the CSV."""
    shares = {name: st.column_config.NumberColumn(format="percent", help=words.explain(name)) for name in SHARES}
    return words.columns() | shares


def _row(job: Job) -> dict[str, Any]:
    config = job.config
    figures = _figures(str(core.home.home()), job.key, job.finished, config) if job.status == "done" else {}
    return {
        "Status": job.status,
        "Data": config.dataset.name,
        "Trigger": config.attack.trigger,
        "Target": words.class_name(config, config.attack.target),
        "Source": words.class_name(config, config.attack.source),
        "Ratio": words.ratio(config),
        "Recipe": config.training.recipe,
        "Detector": config.defence.detector,
        "Seed": config.seed,
        **{name: figures.get(figure) for figure, name in FIGURES.items()},
        "Asked": words.when(job.created),
        "Run": job.key[: current.SHORT],
    }


@st.cache_data(max_entries=1000, show_spinner=False)
def _figures(home: str, key: str, finished: float | None, _config: RunConfig) -> dict[str, Any]:
    summary = core.Result(_config).summary or {}
    return {figure: summary.get(figure) for figure in FIGURES}
