"""What a sweep can vary, in words: each axis with the values that make sense at first."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import core
from core import BadRequest, RunConfig

Values = list[Any] | dict[str, dict[str, Any]]

MOST_CELLS = 1_000  # of a sweep that is put together here; a file may ask for more
CORNERS = {
    "corner": {"trigger.row": -2, "trigger.column": -2},
    "edge": {"trigger.row": -2, "trigger.column": 16},
    "middle": {"trigger.row": 16, "trigger.column": 16},
}
MOVED = {
    "none": {"training.flip": False, "training.crop": 0},
    "flip": {"training.flip": True, "training.crop": 0},
    "crop": {"training.flip": False, "training.crop": 4},
    "flip and crop": {"training.flip": True, "training.crop": 4},
}
ATTACKS = {
    "pixel": {"trigger": "pixel"},
    "pattern": {"trigger": "pattern"},
    "patch": {"trigger": "patch"},
    "blended": {"trigger": "blended"},
    "sinusoid": {"trigger": "sinusoid"},
    "warp": {"trigger": "warp"},
    "clean-label": {"trigger": "sinusoid", "labels": "clean_label", "placement": "replace", "ratio": 0.4},
    "three pixels": {
        "trigger": "pixel",
        "also": [
            {"trigger": "pixel", "parameters": {"row": -2, "column": 1}},
            {"trigger": "pixel", "parameters": {"row": 1, "column": -2}},
        ],
    },
    "all-to-all": {"trigger": "pattern", "labels": "all_to_all", "ratio": 0.2},
    "covered": {"trigger": "pattern", "cover_ratio": 1.0},
    "none": {"trigger": "pattern", "ratio": 0.0, "assumed_ratio": 0.1},
    **{name: dict(one.settings) for name, one in core.ATTACKS.items()},
}
OF_THE_SET = {f"{100 * ratio:g}%": {"ratio": ratio, "ratio_of": "training_set"} for ratio in (0.003, 0.01, 0.05, 0.1)}
RATIOS = ("ratio", "assumed_ratio", "cover_ratio", "multiplier")
KIND = ("also", "labels", "cover_ratio", "source")  # what makes an attack of another kind


class Axis(NamedTuple):
    """An axis: its name in the file, the values at first, and all that can be picked (None: write them)."""

    name: str
    usual: Callable[[RunConfig], Sequence[Any]]
    help: str
    options: Callable[[RunConfig], Sequence[Any]] | None = None
    groups: Mapping[str, Mapping[str, Any]] | None = None  # values that stand for several settings
    shares: bool = False  # written as shares, or as percentages with their sign


def _classes(config: RunConfig) -> list[str]:
    return list(core.class_names(config.dataset.name))


def _targets(config: RunConfig) -> list[str]:
    """The run's own target and the next two classes that are not its source."""
    own, names = config.attack.target, _classes(config)
    others = [number for number in range(len(names)) if number not in (own, config.attack.source)]
    return [names[own], *(names[number] for number in others[:2])]


def _sources(config: RunConfig) -> list[str | None]:
    return [None, *[name for number, name in enumerate(_classes(config)) if number != config.attack.target][:2]]


AXES: dict[str, Axis] = {
    "Poisoning ratio": Axis(
        "ratio", lambda config: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2],
        "How much of the target class is poisoned.", shares=True,
    ),
    "Share of the whole set": Axis(
        "share", lambda config: list(OF_THE_SET),
        "How much of all images is poisoned, as benchmarks say it: of ten equal classes ten times that of the target.",
        lambda config: list(OF_THE_SET), OF_THE_SET,
    ),
    "Attack": Axis(
        "attack", lambda config: list(ATTACKS)[:6],
        "Each with its usual settings; those of another kind with a ratio at which they work.",
        lambda config: list(ATTACKS), ATTACKS,
    ),
    "Trigger": Axis(
        "trigger", lambda config: [name for name in core.TRIGGERS if name != "drawing"][:4],
        "Each with its usual settings.", lambda config: list(core.TRIGGERS),
    ),
    "Trigger size": Axis("trigger.size", lambda config: [2, 3, 5], "Pixels a side, of a pattern or a patch."),
    "Trigger opacity": Axis("trigger.opacity", lambda config: [0.25, 0.5, 0.75, 1.0], "1 covers the image."),
    "Trigger position": Axis(
        "position", lambda config: list(CORNERS), "Where the trigger's last pixel is.", lambda config: list(CORNERS),
        CORNERS,
    ),
    "Target class": Axis("target", _targets, "What triggered images shall be taken for.", _classes),
    "Source class": Axis(
        "source", _sources, "Whose images are stamped.", lambda config: [None, *_classes(config)]
    ),
    "Placement": Axis(
        "placement", lambda config: ["add", "replace"], "Copies added, or originals stamped.",
        lambda config: ["add", "replace"],
    ),
    "Covers": Axis(
        "cover_ratio", lambda config: [0.0, 0.5, 1.0, 2.0],
        "Stamped images that keep their true label, for each poisoned one: the adaptive attack of Qi et al.",
    ),
    "Augmentation": Axis(
        "augmentation", lambda config: list(MOVED), "As the only defence: look at ASR before the filter.",
        lambda config: list(MOVED), MOVED,
    ),
    "Representation": Axis(
        "representation", lambda config: [*core.LAYERS],
        "What is scored: the output of a layer, or what answers rest on.",
        lambda config: [*core.LAYERS, core.ATTRIBUTION],
    ),
    "Assumed ratio": Axis(
        "assumed_ratio", lambda config: [0.02, 0.05, 0.1, 0.2], "What the defender believes.",
        shares=True,
    ),
    "Detector": Axis(
        "detector",
        lambda config: [config.defence.detector, *[n for n in core.DETECTORS if n != config.defence.detector]][:3],
        "Each at its usual settings; all on the same poisoned networks.", lambda config: list(core.DETECTORS),
    ),
}  # fmt: skip


def read(text: str) -> list[Any]:
    """Values as a person writes them, separated by commas; BadRequest says what is wrong."""
    found = [_value(part.strip()) for part in text.split(",") if part.strip()]
    if not found:
        raise BadRequest("an axis needs at least one value, separated by commas")
    if len({(type(value), value) for value in found}) < len(found):
        raise BadRequest(f"every value may stand once, got {core.reading.shown(text)}")
    return found


def check(title: str, axis: Axis, given: Sequence[Any]) -> None:
    """BadRequest for what is no share on an axis of shares, in the form's own unit."""
    for value in given if axis.shares else ():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise BadRequest(
                f"{title} must be shares from 0 to 1, or percentages with their sign (0.05 or 5%), got {write([value])}"
            )


def _value(text: str) -> Any:
    if text.endswith("%"):
        return round(float(_number(text[:-1])) / 100, 10)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return _number(text)
    except BadRequest:
        return text


def _number(text: str) -> int | float:
    number = core.reading.whole(text, -core.grid.MOST_INTEGER, core.grid.MOST_INTEGER)
    found = core.reading.real(text, -math.inf, math.inf) if number is None else number
    if found is None:
        raise BadRequest(f"a percentage must begin with a number, got {core.reading.shown(text + '%')}")
    return found


def write(values: Sequence[Any]) -> str:
    """Values as `read` reads them."""
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def values(axis: Axis, chosen: Sequence[Any]) -> Values:
    """What stands under the axis in the file."""
    if axis.groups is None:
        return list(chosen)
    return {name: dict(axis.groups[name]) for name in chosen}


def settings(chosen: Mapping[str, Values]) -> Collection[str]:
    """The settings that axes set at every point, so that the base need not."""
    found: dict[str, None] = {}
    for name, given in chosen.items():
        if isinstance(given, list):
            found[name] = None
        else:
            found |= {key: None for key in next(iter(given.values())) if all(key in one for one in given.values())}
        if name == "attack":
            found |= dict.fromkeys(KIND)
    return list(found)


def title(name: str) -> str:
    """An axis of a file in words."""
    return next((words for words, axis in AXES.items() if axis.name == name), name.replace("_", " ").replace(".", " "))


def logarithmic(name: str, given: Sequence[Any]) -> bool:
    """Whether an axis is one of ratios, whose values stand on a logarithmic scale; 0 has no place on one."""
    return name in RATIOS and all(isinstance(value, int | float) and value > 0 for value in given)


def label(name: str, value: Any) -> str:
    """A value on an axis in words."""
    if value is None or value != value:  # a table has NaN for None
        return "any class" if name == "source" else "none"
    if name in ("ratio", "assumed_ratio") and isinstance(value, int | float):
        return f"{100 * value:g}%"
    return f"{value:g}" if isinstance(value, float) else str(value)
