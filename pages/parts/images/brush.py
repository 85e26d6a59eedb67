"""Which images a person has picked out: a range of scores brushed on the histogram, or a lasso on the scatter.

One at a time: a brush ends the lasso and the other way round. The brush is in the address
(`brush=label,low,high`, in scores); the lasso belongs to this tab ("lasso" in session state).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from pages.parts.around import cuts
from pages.parts.around.cuts import Scored

Ids = NDArray[np.int64]

LASSO, TURN = "lasso", "lasso turn"
TINY = 1e-30  # nothing is shorter on the score axis
DIGITS = 4  # of a brushed score, in the address


class Brush(NamedTuple):
    """A range of scores of one class, both ends included."""

    label: int
    low: float
    high: float


class Lasso(NamedTuple):
    """Images of one class that were encircled, most suspicious first, and of which features they are."""

    features: str
    label: int
    ids: Ids


def read(label: int) -> Brush | None:
    """The brush that the address names, if it is on this class."""
    parts = cuts.option("brush", "").split(",")
    if len(parts) != 3 or core.reading.whole(parts[0], label, label) is None:
        return None
    low = core.reading.real(parts[1], -math.inf, math.inf)
    high = None if low is None else core.reading.real(parts[2], low, math.inf)
    return None if low is None or high is None else Brush(label, low, high)


def keep(brush: Brush) -> None:
    """Brush this range, and nothing else."""
    clear()
    cuts.set_option("brush", f"{brush.label},{brush.low:.12g},{brush.high:.12g}", "")


def keep_lasso(lasso: Lasso) -> None:
    cuts.set_option("brush", "", "")
    st.session_state[LASSO] = lasso


def clear() -> None:
    cuts.set_option("brush", "", "")
    if st.session_state.pop(LASSO, None) is not None:
        st.session_state[TURN] = turn() + 1  # a new chart: plotly keeps its selection as long as the chart lives


def turn() -> int:
    return int(st.session_state.get(TURN, 0))


def lasso(features: str, label: int) -> Lasso | None:
    """The lasso, if it is on this class of these features."""
    found = st.session_state.get(LASSO)
    return found if found is not None and (found.features, found.label) == (features, label) else None


def brushed(found: Scored, brush: Brush) -> Ids:
    """The ids in a brush, most suspicious first."""
    return found.ranked[brush.label].between(brush.low, brush.high)


def rounded(label: int, low: float, high: float) -> Brush:
    """A brush whose ends are written with few digits, rounded outward so that it holds what it held."""
    return Brush(label, _outward(low, math.floor), _outward(high, math.ceil))


def _outward(value: float, towards: Callable[[float], int]) -> float:
    if abs(value) < TINY:
        return value
    return outward(value, 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1), towards)


def outward(value: float, unit: float, towards: Callable[[float], int]) -> float:
    """A score written in whole units, rounded down or up (math.floor, math.ceil)."""
    return float(f"{towards(value / unit) * unit:.12g}")
