"""Where a figure breaks, and what it hangs on: made-up figures whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import BadRequest, sweeps
from core.evaluation import breaking
from core.evaluation.breaking import Breaking

few = settings(max_examples=60, derandomize=True)
RATIOS = [0.1, 0.05, 0.02, 0.01]


# --- the breaking point ----------------------------------------------------------------------------------


def test_between_two_levels_it_is_on_the_line_through_their_medians() -> None:
    found = breaking.point(RATIOS, [[1.0], [1.0], [1.0, 0.9, 0.95], [0.5, 0.1, 0.85]], 0.7)
    assert (found.holds, found.breaks) == (0.02, 0.01)
    assert found.at == pytest.approx(0.02 - 0.01 * (0.95 - 0.7) / (0.95 - 0.5))


def test_over_a_logarithmic_axis_the_line_is_one_over_the_logarithms() -> None:
    found = breaking.point([0.1, 0.001], [[1.0], [0.0]], 0.5, logarithmic=True)
    assert found.at == pytest.approx(0.01)
    assert breaking.point([0.1, 0.001], [[1.0], [0.0]], 0.5).at == pytest.approx(0.0505)


def test_the_median_of_the_seeds_counts_and_a_level_without_any_is_passed_over() -> None:
    figures = [[1.0, 1.0], [math.nan], [0.99, 0.0, 0.97], [0.2]]
    assert breaking.point(RATIOS, figures, 0.95) == Breaking(0.02, 0.01, pytest.approx(0.02 - 0.01 * 0.02 / 0.77))
    assert breaking.middle([math.nan]) is None
    assert breaking.middle([1.0, math.nan, 3.0, 2.0]) == 2.0


def test_where_it_never_fails_or_fails_from_the_first_on_there_is_no_crossing() -> None:
    assert breaking.point(RATIOS, [[1.0]] * 4, 0.95) == Breaking(0.01, None, None)
    assert breaking.point(RATIOS, [[0.0]] * 4, 0.95) == Breaking(None, 0.1, None)
    assert breaking.point([], [], 0.95) == Breaking(None, None, None)


def test_the_first_failure_counts_and_the_threshold_itself_holds() -> None:
    assert breaking.point([3, 2, 1], [[0.95], [0.9], [1.0]], 0.95) == Breaking(3, 2, pytest.approx(3))
    assert breaking.point([3, 2, 1], [[0.0], [0.1], [0.5]], 0.1, higher=False) == Breaking(2, 1, pytest.approx(2))


@pytest.mark.parametrize(
    ("levels", "figures", "options", "what"),
    [
        ([1, 2], [[1]], {}, "as many as each other, got 2 and 1"),
        ([1, 1], [[1], [1]], {}, "each once"),
        ([1, math.inf], [[1], [1]], {}, "finite"),
        ([1, 0], [[1], [0]], {"logarithmic": True}, "above 0, got 0"),
    ],
)
def test_what_is_no_row_of_levels_is_refused(levels, figures, options, what) -> None:
    with pytest.raises(BadRequest, match=what):
        breaking.point(levels, figures, 0.5, **options)


@few
@given(
    figures=st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=4), min_size=1, max_size=6),
    threshold=st.floats(0.05, 0.95),
    logarithmic=st.booleans(),
)
def test_it_lies_between_a_level_that_holds_and_the_next(figures, threshold, logarithmic) -> None:
    levels = [2.0**-n for n in range(len(figures))]
    found = breaking.point(levels, figures, threshold, logarithmic=logarithmic)
    held = [breaking.holds(float(np.median(values)), threshold) for values in figures]
    first = held.index(False) if False in held else len(held)
    assert found.holds == (levels[first - 1] if first else None)
    assert found.breaks == (levels[first] if first < len(held) else None)
    if found.at is not None:
        assert found.breaks * (1 - 1e-9) <= found.at <= found.holds * (1 + 1e-9)


# --- the importance of a sweep's settings ----------------------------------------------------------------


def runs(of, ratios=(0.01, 0.1), sizes=(2, 3, 5), seeds=(0, 1)) -> pd.DataFrame:
    return pd.DataFrame(
        [{"ratio": r, "size": s, "seed": n, "auroc": of(r, s, n)} for r in ratios for s in sizes for n in seeds]
    )


def test_a_figure_that_hangs_on_one_setting_gives_it_all() -> None:
    found = sweeps.importance(runs(lambda r, s, n: float(s)), ["ratio", "size"], "auroc")
    assert found.alone == {"ratio": pytest.approx(0), "size": pytest.approx(1)}
    assert (found.together, found.seeds, found.runs) == (pytest.approx(0), pytest.approx(0), 12)


def test_what_two_settings_do_only_together_is_neither_s() -> None:
    found = sweeps.importance(runs(lambda r, s, n: (r > 0.05) ^ (s > 2), sizes=(2, 3)), ["ratio", "size"], "auroc")
    assert found.alone == {"ratio": pytest.approx(0), "size": pytest.approx(0)}
    assert found.together == pytest.approx(1)


def test_what_only_the_seeds_do_is_theirs() -> None:
    found = sweeps.importance(runs(lambda r, s, n: float(n)), ["ratio", "size"], "auroc")
    assert found.seeds == pytest.approx(1)
    assert sum(found.alone.values()) == pytest.approx(0)


def test_effects_that_add_up_have_the_shares_of_their_variances() -> None:
    table = runs(lambda r, s, n: 3.0 * (r > 0.05) + 1.0 * (s > 2) + 2.0 * n, sizes=(2, 3))
    found = sweeps.importance(table, ["ratio", "size"], "auroc")
    assert found.alone == {"ratio": pytest.approx(9 / 14), "size": pytest.approx(1 / 14)}
    assert found.seeds == pytest.approx(4 / 14)


@few
@given(values=st.lists(st.floats(-1, 1), min_size=12, max_size=12))
def test_in_a_whole_grid_the_shares_come_to_one(values) -> None:
    table = runs(lambda r, s, n: 0.0).assign(auroc=values)
    found = sweeps.importance(table, ["ratio", "size"], "auroc")
    if found is not None:
        assert sum(found.alone.values()) + found.together + found.seeds == pytest.approx(1, abs=1e-6)


def test_where_nothing_differs_or_is_known_there_is_none() -> None:
    assert sweeps.importance(runs(lambda r, s, n: 0.7), ["ratio"], "auroc") is None
    assert sweeps.importance(runs(lambda r, s, n: None), ["ratio"], "auroc") is None
    with pytest.raises(BadRequest, match="no column 'opacity'"):
        sweeps.importance(runs(lambda r, s, n: 1.0), ["opacity"], "auroc")


def test_a_value_that_is_no_class_in_particular_is_a_value() -> None:
    table = pd.DataFrame({"source": [None, None, "four", "four"], "auroc": [0.0, 0.0, 1.0, 1.0]})
    assert sweeps.importance(table, ["source"], "auroc").alone == {"source": pytest.approx(1)}
