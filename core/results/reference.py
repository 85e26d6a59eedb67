"""What to stand beside a run: the report's published figures (ECE228 Group 13, Tables 1 and 2), and our own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.configuration import RunConfig, class_names

RECORDS = (
    Path(__file__).resolve().parents[2] / "assets" / "tables"
)  # what core.reproduction.reproduce measured, one file a recipe
FIGURES = ("nat1", "asr1", "poisons_left", "nat2", "asr2")  # the report's columns, in its order
_COMPARED = (*FIGURES, "clean_removed", "benign_asr")


class Row(NamedTuple):
    """A row of the report's tables; shares in [0, 1], ratio of the target class."""

    trigger: str
    target: str
    ratio: float
    nat1: float
    asr1: float
    poisons_left: int
    nat2: float
    asr2: float


TABLES = tuple(
    Row(trigger, target, ratio / 100, nat1 / 100, asr1 / 100, left, nat2 / 100, asr2 / 100)
    for trigger, target, ratio, nat1, asr1, left, nat2, asr2 in (
        ("pixel", "bird", 5, 92.31, 79.12, 0, 92.54, 0.00),
        ("pixel", "bird", 10, 92.19, 90.10, 1, 92.64, 2.43),
        ("pixel", "dog", 5, 92.43, 84.31, 12, 92.52, 1.43),
        ("pixel", "dog", 10, 92.21, 93.12, 3, 92.62, 0.39),
        ("pixel", "horse", 5, 92.67, 86.32, 17, 92.72, 2.95),
        ("pixel", "horse", 10, 92.54, 82.34, 6, 92.67, 1.98),
        ("pattern", "bird", 5, 92.24, 79.64, 38, 92.42, 2.05),
        ("pattern", "bird", 10, 92.17, 91.10, 3, 92.54, 1.73),
        ("pattern", "dog", 5, 92.41, 85.11, 11, 92.49, 1.33),
        ("pattern", "dog", 10, 92.24, 93.22, 3, 92.58, 0.42),
        ("pattern", "horse", 5, 92.57, 86.61, 18, 92.62, 2.99),
        ("pattern", "horse", 10, 92.44, 82.74, 5, 92.61, 1.68),
    )
)


def row(config: RunConfig) -> Row | None:
    """The report's row for a run's trigger, target class and ratio of that class, or None where it has none."""
    attack = config.attack
    if config.dataset.name != "cifar10" or attack.ratio_of != "target_class" or not attack.plain:
        return None
    target = class_names("cifar10")[attack.target]
    wanted = (attack.trigger, target, round(attack.ratio, 6))
    return next((found for found in TABLES if (found.trigger, found.target, found.ratio) == wanted), None)


class Measured(NamedTuple):
    """What recipe `quick` gave for one setting: the mean and standard deviation of each figure over its runs.

    Shares are in [0, 1]; poisons_left is a number of images. benign_asr is the benign network's rate.
    """

    runs: int
    poisons: int
    machine: str
    mean: Mapping[str, float]
    spread: Mapping[str, float]


def measured(config: RunConfig) -> Measured | None:
    """This project's own measurement for a run's trigger, target, ratio of the class and detector.

    It was made with recipe `quick` on CIFAR-10, whatever the run's own recipe is; None where there is none.
    """
    attack = config.attack
    if config.dataset.name != "cifar10" or attack.ratio_of != "target_class" or not attack.plain:
        return None
    target = class_names("cifar10")[attack.target]
    wanted = (attack.trigger, target, round(attack.ratio, 6), config.removed_by)
    told = ("trigger", "target", "ratio", "detector")
    rows = [row for row in _quick_table() if tuple(row[name] for name in told) == wanted]
    if not rows or any(name not in row for row in rows for name in _COMPARED):
        return None
    values = {name: np.array([row[name] for row in rows], float) for name in _COMPARED}
    return Measured(
        runs=len(rows),
        poisons=int(rows[0]["poisons"]),
        machine=", ".join(dict.fromkeys(str(row["device"]) for row in rows)),
        mean={name: float(found.mean()) for name, found in values.items()},
        spread={name: float(found.std()) for name, found in values.items()},
    )


@cache
def _quick_table() -> list[dict[str, Any]]:
    """The measured runs of recipe `quick`, each a flat row, as they were written down; empty where none ship."""
    try:
        record = json.loads((RECORDS / "quick.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [{**run, **run["figures"]} for run in record["runs"] if run["reading"] == "target_class"]
