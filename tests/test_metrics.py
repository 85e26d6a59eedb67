"""Nat, ASR, what was found and how well the scores rank, each against figures worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from core.evaluation import metrics

few = settings(max_examples=60, derandomize=True)

#                  true classes            without trigger         with trigger; the target is class 2
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])
CLEAN = np.array([0, 0, 0, 1, 1, 1, 2, 0])
TRIGGERED = np.array([2, 2, 2, 0, 2, 1, 2, 2])


@pytest.mark.parametrize(("passes", "images"), [(0, 40), (200, 40), (4_800, 100), (24_000, 500), (400_000, 500)])
def test_a_short_training_is_looked_at_on_few_images(passes: int, images: int):
    assert metrics.probed(passes) == images


def test_nat_is_the_accuracy_on_clean_images_and_per_class_its_parts():
    found = metrics.quality(CLEAN, TRIGGERED, LABELS, target=2, source=None)
    assert found.nat == 6 / 8
    assert found.per_class == [3 / 4, 1.0, 1 / 2]


def test_asr_leaves_out_the_images_of_the_target_class():
    found = metrics.quality(CLEAN, TRIGGERED, LABELS, target=2, source=None)
    assert found.asr == 4 / 6  # with them it would be 6 / 8
    benign = metrics.quality(CLEAN, LABELS, LABELS, target=2, source=None)
    assert benign.asr == 0.0  # a perfect network calls its two images of the target class so, and is not fooled


def test_the_source_classs_own_asr_is_over_that_class_alone():
    assert metrics.quality(CLEAN, TRIGGERED, LABELS, target=2, source=0).source_asr == 3 / 4
    assert metrics.quality(CLEAN, TRIGGERED, LABELS, target=2, source=1).source_asr == 1 / 2
    assert metrics.quality(CLEAN, TRIGGERED, LABELS, target=2, source=None).source_asr is None


def test_an_image_is_fooled_only_if_it_is_called_the_target():
    wrong = np.full(8, 1)
    assert metrics.quality(CLEAN, wrong, LABELS, target=2, source=0).asr == 0.0


def test_each_image_may_have_an_aim_of_its_own():
    aims = (LABELS + 1) % 3  # all-to-all: 1 1 1 1 2 2 0 0
    found = metrics.quality(CLEAN, TRIGGERED, LABELS, target=aims, source=None)
    assert found.asr == 1 / 8  # only the first image of class 1 is called the class after its own
    everyone = metrics.quality(CLEAN, aims, LABELS, target=aims, source=1)
    assert (everyone.asr, everyone.source_asr) == (1.0, 1.0)
    one = metrics.quality(CLEAN, TRIGGERED, LABELS, target=np.full(8, 2), source=0)
    assert one == metrics.quality(CLEAN, TRIGGERED, LABELS, target=2, source=0)


def test_rates_of_a_decision_by_hand():
    poisoned = np.array([True] * 4 + [False] * 6)
    flagged = np.array([True, True, True, False] + [True, True] + [False] * 4)
    found = metrics.found(flagged, poisoned)
    assert (found.poisons, found.poisons_left, found.flagged, found.clean_removed) == (4, 1, 5, 2)
    assert (found.tpr, found.fpr, found.precision) == (3 / 4, 2 / 6, 3 / 5)


def test_when_nothing_is_flagged_every_poison_is_left_and_nothing_is_swapped():
    poisoned = np.array([True] * 4 + [False] * 6)
    found = metrics.found(np.zeros(10, bool), poisoned)
    assert (found.poisons_left, found.clean_removed, found.flagged) == (4, 0, 0)
    assert (found.tpr, found.fpr, found.precision) == (0.0, 0.0, None)


def test_when_nothing_is_poisoned_there_is_no_true_positive_rate():
    found = metrics.found(np.array([True, False, False, False]), np.zeros(4, bool))
    assert (found.poisons, found.poisons_left, found.clean_removed) == (0, 0, 1)
    assert (found.tpr, found.fpr, found.precision) == (None, 1 / 4, 0.0)


def test_when_everything_is_poisoned_there_is_no_false_positive_rate():
    found = metrics.found(np.array([True, False]), np.ones(2, bool))
    assert (found.tpr, found.fpr, found.precision) == (0.5, None, 1.0)


@few
@given(flagged=hnp.arrays(bool, 25), poisoned=hnp.arrays(bool, 25))
def test_the_counts_of_any_decision_add_up(flagged, poisoned):
    found = metrics.found(flagged, poisoned)
    assert found.poisons == poisoned.sum()
    assert found.flagged == flagged.sum()
    assert found.poisons - found.poisons_left + found.clean_removed == found.flagged
    assert found.poisons_left == (poisoned & ~flagged).sum()
    for rate in (found.tpr, found.fpr, found.precision):
        assert rate is None or 0 <= rate <= 1


SCORES = np.array([0.9, 0.2, 0.7, 0.4, 0.1, 9.0, 8.0, 7.0])
GIVEN = np.array([2, 2, 2, 2, 2, 0, 0, 1])
POISONED = np.array([True, False, True, False, True, False, False, False])


def test_ranking_is_within_the_target_class():
    found = metrics.ranking(SCORES, GIVEN, POISONED, target=2)
    # of the 3 x 2 pairs of a poisoned and a benign image of class 2, four are the right way round
    assert found.auroc == pytest.approx(4 / 6, rel=1e-12)
    # poisons stand at places 1, 2 and 5
    assert found.average_precision == pytest.approx((1 / 1 + 2 / 2 + 3 / 5) / 3)


def test_ranking_is_within_the_target_class_alone():
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 3, 200), rng.normal(size=200)
    poisoned = (labels == 1) & (rng.random(200) < 0.3)
    scores[poisoned] += 0.7
    found, members = metrics.ranking(scores, labels, poisoned, target=1), labels == 1
    assert found.auroc == pytest.approx(roc_auc_score(poisoned[members], scores[members]), rel=1e-12)
    precision = average_precision_score(poisoned[members], scores[members])
    assert found.average_precision == pytest.approx(precision, rel=1e-12)
    assert found.auroc != roc_auc_score(poisoned, scores)


def test_without_a_class_the_ranking_is_the_mean_of_the_classes_that_hold_poison():
    assert metrics.ranking(SCORES, GIVEN, POISONED) == metrics.ranking(SCORES, GIVEN, POISONED, target=2)
    labels, poisoned = np.repeat([0, 1, 2], 4), np.tile([True, False, False, False], 3)
    poisoned[8:] = False
    scores = np.array([4.0, 3.0, 2.0, 1.0, 12.0, 13.0, 14.0, 11.0, 99.0, 98.0, 97.0, 96.0])
    found = metrics.ranking(scores, labels, poisoned)
    assert found.auroc == pytest.approx((1.0 + 1 / 3) / 2)  # over all images together it would be another figure
    assert found.average_precision == pytest.approx((1.0 + 1 / 3) / 2)


@pytest.mark.parametrize("poisoned", [np.zeros(8, bool), np.ones(8, bool)])
def test_there_is_no_ranking_without_both_kinds(poisoned):
    assert metrics.ranking(SCORES, GIVEN, poisoned, target=2) == metrics.Ranking(None, None)
    assert metrics.ranking(SCORES, GIVEN, poisoned) == metrics.Ranking(None, None)


def test_there_is_no_ranking_of_a_class_without_images():
    assert metrics.ranking(SCORES, GIVEN, POISONED, target=3) == metrics.Ranking(None, None)


@few
@given(scores=hnp.arrays(float, 30, elements=st.integers(-5, 5)), poisoned=hnp.arrays(bool, 30))
def test_ranking_is_scikit_learns(scores, poisoned):
    found = metrics.ranking(scores, np.zeros(30, int), poisoned)
    if poisoned.all() or not poisoned.any():
        assert found == metrics.Ranking(None, None)
        return
    assert found.auroc == pytest.approx(roc_auc_score(poisoned, scores), rel=1e-12)
    assert found.average_precision == pytest.approx(average_precision_score(poisoned, scores), rel=1e-12)


@few
@given(scores=hnp.arrays(float, 30, elements=st.integers(-5, 5)), poisoned=hnp.arrays(bool, 30))
def test_curves_are_scikit_learns(scores, poisoned):
    order = np.argsort(-scores, kind="stable")
    found = metrics.curves(poisoned[order], scores[order])
    if poisoned.all() or not poisoned.any():
        assert found is None
        return
    assert auc(found.fpr, found.tpr) == pytest.approx(roc_auc_score(poisoned, scores))
    fpr, tpr, _ = roc_curve(poisoned, scores)
    assert np.allclose(np.interp(fpr, found.fpr, found.tpr), np.interp(fpr, fpr, tpr))
    precision, recall, _ = precision_recall_curve(poisoned, scores)
    theirs = set(zip(recall.round(9), precision.round(9), strict=True))
    assert set(zip(found.tpr.round(9), found.precision.round(9), strict=True)) <= theirs
    assert (found.tpr[0], found.fpr[0], found.precision[0]) == (0, 0, 1)
    assert (found.tpr[-1], found.fpr[-1]) == (1, 1)


def test_a_curve_of_many_images_has_few_points():
    poisoned = np.zeros(5000, bool)
    poisoned[[3, 10, 400]] = True
    assert len(metrics.curves(poisoned, -np.arange(5000.0)).tpr) <= 8


@few
@given(flagged=hnp.arrays(bool, 25), poisoned=hnp.arrays(bool, 25))
def test_a_decision_can_be_given_as_counts(flagged, poisoned):
    counts = len(poisoned), int(poisoned.sum()), int(flagged.sum()), int((flagged & poisoned).sum())
    assert metrics.counted(*counts) == metrics.found(flagged, poisoned)


def test_figures_are_plain_numbers_that_json_can_hold():
    quality = metrics.quality(CLEAN, TRIGGERED, LABELS, target=2, source=0)
    for figure in (quality, metrics.found(POISONED, POISONED), metrics.ranking(SCORES, GIVEN, POISONED, target=2)):
        assert json.loads(json.dumps(metrics.plain(figure))) == metrics.plain(figure)
