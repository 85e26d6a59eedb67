"""Taking it away: scores and decisions as files, of all images or of those filtered or chosen; the keep-list."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from core.results.keeping import Decision
from pages.parts.around import words
from pages.parts.around.cuts import Scored

Ids = NDArray[np.int64]
ALL, FILTERED, CHOSEN = "all", "filtered", "chosen"
DRAWER = "export"  # in session state


def show(result: Result, found: Scored, made: Decision, truth: bool, filtered: Ids, chosen: list[int]) -> None:
    """Downloads, drawn where the drawer is open and made when asked for. The keep-list is always the whole one."""
    drawer = st.expander("Export", icon=":material/download:", key=DRAWER, on_change="rerun")
    if drawer.open:
        with drawer:
            _offered(result, found, made, truth, filtered, chosen)


def _offered(result: Result, found: Scored, made: Decision, truth: bool, filtered: Ids, chosen: list[int]) -> None:
    which = choice(len(result.poisoned), len(filtered), len(chosen))
    only = {ALL: None, FILTERED: filtered, CHOSEN: np.array(chosen, np.int64)}[which]
    st.caption(_columns(truth))

    def table() -> pd.DataFrame:
        reviews = core.reviews.of(core.reviews.desk(result.config))
        return core.export.table(
            result, found.detection, made.flagged, truth=truth, reviews=reviews, keep=made.keep, only=only
        )

    stem = f"poisonscope-{core.run_key(result.config)[:8]}{'' if truth else '-blind'}"
    part = "" if which == ALL else f"-{which}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Scores as CSV", lambda: core.as_csv(table()), f"{stem}{part}-scores.csv", "text/csv", on_click="ignore"
        )
        st.download_button(
            "Scores as Parquet", lambda: table().to_parquet(index=False), f"{stem}{part}-scores.parquet",
            "application/vnd.apache.parquet", on_click="ignore",
        )  # fmt: skip
        if truth:
            st.download_button(
                "Keep-list", lambda: core.export.keep_list(~made.keep), f"{stem}-keep.txt", "text/plain",
                on_click="ignore", help=f"{made.figures}: {int(made.keep.sum()):,} ids.",
            )  # fmt: skip
        st.page_link("pages/compare.py", label="The whole run as a report", icon=":material/description:")


def choice(every: int, filtered: int, chosen: int) -> str:
    """Which images the tables are to hold."""
    said = {
        ALL: f"All {words.count(every, 'image')}",
        FILTERED: f"The {filtered:,} filtered",
        CHOSEN: f"The {chosen:,} chosen",
    }
    offered = [ALL, *([FILTERED] if filtered else []), *([CHOSEN] if chosen else [])]
    if st.session_state.get("export of") not in offered:
        st.session_state["export of"] = ALL
    return st.segmented_control(
        "Which images", offered, key="export of", required=True, format_func=lambda one: said[one],
        help="Filtered: what the filters above let through. Chosen: several that are selected in the grid.",
    )  # fmt: skip


def _columns(truth: bool) -> str:
    if truth:
        return (
            "One row an image: id, label, label_name, score, rank (within its label, 1 = most suspicious), flagged (by "
            "the cut), kept (in the end), dataset_row, source_id, source_name, poisoned; where somebody judged it also "
            "reviewer, verdict, note and the time, one row for each reviewer. The keep-list has the ids that stay, one "
            "a line: `python -m core retrain RUN keep.txt` trains on it."
        )
    return (
        "One row an image: handle, label, label_name, score, rank (within its label, 1 = most suspicious), "
        "flagged (by the cut), kept (in the end), and what reviewers said. This is blind review: an id would tell, so "
        "images go by a *handle*, a shuffled number that is the same in every export of this run and in this page's "
        "address. A keep-list is one of ids, so it comes with the truth only."
    )
