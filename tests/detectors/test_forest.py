"""The isolation forest is scikit-learn's on every class, and ranks a planted shift."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from core.detectors import detect
from core.detectors.classes import by_class
from core.detectors.forest import grown
from tests.detectors import planted


@pytest.mark.parametrize("trees", [20, 100])
def test_scores_are_scikit_learns(trees):
    features, labels, _ = planted.poisoned(0)
    found = detect("isolation-forest", features, labels, parameters={"trees": trees}).scores
    for _, members, matrix in by_class(features, labels):
        points = (matrix / np.sqrt((matrix**2).mean())).astype(np.float32)
        theirs = IsolationForest(n_estimators=trees, random_state=0).fit(points)
        np.testing.assert_array_equal(found[members], -theirs.score_samples(points))
    assert found.min() > 0
    assert found.max() < 1


@pytest.mark.parametrize("seed", range(4))
def test_it_ranks_a_planted_shift(seed):
    features, labels, truth = planted.poisoned(seed, shift=9.0)
    members = labels == planted.TARGET
    found = detect("isolation-forest", features, labels).scores
    assert roc_auc_score(truth[members], found[members]) > 0.9


def test_scale_has_no_part_in_it():
    features, labels, _ = planted.poisoned(0)
    scores = detect("isolation-forest", features, labels).scores
    again = detect("isolation-forest", features * 2.0**60, labels).scores
    np.testing.assert_array_equal(again, scores)


@pytest.mark.parametrize("images", [20, 200])
def test_trees_that_are_grown_together_score_as_scikit_learns_do_but_for_the_lots(images):
    points = np.random.default_rng(0).normal(size=(images, 6)).astype(np.float32)
    points[:3] += 6.0
    theirs = [
        -IsolationForest(n_estimators=200, random_state=seed).fit(points).score_samples(points) for seed in range(2)
    ]
    ours = grown(points, 200)
    assert set(np.argsort(-ours)[:3]) == {0, 1, 2}
    between = np.abs(theirs[0] - theirs[1]).mean()
    assert np.abs(ours - np.mean(theirs, axis=0)).mean() < 2 * between
    assert abs((ours - np.mean(theirs, axis=0)).mean()) < between


def test_ten_thousand_classes_of_two_take_no_forest_each():
    features, labels = np.random.default_rng(0).normal(size=(20_000, 3)), np.arange(20_000) % 10_000
    found = detect("isolation-forest", features, labels)
    assert found.unjudged.all()
    assert found.notes == ("10,000 classes are too small to judge: fewer than 3 images",)
