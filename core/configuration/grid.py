"""What a sweep is: a grid of settings and seeds as a small YAML file, and the runs that it comes to.

    name: how little poison is found
    base: {trigger: pattern, target: horse, detector: whitened-spectral}
    axes:
      ratio: [0.005, 0.01, 0.02, 0.05, 0.1]
      trigger.size: [2, 3]
    seeds: [0, 1, 2]

A setting is a keyword of `settings.configure`, or one of a trigger's, a detector's or a recipe's own after a dot. An
axis can also be names with several settings each, where values that belong together shall change together.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import isfinite
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from core.configuration import stages
from core.configuration.config import Frozen, RunConfig, class_names, explain
from core.configuration.files import from_yaml
from core.configuration.reading import check_name, shortened, shown, texts
from core.configuration.recipes import RECIPES, resolve
from core.configuration.registry import DETECTORS, TRIGGERS
from core.configuration.settings import configure, mapping
from core.types import BadRequest

Value = bool | int | float | str | None
Settings = dict[str, Any]

VERSION = 1  # of a cell's figures; raise it when what is measured changes
MOST_CELLS = 10_000
MOST_INTEGER = 2**63  # in either direction
DEEPEST = 8  # of lists and mappings in each other; what leads back to itself is deeper than anything
GROUPS = {"trigger": "trigger_parameters", "detector": "detector_parameters", "training": "training"}
SPELT_OUT = ("dataset", "trigger", "target", "ratio", "recipe", "detector", "assumed_ratio")  # at their defaults, too
# The columns behind a table's axes, seed and status; shares in [0, 1], counts of images.
FIGURES = {
    "nat1": "accuracy on clean test images of the poisoned network",
    "asr1": "attack success rate of the poisoned network",
    "auroc": "how well the scores rank poisoned above benign images of the target class",
    "average_precision": "the same as average precision",
    "tpr_at_1": "share of the poisoned images that is found at a false positive rate of 1%",
    "gap": "leading singular value of the target class's representations over the second",
    "poisons": "poisoned images in the training set",
    "poisons_left": "poisoned images that the filter left",
    "clean_removed": "benign images that the filter removed",
    "fpr": "share of the benign images that the filter removed",
    "nat2": "accuracy on clean test images after cleaning and retraining",
    "asr2": "attack success rate after cleaning and retraining",
    "benign_asr": "how often a network that was never poisoned gives the target for the triggered images",
    "random_nat2": "accuracy after a random filter of the same budget",
    "random_asr2": "attack success rate after a random filter of the same budget",
    "perfect_nat2": "accuracy after the perfect filter of the same budget",
    "perfect_asr2": "attack success rate after the perfect filter of the same budget",
}
# What else a table of cells has columns for, on its way through the program, too: no axis of names can be called so.
COLUMNS = ("seed", "status", "named", "run", "error", "done", "value", "mean", "std", "runs", *FIGURES)
SAME = "ratio"  # as assumed_ratio: the defender assumes the attacker's own


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: its place on each axis (a value, or a name), its seed, and its configuration."""

    point: Mapping[str, Value]
    seed: int
    config: RunConfig

    @cached_property
    def run(self) -> str:
        """The key of its run."""
        return stages.run_key(self.config)

    @property
    def name(self) -> str:
        """The cell in a few words."""
        return ", ".join([*(f"{axis} {value}" for axis, value in self.point.items()), f"seed {self.seed}"])


class Sweep(Frozen):
    """A grid of runs: every value of every axis with every seed, on top of the base's settings.

    retrain also removes, retrains and evaluates; without it a cell ends with the scores. references trains on what
    the random and the perfect filter of the same budget leave as well; benign shows the triggered images to a network
    of the same seed that was never poisoned. cluster is the address of a Ray cluster that shall do it ("auto" for the
    one of this machine), with options behind a question mark (core.clusters.places.place), None for this machine's own
    worker; it is no part of what the sweep is.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)] = "sweep"
    base: Settings = Field(default_factory=dict)
    axes: dict[str, list[Value] | dict[str, Settings]] = Field(default_factory=dict)
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1)] = (0,)
    retrain: bool = True
    references: bool = False
    benign: bool = False
    cluster: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, content: Any) -> Any:
        """Base and axes are such as a file of text can hold, and as this one shall look."""
        if not isinstance(content, Mapping):
            return content
        _check_plain("base", content.get("base", {}))
        axes = content.get("axes", {})
        _check_plain("axes", axes)
        for axis, values in axes.items() if isinstance(axes, Mapping) else ():
            if not isinstance(values, list | tuple | Mapping):
                raise BadRequest(
                    f"an axis is a list of values, or names with settings each; {shown(axis)} is {shown(values)}"
                )
            if isinstance(values, Mapping) and axis in COLUMNS:
                raise BadRequest(f"an axis cannot be called {shown(axis)}, which is a column of the figures' table")
        return content

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise BadRequest(f"every seed may stand once, got {shown(list(self.seeds))}")
        if self.references and not self.retrain:
            raise BadRequest("references are trained beside the retraining; they need retrain: true")
        for axis, values in self.axes.items():
            if not values:
                raise BadRequest(f"the axis {shown(axis)} needs at least one value")
            if isinstance(values, list) and len({(type(value), value) for value in values}) < len(values):
                raise BadRequest(f"every value of the axis {shown(axis)} may stand once, got {shown(values)}")
        taken: dict[str, str] = {}
        for axis, values in self.axes.items():
            for name in {axis} if isinstance(values, list) else {name for one in values.values() for name in one}:
                if name in taken:
                    raise BadRequest(
                        f"the axes {shown(taken[name])} and {shown(axis)} both set {shown(name)}: "
                        "points would not be what they say"
                    )
                taken[name] = axis
        if self.count > MOST_CELLS:
            raise BadRequest(f"a sweep has at most {MOST_CELLS:,} runs, got {self.count:,}")
        return self

    @property
    def count(self) -> int:
        """The number of runs."""
        product = len(self.seeds)
        for values in self.axes.values():
            product *= len(values)
        return product


def parse(text: str) -> Sweep:
    """A sweep from YAML, all of its runs checked; BadRequest says what does not fit."""
    content = from_yaml(text)
    if not isinstance(content, dict):
        raise BadRequest(f"a sweep is a mapping of name, base, axes and seeds, got {type(content).__name__}")
    if not all(isinstance(name, str) for name in content):
        raise BadRequest(f"a sweep's fields are name, base, axes and seeds, got {shown(list(content))}")
    return made(**content)


def made(**content: Any) -> Sweep:
    """A sweep from its fields, all of its runs checked; BadRequest says what does not fit."""
    for written in texts(content):
        check_name("every name and word of a sweep", written)
    try:
        sweep = Sweep.model_validate(content)
    except ValidationError as error:
        raise explain(error) from None
    cells(sweep)
    return sweep


def _check_plain(where: str, value: Any, depth: int = 0) -> None:
    """BadRequest where a value is none that YAML and JSON both write, or leads too deep."""
    if depth > DEEPEST:
        raise BadRequest(f"{where} is nested too deeply, or leads back to itself")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise BadRequest(f"names in {where} must be text, got {shown(name)}")
            _check_plain(shortened(f"{where}.{name}"), inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_plain(where, inner, depth + 1)
    elif isinstance(value, int) and abs(value) > MOST_INTEGER:
        raise BadRequest(f"{where} must hold whole numbers from -2^63 to 2^63, got {shown(value)}")
    elif not (value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value))):
        raise BadRequest(f"{where} must hold finite numbers, words, true and false, got {shown(value)}")


def text(sweep: Sweep) -> str:
    """A sweep as YAML, such as `parse` reads it; what stands at its default is left out."""
    content = {key: value for key, value in sweep.model_dump(mode="json").items() if key in _said(sweep)}
    written: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    return written


def _said(sweep: Sweep) -> set[str]:
    always = {"name", "base", "axes", "seeds"}
    return always | {name for name, field in Sweep.model_fields.items() if getattr(sweep, name) != field.default}


def cells(sweep: Sweep) -> list[Cell]:
    """The runs: the first axis changes slowest, seeds fastest. BadRequest names the cell that cannot be run."""
    return list(_cells(sweep.model_dump_json()))


@lru_cache(maxsize=16)  # screens ask at every turn, and checking a thousand configurations takes seconds
def _cells(written: str) -> tuple[Cell, ...]:
    sweep = Sweep.model_validate_json(written)
    places = itertools.product(*(list(values) for values in sweep.axes.values()))
    found = []
    for place in places:
        point = dict(zip(sweep.axes, place, strict=True))
        for seed in sweep.seeds:
            try:
                found.append(Cell(point, seed, configure(**_settings(sweep, point, seed))))
            except BadRequest as error:
                where = shortened(", ".join(f"{axis} {value}" for axis, value in point.items()))
                told = f"at {where}: {error}" if where else str(error)
                raise BadRequest(told, problems=error.problems) from None
    return tuple(found)


def _settings(sweep: Sweep, point: Mapping[str, Any], seed: int) -> Settings:
    """The keywords of `configure` at a point of the grid."""
    settings = keywords(sweep.base)
    for axis, value in point.items():
        values = sweep.axes[axis]
        _lay(settings, values[value] if isinstance(values, dict) else {axis: value})
    if settings.get("assumed_ratio") == SAME:
        settings["assumed_ratio"] = settings.get("ratio", _defaults()["ratio"])
    if "seed" in settings:
        raise BadRequest("a sweep's seeds stand in its seeds, not among its settings")
    return {**settings, "seed": seed}


def keywords(given: Mapping[str, Any]) -> Settings:
    """Settings as a sweep has them, with what stands after a dot in its group, as keywords of `configure`."""
    settings: Settings = {}
    _lay(settings, given)
    return settings


def _lay(settings: Settings, over: Mapping[str, Any]) -> None:
    """Put some settings over others; those after a dot join their group."""
    for name, value in over.items():
        group, dot, own = name.partition(".")
        if dot and group in GROUPS:
            known = mapping(GROUPS[group], settings.get(GROUPS[group]))
            settings[GROUPS[group]] = {**known, own: value}
        elif name in _defaults():
            settings[name] = value
        else:
            allowed = [*_defaults(), *(f"{known}.…" for known in GROUPS)]
            raise BadRequest(f"unknown setting {shown(name)}; allowed are {allowed}")


def _defaults() -> dict[str, Any]:
    """The settings that there are, with their defaults."""
    return {name: known.default for name, known in inspect.signature(configure).parameters.items()}


def base_of(config: RunConfig, without: Collection[str] = ()) -> Settings:
    """A run's settings as the base of a sweep: all but the seed and what stands at its default.

    `without` names what the sweep's axes set; what only makes sense with that (a trigger's own settings, say) goes
    with it.
    """
    names = class_names(config.dataset.name)
    attack, defence = config.attack.model_dump(mode="json"), config.defence.model_dump(mode="json")
    found = {"dataset": config.dataset.name, **attack, **_recipe(config), **defence}
    found |= {"target": names[config.attack.target]}
    found |= {"source": None if config.attack.source is None else names[config.attack.source]}
    for group, entry, given in (
        ("trigger", TRIGGERS[config.attack.trigger], attack["parameters"]),
        ("detector", DETECTORS[config.defence.detector], defence["parameters"]),
    ):
        own = {name: value for name, value in given.items() if value != entry.parameters[name].default}
        found |= {f"{group}.{name}": value for name, value in own.items()}
    del found["parameters"]
    usual = _defaults() | {"scope": DETECTORS[config.defence.detector].facts.get("scope", "every_class")}
    gone = {*without, *(("scope", "cut") if "detector" in without else ())}
    return {
        name: value
        for name, value in found.items()
        if name not in gone
        and name.partition(".")[0] not in {"trigger", "detector"} & gone
        and (name in SPELT_OUT or name not in usual or (value != usual[name] and value != []))
    }


def _recipe(config: RunConfig) -> Settings:
    """The recipe, and what the run's training changed of it."""
    recipe = config.training.recipe if config.training.recipe in RECIPES else next(iter(RECIPES))
    data, usual = resolve(recipe, config.dataset.name)
    own = {**config.training.model_dump(mode="json"), "per_class": config.dataset.per_class}
    theirs = {**usual.model_dump(mode="json"), "per_class": data.per_class}
    changed = {f"training.{name}": value for name, value in own.items() if value != theirs[name] and name != "recipe"}
    return {"recipe": recipe, **changed}


def key(sweep: Sweep) -> str:
    """The SHA-256, in hex, of all that a sweep computes; neither its name nor where it is computed has a part in it."""
    return _key(sweep.model_dump_json())


@lru_cache(maxsize=16)
def _key(written: str) -> str:
    parts = [key for _, key in keyed(Sweep.model_validate_json(written))]
    return hashlib.sha256(stages.canonical({"stage": "sweep", "cells": parts}).encode()).hexdigest()


def keyed(sweep: Sweep) -> list[tuple[Cell, str]]:
    """The cells, each with the key of its figures."""
    return list(_keyed(sweep.model_dump_json()))


@lru_cache(maxsize=16)
def _keyed(written: str) -> tuple[tuple[Cell, str], ...]:
    sweep = Sweep.model_validate_json(written)
    return tuple((cell, cell_key(cell.config, sweep)) for cell in cells(sweep))


def cell_key(config: RunConfig, sweep: Sweep) -> str:
    """The key of a cell's figures: what was run, and how far."""
    later = {"benign": True} if sweep.benign else {}  # unsaid where it is not asked for, as before there was one
    return stages.stage_key(
        "cell", run=stages.run_key(config), retrain=sweep.retrain, references=sweep.references, version=VERSION, **later
    )
