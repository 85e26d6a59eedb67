"""The widgets for single settings: an entry's own parameters, and the numbers of a training."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import streamlit as st

import core
from core import Parameter, TrainingConfig
from pages.parts.around import refusals
from pages.parts.form import painter

# What an expert may want to know before turning a number.
TRAINING_HELP = {
    "model": "the network",
    "epochs": "passes over the training set",
    "batch_size": "images a step",
    "optimizer": "muon gives the convolution filters to Muon, the rest to SGD",
    "lr": "the peak learning rate, for the mean loss of a batch",
    "norm_bias_lr_factor": "batch-norm biases learn so many times as fast",
    "schedule": "one_cycle climbs to its peak and falls to 0; step divides by 10 at each milestone",
    "peak": "one_cycle: share of the training at which the rate is highest",
    "milestones": "step: shares of the training, separated by commas",
    "label_smoothing": "share of each label that is spread over all classes",
    "flip": "mirror half of the images at random",
    "crop": "largest random shift, in pixels",
    "precision": "auto takes bf16 where the device multiplies it in hardware",
}


def parameters(kind: str, entry: str, given: Any) -> dict[str, Any]:
    """An entry's own parameters but for its pictures, side by side."""
    columns = st.columns(2)
    found = {}
    numbers = {name: parameter for name, parameter in given.items() if not parameter.picture}
    for place, (name, parameter) in enumerate(numbers.items()):
        with columns[place % 2]:
            found[name] = _parameter(f"{kind}.{entry}.{name}", name, parameter)
    return found


def _parameter(key: str, name: str, parameter: Parameter) -> Any:
    at_first(key, parameter.default)
    common: dict[str, Any] = {
        "label": name.replace("_", " ").capitalize(),
        "key": key,
        "help": parameter.help,
        "persist_state": "session",
    }
    if isinstance(parameter.default, bool):
        return st.checkbox(**common)
    if isinstance(parameter.default, str):
        return st.color_picker(**common) if parameter.colour else st.text_input(**common)
    kind = type(parameter.default)
    low, high = (None if bound is None else kind(bound) for bound in (parameter.low, parameter.high))
    return st.number_input(min_value=low, max_value=high, step=1 if kind is int else 0.1, **common)


def picture(key: str, parameter: Parameter) -> str:
    """A picture is shown where the trigger is chosen, not among the numbers."""
    at_first(key, parameter.default)
    return painter.ask(key)


def training_fields() -> list[str]:
    return [name for name in TrainingConfig.model_fields if name != "recipe"]


def per_class(key: str, default: int | None) -> int | None:
    at_first(key, default)
    return st.number_input(
        "Images a class", min_value=2, step=100, value=None, key=key, placeholder="all", persist_state="session",
        help="the first so many training images of every class; empty: all",
    )  # fmt: skip


def number(key: str, name: str, default: Any) -> Any:
    at_first(key, plain(default))
    common: dict[str, Any] = {"key": key, "help": TRAINING_HELP.get(name), "persist_state": "session"}
    label = refusals.setting(name).name.rstrip(",")
    annotation = TrainingConfig.model_fields[name].annotation
    if name == "model":
        return st.selectbox(label, list(core.MODELS), **common)
    if get_origin(annotation) is Literal:
        return st.selectbox(label, get_args(annotation), **common)
    if isinstance(default, bool):
        return st.checkbox(label, **common)
    if isinstance(default, tuple):
        return _shares(st.text_input(label, **common))
    if isinstance(default, int):
        return st.number_input(label, min_value=0, step=1, **common)
    return st.number_input(label, min_value=0.0, step=_step(default), format="%g", **common)


def _shares(text: str) -> tuple[Any, ...]:
    """Numbers separated by commas; what is no number is left for core.configure to refuse."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _step(value: float) -> float:
    return 10.0 ** max(-6, len(f"{value:.0f}") - 2) if value >= 1 else 0.0001 if value < 0.01 else 0.05


def plain(value: Any) -> Any:
    return ", ".join(f"{part:g}" for part in value) if isinstance(value, tuple) else value


def at_first(key: str, value: Any) -> None:
    """A widget's value before anyone has touched it."""
    st.session_state.setdefault(key, value)
