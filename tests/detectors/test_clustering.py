"""Activation clustering: the clusters are those of independent components, its figures those of another library."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score, silhouette_score

from core.configuration.config import DefenceConfig
from core.detectors import detect
from core.detectors.classes import by_class, whitened
from core.detectors.clustering import smaller_cluster
from core.evaluation import filter as filtering
from tests.detectors import planted

GAP = DefenceConfig(detector="activation-clustering", cut="gap")


def crowd(seed: int) -> planted.Arrays:
    """A poison that two clusters find: they must lie far apart, as independent components have all one variance."""
    return planted.poisoned(seed, poisons=80, shift=24.0, axis=1)


def named(features: np.ndarray, labels: np.ndarray) -> list[int]:
    found = detect("activation-clustering", features, labels)
    return filtering.suspicious_classes(labels, found, "suspicious_class").tolist()


@pytest.mark.parametrize("seed", range(6))
def test_it_parts_a_planted_crowd_from_its_class_and_names_it(seed):
    features, labels, truth = crowd(seed)
    members = labels == planted.TARGET
    found = detect("activation-clustering", features, labels)
    assert roc_auc_score(truth[members], found.scores[members]) > 0.999
    assert named(features, labels) == [planted.TARGET]
    assert np.array_equal(~filtering.keep_mask(found, labels, GAP), truth), "the gap is between the clusters"


def test_it_names_no_class_of_a_clean_set():
    assert [named(*planted.clean(seed)) for seed in range(50, 54)] == [[]] * 4


@pytest.mark.parametrize(("seed", "silhouette"), [(5, 0.1594), (11, 0.1585)])
def test_its_clusters_are_those_of_the_adversarial_robustness_toolbox(seed, silhouette):
    # adversarial-robustness-toolbox 1.20.1, scikit-learn 1.9.1: cluster_activations(classes, 2, 10, "FastICA",
    # "KMeans") found clusters of 80 and 400 in the poisoned class, those of the truth, and
    # ClusteringAnalyzer.analyze_by_silhouette_score this silhouette, in four digits; it calls the class suspicious,
    # and none of the others, whose silhouettes lie between 0.064 and 0.072.
    features, labels, truth = crowd(seed)
    found = detect("activation-clustering", features, labels)
    members = labels == planted.TARGET
    assert np.array_equal(found.scores[members] > 0, truth[members])
    assert found.class_statistic[planted.TARGET] == pytest.approx(silhouette, abs=1e-4)
    assert found.class_statistic.astype(bool).tolist() == [label == planted.TARGET for label in range(6)]


@pytest.mark.parametrize("seed", range(3))
def test_independent_components_have_the_same_clusters(seed):
    features, labels, _ = crowd(seed)
    (matrix,) = [matrix for label, _, matrix in by_class(features, labels) if label == planted.TARGET]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # normal directions have no independent components
        components = FastICA(10, random_state=0).fit_transform(matrix)
    theirs = KMeans(2, n_init=30, random_state=0).fit_predict(components)
    theirs = theirs == np.bincount(theirs).argmin()
    points = whitened(matrix, 10)
    assert np.array_equal(smaller_cluster(points), theirs)
    assert silhouette_score(points, theirs) == pytest.approx(silhouette_score(components, theirs), abs=1e-9)


def test_two_halves_of_a_class_are_no_poison_unless_so_large_a_share_may_be():
    features, labels, _ = planted.poisoned(0, poisons=320, shift=24.0, axis=1)
    assert named(features, labels) == []
    lax = detect("activation-clustering", features, labels, parameters={"largest_share": 0.5})
    assert lax.class_statistic.argmax() == planted.TARGET
    assert (lax.class_statistic > 0).all()


def test_the_silhouette_of_a_large_class_is_taken_on_a_part_of_it(monkeypatch):
    features, labels, _ = crowd(0)
    whole = detect("activation-clustering", features, labels).class_statistic[planted.TARGET]
    monkeypatch.setattr("core.detectors.clustering.MOST_COMPARED", 100)
    part = detect("activation-clustering", features, labels).class_statistic[planted.TARGET]
    assert part == pytest.approx(whole, abs=0.03)
    assert part != whole
