"""Which classes are named: e-BH, and Benjamini and Yekutieli, by their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from core.detectors import naming


def test_e_bh_names_what_its_definition_names():
    logs = np.log([300.0, 150.0, 5.0, 1.0])  # level 2%: 4 / (.02 i) = 200, 100, 66.7, 50
    assert naming.threshold_by_e(logs, 0.02) == pytest.approx(np.log(100))
    assert naming.threshold_by_e(np.log([190.0, 1, 1, 1]), 0.02) == pytest.approx(np.log(200))  # none is named
    assert naming.threshold_by_e(np.log([60.0] * 4), 0.02) == pytest.approx(np.log(50))  # all are


def test_benjamini_yekutieli_names_what_its_definition_names():
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4
    step = 0.05 / (4 * harmonic)
    assert naming.threshold_by_p(np.array([0.5, step * 0.9, step * 1.9, 0.9]), 0.05) == pytest.approx(2 * step)
    assert naming.threshold_by_p(np.ones(4), 0.05) == pytest.approx(step)


def test_false_discoveries_stay_below_the_level_whatever_the_dependence():
    rng, wrong = np.random.default_rng(0), []
    for _ in range(2000):
        p = np.full(10, rng.uniform())  # all the same draw: the dependence at its worst for BH without the factor
        wrong.append((p <= naming.threshold_by_p(p, 0.1)).any())
    assert np.mean(wrong) <= 0.1


def test_digits_have_no_minus_before_a_nought_and_an_end():
    shown = naming.digits(np.array([1.0, 0.01, 0.0]))
    assert shown.tolist() == [0.0, 2.0, 300.0]
    assert not np.signbit(shown[0])
