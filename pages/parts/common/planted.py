"""What known triggers, planted into one class after the other, would have shown: the positive control as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

import core
from core import Control


def reached(rows: Sequence[Control]) -> pd.DataFrame:
    """A row a trigger, a column a share."""
    told: dict[str, dict[str, str]] = {}
    for one in core.control.reach(rows):
        cell = f"{one.named} of {one.classes}" + (f", {one.found:.0%}" if one.named else "")
        told.setdefault(one.trigger, {})[f"{one.share:.1%} of a class"] = cell
    return pd.DataFrame([{"trigger": trigger, **cells} for trigger, cells in told.items()])
