"""Several directions: the sum of what each says, by a plain SVD, and a poison that hides behind the first."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.detectors import detect
from tests.detectors import planted


def by_svd(matrix: np.ndarray, count: int) -> np.ndarray:
    """Squared projections of a class's rows on its top right singular vectors, summed."""
    centred = matrix - matrix.mean(0)
    right = np.linalg.svd(centred, full_matrices=False)[2]
    return ((centred @ right[:count].T) ** 2).sum(1)


@pytest.mark.parametrize("count", [1, 2, 7, 20, 1000])
def test_scores_equal_those_of_a_plain_svd(count):
    features, labels = planted.clean(0)
    found = detect("spectral-top-k", features, labels, parameters={"directions": count}).scores
    for label in range(planted.CLASSES):
        expected = by_svd(features[labels == label], count)
        np.testing.assert_allclose(found[labels == label], expected, rtol=1e-9, atol=1e-9 * expected.max())


def test_one_direction_is_algorithm_1():
    features, labels, _ = planted.poisoned(0)
    one = detect("spectral-top-k", features, labels, parameters={"directions": 1})
    plain = detect("spectral", features, labels)
    np.testing.assert_allclose(one.scores, plain.scores, rtol=1e-8, atol=1e-8 * plain.scores.max())
    np.testing.assert_allclose(one.spectrum, plain.spectrum, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_two_directions_find_what_hides_behind_the_first(seed):
    features, labels, truth = planted.poisoned(seed, shift=10.0, axis=3)
    features[:, 0] *= 2.2  # the widest variation is every class's own
    members = labels == planted.TARGET

    def auroc(count: int) -> float:
        scores = detect("spectral-top-k", features, labels, parameters={"directions": count}).scores
        return float(roc_auc_score(truth[members], scores[members]))

    assert auroc(1) < 0.75
    assert auroc(2) > 0.9
