"""A job as it goes: its stages, how far it is, the curves of its trainings, and how it ended.

Asks the ledger once a second, and only while the job is active.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import streamlit as st

import core
from core import Event, Job
from core.jobs import estimates
from pages.parts.around import colours, trouble, words
from pages.parts.common import noted

STAGES = {"run": tuple(words.STAGES), "benign": ("train", "evaluate")}
TRAININGS = {"train": "First training, on the poisoned set", "retrain": "Retraining, on what the filter left"}
LOG_LINES = 30
HEIGHT, SMALL, LARGE = 400, 14, 16  # pixels: a figure and its type, a tool's
PLOT, EDGE, NAMES, GAP, LINE = 320, 14, 136, 16, 22  # pixels: the plot's height, what is around it, a line of names
PERCENT, LOSS_ROOM = (-4.0, 104.0), 1.1  # the axes: of percent, and how much higher than the highest loss
LOOKS = {
    "Nat": (colours.BENIGN_DASH, colours.BENIGN_SYMBOL),
    "ASR": (colours.POISONED_DASH, colours.POISONED_SYMBOL),
    "loss": ("dot", "diamond"),
}
SIGNS = {"Nat": "●", "ASR": "✕", "loss": "◆"}  # the same in type: words in the colours would be too faint


def show(job: Job, *, wide: bool = False, blind: bool = False) -> None:
    """A job's state, drawn again every second until it has ended. wide: both trainings fit side by side.

    blind: how far it is, without any figure that only the attacker knows.
    """
    st.fragment(_watch, run_every=1.0 if job.active else None)(job.id, job.active, wide, blind)


@trouble.said()
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
    heard = [event for _, event in core.jobs.events(id)]
    if job.status != "done":
        noted.show(noted.heard(heard))
    if not blind:
        _curves(job, heard, wide)


def _progress(job: Job) -> None:
    if job.status == "queued":
        st.info("Waits for its turn: one run at a time, the others queue.", icon=words.icon(job))
    elif job.active and job.cancelling:
        st.warning("Stopping after this step; what is finished is kept.", icon=":material/stop_circle:")
    elif job.status == "running":
        st.progress(job.fraction, f"**{words.share(job.fraction, 0)}** · {words.left(job)}")


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
    if st.button("Resume", type="primary", icon=":material/play_arrow:", key=f"resume {job.id}"):
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
    if any(told.values()) and (of := subset(job)):
        st.caption(f"In these curves, made while training, Nat and ASR are measured {of}; a run's own figures, on all.")


def subset(job: Job) -> str:
    """On how many of the test images a training is looked at, in words; empty where that is all of them."""
    looked = core.metrics.probed(estimates.train_size(job.config) * job.config.training.epochs)
    all = core.DATASETS[job.config.dataset.name].facts["test_size"]
    return f"on {looked:,} of {all:,} test images" if looked < all else ""


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
    """Nat and ASR in percent, and the loss on a scale of its own, by epoch; each named at its end.

    history: at least one record of a training of `last` epochs.
    """
    figure, ink = go.Figure(), colours.plotted()
    top = LOSS_ROOM * max(record["loss"] for record in history) or 1.0
    for name, unit, colour, axis, size in (
        ("Nat", 100.0, ink.benign, "y", 11),
        ("ASR", 100.0, ink.poisoned, "y", 11),
        ("loss", 1.0, ink.reference, "y2", 9),
    ):
        dash, symbol = LOOKS[name]
        points = [(record["epoch"], unit * record[name.lower()]) for record in history if name.lower() in record]
        figure.add_scatter(
            x=[x for x, _ in points], y=[y for _, y in points], name=name, yaxis=axis, mode="lines+markers",
            line=dict(color=colour, dash=dash, width=3 if axis == "y" else 2), cliponaxis=False,
            marker=dict(symbol=symbol, size=size), hovertemplate="%{y:.1f}%" if axis == "y" else "%{y:.3f}",
        )  # fmt: skip
    type = colours.axis(SMALL)
    figure.update_layout(
        height=HEIGHT, margin=dict(l=80, r=NAMES, t=EDGE, b=HEIGHT - EDGE - PLOT, autoexpand=False),
        hovermode="x unified", font=dict(size=SMALL), hoverlabel=dict(font=dict(size=SMALL)), showlegend=False,
        xaxis=dict(title="epoch", range=[0, max(last, 1)], dtick=max(1, last // 8), **type),
        yaxis=dict(title="of the test images", range=list(PERCENT), tickvals=[0, 50, 100],
                   ticktext=["0%", "50%", "100%"], **type),
        yaxis2=dict(overlaying="y", range=[0, top], visible=False), annotations=_names(history[-1], top),
    )  # fmt: skip
    return figure


def _names(newest: dict[str, Any], top: float) -> list[dict[str, Any]]:
    """Each curve's name and last figure right of its last point, moved apart where the points are close."""
    low, high = PERCENT
    told = [
        (100 * newest[key], PLOT * (100 * newest[key] - low) / (high - low), words.share(newest[key]), name)
        for name, key in (("Nat", "nat"), ("ASR", "asr"))
        if key in newest
    ]
    loss = PLOT * newest["loss"] / top
    told.append((low + (high - low) * loss / PLOT, loss, f"{newest['loss']:.2f}", "loss"))
    places = apart([pixels for _, pixels, *_ in told], LINE, PLOT)
    type = dict(size=LARGE, color=colours.plotted().ink, weight=700)
    return [
        dict(
            x=newest["epoch"], y=y, xanchor="left", yanchor="middle", xshift=GAP, yshift=place - pixels,
            showarrow=False, font=type, text=f"{SIGNS[name]} {name} {figure}",
        )
        for (y, pixels, figure, name), place in zip(told, places, strict=True)
    ]  # fmt: skip


def apart(places: Sequence[float], least: float, height: float) -> list[float]:
    """Places in [0, height] at least so far apart, in the same order and near where they were."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    moved = list(places)
    for before, at in pairwise(order):
        moved[at] = max(moved[at], moved[before] + least)
    limit = height
    for at in reversed(order):
        moved[at] = min(moved[at], limit)
        limit = moved[at] - least
    return moved


def _spoken(history: Sequence[dict[str, Any]]) -> str:
    newest = history[-1]
    figures = ", ".join(f"{name} {words.share(newest.get(name.lower()))}" for name in ("Nat", "ASR"))
    return f"Curves by epoch. After epoch {newest['epoch']:g}: {figures}, loss {newest['loss']:.3f}"
