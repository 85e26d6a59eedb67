"""Putting a sweep together: axes, seeds, what it costs, its file, and the button that starts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

import core
from core import PoisonscopeError, Result, RunConfig
from core.configuration import Sweep
from core.sweeps import Plan
from pages.parts.around import cuts, words
from pages.parts.form import settings
from pages.parts.sensitivity import axes, sweep_pictures
from pages.parts.sensitivity.axes import AXES, Axis

TABS, TAB = "part", "Sweeps"  # the open tab's name in the address, and this one
HERE, FILE = "this run's settings", "a file"
NONE = "no second axis"
SEEDS, MOST_SEEDS = 3, 20
PARAMETER = "sweep"  # in the address: the key's beginning of the sweep that is looked at
SHORT = 16


def show(result: Result) -> None:
    """The form, the price, the file, and Start."""
    how = st.segmented_control("Begin with", [HERE, FILE], default=HERE, required=True, key="sweep begin")
    try:
        sweep = put_together(result) if how == HERE else from_file()
        plan = None if sweep is None else cost(sweep)
    except core.BadRequest as error:
        st.error(words.refusal(error), icon=":material/error:")
        return
    if sweep is not None and plan is not None:
        st.markdown(price(plan, sweep.cluster))
        start(sweep, plan)
        file(sweep)


# --- what shall vary -------------------------------------------------------------------------------------


def put_together(result: Result) -> Sweep:
    """A sweep of one axis or two on top of the current run's settings; BadRequest where it does not fit."""
    config = begun(result.config)
    chosen: dict[str, axes.Values] = {}
    first, second = st.columns(2, gap="medium")
    with first:
        title = st.selectbox("First axis", list(AXES), key="sweep first", persist_state="session")
        chosen[AXES[title].name] = values(config, AXES[title], "first")
    with second:
        others = [NONE, *(name for name in AXES if name != title)]
        if st.session_state.get("sweep second") not in others:
            st.session_state["sweep second"] = NONE
        title = st.selectbox("Second axis", others, key="sweep second", persist_state="session")
        if title != NONE:
            chosen[AXES[title].name] = values(config, AXES[title], "second")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.text_input(
            "Name", key="sweep name", placeholder=usual_name(chosen), max_chars=100, width=280, persist_state="session"
        )
        seeds = st.number_input(
            "Seeds", 1, MOST_SEEDS, SEEDS, key="sweep seeds", width=110, persist_state="session",
            help="Each point is run so many times; the spread over them is drawn.",
        )  # fmt: skip
        retrain = st.toggle(
            "Remove, retrain, evaluate", True, key="sweep retrain", persist_state="session",
            help="Off: a run ends with the scores. One training less for each, but no ASR after cleaning.",
        )  # fmt: skip
        references = retrain and st.toggle(
            "A random and the perfect filter, too", False, key="sweep references", persist_state="session",
            help="What a filter that guesses and one that knows do with the same budget: two trainings more for each.",
        )  # fmt: skip
        benign = st.toggle(
            "A network never poisoned, too", False, key="sweep benign", persist_state="session",
            help="How often it gives the target for the triggered images: what ASR falls to at best. "
            "One training for each seed.",
        )  # fmt: skip
        same = "assumed_ratio" not in chosen and st.toggle(
            "The defender knows the ratio", "ratio" in chosen, key=f"sweep same {'ratio' in chosen}",
            persist_state="session",
            help="The assumed ratio is the attacker's own at every point, as in the report's tables.",
        )  # fmt: skip
        cluster = st.text_input(
            "Ray cluster", key="sweep cluster", placeholder="none: this machine", width=220, persist_state="session",
            help="The address of a cluster that shall do it: auto, or host:port; with options behind a question mark, "
            "as in auto?cpus=2&gpus=0.5. Empty: this machine's own worker.",
        )  # fmt: skip
    st.caption(rest(config, result.config))
    sweep = made(
        config, chosen, name=" ".join(name.split()) or usual_name(chosen), seeds=int(seeds), same=bool(same),
        retrain=retrain, references=references, benign=benign, cluster=(cluster or "").strip() or None,
    )  # fmt: skip
    if sweep.count > axes.MOST_CELLS:
        raise core.BadRequest(f"a sweep from here has at most {axes.MOST_CELLS:,} runs, got {sweep.count:,}")
    return sweep


def made(config: RunConfig, chosen: Mapping[str, axes.Values], *, seeds: int, same: bool, **more: Any) -> Sweep:
    """A sweep of a run's settings over some axes; `same`: the defender knows the ratio. BadRequest as of a file."""
    base = core.grid.base_of(config, axes.settings(chosen))
    if same:
        base["assumed_ratio"] = core.grid.SAME
    return core.grid.made(base=base, axes=dict(chosen), seeds=list(range(seeds)), **more)


def begun(run: RunConfig) -> RunConfig:
    """The settings that the sweep begins with: the run's, or the same attack and defence on other data or recipe."""
    own, recipe = run.dataset.name, run.training.recipe
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        dataset = st.selectbox(
            "Data set", list(core.DATASETS), list(core.DATASETS).index(own), key=f"sweep dataset {own}", width=220,
            format_func=lambda name: f"{name} (this run's)" if name == own else name, persist_state="session",
        )  # fmt: skip
        known = list(dict.fromkeys([recipe, *core.RECIPES]))
        chosen = st.selectbox(
            "Recipe", known, key=f"sweep recipe {recipe}", width=220, persist_state="session",
            format_func=lambda name: f"{name} (this run's)" if name == recipe else name,
            help="How the networks are trained. This run's comes with the numbers that the run changed of it.",
        )  # fmt: skip
    if (dataset, chosen) == (own, recipe):
        return run
    base = {name: value for name, value in core.grid.base_of(run).items() if not name.startswith("training.")}
    base |= {"dataset": dataset, "recipe": chosen if chosen in core.RECIPES else next(iter(core.RECIPES))}
    if dataset != own:
        base = {name: value for name, value in base.items() if name != "source"}
        base |= {"target": settings.usual_target(dataset)}
    return core.grid.cells(core.grid.made(base=base))[0].config


def rest(config: RunConfig, run: RunConfig) -> str:
    """What does not vary, in words."""
    same = "as in this run" if config == run else "as in this run but for the data set or the recipe"
    classes = ""
    if config.dataset.name != run.dataset.name and not config.attack.everywhere:
        classes = f" {config.dataset.name} has other classes: the target is {config.target_name}."
    return (
        f"Everything else {same}: {words.heading(config)}, {config.dataset.name}, {config.training.recipe}, "
        f"{config.defence.title}.{classes}"
    )


def values(config: RunConfig, axis: Axis, place: str) -> axes.Values:
    """The values of an axis: picked, or written."""
    key = f"sweep {place} {axis.name}"
    usual = axis.usual(config)
    if axis.options is None:
        label = "Values: shares, or percentages with their sign" if axis.shares else "Values"
        text = st.text_input(label, axes.write(usual), key=key, help=axis.help, persist_state="session")
        given = axes.read(text or "")
        axes.check(axes.title(axis.name), axis, given)
        return axes.values(axis, given)
    options = axis.options(config)
    chosen = st.multiselect(
        "Values", options, list(usual), key=f"{key} {config.dataset.name}", help=axis.help,
        format_func=lambda value: axes.label(axis.name, value), persist_state="session",
    )  # fmt: skip
    if not chosen:
        raise core.BadRequest("an axis needs at least one value")
    return axes.values(axis, chosen)


def usual_name(chosen: dict[str, axes.Values]) -> str:
    return " by ".join(axes.title(name).lower() for name in chosen)


def from_file() -> Sweep | None:
    """A sweep that somebody wrote down."""
    given = st.file_uploader(
        "A sweep's file", type=["yaml", "yml"], key="sweep file", max_upload_size=1,
        help="YAML with name, base, axes and seeds, as this page writes it.",
    )  # fmt: skip
    if given is None:
        return None
    try:
        text = given.getvalue().decode()
    except UnicodeDecodeError:
        raise core.BadRequest("a sweep's file is text in UTF-8") from None
    return core.grid.parse(text)


# --- what it costs, and starting it ----------------------------------------------------------------------


def cost(sweep: Sweep) -> Plan:
    """What is not stored of it, and how long that takes."""
    return _cost(str(core.home.home()), core.grid.text(sweep), sweep)


@st.cache_data(max_entries=32, ttl=20, show_spinner=False)  # counts what is stored, which others change
def _cost(home: str, text: str, _sweep: Sweep) -> Plan:
    return core.sweeps.plan(_sweep)


HERE_DONE = (
    "One after the other by this machine's worker, also when this tab is closed; a run that you start meanwhile on the "
    "Attack screen goes first."
)
THERE_DONE = "That is on this machine; the cluster does as many at once as it has room for."


def price(plan: Plan, cluster: str | None = None) -> str:
    """How many trainings, and about how long."""
    runs = words.count(plan.cells, "run")
    if plan.stored == plan.cells:
        return f"**{runs}, all stored already**: nothing needs to be trained."
    where = HERE_DONE if cluster is None else THERE_DONE
    stored = f" {words.count(plan.stored, 'run')} of them stored already." if plan.stored else ""
    return (
        f"**{runs}, {words.count(plan.trainings, 'training')} to do**, "
        f"**{words.expected(plan.seconds, plan.measured)}**.{stored} {where}"
    )


def start(sweep: Sweep, plan: Plan, key: str = "sweep start") -> None:
    """The button."""
    whole = plan.stored == plan.cells
    missing = not core.datasets.available(_dataset(sweep))
    if missing and not whole:
        st.caption(f"{_dataset(sweep)} is not on this machine: fetch it on the Attack screen, or choose other data.")
    pressed = st.button(
        "Open" if whole else f"Start {words.count(plan.trainings, 'training')}", type="primary",
        icon=":material/open_in_new:" if whole else ":material/play_arrow:", key=key,
        disabled=missing and not whole,
    )  # fmt: skip
    if pressed:
        try:
            job = core.sweeps.submit(sweep)
        except PoisonscopeError as error:
            st.error(words.sentence(str(error)), icon=":material/error:")
            return
        cuts.set_option(PARAMETER, job.key[:SHORT], "")
        sweep_pictures.forget()
        st.rerun()


def _dataset(sweep: Sweep) -> str:
    return core.grid.cells(sweep)[0].config.dataset.name


def file(sweep: Sweep) -> None:
    """The sweep as a file, and the command that runs the same."""
    text, name = core.grid.text(sweep), file_name(sweep)
    with st.expander("The sweep's file, and the command line"):
        st.code(text, language="yaml")
        st.code(f"python -m core sweep run {name}", language="sh")
        download(text, name, "sweep yaml")


def download(text: str, name: str, key: str) -> None:
    st.download_button(
        "The file as YAML", text.encode(), name, "application/yaml", icon=":material/download:", on_click="ignore",
        key=key,
    )  # fmt: skip


def file_name(sweep: Sweep, ending: str = "yaml") -> str:
    """A name that every file system takes."""
    return f"{re.sub(r'[^a-z0-9]+', '-', sweep.name.lower()).strip('-') or 'sweep'}.{ending}"


def named() -> str:
    """The key's beginning of the sweep that the address names."""
    return cuts.option(PARAMETER, "")
