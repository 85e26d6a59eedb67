"""From scores to decisions: exactly as many as asked for, the most suspicious ones, in the classes in scope."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core import configure
from core.configuration import stages
from core.configuration.config import DefenceConfig
from core.evaluation import filter as filtering
from core.types import BadRequest, Detection

few = settings(max_examples=50, derandomize=True)
LABELS = np.repeat([0, 1, 2], [40, 50, 60])
NAMING = dict(detector="whitened-spectral", scope="suspicious_class")


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels, some classes perhaps absent, and scores with many ties."""
    n = draw(st.integers(1, 40))
    labels = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 4)))
    scores = draw(hnp.arrays(np.float64, n, elements=st.integers(-3, 3).map(float) | st.floats(-1e300, 1e300)))
    return labels, scores


# ---------------------------------------------------------------- flag


@few
@given(both=scored(), count=st.integers(0, 45), data=st.data())
def test_each_class_in_scope_loses_exactly_the_count_or_all_it_has_and_no_other_loses_any(both, count, data):
    labels, scores = both
    classes = np.array(sorted(data.draw(st.sets(st.sampled_from(np.unique(labels).tolist())))), dtype=np.int64)
    flagged = filtering.flag(scores, labels, count, classes)
    assert flagged.dtype == bool
    for label in np.unique(labels):
        expected = min(count, (labels == label).sum()) if label in classes else 0
        assert flagged[labels == label].sum() == expected


@few
@given(both=scored(), count=st.integers(0, 45))
def test_the_flagged_have_the_highest_scores_of_their_class_and_ties_go_to_the_lower_id(both, count):
    labels, scores = both
    flagged = filtering.flag(scores, labels, count, np.unique(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        by_hand = sorted(members, key=lambda row: (-scores[row], row))[:count]
        assert np.flatnonzero(flagged & (labels == label)).tolist() == sorted(by_hand)


def test_equal_scores_flag_the_first_ids():
    flagged = filtering.flag(np.ones(150), LABELS, 2, np.array([0, 2]))
    assert np.flatnonzero(flagged).tolist() == [0, 1, 90, 91]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused_with_how_many(bad):
    scores = np.zeros(150)
    scores[[3, 9]] = bad
    with pytest.raises(BadRequest, match="scores must be finite numbers, got 2 that are not"):
        filtering.flag(scores, LABELS, 1, np.array([2]))


def test_a_negative_count_is_refused():
    with pytest.raises(BadRequest, match="at least 0, got -1"):
        filtering.flag(np.zeros(150), LABELS, -1, np.array([0]))


# ---------------------------------------------------------------- epsilon and budget


def test_a_tenth_of_2000_is_200_and_one_and_a_half_times_that_is_300():
    labels = np.repeat(np.arange(10), 2_000)
    assert filtering.epsilon(labels, 0.1) == 200
    assert filtering.budget(labels, DefenceConfig(assumed_ratio=0.1, multiplier=1.5)) == 300


def test_epsilon_is_a_share_of_the_median_class_so_the_poisoned_one_does_not_shift_it():
    labels = np.repeat(np.arange(5), [100, 100, 200, 100, 100])
    assert filtering.epsilon(labels, 0.1) == 10


def test_a_class_that_is_absent_has_no_part_in_the_median():
    assert filtering.epsilon(np.repeat([1, 7, 9], [100, 100, 100]), 0.1) == 10


@pytest.mark.parametrize(
    ("multiplier", "expected"), [(0.01, 0), (0.1, 1), (0.999, 9), (1.0, 10), (1.5, 15), (1.59, 15), (10.0, 100)]
)
def test_the_budget_is_rounded_down(multiplier, expected):
    labels = np.repeat(np.arange(3), 100)
    assert filtering.budget(labels, DefenceConfig(assumed_ratio=0.1, multiplier=multiplier)) == expected


@pytest.mark.parametrize("hundredths", [29, 57, 58, 113, 114, 115, 116, 201, 229, 1000])
def test_binary_fractions_take_no_image_off_the_budget(hundredths):
    labels = np.repeat(np.arange(3), 1_000)  # epsilon is 100; 0.29 * 100 is 28.999999999999996 in binary
    defence = DefenceConfig(assumed_ratio=0.1, multiplier=hundredths / 100)
    assert filtering.budget(labels, defence) == hundredths


def test_assuming_no_poison_removes_nothing():
    detection = Detection(np.arange(150.0))
    assert filtering.keep_mask(detection, LABELS, DefenceConfig(assumed_ratio=0.0)).all()


# ---------------------------------------------------------------- scope


def named(statistic: list[float], threshold: float = 2.0) -> Detection:
    return Detection(np.arange(150.0), np.array(statistic), threshold)


def test_every_class_loses_its_share_when_that_is_the_scope():
    keep = filtering.keep_mask(Detection(np.arange(150.0)), LABELS, DefenceConfig(assumed_ratio=0.1))
    assert np.bincount(LABELS[~keep]).tolist() == [7, 7, 7]
    assert np.array_equal(np.flatnonzero(~keep & (LABELS == 0)), np.arange(33, 40))


def test_only_the_suspicious_class_loses_images_when_that_is_the_scope():
    keep = filtering.keep_mask(named([0.1, 2.5, 1.9]), LABELS, DefenceConfig(**NAMING))
    assert np.bincount(LABELS[~keep], minlength=3).tolist() == [0, 7, 0]


def test_nothing_suspicious_keeps_everything():
    assert filtering.keep_mask(named([0.1, -3.0, 1.9]), LABELS, DefenceConfig(**NAMING)).all()


def test_a_class_at_the_threshold_is_not_yet_suspicious():
    found = filtering.suspicious_classes(LABELS, named([2.0, 2.0000001, 0.0]), "suspicious_class")
    assert found.tolist() == [1]


def test_a_class_without_images_is_never_suspicious():
    labels = np.repeat([0, 2], [5, 5])
    detection = Detection(np.zeros(10), np.array([0.0, 99.0, 99.0]), 2.0)
    assert filtering.suspicious_classes(labels, detection, "suspicious_class").tolist() == [2]
    assert filtering.suspicious_classes(labels, detection, "every_class").tolist() == [0, 2]


def test_a_detector_that_names_no_class_cannot_have_that_scope():
    with pytest.raises(BadRequest, match="does not name suspicious classes; the scope must be 'every_class'"):
        filtering.suspicious_classes(LABELS, Detection(np.zeros(150)), "suspicious_class")


# ---------------------------------------------------------------- the cut at the gap

GAP = dict(detector="whitened-spectral", cut="gap")


def with_gaps(cut: list[float], statistic: list[float]) -> Detection:
    return Detection(np.arange(150.0), np.array(statistic), 2.0, cut=np.array(cut))


def test_the_cut_at_the_gap_takes_what_lies_above_it_in_named_classes_alone_and_asks_for_no_epsilon():
    found = with_gaps([37.0, 86.5, 100.0], [0.0, 3.0, 1.0])
    for assumed in (0.0, 0.1, 1.0):
        keep = filtering.keep_mask(found, LABELS, DefenceConfig(**GAP, assumed_ratio=assumed))
        assert np.flatnonzero(~keep).tolist() == [87, 88, 89]


def test_a_score_at_the_cut_stays_and_every_class_can_be_cut_when_that_is_the_scope():
    found = with_gaps([37.0, 86.5, np.inf], [0.0, 3.0, 1.0])
    keep = filtering.keep_mask(found, LABELS, DefenceConfig(**GAP, scope="every_class"))
    assert np.flatnonzero(~keep).tolist() == [38, 39, 87, 88, 89]


def test_without_a_suspicious_class_nothing_is_beyond_the_gap():
    assert filtering.keep_mask(with_gaps([0.0] * 3, [0.0] * 3), LABELS, DefenceConfig(**GAP)).all()


def test_a_detector_that_finds_no_gap_cannot_be_cut_there():
    with pytest.raises(ValueError, match="detector 'spectral' finds no gap to cut at; its cut must be 'budget'"):
        DefenceConfig(detector="spectral", cut="gap")
    with pytest.raises(BadRequest, match="this detector finds no gap to cut at; the cut must be 'budget'"):
        filtering.keep_mask(named([0.1, 2.5, 1.9]), LABELS, DefenceConfig(**GAP))


def test_the_cut_has_a_part_in_the_runs_key_but_not_in_the_scores():
    budget, gap = (configure(detector="whitened-spectral", cut=cut) for cut in ("budget", "gap"))
    assert stages.run_key(budget) != stages.run_key(gap)
    assert stages.scores_key("features", budget.defence) == stages.scores_key("features", gap.defence)


# ---------------------------------------------------------------- reference filters


@few
@given(both=scored(), count=st.integers(0, 20), seed=st.integers(0, 2**31 - 1))
def test_the_random_filter_removes_as_many_of_each_class_and_the_same_for_the_same_seed(both, count, seed):
    labels, scores = both
    flagged = filtering.flag(scores, labels, count, np.unique(labels)[::2])
    keep = filtering.random_keep(labels, flagged, seed)
    assert np.bincount(labels[~keep], minlength=5).tolist() == np.bincount(labels[flagged], minlength=5).tolist()
    assert np.array_equal(keep, filtering.random_keep(labels, flagged, seed))


def test_the_random_filter_does_not_look_at_the_scores():
    flagged = filtering.flag(np.arange(150.0), LABELS, 10, np.array([0, 1, 2]))
    removed = [set(np.flatnonzero(~filtering.random_keep(LABELS, flagged, seed)).tolist()) for seed in range(20)]
    assert len({frozenset(rows) for rows in removed}) == 20
    assert len(set().union(*removed)) > 120, "over the seeds, nearly every image must have its turn"


@few
@given(
    flagged=hnp.arrays(bool, 30),
    poisoned=hnp.arrays(bool, 30),
)
def test_the_perfect_filter_spends_the_same_budget_on_poison_alone(flagged, poisoned):
    removed = ~filtering.perfect_keep(flagged, poisoned)
    assert removed.sum() == min(flagged.sum(), poisoned.sum())
    assert not (removed & ~poisoned).any()


# ---------------------------------------------------------------- a class's own size, and what is not judged


EVEN = np.arange(150) % 3
UNEVEN = np.repeat(np.arange(3), [597, 1, 2])


def test_epsilon_of_its_own_size_takes_from_a_large_class_among_tiny_ones_and_says_what_it_does_not_judge():
    found, defence = Detection(np.random.default_rng(0).normal(size=600)), DefenceConfig(assumed_ratio=0.1)
    assert filtering.keep_mask(found, UNEVEN, defence).all()
    assert filtering.told(found, UNEVEN, defence) == (
        "nothing is removed: 1.5 times 0.1 of the median class is no image",
    )
    keep = filtering.keep_mask(found, UNEVEN, defence, "own_class")
    assert np.bincount(UNEVEN[~keep], minlength=3).tolist() == [90, 0, 0]
    assert filtering.told(found, UNEVEN, defence, "own_class") == (
        "2 classes are too small to judge: 1.5 times 0.1 of their size is no image",
    )


def test_in_even_classes_the_two_are_the_same():
    for ratio in (0.0, 0.03, 0.1, 0.29, 1.0):
        defence = DefenceConfig(assumed_ratio=ratio)
        assert filtering.budgets(EVEN, defence, "own_class").tolist() == filtering.budgets(EVEN, defence).tolist()
    assert filtering.told(Detection(np.arange(150.0)), LABELS, DefenceConfig(assumed_ratio=0.0), "own_class") == ()


def test_another_measure_of_epsilon_is_refused():
    with pytest.raises(BadRequest, match="epsilon_of must be 'median_class' or 'own_class', got 'mean_class'"):
        filtering.budgets(LABELS, DefenceConfig(), "mean_class")


def test_a_class_that_cannot_be_judged_stays_whole_and_unnamed_and_the_detector_s_word_is_passed_on():
    unjudged = np.array([False, True, False])
    found = Detection(np.arange(150.0), np.array([9.0, 9.0, 0.0]), 2.5, unjudged=unjudged, notes=("a word",))
    assert filtering.suspicious_classes(LABELS, found, "suspicious_class").tolist() == [0]
    keep = filtering.keep_mask(found, LABELS, DefenceConfig(**{**NAMING, "scope": "every_class"}))
    assert keep[LABELS == 1].all()
    assert not keep[LABELS == 2].all()
    assert filtering.told(found, LABELS, DefenceConfig(**NAMING)) == ("a word",)
