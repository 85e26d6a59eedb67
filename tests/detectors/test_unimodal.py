"""The e-value against one mode: valid under the null, large where there are two, and its parts right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.isotonic import IsotonicRegression

from core.detectors import unimodal

COUNTS = arrays.arrays(np.int64, st.integers(1, 7), elements=st.integers(0, 30))


def brute(counts: np.ndarray, widths: np.ndarray) -> float:
    """The best likelihood with one mode, by trying every split and isotonic regression of scikit-learn."""
    total, best = counts.sum(), -np.inf
    levels = counts / widths
    for top in range(len(counts) + 1):
        parts = []
        for part, rising in ((slice(0, top), True), (slice(top, None), False)):
            if len(levels[part]):
                fit = IsotonicRegression(increasing=rising)
                places = np.arange(len(levels[part]))
                parts.append(fit.fit(places, levels[part], widths[part]).predict(places))
        density = np.concatenate(parts) / total
        seen = counts > 0
        best = max(best, float((counts[seen] * np.log(density[seen] * widths[seen])).sum()))
    return best


@given(COUNTS, st.integers(0, 100))
def test_the_best_single_mode_is_that_of_isotonic_regression(counts, seed):
    widths = np.random.default_rng(seed).uniform(0.5, 3, len(counts))
    if counts.sum():
        assert unimodal.one_mode(counts, widths) == pytest.approx(brute(counts, widths), abs=1e-6)
    else:
        assert unimodal.one_mode(counts, widths) == 0


def drawn(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    points = {
        "normal": rng.normal(size=count),
        "t3": rng.standard_t(3, count),
        "skewed": rng.lognormal(size=count),
        "flat": rng.uniform(size=count),
        "cauchy": rng.standard_cauchy(count),
    }
    return points[kind]


@pytest.mark.parametrize("kind", ["normal", "t3", "skewed", "flat", "cauchy"])
def test_clouds_with_one_mode_have_small_e_values(kind):
    rng = np.random.default_rng(1)
    logs = [
        unimodal.log_e(drawn(kind, size, rng), drawn(kind, size, rng)) for size in (20, 100, 1000) for _ in range(40)
    ]
    # P(E >= 20) <= 5% for each: more than 15 of 120 have a chance of less than 0.1%.
    assert sum(log >= np.log(20) for log in logs) <= 15
    assert np.exp(np.minimum(logs, 50)).mean() <= 2  # its mean is at most 1


@pytest.mark.parametrize(("share", "apart", "least"), [(0.1, 7, 20), (0.05, 9, 10), (0.1, 40, 40)])
def test_two_groups_have_large_ones(share, apart, least):
    rng = np.random.default_rng(2)
    halves = [np.r_[rng.normal(size=1000), rng.normal(apart, 1, int(1000 * share))] for _ in range(2)]
    assert unimodal.log_e(halves[0], rng.permutation(halves[1])) > least


def test_what_does_not_vary_tells_nothing():
    flat = np.zeros(50)
    assert unimodal.log_e(flat, np.arange(50.0)) == -np.inf
    assert unimodal.log_e(np.arange(50.0), np.zeros(0)) == -np.inf


def test_a_wild_value_changes_little():
    rng = np.random.default_rng(3)
    known, unseen = rng.normal(size=500), rng.normal(size=500)
    known[0], unseen[0] = 1e9, -1e9
    assert unimodal.log_e(known, unseen) < 0


def test_a_mean_of_e_values():
    assert unimodal.mean_of(np.array([0.0, 0.0])) == pytest.approx(0)
    assert unimodal.mean_of(np.log([1.0, 3.0]), np.array([3.0, 1.0])) == pytest.approx(np.log(1.5))
    assert unimodal.mean_of(np.array([-np.inf, 1000.0])) == pytest.approx(1000 - np.log(2))
