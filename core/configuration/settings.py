"""Plain settings, as a person or a file gives them, to a checked configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from core.configuration import recipes
from core.configuration.config import AttackConfig, DefenceConfig, RunConfig, class_number, explain
from core.configuration.reading import shown
from core.types import BadRequest


def configure(
    *,
    dataset: str = "cifar10",
    trigger: str = "pixel",
    trigger_parameters: Mapping[str, Any] | None = None,
    target: str | int = "bird",
    source: str | int | None = None,
    ratio: float = 0.1,
    ratio_of: str = "target_class",
    placement: str = "add",
    labels: str = "all_to_one",
    cover_ratio: float = 0.0,
    also: Sequence[Mapping[str, Any]] = (),
    recipe: str = "quick",
    training: Mapping[str, Any] | None = None,
    detector: str = "spectral",
    detector_parameters: Mapping[str, Any] | None = None,
    representation: str = "penultimate",
    assumed_ratio: float = 0.1,
    multiplier: float = 1.5,
    scope: str | None = None,
    cut: str | None = None,
    seed: int = 0,
) -> RunConfig:
    """A checked run configuration from plain settings; BadRequest says what does not fit.

    Classes go by name or number; `training` overrides numbers of the recipe, or its per_class; `also` names further
    triggers, each {"trigger": name, "parameters": {...}}. All-to-all needs no target.
    """
    chosen, numbers = recipes.resolve(recipe, dataset, **mapping("training", training))
    if isinstance(also, str | Mapping) or not isinstance(also, Sequence):
        raise BadRequest(f"also must be a list of triggers, each with trigger and parameters, got {shown(also)}")
    try:
        return RunConfig(
            dataset=chosen,
            attack=AttackConfig.model_validate(
                {
                    "trigger": trigger,
                    "parameters": mapping("trigger_parameters", trigger_parameters),
                    "target": 0 if labels == "all_to_all" else class_number(dataset, target),
                    "source": None if source is None else class_number(dataset, source),
                    "ratio": ratio,
                    "ratio_of": ratio_of,
                    "placement": placement,
                    "labels": labels,
                    "cover_ratio": cover_ratio,
                    "also": tuple(also),
                }
            ),
            training=numbers,
            defence=DefenceConfig.model_validate(
                {
                    "detector": detector,
                    "parameters": mapping("detector_parameters", detector_parameters),
                    "representation": representation,
                    "assumed_ratio": assumed_ratio,
                    "multiplier": multiplier,
                    "scope": scope,
                    "cut": cut,
                }
            ),
            seed=seed,
        )
    except ValidationError as error:
        raise explain(error) from None


def mapping(name: str, value: Any) -> dict[str, Any]:
    """A group of settings by their names; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise BadRequest(f"{name} must be a mapping of names to values, got {shown(value)}")
    return dict(value)
