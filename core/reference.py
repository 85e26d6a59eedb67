"""The report's published figures, to stand beside what is measured (ECE228 Group 13, Tables 1 and 2)."""

from __future__ import annotations

from typing import NamedTuple

from core.config import RunConfig, class_names


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
    if config.dataset.name != "cifar10" or attack.ratio_of != "target_class":
        return None
    target = class_names("cifar10")[attack.target]
    wanted = (attack.trigger, target, round(attack.ratio, 6))
    return next((found for found in TABLES if (found.trigger, found.target, found.ratio) == wanted), None)
