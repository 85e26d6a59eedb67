"""How much of what a sweep measures hangs on each of its settings, and how much on the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from core.types import BadRequest


@dataclass(frozen=True)
class Importance:
    """Shares of a figure's variance over the runs, each in [0, 1].

    alone: by axis, what its main effect explains. seeds: what differs between runs of one cell. together: the rest,
    what the axes do only together. runs: how many went into it.

    In a whole grid the shares come to 1. Where runs are missing, axes share their effects, the sum of `alone` may be
    above 1, and `together` is then 0.
    """

    alone: Mapping[str, float]
    together: float
    seeds: float
    runs: int


def importance(table: pd.DataFrame, axes: Sequence[str], figure: str) -> Importance | None:
    """The main effects of a sweep's axes on a figure, as in an analysis of variance (eta squared).

    table has a row a run, as `sweeps.table` makes it; rows without the figure are left out. An axis's share is the sum
    of squares between the means at its values, each weighed by its runs, over the sum of squares of all runs: it has
    no unit, and asks for no order or scale of the values. None with fewer than two runs, or where the figure is the
    same in all. BadRequest for an axis or a figure that the table has not.
    """
    if missing := [name for name in (*axes, figure) if name not in table]:
        raise BadRequest(f"the table has no column {missing[0]!r}; it has {list(table.columns)}")
    known = table[table[figure].notna()]
    values = known[figure].astype(float)
    whole = float(((values - values.mean()) ** 2).sum())
    if len(values) < 2 or whole <= 1e-12 * max(1.0, float((values**2).sum())):
        return None
    alone = {axis: _between(values, [known[axis]]) / whole for axis in axes}
    inside = 1 - _between(values, [known[axis] for axis in axes]) / whole if axes else 1.0
    seeds = min(max(inside, 0.0), 1.0)
    return Importance(alone, max(0.0, 1 - seeds - sum(alone.values())), seeds, len(values))


def _between(values: pd.Series, by: Sequence[pd.Series]) -> float:
    """The sum of squares between the means of groups."""
    means = values.groupby(list(by), dropna=False, sort=False).transform("mean")
    return float(((means - values.mean()) ** 2).sum())
