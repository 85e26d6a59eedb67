"""Curves over the assumed ratio against the filter itself, TPR at a given FPR against scikit-learn's ROC curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from core.configuration.config import DefenceConfig
from core.evaluation import filter as filtering
from core.evaluation import metrics, sensitivity
from core.types import BadRequest, Detection

few = settings(max_examples=60, derandomize=True)
SHARES = sensitivity.grid(steps=25)


@st.composite
def scored(draw: st.DrawFn) -> tuple[Detection, np.ndarray, np.ndarray]:
    """Tied scores of three classes, a verdict on each class, a cut in each, and which images are poisoned."""
    size = draw(st.integers(6, 60))
    scores = np.array(draw(st.lists(st.integers(-4, 4), min_size=size, max_size=size)), float) / 3
    labels = np.array(draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)))
    labels[:3] = range(3)
    poisoned = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    statistic = np.array(draw(st.lists(st.integers(0, 2), min_size=3, max_size=3)), float)
    cut = np.array(draw(st.lists(st.integers(-4, 4), min_size=3, max_size=3)), float) / 3
    return Detection(scores, statistic, 1.0, None, cut), labels, poisoned


@few
@given(given=scored(), multiplier=st.sampled_from([0.5, 1.0, 1.5, 3.0]))
def test_a_curve_is_the_filter_at_every_assumed_ratio(given, multiplier):
    detection, labels, poisoned = given
    found = sensitivity.profile(detection, labels, poisoned, 3, 0)
    budgets = sensitivity.budgets(labels, SHARES, multiplier)
    for scope in ("every_class", "suspicious_class"):
        curve = found.by_budget(budgets, scope)
        for place, share in enumerate(SHARES):
            defence = DefenceConfig(
                detector="whitened-spectral", assumed_ratio=share, multiplier=multiplier, scope=scope
            )
            assert budgets[place] == filtering.budget(labels, defence)
            same(curve, place, metrics.found(~filtering.keep_mask(detection, labels, defence), poisoned))


def same(curve: sensitivity.Decisions, place: int, expected: metrics.Found) -> None:
    assert curve.flagged[place] == expected.flagged
    assert curve.poisons_left[place] == expected.poisons_left
    assert curve.clean_removed[place] == expected.clean_removed
    for name in ("tpr", "fpr", "precision"):
        wanted = getattr(expected, name)
        assert getattr(curve, name)[place] == pytest.approx(np.nan if wanted is None else wanted, nan_ok=True)


@few
@given(given=scored())
def test_the_gap_is_the_filter_that_cuts_there(given):
    detection, labels, poisoned = given
    found = sensitivity.profile(detection, labels, poisoned, 3, 0)
    for scope in ("every_class", "suspicious_class"):
        classes = filtering.suspicious_classes(labels, detection, scope)
        flagged = filtering.beyond_gap(detection, labels, classes)
        same(found.at_gap(scope), 0, metrics.found(flagged, poisoned))


@few
@given(given=scored())
def test_tpr_at_one_percent_is_the_roc_curve_s(given):
    detection, labels, poisoned = given
    found = sensitivity.profile(detection, labels, poisoned, 3, 0).tpr_at_1
    rates = []
    for label in np.unique(labels):
        truth = poisoned[labels == label]
        if truth.any() and not truth.all():
            fpr, tpr, _ = roc_curve(truth, detection.scores[labels == label], drop_intermediate=False)
            rates.append(tpr[fpr <= 0.01].max())
    assert found == (pytest.approx(np.mean(rates)) if rates else None)


def test_tpr_at_one_percent_looks_at_the_poisoned_class_alone():
    labels = np.repeat([0, 1], 200)
    poisoned = np.zeros(400, bool)
    poisoned[:100] = True
    scores = np.where(poisoned, 2.0, 0.0)
    scores[200:] = 9.0  # the other class is noise here
    scores[150] = 5.0  # one benign image of a hundred above all poison: 1%
    assert sensitivity.profile(Detection(scores), labels, poisoned, 2, 0).tpr_at_1 == 1.0
    scores[151] = 5.0
    assert sensitivity.profile(Detection(scores), labels, poisoned, 2, 0).tpr_at_1 == 0.0
    assert sensitivity.profile(Detection(scores), labels, np.zeros(400, bool), 2, 0).tpr_at_1 is None


def test_figures_without_a_budget_are_the_metrics_own():
    generator = np.random.default_rng(0)
    labels, poisoned = generator.integers(0, 4, 800), generator.random(800) < 0.2
    scores = generator.normal(size=800) + poisoned
    found = sensitivity.profile(Detection(scores), labels, poisoned, 4, 0)
    expected = metrics.ranking(scores, labels, poisoned)
    assert (found.auroc, found.average_precision) == (expected.auroc, expected.average_precision)
    assert not found.names_classes
    assert found.gap is None


@few
@given(given=scored(), seed=st.integers(0, 3))
def test_guessing_and_knowing_are_the_reference_filters_at_every_assumed_ratio(given, seed):
    """What Compare shows of them, and what their networks are trained on, is what the curves show."""
    detection, labels, poisoned = given
    found = sensitivity.profile(detection, labels, poisoned, 3, seed)
    budgets = sensitivity.budgets(labels, SHARES, 1.5)
    for scope in ("every_class", "suspicious_class"):
        classes = filtering.suspicious_classes(labels, detection, scope)
        guess = found.by_lot.by_budget(budgets, scope)
        know = found.perfect(found.by_budget(budgets, scope))
        for place, budget in enumerate(budgets):
            flagged = filtering.flag(detection.scores, labels, int(budget), classes)
            same(guess, place, metrics.found(~filtering.random_keep(labels, flagged, seed), poisoned))
            same(know, place, metrics.found(~filtering.perfect_keep(flagged, poisoned), poisoned))
        flagged = filtering.beyond_gap(detection, labels, classes)
        same(found.by_lot.at_gap(scope), 0, metrics.found(~filtering.random_keep(labels, flagged, seed), poisoned))


def test_knowing_bounds_every_filter_of_the_same_budget_and_costs_no_clean_image():
    labels = np.repeat([0, 1], 100)
    poisoned = np.zeros(200, bool)
    poisoned[:20] = True
    found = sensitivity.profile(Detection(np.arange(200.0)), labels, poisoned, 2, 0)
    know = found.perfect(found.by_budget(np.array([0, 5, 10, 50, 100]), "every_class"))
    assert know.poisons_left.tolist() == [20, 10, 0, 0, 0]
    assert know.clean_removed.tolist() == [0] * 5
    assert know.fpr.tolist() == [0.0] * 5


def test_a_share_of_nothing_is_not_a_number():
    labels = np.repeat([0, 1], 10)
    found = sensitivity.profile(Detection(np.arange(20.0)), labels, np.zeros(20, bool), 2, 0)
    curve = found.by_budget(sensitivity.budgets(labels, np.array([0.0, 0.2]), 1.0), "every_class")
    assert np.isnan(curve.tpr).all()
    assert np.isnan(curve.precision[0])
    assert curve.fpr.tolist() == [0.0, 0.2]


def test_a_gap_is_the_first_singular_value_over_the_second():
    gaps = sensitivity.spectral_gaps(np.array([[6.0, 2.0, 1.0], [4.0, 4.0, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(gaps, [3.0, 1.0, np.nan])
    assert sensitivity.contrast(gaps, [0]) == (3.0, 1.0)
    assert sensitivity.contrast(gaps, [1]) == (1.0, 3.0)
    assert sensitivity.contrast(np.array([3.0, 5.0, 1.0]), [0, 1]) == (4.0, 1.0)
    assert np.isnan(sensitivity.contrast(gaps, [0, 1, 2])[1])
    assert np.isnan(sensitivity.spectral_gaps(np.array([[1.0, 1e-9]]))).all(), "two images differ along one line"
    assert sensitivity.spectral_gaps(None) is None
    assert sensitivity.spectral_gaps(np.ones((3, 1))) is None


def test_what_does_not_fit_is_said():
    labels, poisoned = np.array([0, 0, 1]), np.array([True, False, False])
    with pytest.raises(BadRequest, match="as long as each other, got 2, 3 and 3"):
        sensitivity.profile(Detection(np.ones(2)), labels, poisoned, 2, 0)
    found = sensitivity.profile(Detection(np.ones(3)), labels, poisoned, 2, 0)
    with pytest.raises(BadRequest, match="finds no gap"):
        found.at_gap("every_class")
    with pytest.raises(BadRequest, match="scope must be one of"):
        found.by_budget(np.array([1]), "suspicious_class")
