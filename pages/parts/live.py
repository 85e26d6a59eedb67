"""A job as it goes: its stages, how far it is, the curves of its trainings, and how it ended.

Asks the ledger once a second, and only while the job is active.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

import core
from core import Event, Job

from . import colours, words

STAGES = {"run": tuple(words.STAGES), "benign": ("train", "evaluate")}
TRAININGS = {"train": "First training, on the poisoned set", "retrain": "Retraining, on what the filter left"}
LOG_LINES = 30


def show(job: Job) -> None:
    """A job's state, drawn again every second until it has ended."""
    st.fragment(_watch, run_every=1.0 if job.active else None)(job.id, job.active)


def _watch(id: int, was_active: bool) -> None:
    job = core.jobs.get(id)
    if was_active and not job.active:
        st.rerun()  # the whole page, which then no longer asks
    heard = [event for _, event in core.jobs.events(id)]
    _progress(job)
    if job.active:
        _cancel(job)
        _stages(job)
    elif job.status != "done":
        _ended(job)
    _curves(job, heard)


def _progress(job: Job) -> None:
    if job.status == "queued":
        st.info("Waits for its turn: one run at a time, the others queue.", icon=words.icon(job))
    elif job.status == "running":
        left = "" if job.eta is None else f" · about {words.duration(job.eta)} left"
        st.progress(job.fraction, f"**{words.share(job.fraction, 0)}**{left}")


def _cancel(job: Job) -> None:
    pressed = st.button(
        "Stopping …" if job.cancelling else "Cancel", icon=":material/stop_circle:", disabled=job.cancelling,
        key=f"cancel {job.id}", help="What is finished is kept: it can be resumed.",
    )  # fmt: skip
    if pressed:
        core.jobs.cancel(job.id)
        st.rerun()


def _stages(job: Job) -> None:
    """The line that an image travels: done, at it, still to come; by sign as well as by weight."""
    order = STAGES[job.kind]
    at = order.index(job.stage) if job.stage in order else -1
    lines = []
    for place, stage in enumerate(order):
        if place < at:
            lines.append(f":material/check_circle: {words.STAGES[stage]}")
        elif place == at:
            detail = job.message or words.share(job.stage_fraction, 0)
            lines.append(f":material/arrow_forward: **{words.STAGES[stage]}** — {detail}")
        else:
            lines.append(f":material/radio_button_unchecked: {words.STAGES[stage]}")
    st.markdown("  \n".join(lines))


def _ended(job: Job) -> None:
    """Failed, lost or cancelled: what happened, the log's end, and the way on."""
    if job.status == "failed":
        st.error(f"This run failed. {job.error or ''}", icon=words.icon(job))
    elif job.status == "lost":
        st.warning(f"This run was lost: {job.error or 'its worker is gone'}.", icon=words.icon(job))
    else:
        st.warning("This run was cancelled. What it had finished is kept.", icon=words.icon(job))
    if st.button("Resume", type="primary", icon=":material/play_arrow:", key=f"resume {job.id}"):
        core.jobs.resume(job.id)
        st.rerun()
    if job.status != "cancelled" and (log := core.jobs.log_tail(job.id, LOG_LINES)):
        with st.expander("The end of its log", expanded=job.status == "failed"):
            st.code(log, language=None)


def _curves(job: Job, heard: Sequence[Event]) -> None:
    for stage in STAGES[job.kind]:
        if stage in TRAININGS:
            history = epochs(heard, stage) or _stored(job, stage)
            if history:
                st.markdown(f"**{TRAININGS[stage] if job.kind == 'run' else 'Training, nothing poisoned'}**")
                st.plotly_chart(
                    curves(history, job.config.training.epochs), key=f"{stage} of {job.id}",
                    config={"displayModeBar": False}, alt=_spoken(history),
                )  # fmt: skip


def _stored(job: Job, stage: str) -> list[dict[str, Any]]:
    """The curve of a run that was done already when it was asked for: the store has it, the ledger has not."""
    if job.status != "done":
        return []
    return core.Result(job.config).history({"train": "poisoned", "retrain": "clean"}[stage])


def epochs(heard: Sequence[Event], stage: str) -> list[dict[str, Any]]:
    """What a training told at the end of each epoch; of an epoch told twice (after a resume) the later."""
    told = {event.data["epoch"]: dict(event.data) for event in heard if event.stage == stage and "epoch" in event.data}
    return [told[epoch] for epoch in sorted(told)]


def curves(history: Sequence[dict[str, Any]], last: int) -> go.Figure:
    """Nat and ASR (left, in percent) and the loss (right) by epoch."""
    x = [record["epoch"] for record in history]
    figure = go.Figure()
    for name, colour, dash, symbol in (
        ("Nat", colours.BENIGN, colours.BENIGN_DASH, colours.BENIGN_SYMBOL),
        ("ASR", colours.POISONED, colours.POISONED_DASH, colours.POISONED_SYMBOL),
    ):
        y = [100 * record[name.lower()] for record in history if name.lower() in record]
        figure.add_scatter(
            x=x, y=y, name=name, mode="lines+markers", line=dict(color=colour, dash=dash, width=3),
            marker=dict(symbol=symbol, size=9), hovertemplate="%{y:.1f}%",
        )  # fmt: skip
    figure.add_scatter(
        x=x, y=[record["loss"] for record in history], name="loss", yaxis="y2", mode="lines+markers",
        line=dict(color=colours.REFERENCE, dash="dot", width=2), marker=dict(symbol="diamond", size=7),
        hovertemplate="%{y:.3f}",
    )  # fmt: skip
    figure.update_layout(
        height=250, margin=dict(l=8, r=8, t=8, b=8), hovermode="x unified",
        legend=dict(orientation="h", y=1.02, yanchor="bottom", x=0),
        xaxis=dict(title="epoch", range=[0.5, max(last, 2) + 0.5], dtick=max(1, last // 8)),
        yaxis=dict(range=[-3, 103], ticksuffix="%"),
        yaxis2=dict(overlaying="y", side="right", rangemode="tozero", showgrid=False, title="loss"),
    )  # fmt: skip
    return figure


def _spoken(history: Sequence[dict[str, Any]]) -> str:
    newest = history[-1]
    figures = ", ".join(f"{name} {words.share(newest.get(name.lower()))}" for name in ("Nat", "ASR"))
    return f"Curves by epoch. After epoch {newest['epoch']}: {figures}, loss {newest['loss']:.3f}"
