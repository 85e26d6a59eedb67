"""What a form's settings were refused for, in the form's own words: each setting by its name and in its unit there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import core
from core.types import Problem


class Setting(NamedTuple):
    """How a form calls a setting, and its unit there: a value times `scale`, with `unit` behind it."""

    name: str
    scale: float = 1.0
    unit: str = ""


# Those whose name in a form is not their own; every other is called as it is, with a capital and blanks.
SETTINGS = {
    "ratio": Setting("The poisoning ratio", 100.0, "%"),
    "assumed_ratio": Setting("The assumed ratio", 100.0, "%"),
    "cover_ratio": Setting("Covers for each poisoned image"),
    "multiplier": Setting("The budget, in multiples of ε,"),
    "per_class": Setting("Images a class"),
    "lr": Setting("Learning rate"),
    "muon_lr": Setting("Muon's learning rate"),
    "norm_bias_lr_factor": Setting("Learning rate of batch-norm shifts, times,"),
    "head_lr_factor": Setting("Learning rate of the head, times,"),
    "target": Setting("The target class"),
    "source": Setting("The source class"),
    "also": Setting("Further triggers"),
}


def setting(name: str) -> Setting:
    """A setting as forms show it."""
    return SETTINGS.get(name) or Setting(name.replace("_", " ").capitalize())


def told(error: Exception) -> str:
    """A refusal in sentences; what has no settings of its own is told as it is."""
    problems = error.problems if isinstance(error, core.BadRequest) else ()
    return " ".join(_sentence(problem) for problem in problems) or closed(str(error))


def _sentence(problem: Problem) -> str:
    one = setting(problem.name)
    place = "" if problem.place is None else f", value {problem.place + 1},"
    must = _between(problem.limits, one) if problem.limits else problem.must
    got = "" if problem.missing else f"; got {_given(problem.given, one)}"
    return closed(f"{one.name}{place} {must}{got}")


def _between(limits: Mapping[str, float], one: Setting) -> str:
    """A range in words: between 0 and 100%, at least 2, more than 0 and at most 10."""
    ends = {name: f"{one.scale * value:,.10g}" for name, value in limits.items()}
    if "ge" in ends and "le" in ends:
        return f"must be between {ends['ge']} and {ends['le']}{one.unit}"
    says = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return f"must be {' and '.join(f'{words} {ends[end]}{one.unit}' for end, words in says.items() if end in ends)}"


def _given(value: Any, one: Setting) -> str:
    """What was got, in the form's unit where it is a number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        return f"{one.scale * value:,.10g}{one.unit}"
    return core.reading.shown(value)


def closed(message: str) -> str:
    """With a capital and a full stop."""
    message = message.strip()
    return message if not message else f"{message[0].upper()}{message[1:]}{'' if message[-1] in '.!?' else '.'}"
