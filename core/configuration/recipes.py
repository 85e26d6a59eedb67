"""Named training recipes, resolved to the explicit numbers that a run is keyed by.

`quick` is for two CPU cores, `instant` and `fast` for a GPU, `paper` has the report's settings (SGD, momentum 0.9,
weight decay 2e-4, learning rate 0.1 in steps, batch 128).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from core.configuration.config import DatasetConfig, TrainingConfig, explain
from core.configuration.reading import shown
from core.configuration.registry import DATASETS
from core.types import BadRequest


@dataclass(frozen=True)
class Recipe:
    """What it is for, the subset it trains on, its numbers, and what differs for a given data set."""

    summary: str
    per_class: int | None
    numbers: Mapping[str, Any]
    per_dataset: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


# Of the networks behind a whitening layer; tuned with `quick`.
_WHITENED: Mapping[str, Any] = dict(
    optimizer="muon",
    momentum=0.85,
    nesterov=True,
    weight_decay=5e-3,
    muon_lr=0.24,
    muon_momentum=0.6,
    norm_bias_lr_factor=64.0,
    head_lr_factor=10.0,
    schedule="one_cycle",
    peak=0.2,
    flip=True,
)
# The digits are grey, so most of the whitening's channels are empty, and batch norm magnifies what is in them: in
# bfloat16 that is rounding, and nothing is learned.
_EXACT = "fp32"

RECIPES: dict[str, Recipe] = {
    "quick": Recipe(
        "two CPU cores: a small network",
        per_class=2_000,
        numbers=dict(
            _WHITENED,
            model="whitened_cnn",
            epochs=2,
            batch_size=250,
            lr=0.37,
        ),
        per_dataset={"digits": dict(per_class=None, epochs=6, batch_size=50, precision=_EXACT)},
    ),
    "instant": Recipe(
        "a GPU, for the stage: all images, a wide shallow network, seconds",
        per_class=None,
        numbers=dict(
            _WHITENED,
            model="whitened_wide",
            epochs=8,
            batch_size=1000,
            lr=0.74,
            crop=2,
        ),
        per_dataset={"digits": dict(epochs=4, batch_size=50, precision=_EXACT)},
    ),
    "fast": Recipe(
        "a GPU: all images, ResNet-18, few epochs, one cycle",
        per_class=None,
        numbers=dict(
            model="resnet18",
            epochs=10,
            batch_size=512,
            lr=0.4,
            momentum=0.9,
            nesterov=True,
            weight_decay=5e-4,
            schedule="one_cycle",
            peak=0.3,
            flip=True,
            crop=2,
        ),
    ),
    "paper": Recipe(
        "the report's settings: all images, ResNet-18, SGD with steps; a GPU or hours",
        per_class=None,
        numbers=dict(
            model="resnet18",
            epochs=30,
            batch_size=128,
            lr=0.1,
            momentum=0.9,
            weight_decay=2e-4,
            schedule="step",
            milestones=(0.5, 0.75),
            flip=True,
            crop=4,
        ),
    ),
}


def resolve(recipe: str, dataset: str, /, **overrides: Any) -> tuple[DatasetConfig, TrainingConfig]:
    """The data set's subset and the training of a recipe, with an expert's overrides applied.

    An override is any field of TrainingConfig, or per_class (None for the whole data set).
    """
    DATASETS[dataset]
    if "recipe" in overrides:
        raise BadRequest("a recipe's own numbers can be changed, and the recipe itself is chosen beside them")
    if not isinstance(recipe, str) or recipe not in RECIPES:
        raise BadRequest(f"unknown recipe {shown(recipe)}; allowed are {sorted(RECIPES)}")
    entry = RECIPES[recipe]
    numbers: dict[str, Any] = {
        "per_class": entry.per_class,
        **entry.numbers,
        **entry.per_dataset.get(dataset, {}),
        **overrides,
    }
    per_class = numbers.pop("per_class")
    try:
        return DatasetConfig(name=dataset, per_class=per_class), TrainingConfig(recipe=recipe, **numbers)
    except ValidationError as error:
        raise explain(error) from None
