"""All runs of the ledger: find, open, rename, pin, compare, stop, resume and delete them.

What is chosen here stands in the address (`list_text`, `list_status`, `list_columns`, …), so that a link or a reload
brings the same list back. What can be done with a row has its place above the table whether a row is ticked or not, so
that nothing moves under the hand. The list asks the ledger again every two seconds, and only while a run is active.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

import core
from core import Job, PoisonscopeError
from pages.parts.around import current, trouble, words
from pages.parts.around.templates import render
from pages.parts.common import summaries
from pages.parts.compare import side_by_side

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
MARKS = {"queued": "◷", "running": "▶", "done": "✓", "failed": "✕", "cancelled": "■", "lost": "?"}
SHORT = 10  # a list of so many is shown whole
FEW = 3  # so many runs need no filters
NAME_LIMIT = 60
BLIND = ("Status", "Pin", "Name", "Data", "Recipe", "Detector", "Asked", "Run")  # what a defender may know

HIDDEN = ("id", "created", "pinned")  # columns that are there for the list alone
USUAL = ("Status", "Pin", "Name", "Data", "Trigger", "Target", "Ratio", "Detector", "Nat1", "ASR1", "#Pois left",
         "Nat2", "ASR2")  # fmt: skip
# Pixels, so that the usual columns fit a window of 1440 beside the sidebar; what is longer is read on its cell.
WIDTHS = {"Status": 84, "Pin": 40, "Name": 104, "Data": 66, "Trigger": 84, "Target": 68, "Ratio": 106, "Detector": 116,
          "#Pois left": 84, **dict.fromkeys(("Nat1", "ASR1", "Nat2", "ASR2"), 64)}  # fmt: skip

# What a list can be narrowed by: the column with its label, and whether it is known in blind review.
FILTERS = {"Data": True, "Trigger": False, "Target": False, "Detector": True, "Status": True, "Recipe": True}
LABELS = {"Data": "Data set"}
ORDERS: dict[str, tuple[str, bool]] = {  # by which column, and whether rising
    "newest first": ("created", False),
    "oldest first": ("created", True),
    "name": ("Name", True),
    "most poison left": ("#Pois left", False),
    "highest ASR2": ("ASR2", False),
    "lowest Nat2": ("Nat2", True),
    "lowest AUROC": ("AUROC", True),
}


def show(blind: bool = False, compare: Callable[[Job, Job], None] | None = None) -> None:
    """The list. Blind: nothing of the attack. `compare` opens two runs beside each other."""
    active = any(job.active for job in current.runs())
    st.fragment(_list, run_every=2.0 if active else None)(blind, compare, active)


@trouble.said()
def _list(blind: bool, compare: Callable[[Job, Job], None] | None, was_active: bool) -> None:
    jobs = current.runs()
    if was_active and not any(job.active for job in jobs):
        st.rerun()  # the whole page, which then no longer asks
    if not jobs:
        st.caption("No run yet.")
        return
    table = frame(jobs, blind)
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    with bar:
        table = narrowed(table, blind) if len(jobs) > FEW else ordered(table, "newest first")
        shown = _columns(table, blind)
    above = st.container()  # what it holds hangs on the ticks below, but not how high it is
    chosen = _rows(table, {job.id: job for job in jobs}, shown)
    with above:
        _actions(chosen, blind, compare)
    if len(chosen) > 1 and not blind:
        finished = [job for job in chosen if job.status == "done"]
        if len(finished) > 1:
            st.markdown(f"**The {len(finished)} chosen runs**")
            side_by_side.several(finished)
    st.download_button(
        "These runs as CSV", partial(_csv, table), "poisonscope-runs.csv", "text/csv",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip


def _columns(table: pd.DataFrame, blind: bool) -> list[str]:
    """Which columns are shown, the usual ones first."""
    every = sorted((name for name in table if name not in HIDDEN), key=lambda name: (*USUAL, name).index(name))
    usual = [name for name in every if blind or name in USUAL]
    with st.popover("Columns", icon=":material/view_column:"):
        chosen = st.multiselect(
            "Columns", every, usual, key="list_columns blind" if blind else "list_columns", placeholder="the usual",
            bind=None if blind else "query-params", width=520,
        )  # fmt: skip
    return [name for name in every if name in (chosen or usual)]


def _rows(table: pd.DataFrame, jobs: dict[int, Job], shown_columns: list[str]) -> list[Job]:
    """The table itself; answers with the runs whose boxes are ticked."""
    ids = table["id"].tolist()
    key = "runs " + hashlib.sha256(repr(ids).encode()).hexdigest()[:12]  # other rows, other ticks
    shown = st.dataframe(
        percent(table)[shown_columns], hide_index=True, key=key, on_select="rerun", selection_mode="multi-row",
        column_config=columns(), placeholder="—", alt="Runs with their settings and figures",
        height="content" if len(table) <= SHORT else 430,
    )  # fmt: skip
    if not ids:
        st.caption("No run fits these filters.")
    return [jobs[ids[row]] for row in shown.selection.rows if row < len(ids)]


def percent(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its shares in percent, as the screens write them; blind it has none."""
    return table.assign(**{name: 100 * table[name].astype(float) for name in SHARES if name in table})


def _csv(table: pd.DataFrame) -> bytes:
    return core.as_csv(table.drop(columns=list(HIDDEN)))


# --- which runs, in which order --------------------------------------------------------------------------


def narrowed(table: pd.DataFrame, blind: bool) -> pd.DataFrame:
    """The rows that fit what the widgets say."""
    text = st.text_input("Search", key="list_text", placeholder="any word of a row", bind="query-params", width=170)
    wanted = {}
    for name, known_blind in FILTERS.items():
        if known_blind or not blind:
            values = [word(value) if name == "Status" else value for value in table[name]]
            wanted[name] = st.multiselect(
                LABELS.get(name, name), sorted(set(values)), key=f"list_{name.lower()}", placeholder="all",
                bind="query-params", width=120,
            )  # fmt: skip
    orders = [name for name, (column, _) in ORDERS.items() if column in table]
    order = st.selectbox("Sort", orders, key="list_sort", bind="query-params", width=150)
    fits = pd.Series(True, index=table.index)
    for name, values in wanted.items():
        if values:
            fits &= (table[name].map(word) if name == "Status" else table[name]).isin(values)
    if text:
        rows = table.drop(columns=list(HIDDEN)).itertuples(index=False)
        lines = [" ".join(map(str, row)).casefold() for row in rows]
        fits &= np.array([all(part in line for part in text.casefold().split()) for line in lines])
    return ordered(table[fits], order)


def ordered(table: pd.DataFrame, order: str) -> pd.DataFrame:
    """Pinned runs first, then as asked; what a run does not have goes to the end."""
    column, rising = ORDERS[order]
    keys = table.assign(key=table[column].replace("", None))[["pinned", "key"]]
    return table.loc[keys.sort_values(["pinned", "key"], ascending=[False, rising], kind="stable").index]


def word(status: str) -> str:
    """A status without its mark and share."""
    return status.split()[1]


def frame(jobs: list[Job], blind: bool = False) -> pd.DataFrame:
    """One row a run, in the order given; blind: only what a defender knows of it."""
    states = repr([(job.key, _state(job)) for job in jobs])
    found = _frame(str(core.home.home()), hashlib.sha256(states.encode()).hexdigest(), jobs)
    return found[[*BLIND, "id", "created", "pinned"]].assign(Name=found["id"].map("run {}".format)) if blind else found


@st.cache_data(max_entries=16, show_spinner=False)
def _frame(home: str, states: str, _jobs: list[Job]) -> pd.DataFrame:
    return pd.DataFrame([_row(job) for job in _jobs])


def _state(job: Job) -> tuple[Any, ...]:
    """All of a job that a row shows and that changes."""
    return job.id, job.status, round(job.fraction, 2), job.finished, job.name, job.pinned


def columns() -> dict[str, Any]:
    """How the figures are written, and what each column means."""
    found = words.columns(brief=True) | {"Status": st.column_config.TextColumn(pinned=True)}
    sized = {name: {**(found.get(name) or st.column_config.Column()), "width": width} for name, width in WIDTHS.items()}
    return found | sized


def _row(job: Job) -> dict[str, Any]:
    config = job.config
    figures = summaries.of(job.key, job.finished) if job.status == "done" else {}
    return {
        "Status": status(job),
        "Pin": "★" if job.pinned else "",
        "Name": job.name or "",
        "Trigger": config.attack.title,
        "Target": config.target_name,
        "Ratio": words.ratio(config),
        "Detector": config.removed_by,
        **{name: figures.get(figure) for figure, name in FIGURES.items()},
        "Recipe": config.training.recipe,
        "Seed": config.seed,
        "Source": core.report.source(config),
        "Data": config.dataset.name,
        "Asked": words.when(job.created),
        "Run": job.key[: current.SHORT],
        "id": job.id,
        "created": job.created,
        "pinned": job.pinned,
    }


def status(job: Job) -> str:
    """A run's state by sign and word, and how far it is."""
    far = f" {words.share(job.fraction, 0)}" if job.status == "running" else ""
    return f"{MARKS[job.status]} {job.status}{far}"


# --- what can be done with the chosen rows ---------------------------------------------------------------


def _actions(chosen: list[Job], blind: bool, compare: Callable[[Job, Job], None] | None) -> None:
    """Every button has its place, and can be pressed where it fits the ticked rows."""
    one = chosen[0] if len(chosen) == 1 else None
    with st.container(horizontal=True, vertical_alignment="center", key="list-actions"):
        if st.button("Open", type="primary", icon=":material/open_in_new:", disabled=one is None) and one is not None:
            current.choose(one)
            st.rerun()
        if compare is not None and not blind:
            both = len(chosen) == 2 and all(job.status == "done" for job in chosen)
            if st.button(
                "Side by side", icon=":material/compare_arrows:", disabled=not both, on_click=compare if both else None,
                args=tuple(chosen) if both else (), help="Two runs that are done.",
            ):  # fmt: skip
                st.rerun()
        if not blind:
            _rename(one)
        if st.button("Pin or unpin", icon=":material/keep:", disabled=not chosen):
            pinned = all(job.pinned for job in chosen)
            for job in chosen:
                core.jobs.pin(job.id, not pinned)
            st.rerun()
        _stop_or_resume(chosen)
        if st.button("Delete …", icon=":material/delete:", disabled=not chosen):
            _delete(chosen, blind)


def _rename(job: Job | None) -> None:
    if job is None:
        st.button("Rename", icon=":material/edit:", disabled=True, help="One run.")
        return
    with st.popover("Rename", icon=":material/edit:"), st.form(f"name of {job.id}", border=False):
        name = st.text_input("Name", job.name or "", max_chars=NAME_LIMIT, help="Leave it empty for none.")
        if st.form_submit_button("Save", type="primary"):
            try:
                core.jobs.rename(job.id, " ".join(name.split())[:NAME_LIMIT] or None)
            except PoisonscopeError as error:
                st.error(words.sentence(str(error)), icon=":material/error:")
                return
            st.rerun()


def _stop_or_resume(chosen: list[Job]) -> None:
    active = [job for job in chosen if job.active and not job.cancelling]
    ended = [job for job in chosen if job.status in core.jobs.RESUMABLE]
    if st.button("Cancel", icon=":material/stop_circle:", help="What is finished is kept.", disabled=not active):
        for job in active:
            core.jobs.cancel(job.id)
        st.rerun()
    if st.button("Resume", icon=":material/play_arrow:", help="Goes on from the last checkpoint.", disabled=not ended):
        for job in ended:
            core.jobs.resume(job.id)
        st.rerun()


@st.dialog("Delete from the list?")
def _delete(chosen: list[Job], blind: bool) -> None:
    """Says what goes and what stays, and does it."""
    running = [job for job in chosen if job.status == "running"]
    st.html(render("compare/runs.html.jinja", runs=[("•", words.label(job, blind)) for job in chosen]))
    if running:
        st.warning("A run that is at work cannot be deleted: cancel it first.", icon=":material/warning:")
    st.markdown(
        f"**Deleted**: {'the run' if len(chosen) == 1 else 'the runs'} in this list with name, log and figures; links "
        "to it end.  \n**Kept**: the networks, representations and scores, which other runs may share, and what "
        "reviewers said. Asking for the same run again takes it from there; little is computed anew."
    )
    left, right = st.columns(2)
    if left.button("Delete", type="primary", icon=":material/delete:", disabled=bool(running), width="stretch"):
        try:
            strike(chosen)
        except PoisonscopeError as error:
            st.error(words.sentence(str(error)))
            return
        st.rerun()
    if right.button("Keep", width="stretch"):
        st.rerun()


def strike(chosen: list[Job]) -> None:
    """Take runs out of the ledger, and their summaries out of the store."""
    for job in chosen:
        core.jobs.delete(job.id)
        core.Store().delete("run", job.key)
