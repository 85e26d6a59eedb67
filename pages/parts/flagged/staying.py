"""What stays in the end: the cut with a reviewer's verdicts on it, in figures, and the run that is trained on that."""

from __future__ import annotations

from typing import Any

import streamlit as st

import core
from core import BadRequest, Job, PoisonscopeError, Result, RunConfig
from core.results.keeping import Decision
from pages.parts.around import current, link, trouble, words
from pages.parts.around.templates import render
from pages.parts.common import summaries

COMPARE = "pages/compare.py"
FAILURE = "retraining refused"  # in session state


def show(result: Result, made: Decision, judged: bool, truth: bool) -> None:
    """The figures; `judged` says whether there are verdicts that a network could be trained with."""
    figures = {
        "Cut": int(made.flagged.sum()),
        "Kept after all": made.spared,
        "Added": made.added,
        "Removed in the end": made.removed,
        "Images that stay": len(made.keep) - made.removed,
    }
    said = [(name, f"{value:,}") for name, value in figures.items()]
    # One piece: headings, metrics and captions would be seven, and the pictures above wait for them.
    st.html(render("flagged/staying.html.jinja", figures=said, sentence=made.figures))
    if not judged:
        offer(result, made)
        return
    try:
        wanted = _asked(str(result.store.folder), core.run_key(result.config), made.keep.tobytes(), result, made)
    except BadRequest as error:
        st.caption(f"Nothing to train on it: {words.sentence(str(error))}")
        return
    job = None if wanted == result.config.base else core.jobs.find(core.run_key(wanted), start=False)
    offer(result, made, wanted, job)
    if job is not None and job.status != "cancelled":
        every = current.PATIENCE if job.active else None
        st.fragment(follow, run_every=every)(result, job.key, job.active, truth)


@st.cache_data(max_entries=32, show_spinner=False)  # by a keep-list the reviewed run's own cut is read from the store
def _asked(store: str, run: str, keep: bytes, _result: Result, _made: Decision) -> RunConfig:
    return core.keeping.asked(_result, _made.keep)


def offer(result: Result, made: Decision, wanted: RunConfig | None = None, job: Job | None = None) -> None:
    """The button, or why there is nothing to press it for. wanted: the run that verdicts make, where there are any."""
    why = ""
    if wanted is None:
        why = "No verdict is given yet: judge images first."
    elif wanted == result.config.base:
        why = "So far this is what the run was trained on: no verdict changes it."
    elif job is not None and (job.active or job.status == "done"):
        why = "Trained with these very verdicts already: see below."
    elif not core.datasets.available(result.config.dataset.name):
        why = f"{result.config.dataset.name} is not on this machine: Fetch on the Attack screen brings it."
    st.button(
        "Retrain with my verdicts", icon=":material/model_training:", key="retrain", disabled=bool(why),
        on_click=begin, args=(result, made), help=why
        or f"A run of its own, beside this one in All runs and in Compare: the same recipe and seed, on what stays. "
        f"Takes {_takes(str(core.home.home()), core.run_key(wanted.base), wanted)}.",
    )  # fmt: skip
    failure = st.session_state.pop(FAILURE, None)
    if failure:
        st.error(failure, icon=":material/error:")


@st.cache_data(ttl=300.0, max_entries=32, show_spinner=False)  # whatever the verdicts: they change with every key
def _takes(home: str, reviewed: str, _wanted: RunConfig) -> str:
    expected = core.estimate(_wanted)
    return words.expected(expected.seconds, expected.measured)


def begin(result: Result, made: Decision) -> None:
    """Ask for the run; a worker carries it out."""
    try:
        core.submit(core.retraining(result.config, made.keep))
    except PoisonscopeError as error:
        st.session_state[FAILURE] = words.sentence(str(error))


@trouble.said()
def follow(result: Result, key: str, was_active: bool, truth: bool) -> None:
    """How far the retraining is, drawn again while it goes; and what came of it, beside the run that was reviewed."""
    job = current.looked_at_again(key, was_active)
    reviewed = core.run_key(result.config.base)
    with st.container(border=True, key="retrained"):
        if job.status != "done":
            current.say_progress(job, "The network is trained anew on what stays.")
            return
        st.success("Trained with these verdicts.", icon=":material/check_circle:")
        alone, after = summaries.of(reviewed), summaries.of(key, job.finished)
        if truth and alone and after:
            compared(alone, after)
        st.page_link(
            COMPARE, label="Both runs beside each other: Compare", icon=":material/compare_arrows:",
            query_params=link.beside(key, reviewed),
        )  # fmt: skip


def compared(cut: Any, reviewed: Any) -> None:
    """What the cut alone came to, and what it came to with the verdicts."""
    with st.container(horizontal=True, gap="medium"):
        for name in ("nat2", "asr2", "poisons_left", "clean_removed"):
            figure, alone, after = core.figures.FIGURES[name], cut[name], reviewed[name]
            st.metric(
                f"{figure.name}, the cut alone → with verdicts", f"{figure.write(alone)} → {figure.write(after)}",
                figure.change(alone, after) if figure.write(alone) != figure.write(after) else None,
                delta_color="normal" if figure.good == "higher" else "inverse", width="content", help=figure.says,
            )  # fmt: skip
