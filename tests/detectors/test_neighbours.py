"""Distance to the k-th neighbour and local outlier factor: scikit-learn's, class by class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from core.detectors import detect
from core.detectors.neighbours import MOST, neighbours
from core.types import BadRequest
from tests.detectors import planted

both = pytest.mark.parametrize("detector", ["knn", "lof"])


def test_knn_is_the_distance_to_the_kth_neighbour_within_the_class():
    features, labels, _ = planted.poisoned(0)
    found = detect("knn", features, labels, parameters={"share": 0.1}).scores
    for label in range(planted.CLASSES):
        members = labels == label
        count = round(0.1 * members.sum())
        distances = np.sort(cdist(features[members], features[members]), axis=1)
        np.testing.assert_allclose(found[members], distances[:, count], rtol=1e-9)  # the nearest is itself
        theirs = NearestNeighbors(n_neighbors=count).fit(features[members]).kneighbors()[0][:, -1]
        np.testing.assert_allclose(found[members], theirs, rtol=1e-9)


def test_lof_is_scikit_learns_within_the_class():
    features, labels, _ = planted.poisoned(0)
    found = detect("lof", features, labels, parameters={"share": 0.05}).scores
    for label in range(planted.CLASSES):
        members = labels == label
        theirs = LocalOutlierFactor(n_neighbors=round(0.05 * members.sum())).fit(features[members])
        np.testing.assert_allclose(found[members], -theirs.negative_outlier_factor_, rtol=1e-9)


@both
@pytest.mark.parametrize("seed", range(3))
def test_it_ranks_a_planted_crowd_where_it_looks_farther_than_the_crowd_reaches(detector, seed):
    features, labels, truth = planted.poisoned(seed, shift=9.0)
    members = labels == planted.TARGET

    def auroc(share: float) -> float:
        scores = detect(detector, features, labels, parameters={"share": share}).scores
        return float(roc_auc_score(truth[members], scores[members]))

    assert auroc(0.15) > 0.97
    assert auroc(0.15) > auroc(0.02), "among themselves poisoned images are not lonely"


def test_so_many_neighbours_are_looked_at():
    assert [neighbours(images, 0.15) for images in (2, 3, 20, 1000)] == [1, 1, 3, 150]
    assert neighbours(2, 0.5) == 1
    assert neighbours(50_000, 0.5) == MOST


@both
def test_a_share_has_its_limits(detector):
    features, labels = planted.clean(0)
    with pytest.raises(BadRequest, match=r"share must lie in \[0.001, 0.5\], got 0.6"):
        detect(detector, features, labels, parameters={"share": 0.6})
