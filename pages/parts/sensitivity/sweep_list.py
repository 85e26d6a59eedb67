"""The sweeps of the ledger: how far the chosen one is, stopping, resuming and deleting it, and its figures so far.

Asks the ledger every two seconds, and only while the sweep waits or runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import pandas as pd
import streamlit as st

import core
from core import Job, PoisonscopeError
from core.configuration import Sweep
from pages.parts.around import cuts, trouble, words
from pages.parts.sensitivity import sweep_form, sweep_heading, sweep_pictures
from pages.parts.sensitivity.sweep_pictures import Other

EVERY = 2.0  # seconds between two looks
STRIKE = "sweep to strike"  # in session state: the job that shall go once it has stopped


class Listed(NamedTuple):
    """A sweep of the list: of the ledger, or one whose figures come with the program."""

    sweep: Sweep
    job: Job | None


def show() -> None:
    """Which sweep, and all about it."""
    strike_stopped()
    known = {job.key[: sweep_form.SHORT]: Listed(job.sweep, job) for job in core.sweeps.listing() if job.sweep}
    shipped = {key: Listed(sweep, None) for key, sweep in _shipped(str(core.sweeps.RECORDS)).items()}
    known |= {key: one for key, one in shipped.items() if key not in known}
    if not known:
        st.caption("No sweep yet.")
        return
    named = sweep_form.named()
    if named and named not in known:
        st.warning("The sweep of this link is not here: it was deleted, or made on another machine.")
    usual = next(iter(known))
    lines = {short: label(one) for short, one in known.items()}
    labels = words.apart(lines, {short: None if one.job is None else one.job.id for short, one in known.items()})
    st.session_state["sweep picker"] = named if named in known else usual
    st.selectbox(
        "Sweep", list(known), format_func=labels.__getitem__, key="sweep picker",
        on_change=changed,
        help="Newest first; the link names the chosen one.",
    )  # fmt: skip
    key = st.session_state["sweep picker"]
    sweep, job = known[key]
    sweep_heading.show(sweep, job is None)
    others = {short: Other(labels[short], one.sweep, partial(of, one)) for short, one in known.items() if short != key}
    if job is None:
        st.fragment(recorded)(sweep, others)
    else:
        st.fragment(watch, run_every=EVERY if job.active else None)(job.id, job.active, others)


def of(listed: Listed) -> pd.DataFrame:
    """A sweep's figures so far."""
    if listed.job is not None:
        return figures(listed.job)
    return _recorded(listed.sweep)


def changed() -> None:
    """Another sweep: what was looked at in the one before says nothing here."""
    cuts.set_option(sweep_form.PARAMETER, st.session_state["sweep picker"], "")
    sweep_pictures.forget()


@st.cache_resource(max_entries=2, show_spinner=False)
def _shipped(folder: str) -> dict[str, Sweep]:
    """The sweeps whose figures come with the program, by their keys' beginnings."""
    return {core.grid.key(sweep)[: sweep_form.SHORT]: sweep for sweep in core.sweeps.shipped().values()}


def label(listed: Listed) -> str:
    """A sweep in one line; how far an active one is stands below, where it moves."""
    sweep, job = listed
    if job is None:
        return f"{sweep.name} · {words.count(sweep.count, 'run')} · recorded"
    ended = {"done": "done", "cancelled": "paused", "failed": "failed", "lost": "lost"}.get(job.status)
    parts = [job.name or sweep.name, words.count(sweep.count, "run"), ended, words.when(job.created)]
    return " · ".join(part for part in parts if part)


@trouble.said()
def recorded(sweep: Sweep, others: Mapping[str, Other]) -> None:
    """Figures that come with the program, and what it takes to compute them here."""
    table = _recorded(sweep)
    sweep_pictures.show(sweep, table, others)
    downloads(sweep, table)
    here = st.expander("Run it on this machine", on_change="rerun", key="sweep here")
    if here.open:  # what it costs takes a tenth of a second to count
        with here:
            plan = sweep_form.cost(sweep)
            st.markdown(sweep_form.price(plan, sweep.cluster))
            sweep_form.start(sweep, plan, "sweep run here")


@trouble.said()
def watch(id: int, was_active: bool, others: Mapping[str, Other]) -> None:
    """All that changes while it goes on."""
    try:
        job = core.jobs.get(id)
    except PoisonscopeError:
        st.rerun()  # somebody deleted it
    if was_active and not job.active:
        st.rerun()  # the whole page, which then no longer asks
    progress(job)
    buttons(job)
    table = figures(job)
    sweep_pictures.show(job.sweep, table, others)
    downloads(job.sweep, table)


def progress(job: Job) -> None:
    if job.status == "queued":
        st.info("Waits for its turn. A single run goes first.", icon=words.icon(job))
    elif job.active and job.cancelling:
        st.warning("Stopping after this step; what is finished is kept.", icon=":material/stop_circle:")
    elif job.status == "running":
        st.progress(min(job.fraction, 1.0), f"**{words.share(job.fraction, 0)}** · {words.left(job)} · {job.message}")
    elif job.status == "cancelled":
        st.info("Paused: what is finished is kept, and *Resume* goes on from there.", icon=":material/pause_circle:")
    elif job.status == "failed":
        st.error(f"{words.sentence(job.error or 'It failed')}", icon=words.icon(job))
    elif job.status == "lost":
        st.warning(f"It was lost: {words.sentence(job.error or 'its worker is gone')}", icon=words.icon(job))


def buttons(job: Job) -> None:
    """What can be done with it."""
    with st.container(horizontal=True):
        if job.active:
            if st.button("Pause", icon=":material/pause:", disabled=job.cancelling, key="sweep pause",
                         help="Stops after this step; what is finished is kept."):  # fmt: skip
                core.jobs.cancel(job.id)
                st.rerun()
            if st.button("Cancel …", icon=":material/stop_circle:", key="sweep cancel"):
                ask(job)
        else:
            resumable = job.status in core.jobs.RESUMABLE
            if resumable and st.button("Resume", type="primary", icon=":material/play_arrow:", key="sweep resume",
                                       help="Runs that are stored are not run again."):  # fmt: skip
                st.session_state.pop(STRIKE, None)
                core.jobs.resume(job.id)
                st.rerun()
            if st.button("Delete …", icon=":material/delete:", key="sweep delete"):
                ask(job)
    if not job.active and job.status != "done" and (log := core.jobs.log_tail(job.id)):
        with st.expander("The end of its log"):
            st.code(log, language=None)


@st.dialog("Take this sweep off the list?")
def ask(job: Job) -> None:
    """Says what goes and what stays, and does it."""
    st.markdown(
        f"{'It stops after this step and goes' if job.active else 'It goes'} from this list. The runs that are "
        "finished stay in the store: the same sweep asked for again takes them from there."
    )
    left, right = st.columns(2)
    if left.button("Delete", type="primary", icon=":material/delete:", width="stretch", key="sweep delete yes"):
        strike(job)
        st.rerun()
    if right.button("Keep", width="stretch", key="sweep delete no"):
        st.rerun()


def strike(job: Job) -> None:
    """Off the list: at once, or, where it runs, as soon as it has stopped."""
    if job.active:
        job = core.jobs.cancel(job.id)
    if job.active:
        st.session_state[STRIKE] = job.id
    else:
        delete(job)


def strike_stopped() -> None:
    """Take off the list what was to go as soon as it had stopped."""
    id = st.session_state.get(STRIKE)
    if id is None:
        return
    job = next((job for job in core.sweeps.listing() if job.id == id), None)
    if job is None or not job.active:
        st.session_state.pop(STRIKE, None)
    if job is not None and not job.active:
        delete(job)


def delete(job: Job) -> None:
    core.jobs.delete(job.id)
    cuts.set_option(sweep_form.PARAMETER, "", "")
    sweep_pictures.forget()


# --- figures ---------------------------------------------------------------------------------------------


def figures(job: Job) -> pd.DataFrame:
    """One row a run; read anew while it goes on, else kept for a while."""
    if job.active:
        return core.sweeps.table(job.sweep)
    return _figures(str(core.home.home()), job.key, job.status, job.finished, job.sweep)


def _recorded(sweep: Sweep) -> pd.DataFrame:
    return _figures(str(core.home.home()), core.grid.text(sweep), "recorded", None, sweep)


@st.cache_data(max_entries=8, ttl=60, show_spinner=False)
def _figures(home: str, key: str, status: str, finished: float | None, _sweep: Sweep) -> pd.DataFrame:
    return core.sweeps.table(_sweep)


def downloads(sweep: Sweep, table: pd.DataFrame) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "All runs as CSV", partial(as_csv, table), sweep_form.file_name(sweep, "csv"), "text/csv",
            icon=":material/download:", on_click="ignore", key="sweep csv",
        )  # fmt: skip
        sweep_form.download(core.grid.text(sweep), sweep_form.file_name(sweep), "sweep list yaml")


def as_csv(table: pd.DataFrame) -> bytes:
    return core.as_csv(table)
