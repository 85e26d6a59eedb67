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
from pages.parts.around import colours, presenter, words

STAGES = {"run": tuple(words.STAGES), "benign": ("train", "evaluate")}
TRAININGS = {"train": "First training, on the poisoned set", "retrain": "Retraining, on what the filter left"}
LOG_LINES = 30
HEIGHT, SMALL, LARGE = 400, 16, 20  # pixels: a figure and its type, legible from the back of a room
SPELT_OUT = 6  # so many epochs have their figures written beside the points; of more, only the last has


def show(job: Job, *, wide: bool = False, blind: bool = False) -> None:
    """A job's state, drawn again every second until it has ended. wide: both trainings fit side by side.

    blind: how far it is, without any figure that only the attacker knows.
    """
    st.fragment(_watch, run_every=1.0 if job.active else None)(job.id, job.active, wide, blind)


def _watch(id: int, was_active: bool, wide: bool, blind: bool) -> None:
    job = core.jobs.get(id)
    if was_active and not job.active:
        st.rerun()  # the whole page, which then no longer asks
    if job.active:
        at, stop = st.columns([6, 1], vertical_alignment="center") if wide else (st.container(), st.container())
        with at:
            _progress(job)
        with stop:
            _cancel(job)
        _stages(job, wide)
    elif job.status != "done":
        _ended(job)
    if not blind:
        _curves(job, [event for _, event in core.jobs.events(id)], wide)


def _progress(job: Job) -> None:
    if job.status == "queued":
        st.info("Waits for its turn: one run at a time, the others queue.", icon=words.icon(job))
    elif job.active and job.cancelling:
        st.warning("Stopping after this step; what is finished is kept.", icon=":material/stop_circle:")
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


def _stages(job: Job, wide: bool) -> None:
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
    st.markdown(" &nbsp; ".join(lines) if wide else "  \n".join(lines))


def _ended(job: Job) -> None:
    """Failed, lost or cancelled: what happened, the log's end, and the way on."""
    if job.status == "failed":
        st.error(f"This run failed. {job.error or ''}", icon=words.icon(job))
    elif job.status == "lost":
        st.warning(f"This run was lost: {job.error or 'its worker is gone'}.", icon=words.icon(job))
    else:
        st.warning("This run was cancelled. What it had finished is kept.", icon=words.icon(job))
    if presenter.on():
        st.caption("Presenting: nothing is trained, so it cannot be resumed here.")
    elif st.button("Resume", type="primary", icon=":material/play_arrow:", key=f"resume {job.id}"):
        core.jobs.resume(job.id)
        st.rerun()
    if job.status != "cancelled" and (log := core.jobs.log_tail(job.id, LOG_LINES)):
        with st.expander("The end of its log", expanded=job.status == "failed"):
            st.code(log, language=None)


def _curves(job: Job, heard: Sequence[Event], wide: bool) -> None:
    """The trainings so far; of one that has not ended its first epoch, what is happening."""
    trainings = [stage for stage in STAGES[job.kind] if stage in TRAININGS]
    told = {stage: epochs(heard, stage) or _stored(job, stage) for stage in trainings}
    begun = [stage for stage in trainings if told[stage] or (job.status == "running" and job.stage == stage)]
    for stage, place in zip(begun, st.columns(len(begun)) if wide and begun else [st] * len(begun), strict=True):
        place.markdown(f"**{TRAININGS[stage] if job.kind == 'run' else 'Training, nothing poisoned'}**")
        if told[stage]:
            place.plotly_chart(
                curves(told[stage], job.config.training.epochs), key=f"{stage} of {job.id}",
                config={"displayModeBar": False}, alt=_spoken(told[stage]),
            )  # fmt: skip
        else:
            place.info(
                f"{words.sentence(job.message or 'The first epoch begins')} On the way the network is tested: "
                "Nat on clean images, ASR on triggered ones.",
                icon=":material/neurology:",
            )


def _stored(job: Job, stage: str) -> list[dict[str, Any]]:
    """The curve of a run that was done already when it was asked for: the store has it, the ledger has not."""
    if job.status != "done":
        return []
    history = core.Result(job.config).history({"train": "poisoned", "retrain": "clean"}[stage])
    return [look for record in history for look in (*record.get("within", ()), record)]


def epochs(heard: Sequence[Event], stage: str) -> list[dict[str, Any]]:
    """What a training told within and at the end of each epoch; of what was told twice (after a resume) the later."""
    told = {event.data["epoch"]: dict(event.data) for event in heard if event.stage == stage and "epoch" in event.data}
    return [told[epoch] for epoch in sorted(told)]


def curves(history: Sequence[dict[str, Any]], last: int) -> go.Figure:
    """Nat and ASR (left, in percent) and the loss (right) by epoch, in type for a room."""
    x = [record["epoch"] for record in history]
    figure = go.Figure()
    for name, colour, dash, symbol in (
        ("Nat", colours.BENIGN, colours.BENIGN_DASH, colours.BENIGN_SYMBOL),
        ("ASR", colours.POISONED, colours.POISONED_DASH, colours.POISONED_SYMBOL),
    ):
        y = [100 * record[name.lower()] for record in history if name.lower() in record]
        figure.add_scatter(
            x=x, y=y, name=name, mode="lines+markers+text", line=dict(color=colour, dash=dash, width=4),
            marker=dict(symbol=symbol, size=14), text=_written(name, y), cliponaxis=False,
            textposition=["top center"] * (len(y) - 1) + ["top left"],
            textfont=dict(size=LARGE, color=colour, weight=700), hovertemplate="%{y:.1f}%",
        )  # fmt: skip
    figure.add_scatter(
        x=x, y=[record["loss"] for record in history], name="loss", yaxis="y2", mode="lines+markers",
        line=dict(color=colours.REFERENCE, dash="dot", width=3), marker=dict(symbol="diamond", size=11),
        hovertemplate="%{y:.3f}",
    )  # fmt: skip
    type = dict(tickfont=dict(size=SMALL), title_font=dict(size=SMALL))
    figure.update_layout(
        height=HEIGHT, margin=dict(l=8, r=8, t=8, b=8), hovermode="x unified", font=dict(size=SMALL),
        hoverlabel=dict(font=dict(size=SMALL)),
        legend=dict(orientation="h", y=1.02, yanchor="bottom", x=0, font=dict(size=SMALL + 1)),
        xaxis=dict(title="epoch", range=[0, max(last, 2) + 0.2], dtick=max(1, last // 8), **type),
        yaxis=dict(range=[-4, 116], tickvals=[0, 50, 100], ticktext=["0%", "50%", "100%"], **type),
        yaxis2=dict(
            overlaying="y", side="right", showgrid=False, title="loss", tickmode="auto", nticks=5,
            range=[0, 1.35 * max(record["loss"] for record in history)], **type,
        ),
    )  # fmt: skip
    return figure


def _written(name: str, y: Sequence[float]) -> list[str]:
    """What stands beside the points: the name and the figure at the last, and figures before it where there is room."""
    before = [f"{value:.0f}%" if len(y) <= SPELT_OUT else "" for value in y[:-1]]
    return [*before, f"{name} {y[-1]:.0f}%"] if y else []


def _spoken(history: Sequence[dict[str, Any]]) -> str:
    newest = history[-1]
    figures = ", ".join(f"{name} {words.share(newest.get(name.lower()))}" for name in ("Nat", "ASR"))
    return f"Curves by epoch. After epoch {newest['epoch']:g}: {figures}, loss {newest['loss']:.3f}"
