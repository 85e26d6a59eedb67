"""What a sweep measures: its figures, and their mean and spread over the seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

import core
from core.configuration import Sweep
from pages.parts.around import words


class Metric(NamedTuple):
    """A figure of a sweep: its column, whether it is a percentage, and its digits."""

    column: str
    percent: bool
    digits: int
    whole: tuple[float, float] | None = None  # the ends of its axis, where it has any

    def write(self, value: float) -> str:
        """A value, a share in percent, with the one rounding that figures have."""
        written = core.figures.rounded(value, self.digits)
        return f"{written}{'%' if self.percent else ''}" if self.digits else f"{written:,}"


METRICS = {
    "AUROC": Metric("auroc", False, 3, (0.0, 1.0)),
    "TPR at 1% FPR": Metric("tpr_at_1", True, 1, (0.0, 100.0)),
    "#Pois left": Metric("poisons_left", False, 0),
    "Spectral gap": Metric("gap", False, 2),
    "ASR": Metric("asr1", True, 1, (0.0, 100.0)),
    "ASR after cleaning": Metric("asr2", True, 1, (0.0, 100.0)),
    "ASR of a benign network": Metric("benign_asr", True, 1, (0.0, 100.0)),
    "ASR after a random filter": Metric("random_asr2", True, 1, (0.0, 100.0)),
    "ASR after the perfect filter": Metric("perfect_asr2", True, 1, (0.0, 100.0)),
    "Nat": Metric("nat1", True, 1, (0.0, 100.0)),
    "Nat after cleaning": Metric("nat2", True, 1, (0.0, 100.0)),
    "Clean removed": Metric("clean_removed", False, 0),
}
MEANINGS = {
    "ASR": "attack success rate of the poisoned network",
    "ASR after cleaning": "attack success rate of the network trained from scratch on what the filter left",
    "ASR of a benign network": "how often a network that was never poisoned gives the target for the triggered images",
    "ASR after a random filter": "attack success rate after a filter that takes as many images of each class by lot",
    "ASR after the perfect filter": "attack success rate after a filter that knows the truth and takes only poison",
    "Nat": "accuracy of the poisoned network on clean test images",
    "Nat after cleaning": "accuracy on clean test images of the network trained from scratch on what was left",
}


def meaning(name: str) -> str:
    return MEANINGS.get(name) or words.explain(name)


def same(column: pd.Series, value: Any) -> pd.Series:
    return column.isna() if value is None else column == value


def spread(table: pd.DataFrame, by: list[str], metric: Metric) -> pd.DataFrame:
    """Mean, standard deviation and number over the seeds of each point that has any; shares in percent."""
    values = table[metric.column].astype(float) * (100 if metric.percent else 1)
    groups = values.groupby([table[axis] for axis in by], dropna=False, sort=False)
    found = groups.agg(mean="mean", std=lambda one: one.std(ddof=0), runs="count").reset_index()
    return found[found["runs"] > 0]


def order(sweep: Sweep, axis: str, table: pd.DataFrame) -> list[Any]:
    """An axis's values as the sweep has them."""
    return list(sweep.axes[axis]) if axis in sweep.axes else sorted(table[axis].unique())


def rows_at(table: pd.DataFrame, point: Mapping[str, Any]) -> pd.Series:
    """Which rows are at a point of the grid, or in the part of it that the point names."""
    fits = pd.Series(True, index=table.index)
    for axis, value in point.items():
        fits &= same(table[axis], value)
    return fits
