"""Ready questions: each is a sweep of the current run's settings, and one click puts it into the form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import streamlit as st

import core
from core import Result, RunConfig
from core.configuration import Sweep
from pages.parts.around import words
from pages.parts.sensitivity import axes, sweep_form
from pages.parts.sensitivity.axes import AXES

SEEDS = 3
RATIOS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
OPACITIES = (0.05, 0.1, 0.25, 0.5, 1.0)
TARGETS = 5
ASKED_DETECTORS = (
    "spectral", "whitened-spectral", "spectre", "scan", "activation-clustering", "mahalanobis", "panel",
)  # fmt: skip
OPEN = "sweep new"  # in session state: whether the form is unfolded


class Question(NamedTuple):
    """What is asked: its words, the axis of the form (axes.AXES), the values, and why it can't be asked of a run."""

    title: str
    axis: str
    values: Callable[[RunConfig], Sequence[Any]]
    obstacle: Callable[[RunConfig], str] = lambda config: ""


def _ratios(config: RunConfig) -> list[float]:
    """Those of which the set has an image at least."""
    sizes = core.datasets.class_sizes(config.dataset)
    size = sizes[config.attack.target] if config.attack.ratio_of == "target_class" else sum(sizes)
    return [ratio for ratio in RATIOS if round(ratio * size) >= 1]


def _targets(config: RunConfig) -> list[str]:
    """The run's own, and the next classes that are not its source."""
    names, own, source = core.class_names(config.dataset.name), config.attack.target, config.attack.source
    others = [name for number, name in enumerate(names) if number not in (own, source)]
    return [names[own], *others[: TARGETS - 1]]


def _detectors(config: RunConfig) -> list[str]:
    return list(dict.fromkeys([config.defence.detector, *ASKED_DETECTORS]))


def _no_poison(config: RunConfig) -> str:
    return "" if config.attack.ratio else "Nothing was poisoned in this run."


def _no_opacity(config: RunConfig) -> str:
    if "opacity" in config.attack.parameters:
        return _no_poison(config)
    return f"The trigger {config.attack.trigger} has no opacity."


def _no_target(config: RunConfig) -> str:
    return "All-to-all has no target of its own." if config.attack.everywhere else _no_poison(config)


RATIO, LAYER, DETECTOR, FAINT, TARGET = (
    Question("How few poisons?", "Poisoning ratio", _ratios),
    Question("Which layer?", "Representation", lambda config: core.LAYERS, _no_poison),
    Question("Which detector?", "Detector", _detectors, _no_poison),
    Question("How faint a trigger?", "Trigger opacity", lambda config: OPACITIES, _no_opacity),
    Question("Does the target matter?", "Target class", _targets, _no_target),
)
QUESTIONS = (RATIO, FAINT, TARGET, LAYER, DETECTOR)


def sweep(config: RunConfig, question: Question) -> Sweep:
    """The sweep that a question comes to: the run's settings, the axis's values, some seeds, scores alone."""
    axis = AXES[question.axis]
    chosen = {axis.name: axes.values(axis, question.values(config))}
    return sweep_form.made(config, chosen, name=name(question), seeds=SEEDS, same=axis.name == "ratio", retrain=False)


def name(question: Question) -> str:
    return question.title.rstrip("?")


def cost(config: RunConfig, question: Question) -> str:
    """How many trainings it takes, and how long about; what keeps it from being asked."""
    if why := question.obstacle(config):
        return why
    plan = sweep_form.cost(sweep(config, question))
    if plan.stored == plan.cells:
        return "all stored: nothing to train"
    return f"{words.count(plan.trainings, 'training')}, {words.about(plan.seconds, plan.measured)}"


def show(result: Result, place: str, only: Sequence[Question] = QUESTIONS) -> None:
    """A button for each question, with what it costs. Nothing starts by it."""
    config = result.config.base
    for question in only:
        st.button(
            f"{question.title} :small[{words.plain(cost(config, question))}]", key=f"ask {place} {question.axis}",
            on_click=fill, args=(config, question), disabled=bool(question.obstacle(config)), width="stretch",
            help="Puts the sweep into the form, with this run's data set, recipe and settings. Nothing starts yet.",
        )  # fmt: skip


def fill(config: RunConfig, question: Question) -> None:
    """The form as if a person had put the question's sweep together, and the tab that it is on."""
    axis, state = AXES[question.axis], st.session_state
    dataset, recipe = config.dataset.name, config.training.recipe
    state["sweep begin"] = sweep_form.HERE
    state[f"sweep dataset {dataset}"], state[f"sweep recipe {recipe}"] = dataset, recipe
    state["sweep first"], state["sweep second"] = question.axis, sweep_form.NONE
    values = list(question.values(config))
    if axis.options is None:
        state[f"sweep first {axis.name}"] = axes.write(values)
    else:
        state[f"sweep first {axis.name} {dataset}"] = values
    state["sweep name"], state["sweep seeds"] = name(question), SEEDS
    state["sweep retrain"] = state["sweep references"] = state["sweep benign"] = False
    state[f"sweep same {axis.name == 'ratio'}"] = axis.name == "ratio"
    state["sweep cluster"] = ""
    state[OPEN] = True
    state[sweep_form.TABS] = sweep_form.TAB
