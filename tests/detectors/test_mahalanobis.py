"""The robust Mahalanobis distance is scikit-learn's on the leading directions, and finds what the plain one hides."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance, MinCovDet
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from core.detectors import detect
from core.detectors.classes import by_class
from tests.detectors import planted


@pytest.mark.parametrize("dimensions", [3, 8])
def test_scores_are_scikit_learns(dimensions):
    features, labels, _ = planted.poisoned(0)
    found = detect("mahalanobis", features, labels, parameters={"dimensions": dimensions}).scores
    for _, members, matrix in by_class(features, labels):
        points = PCA(dimensions, whiten=True, svd_solver="full").fit_transform(matrix)
        expected = MinCovDet(random_state=0).fit(points).mahalanobis(points)
        assert np.corrcoef(found[members], expected)[0, 1] > 0.999
        np.testing.assert_allclose(found[members], expected, rtol=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_it_ranks_a_planted_crowd_that_pulls_the_plain_covariance_to_itself(seed):
    features, labels, truth = planted.poisoned(seed, poisons=100, shift=9.0)
    members = labels == planted.TARGET
    found = detect("mahalanobis", features, labels).scores
    plain = EmpiricalCovariance().fit(features[members]).mahalanobis(features[members])
    robust = roc_auc_score(truth[members], found[members])
    assert robust > 0.97
    assert robust > roc_auc_score(truth[members], plain) + 0.1


@pytest.mark.parametrize(("benign", "poisons", "width"), [(1900, 100, 10), (54, 6, 6), (380, 20, 10)])
def test_a_unit_that_only_the_poison_switches_on_gives_it_away(benign, poisons, width):
    generator = np.random.default_rng(0)
    features = np.maximum(generator.normal(size=(benign + poisons, width)) + 1.0, 0.0)
    truth = np.arange(len(features)) >= benign
    features[:, 0] = np.where(truth, 6.0 + generator.normal(size=len(features)), 0.0)
    found = detect("mahalanobis", features.astype(np.float32), np.zeros(len(features), int)).scores
    assert roc_auc_score(truth, found) > 0.9999


def test_nearly_all_of_a_class_may_be_one_point():
    features, labels = np.random.default_rng(0).normal(size=(180, 6)), np.arange(180) % 3
    features[np.flatnonzero(labels == 1)[:54]] = 1.0
    assert np.isfinite(detect("mahalanobis", features, labels).scores).all()


def test_a_class_of_which_half_is_one_point_is_no_obstacle():
    features, labels = planted.clean(0)
    features[np.flatnonzero(labels == 1)[:300]] = 1.0
    assert np.isfinite(detect("mahalanobis", features, labels).scores).all()
