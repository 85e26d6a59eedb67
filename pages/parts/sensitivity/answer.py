"""The answer first: five small multiples, each with what stays over one setting and where that breaks.

The poisoning ratio, the trigger, the target and other runs' layers come from known runs that differ from this one in
that alone (known.py); this run's own layers and the assumed ratio from what is stored of it. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import streamlit as st

import core
from core import Result, RunConfig
from pages.parts.around import cuts, trouble, words
from pages.parts.common import profiles
from pages.parts.images import picked
from pages.parts.sensitivity import known, layers, multiples, questions, rivals, sweep_form
from pages.parts.sensitivity.multiples import FIGURES, LEFT_BEHIND, Panel, Point
from pages.parts.sensitivity.questions import Question

COLUMNS = 3
LAYERS = "Layers"  # the tab that reads them off
STRENGTHS = ("opacity", "amplitude", "strength", "magnitude", "size")  # a trigger's settings, the first that it has
Runs = Sequence[known.Known] | None  # those that are known, where they were asked for already
FURTHEST = 100 * core.sensitivity.MOST_SHARE


@st.fragment
@trouble.said()
def show(result: Result) -> None:
    """The five multiples and the ready questions, in two rows."""
    if not result.poisoned.truth.count:
        st.caption("Without poison there is nothing to stay: choose a run with poison to see where its defence breaks.")
        return
    name = picked.choice("What stays", "stays", list(FIGURES))
    figure = FIGURES[name]
    st.caption(
        f"{name}: {figure.meaning}. It holds where its median over the seeds is **{figure.limit}** (dashed). "
        "Ringed: as in this run."
    )
    runs = known.known(result)
    made: list[tuple[Panel, Question | None]] = [
        (ratio(result, name, runs), questions.RATIO),
        (strength(result, name, runs), questions.FAINT),
        (target(result, name, runs), questions.TARGET),
        (layer(result, name, runs), questions.LAYER),
        (assumed(result), None),
    ]
    for first in range(0, len(made) + 1, COLUMNS):
        places = st.columns(COLUMNS, gap="medium")
        for place, one in zip(places, [*made, None][first : first + COLUMNS], strict=True):
            with place, st.container(border=True, height="stretch"):
                if one is not None:
                    card(result, *one)
                else:
                    ask(result)


def ask(result: Result) -> None:
    """The ready questions, close together."""
    with st.container(gap="xsmall"):
        st.markdown("**Ready questions**", help="Each is a sweep with this run's settings: one click puts it into the "
                    "form, where it can be changed and started.")  # fmt: skip
        questions.show(result, "all")


def card(result: Result, panel: Panel, question: Question | None) -> None:
    """A multiple; where it has nothing to show, the question that would fill it."""
    multiples.draw(panel)
    if question is questions.LAYER and not panel.points:
        st.button("Read the layers off", key="answer layers", on_click=open_tab, args=(LAYERS,), width="stretch")
    if question is not None and not panel.points:
        questions.show(result, "one", [question])


def open_tab(name: str) -> None:
    st.session_state[sweep_form.TABS] = name


# --- the five --------------------------------------------------------------------------------------------


def ratio(result: Result, name: str, runs: Runs = None) -> Panel:
    """How few poisoned images are found: known runs by their ratio, from the largest on."""
    free = {"Poisoning ratio"}.__contains__
    own, of = result.config.attack.ratio, result.config.attack.ratio_of  # a share of a class is none of the whole set
    found = known.row(
        result,
        lambda config: config.attack.ratio if config.attack.ratio_of == of else None,
        free,
        FIGURES[name].column,
        runs,
    )
    return multiples.numeric("Poisoning ratio", name, found, words.exact, own=own, logarithmic=True)


def strength(result: Result, name: str, runs: Runs = None) -> Panel:
    """How faint a trigger is found: by its strength where runs of several are known, else by its kind."""
    column, own = FIGURES[name].column, result.config.attack
    for setting in STRENGTHS:
        if setting not in own.parameters:
            continue
        free = {f"Trigger's {setting}"}.__contains__
        found = known.row(
            result, lambda config, setting=setting: config.attack.parameters.get(setting), free, column, runs
        )
        if found is not None:
            return multiples.numeric(f"Trigger: {setting}", name, found, "{:g}".format, own=own.parameters[setting])
    found = known.row(result, lambda config: config.attack.title, of_the_attack, column, runs)
    return multiples.categories("Trigger", name, found and alike(found, result.config), own.title)


def alike(found: known.Row, own: RunConfig) -> known.Row:
    """Of each kind of attack the runs that differ in their seeds alone; its name says what is not as in this run.

    Of several such groups the one most like this run, and of those the one of the most runs.
    """
    levels: dict[Any, list[known.Known]] = {}
    for title, runs in found.levels.items():
        groups: dict[str, list[known.Known]] = {}
        for one in runs:
            groups.setdefault(one.config.attack.model_dump_json(), []).append(one)
        settings = [core.report.settings(group[0].config) for group in groups.values()]
        varied = [name for name in settings[0] if len({one.get(name) for one in settings}) > 1]
        differs = [unlike(group[0].config, own, varied) for group in groups.values()]
        at = min(range(len(settings)), key=lambda place: (len(differs[place]), -len(list(groups.values())[place])))
        levels[f"{title} ({', '.join(differs[at])})" if differs[at] else title] = list(groups.values())[at]
    return found._replace(levels=levels)


def unlike(config: RunConfig, own: RunConfig, varied: Collection[str]) -> list[str]:
    """What of an attack is not as in this run, beside its title, in few words.

    varied: the settings in which the runs of the same title differ: of another trigger only these are said.
    """
    attack, mine = config.attack, own.attack
    said = []
    if (attack.ratio, attack.ratio_of) != (mine.ratio, mine.ratio_of):
        whole = {"target_class": " of the class", "training_set": " of the set"}[attack.ratio_of]
        said.append(f"{words.exact(attack.ratio)}{whole if attack.ratio_of != mine.ratio_of else ''}")
    if attack.placement != mine.placement:
        said.append(attack.placement)
    if attack.cover_ratio != mine.cover_ratio:
        said.append(f"{attack.cover_ratio:g} covers each" if attack.cover_ratio else "no covers")
    if attack.source != mine.source:
        source = "any class" if attack.source is None else core.class_names(config.dataset.name)[attack.source]
        said.append(f"from {source}")
    if "all_to_all" in {attack.labels, mine.labels} and attack.labels != mine.labels:
        said.append(attack.labels.replace("_", " "))
    theirs, ours = core.report.settings(config), core.report.settings(own)
    compared = varied if attack.trigger != mine.trigger else theirs
    trigger = [name for name in compared if name.startswith("Trigger") and name in theirs]
    return said + [f"{of_trigger(name)} {theirs[name]}" for name in trigger if theirs[name] != ours.get(name)]


def of_trigger(setting: str) -> str:
    return setting.removeprefix("Trigger's ").lower()


def of_the_attack(setting: str) -> bool:
    """Whether a setting is the attacker's, and not the target, which is a question of its own."""
    mine = ("Source class", "Labels", "Poisoning ratio", "Covers", "Placement")
    return setting.startswith("Trigger") or setting in mine


def target(result: Result, name: str, runs: Runs = None) -> Panel:
    """Whether the target matters: known runs by the class that they aim at."""
    if result.config.attack.everywhere:
        return multiples.nothing("Target class", "All-to-all aims at every class: there is no other target.")
    free = {"Target class"}.__contains__
    found = known.row(result, lambda config: config.target_name, free, FIGURES[name].column, runs)
    return multiples.categories("Target class", name, found, result.config.target_name)


def layer(result: Result, name: str, runs: Runs = None) -> Panel:
    """Which layer is read: those of this run's network that are stored, else known runs by their layer."""
    detector, own, column = result.config.defence.detector, result.config.defence.representation, FIGURES[name].column
    levels: dict[Any, list[known.Known]] = {}
    for one in (layers.look(result, layer, detector) for layer in layers.LAYERS):
        figures = of_layer(one, detector) if one.scored else {}
        if column in figures:
            levels[one.name] = [known.Known(one.seen.config, figures, "this run's network")]
    if len(levels) > 1:
        return multiples.categories(
            "Layer", name, known.Row(levels, {}), own, "Of this run's network, without a training"
        )
    found = known.row(
        result, lambda config: config.defence.representation, {"Representation"}.__contains__, column, runs
    )  # fmt: skip
    if found is not None:
        return multiples.categories("Layer", name, found, own)
    why = "Only this run's own layer is read off yet. The others need no training, only a look at the images:"
    return multiples.nothing("Layer", why)


def of_layer(one: layers.Layer, detector: str) -> dict[str, float]:
    """What a detector comes to at a layer of this run's network, under the names that known runs have."""
    found = profiles.of(one.seen, detector)
    if found is None:
        return {}
    left, _ = rivals.cut_of(one.seen, detector, found)
    figures = {
        "auroc": found.auroc,
        "tpr_at_1": found.tpr_at_1,
        "left": left / found.poisons if found.poisons else None,
    }
    return {name: float(value) for name, value in figures.items() if value is not None}


def assumed(result: Result) -> Panel:
    """How much has to be assumed: the poison left at every assumed ratio, from the largest down."""
    title, detector, figure = "Assumed ratio ε", result.config.defence.detector, FIGURES[LEFT_BEHIND]
    found = profiles.of(result, detector) if detector in profiles.stored(result) else None
    if found is None:
        return multiples.nothing(title, f"No scores of {detector} are stored for this run: Detectors computes them.")
    shares = core.sensitivity.grid()
    times = result.config.defence.multiplier
    at = found.by_budget(core.sensitivity.budgets(result.poisoned.labels, shares, times),
                         cuts.defence_of(result, detector).scope)  # fmt: skip
    left = at.poisons_left / found.poisons
    breaks = core.breaking.point(shares[::-1].tolist(), [[one] for one in left[::-1]], figure.threshold, higher=False)
    points = [
        Point(float(share / shares[-1]), float(one), float(one), float(one), words.exact(float(share)), "", True)
        for share, one in zip(shares, left, strict=True)
    ]
    if breaks.holds is None:
        said = [(True, "Fails at every ratio"), (False, f": even at {FURTHEST:g}% "
                 f"{figure.write(float(left[-1]))} of the poison is left.")]  # fmt: skip
    else:
        clean = int(at.clean_removed[int(np.abs(shares - breaks.holds).argmin())])
        below = "" if breaks.breaks is None else f"; breaks at {words.exact(breaks.breaks)}"
        said = [(True, f"Holds down to {words.exact(breaks.holds)}"),
                (False, f" assumed{below}. There it costs {words.count(clean, 'clean image')}.")]  # fmt: skip
    gap = " The run itself is cut at its gap, which assumes nothing." if result.config.defence.cut == "gap" else ""
    return Panel(
        title, multiples.inside(LEFT_BEHIND), said, points, figure.threshold,
        [(f"{tick}%", tick / FURTHEST) for tick in (0, 10, 20, 30, 40, 50)], multiples.ticks(figure),
        "share of a class",
        None if breaks.at is None else breaks.at / float(shares[-1]),
        multiples.about(breaks, words.exact), dense=True,
        source=f"Stored scores of this run by {detector}, {times:g}·ε removed; n = 1: one network, no spread.{gap}",
    )  # fmt: skip
