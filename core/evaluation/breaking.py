"""Where a figure breaks: along a row of settings, from the easiest to the hardest, the first at which it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log

import numpy as np

from core.types import BadRequest


@dataclass(frozen=True)
class Breaking:
    """Between which two levels a figure breaks.

    holds: the last level, on the way from the first, at which it holds; None where it fails from the first on.
    breaks: the next level, at which it fails; None where it holds to the last.
    at: where it crosses the threshold between the two; None where one of them is missing.
    """

    holds: float | None
    breaks: float | None
    at: float | None


def point(
    levels: Sequence[float],
    figures: Sequence[Sequence[float]],
    threshold: float,
    *,
    higher: bool = True,
    logarithmic: bool = False,
) -> Breaking:
    """The breaking point of a figure: where its median over the seeds first crosses a threshold.

    levels [m] stand in the order in which one walks, from where the figure is expected to hold; figures [m] has the
    values of the seeds at each level, of which NaN counts as none. A level without a value is passed over. The figure
    holds at a level where its median is at least `threshold`, or at most, where `higher` is False. The first failure
    counts, also where a later level holds again.

    Between the last level that holds and the next, the median is taken for a straight line over the levels, or over
    their logarithms where `logarithmic`; `at` is where that line is at the threshold.

    BadRequest where levels and figures differ in number, a level stands twice or is not finite, or one of a
    logarithmic axis is not above 0.
    """
    _check(levels, figures, logarithmic)
    known = [(float(level), median) for level, values in zip(levels, figures, strict=True)
             if (median := middle(values)) is not None]  # fmt: skip
    last: tuple[float, float] | None = None
    for level, median in known:
        if not holds(median, threshold, higher):
            return Breaking(None if last is None else last[0], level, _crossing(last, (level, median), threshold,
                                                                                logarithmic))  # fmt: skip
        last = level, median
    return Breaking(None if last is None else last[0], None, None)


def middle(values: Sequence[float]) -> float | None:
    """The median of what is a number among the values; None where nothing is."""
    known = [float(value) for value in values if isfinite(value)]
    return float(np.median(known)) if known else None


def holds(figure: float, threshold: float, higher: bool = True) -> bool:
    """Whether a figure is on the good side of its threshold, or at it."""
    return figure >= threshold if higher else figure <= threshold


def _check(levels: Sequence[float], figures: Sequence[Sequence[float]], logarithmic: bool) -> None:
    if len(levels) != len(figures):
        raise BadRequest(f"levels and figures must be as many as each other, got {len(levels)} and {len(figures)}")
    if len(set(levels)) < len(levels) or not all(isfinite(level) for level in levels):
        raise BadRequest(f"levels must be finite, each once, got {list(levels)}")
    if logarithmic and min(levels, default=1) <= 0:
        raise BadRequest(f"levels of a logarithmic axis must be above 0, got {min(levels)}")


def _crossing(
    last: tuple[float, float] | None, first: tuple[float, float], threshold: float, logarithmic: bool
) -> float | None:
    """Where the line between two levels' medians is at the threshold."""
    if last is None:
        return None
    (one, above), (two, below) = last, first
    share = (above - threshold) / (above - below)
    if logarithmic:
        return float(np.exp(log(one) + share * (log(two) - log(one))))
    return one + share * (two - one)
