"""Algorithm 1 against numpy's full SVD, and against the released code's uncentred score."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.detectors import detect
from core.detectors.spectral import SPECTRUM, top_singular

SHAPES = [(200, 30), (30, 200), (60, 60), (12, 1), (2, 5)]  # n > d, n < d, n = d, one feature, two images


def by_full_svd(matrix: np.ndarray, label_mean: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Algorithm 1 as the paper writes it: scores [n] and all singular values of one class."""
    centred = matrix - matrix.mean(0)
    _, values, right = np.linalg.svd(centred, full_matrices=False)
    return (centred @ right[0]) ** 2, values


def planted(sign: int, seed: int = 0, n: int = 500, poisons: int = 50, d: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """A class far from the origin, whose poison is shifted along its mean (+1) or against it (-1)."""
    rng = np.random.default_rng(seed)
    mean = np.full(d, 3.0)
    poisoned = np.arange(n) >= n - poisons
    features = rng.normal(size=(n, d)) + mean
    features[poisoned] += sign * 2.0 * mean / np.sqrt(d)
    return features, poisoned


def recall(scores: np.ndarray, poisoned: np.ndarray) -> float:
    """The share of the poison among as many highest scores as there are poisons."""
    highest = np.argsort(-scores)[: poisoned.sum()]
    return float(poisoned[highest].mean())


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_the_full_svd_on_random_data(n, d, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 10 * rng.normal(size=d)
    expected, values = by_full_svd(features)
    found = detect("spectral", features, np.zeros(n, int))
    assert found.scores.dtype == np.float64
    np.testing.assert_allclose(found.scores, expected, rtol=1e-9, atol=1e-9 * expected.max())
    count = min(SPECTRUM, d, len(values))
    np.testing.assert_allclose(found.spectrum[0, :count], values[:count], rtol=1e-6, atol=1e-6 * values[0])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_the_full_svd_on_planted_poison_of_either_sign(sign, seed):
    features, _ = planted(sign, seed)
    expected, _ = by_full_svd(features)
    found = detect("spectral", features, np.zeros(len(features), int)).scores
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * expected.max())


def test_each_class_is_centred_and_decomposed_by_itself():
    rng = np.random.default_rng(7)
    labels = rng.permutation(np.repeat([0, 3, 5], [40, 25, 60]))
    features = rng.normal(size=(125, 12)) * rng.uniform(1, 4, 12) + labels[:, None]
    found = detect("spectral", features, labels)
    for label in (0, 3, 5):
        expected, values = by_full_svd(features[labels == label])
        np.testing.assert_allclose(found.scores[labels == label], expected, rtol=1e-9, atol=1e-9 * expected.max())
        np.testing.assert_allclose(found.spectrum[label], values[:SPECTRUM], rtol=1e-9)
    assert found.spectrum.shape == (6, SPECTRUM)
    assert not found.spectrum[[1, 2, 4]].any()


def test_shifting_or_mirroring_all_features_changes_no_score():
    rng = np.random.default_rng(8)
    features, labels = rng.normal(size=(80, 6)) * np.arange(1, 7), np.repeat([0, 1], 40)
    scores = detect("spectral", features, labels).scores
    for same in (features + 25.0, -features):
        np.testing.assert_allclose(detect("spectral", same, labels).scores, scores, rtol=1e-8, atol=1e-9)


def far_apart(sign: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Like `planted`, but the poison stands clear of its class: no benign image is as far out."""
    features, poisoned = planted(sign, seed)
    features[poisoned] += sign * 8.0 / np.sqrt(features.shape[1])
    return features, poisoned


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("seed", range(5))
def test_algorithm_1_finds_all_of_a_clear_poison_whichever_way_it_is_shifted(sign, seed):
    features, poisoned = far_apart(sign, seed)
    assert recall(detect("spectral", features, np.zeros(len(features), int)).scores, poisoned) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_the_released_score_finds_none_of_it_where_the_shift_opposes_the_mean(seed):
    labels = np.zeros(500, int)
    with_the_mean, poisoned = far_apart(1, seed)
    assert recall(detect("spectral-released", with_the_mean, labels).scores, poisoned) == 1.0
    against_it, poisoned = far_apart(-1, seed)
    released = detect("spectral-released", against_it, labels).scores
    assert recall(released, poisoned) == 0.0
    assert roc_auc_score(poisoned, released) < 0.01


def test_the_released_score_is_the_size_of_the_uncentred_projection():
    features, _ = planted(1)
    _, _, right = np.linalg.svd(features - features.mean(0), full_matrices=False)
    found = detect("spectral-released", features, np.zeros(len(features), int)).scores
    np.testing.assert_allclose(found, np.abs(features @ right[0]), rtol=1e-9)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_the_leading_singular_vectors_are_those_of_the_full_svd(n, d):
    matrix = np.random.default_rng(n + d).normal(size=(n, d)) * np.linspace(3, 1, d)
    _, expected, right = np.linalg.svd(matrix, full_matrices=False)
    values, vectors = top_singular(matrix, 4)
    count = min(4, d, n)
    assert values.shape == (min(4, d),)
    assert vectors.shape == (d, min(4, d))
    np.testing.assert_allclose(values[:count], expected[:count], rtol=1e-9)
    np.testing.assert_allclose(np.abs((right[:count] * vectors.T[:count]).sum(1)), 1.0, rtol=1e-9)
    assert (np.diff(values) <= 0).all(), "largest first"


def test_single_precision_features_are_scored_in_double():
    rng = np.random.default_rng(4)
    features = (rng.normal(size=(100, 8)) + 1000).astype(np.float32)
    expected, _ = by_full_svd(features.astype(np.float64))
    found = detect("spectral", features, np.zeros(100, int)).scores
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
