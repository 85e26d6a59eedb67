"""SCAn finds two groups where there are two, names their class and no other, and its parts do what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score

from core.configuration.config import DefenceConfig
from core.detectors import detect, scan
from core.evaluation import filter as filtering
from tests.detectors import planted


def named(features: np.ndarray, labels: np.ndarray) -> list[int]:
    found = detect("scan", features, labels)
    return filtering.suspicious_classes(labels, found, "suspicious_class").tolist()


@pytest.mark.parametrize("seed", range(6))
def test_it_ranks_a_planted_shift_and_names_its_class(seed):
    features, labels, truth = planted.poisoned(seed)
    members = labels == planted.TARGET
    found = detect("scan", features, labels)
    assert roc_auc_score(truth[members], found.scores[members]) > 0.99
    assert named(features, labels) == [planted.TARGET]


def test_cut_at_the_gap_it_removes_the_poison_and_next_to_nothing_else():
    features, labels, truth = planted.poisoned(0, shift=10.0)
    found = detect("scan", features, labels)
    keep = filtering.keep_mask(found, labels, DefenceConfig(detector="scan", cut="gap"))
    assert not (truth & keep).any()
    assert (~truth & ~keep).sum() <= 2


@pytest.mark.parametrize("sizes", [(400,) * 6, (60, 120, 240, 480, 960)])
def test_it_names_no_class_of_a_clean_set(sizes):
    assert [named(*planted.clean(seed, sizes)) for seed in range(50, 62)] == [[]] * 12


@pytest.mark.parametrize("width", [16, 64, 200])
def test_a_large_class_is_not_named_for_being_seen_beside_small_ones(width):
    for seed in range(1000, 1004):  # the correction was looked at on others
        rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(10), [500] + [20] * 9)
        features = rng.normal(size=(len(labels), width)) + 4 * rng.normal(size=(10, width))[labels]
        assert named(features, labels) == [], seed
        found = detect("scan", features, labels)
        assert filtering.keep_mask(found, labels, DefenceConfig(detector="scan", cut="gap")).all()
    if width == 200:
        assert "1 class is not judged by scan: beside them there are not more images than features (200)" in found.notes


def test_poison_in_a_large_class_beside_small_ones_is_still_named():
    features, labels = planted.clean(0, (500,) + (20,) * 9)
    features[:50, 3] += 12.0
    assert named(features, labels) == [0]


def test_what_is_expected_of_a_class_is_what_solving_for_it_gives():
    features, labels = planted.clean(1, (30, 60, 90))
    found = list(scan._classes(features, labels).values())
    variation = scan._Variation(found)
    for one in found:
        images = len(one.ids)
        gain = images * np.linalg.solve(images * variation.between + variation.within, variation.between).T
        identity, doubt = gain @ one.mean, variation.between - gain @ variation.between
        left = one.mean - identity
        square, away = variation._expected(one.mean[None], np.array([images]))
        np.testing.assert_allclose(square, np.outer(identity, identity) + doubt, atol=1e-9 * np.abs(square).max())
        np.testing.assert_allclose(away, images * (np.outer(left, left) + doubt), atol=1e-9 * np.abs(square).max())


def test_the_variation_is_that_within_classes():
    features, labels = planted.clean(3, (2000,) * 8)
    found = list(scan._classes(features, labels).values())
    scale = np.sqrt((planted.SPREADS**2).mean())
    expected = np.diag(planted.SPREADS**2) / scale**2
    for seen in (scan._Variation(found).within, scan._Variation(found).beside(found[0])):
        np.testing.assert_allclose(seen, expected, atol=0.08)


def test_a_class_is_seen_in_the_variation_of_the_others():
    features, labels, _ = planted.poisoned(0, poisons=150, shift=20.0, axis=5)
    found = scan._classes(features, labels)
    variation = scan._Variation(list(found.values()))
    beside = variation.beside(found[planted.TARGET])
    assert variation.within[5, 5] > 2 * beside[5, 5]
    assert beside[5, 5] == pytest.approx(beside[4, 4], rel=0.25)


def test_scores_are_log_likelihood_ratios_of_the_groups():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 3))
    points[:60, 0] += 8.0
    points -= points.mean(0)
    smaller = scan.untangled(points)
    assert np.array_equal(smaller, np.arange(500) < 60)
    here, there = (multivariate_normal(points[side].mean(0)) for side in (smaller, ~smaller))
    found = scan._log_odds(points, smaller)
    np.testing.assert_allclose(found, here.logpdf(points) - there.logpdf(points), rtol=1e-9, atol=1e-9)
    one = multivariate_normal(np.zeros(3))
    two = np.where(smaller, here.logpdf(points), there.logpdf(points))
    chance = (2 / np.pi) * (1 + np.sqrt(3 / 500)) ** 2
    assert scan._ratio(points, smaller) == pytest.approx(2 * (two - one.logpdf(points)).mean() / chance)


@pytest.mark.parametrize(("images", "width"), [(300, 20), (2000, 20), (2000, 200)])
def test_the_ratio_of_a_cloud_without_groups_is_about_one_whatever_its_size(images, width):
    points = np.random.default_rng(4).normal(size=(images, width))
    points -= points.mean(0)
    assert scan._ratio(points, scan.untangled(points)) == pytest.approx(1.0, abs=0.2)
