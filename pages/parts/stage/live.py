"""The slide that trains: a run that was armed before, started by one key, watched to its end.

Which run: what was armed on the Attack screen in this tab; else the present run's attack with the next seed, where that
is quick on this machine; else the same trigger on the digits. Once started it is named in the address (`?live=…`), so
that it is still there when one comes back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st

import core
from core import Job, PoisonscopeError, Result, RunConfig
from core.results import triggered_images
from pages.parts.around import link, presenter, trouble, words
from pages.parts.around.templates import Markup, render
from pages.parts.common import live
from pages.parts.stage import told
from pages.parts.story import facts, histogram, pictures

ARMED, TROUBLE = "armed for the stage", "what kept the stage from starting"  # in session state
QUICK = 240.0  # seconds that an audience has patience for
SEEDS = 1_000
DIGITS: dict[str, Any] = {"dataset": "digits", "target": "three", "ratio": 0.2, "assumed_ratio": 0.2}
EVERY = 1.0  # seconds between two looks at a run that goes
BINS, TICKS = 48, 6
UNARMED = "Nothing was armed in this tab: this one is chosen by the run that is told."
CLEAN = "Train on the set as it is"  # the first stage of the control
MARKS = {"done": "✓", "now": "▶", "next": "○"}


class Button(NamedTuple):
    """What the slide's one button does, and the key that does it too."""

    does: str
    label: str
    key: str = ""


# --- which run -------------------------------------------------------------------------------------------


def arm(config: RunConfig) -> None:
    """Make this the run that the stage will start."""
    st.session_state[ARMED] = config.model_dump_json()
    st.session_state.pop(TROUBLE, None)
    st.query_params.pop(presenter.LIVE, None)


def offer(config: RunConfig | None) -> None:
    """On the Attack screen: keep a request for the stage; None where it cannot be started."""
    if st.button(
        "Arm for the stage", icon=":material/co_present:", width="stretch", disabled=config is None, key="arm",
        help="Presenter mode has it on its last slide, in this tab, and starts it when you press L.",
    ) and config is not None:  # fmt: skip
        arm(config)
    if config is not None and st.session_state.get(ARMED) == config.model_dump_json():
        st.caption("Armed: presenter mode starts it on its last slide, by L.")


def armed(result: Result) -> RunConfig:
    """The run that one key starts."""
    chosen = st.session_state.get(ARMED)
    if chosen is not None:
        return RunConfig.model_validate_json(chosen)
    own = _unseen(result.config.base)
    if core.datasets.available(own.dataset.name) and _longest(own) <= QUICK:
        return own
    return _unseen(digits(result.config))


def digits(config: RunConfig) -> RunConfig:
    """The run's trigger and detector on the digits, which are quick and need no download."""
    attack, defence = config.attack, config.defence
    return core.configure(
        **DIGITS, trigger=attack.trigger, trigger_parameters=attack.parameters, detector=defence.detector,
        detector_parameters=defence.parameters,
    )  # fmt: skip


def _unseen(config: RunConfig) -> RunConfig:
    """The same request with the first seed, from its own on, that nobody has run."""
    seeds = (config.model_copy(update={"seed": config.seed + more}) for more in range(SEEDS))
    return next((one for one in seeds if not core.estimate(one).cached), config)


def _longest(config: RunConfig) -> float:
    expected = core.estimate(config)
    return core.jobs.estimates.span(expected.seconds, expected.measured)[1]


def job() -> Job | None:
    """The run that was started here, as the address names it."""
    return core.jobs.named(str(st.query_params.get(presenter.LIVE, "")))


def start(result: Result) -> None:
    """Start the armed run, unless one goes already."""
    running = job()
    if running is not None and running.active:
        return
    try:
        started = core.submit(armed(result))
    except (PoisonscopeError, OSError) as error:
        st.session_state[TROUBLE] = words.sentence(str(error))
        return
    st.session_state.pop(TROUBLE, None)
    st.query_params[presenter.LIVE] = started.key[: link.SHORT]


def again() -> None:
    """Arm the next one, when one has ended: of what was armed in this tab, the next seed."""
    running = job()
    if running is not None and running.active:
        return
    chosen = st.session_state.get(ARMED)
    if chosen is not None:
        st.session_state[ARMED] = _unseen(RunConfig.model_validate_json(chosen)).model_dump_json()
    st.session_state.pop(TROUBLE, None)
    st.query_params.pop(presenter.LIVE, None)


def cancel() -> None:
    running = job()
    if running is not None and running.active:
        core.jobs.cancel(running.id)


# --- the slide -------------------------------------------------------------------------------------------


def show(result: Result) -> None:
    """The slide, drawn again every second while the run goes."""
    running = job()
    active = running is not None and running.active
    st.fragment(_slide, run_every=EVERY if active else None)(result, None if running is None else running.id, active)


@trouble.said()
def _slide(result: Result, id: int | None, was_active: bool) -> None:
    running = None if id is None else core.jobs.get(id)
    if running is not None and was_active and not running.active:
        st.rerun()  # the whole deck, which then no longer asks
    values = ready(armed(result)) if running is None else going(running)
    st.html(render("stage/live.html.jinja", number=presenter.SLIDES, name=told.LIVE, **values))


def ready(config: RunConfig) -> dict[str, Any]:
    """Before it is started: which run, how long."""
    expected = core.estimate(config)
    wait = st.session_state.get(TROUBLE) or (
        "Stored already: it opens at once." if expected.cached
        else f"{_named(config)}. Takes {words.expected(expected.seconds, expected.measured)}."
        + ("" if ARMED in st.session_state else f" {UNARMED}")
    )  # fmt: skip
    return {
        "claim": f"Next, before your eyes: {_attack(config)}",
        "rail": _rail(config, None),
        "picture": _trigger(config, "the trigger"),
        "figures": _figures({}, config),
        "wait": wait,
        "button": Button("start", "Start", "L"),
    }


def going(job: Job) -> dict[str, Any]:
    """While it goes, and when it has ended."""
    result = _result(job)
    figures = _known(job, result)
    return {
        "claim": _claim(job, result),
        "rail": _rail(job.config, job),
        "picture": _picture(job, result),
        "figures": _figures(figures, job.config),
        "wait": _wait(job),
        "button": Button("cancel", "Cancel") if job.active else Button("again", "Arm another"),
    }


def _named(config: RunConfig) -> str:
    seed = f", seed {config.seed}" if config.seed else ""
    return f"{words.ratio(config)}, {config.training.recipe}, {config.removed_by}{seed}"


def _attack(config: RunConfig) -> str:
    if not config.attack.ratio:
        return f"nothing planted in {config.dataset.name}, the clean control"
    return f"{config.attack.title} → {config.target_name}, on {config.dataset.name}"


def _claim(job: Job, result: Result) -> str:
    if job.status == "done" and result.summary is not None:
        return told.cleaned(facts.Facts(result)).claim
    if job.status in ("failed", "lost"):
        return f"This run {words.STATES[job.status][0]}: that happens on a stage"
    if job.status == "cancelled":
        return "This run was cancelled; what it had finished is kept"
    return f"Live: {_attack(job.config)}"


def _rail(config: RunConfig, job: Job | None) -> list[tuple[str, str, str, str]]:
    """The stages: done, at it, still to come; by sign as well as by weight."""
    order = tuple(words.STAGES)
    at = (
        -1
        if job is None
        else len(order)
        if job.status == "done"
        else order.index(job.stage)
        if job.stage in order
        else -1
    )
    rail = []
    for place, stage in enumerate(order):
        state = "done" if place < at else "now" if place == at else "next"
        detail = words.share(job.stage_fraction, 0) if state == "now" and job is not None else ""
        says = CLEAN if stage == "train" and not config.attack.ratio else words.STAGES[stage]
        rail.append((state, MARKS[state], says, detail))
    return rail


def _wait(job: Job) -> str:
    if job.status == "queued":
        return "Waits for its turn: one run at a time."
    if job.status == "running":
        return "Stopping after this step." if job.cancelling else words.sentence(words.left(job))
    if job.status == "done":
        return "From the store, no training." if not job.attempts or job.started is None else (
            f"Done in {words.duration((job.finished or job.started) - job.started)}.")  # fmt: skip
    return words.sentence(job.error or words.STATES[job.status][0])


def _figures(known: dict[str, Any], config: RunConfig) -> list[tuple[str, str, str]]:
    """What is known so far, before and after; of an attack from one class, how it does there, once that is measured."""
    success = ("Backdoor success (ASR)", "asr")
    if config.attack.source is not None:
        measured = known.get("source_asr1") is not None
        success = (f"ASR{words.whose(config)}", "source_asr") if measured else ("ASR of all classes", "asr")
    rows = (success, ("Accuracy (Nat)", "nat"))
    found = [(label, words.share(known.get(f"{name}1")), words.share(known.get(f"{name}2"))) for label, name in rows]
    left = known.get("poisons_left")
    counts = "—" if "poisons" not in known else f"{known['poisons']:,}", "—" if left is None else f"{left:,}"
    return [*found, ("Poisoned images", *counts)]


def _known(job: Job, result: Result) -> dict[str, Any]:
    """The figures that are measured, or told by the trainings on their way."""
    if result.summary is not None:
        return result.summary
    heard = [event for _, event in core.jobs.events(job.id)]
    known: dict[str, Any] = {"poisons": result.poisoned.truth.count}
    for stage, which, number in (("train", "poisoned", 1), ("retrain", "clean", 2)):
        quality = result.quality(which) if which == "poisoned" else None
        newest = (live.epochs(heard, stage) or [{}])[-1]
        for name in ("asr", "source_asr", "nat"):
            value = newest.get(name) if quality is None else getattr(quality, name)
            if value is not None:
                known[f"{name}{number}"] = value
    return known


def _picture(job: Job, result: Result) -> Markup | str:
    """The scores as soon as they are stored."""
    if result.has_scores() or job.status == "done":
        known = str(result.store.folder), job.key, job.finished
        return _histogram(*known, result)
    return _trigger(job.config, "scores follow, half-way" if job.active else "the trigger")


def _trigger(config: RunConfig, caption: str) -> Markup:
    sides = tuple(core.DATASETS[config.dataset.name].facts["image_shape"][:2])
    grey = core.proofs.looks(lambda images: triggered_images(config, images), sides)
    image = {"address": pictures.address(grey), "alt": "The trigger on plain grey", "caption": caption, "kind": ""}
    return render("stage/images.html.jinja", images=[image])


@st.cache_resource(max_entries=8, show_spinner=False)
def _histogram(store: str, key: str, finished: float | None, _result: Result) -> Markup | str:
    return histogram.draw(_result, pictures.name(_result, _result.config.attack.target), BINS, TICKS)


def _result(job: Job) -> Result:
    return _opened(str(core.home.home()), job.key, job.finished, job.config)


@st.cache_resource(max_entries=3, show_spinner=False)
def _opened(home: str, key: str, finished: float | None, _config: RunConfig) -> Result:
    """The images are stamped once, not every second; what the run adds is read when it is there."""
    return Result(_config)
