"""SPECTRE ranks a planted shift, names its class and no clean one, and its parts do what they say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.detectors import detect, spectre
from core.evaluation import filter as filtering
from core.types import BadRequest
from tests.detectors import planted


def named(features: np.ndarray, labels: np.ndarray) -> list[int]:
    found = detect("spectre", features, labels)
    return filtering.suspicious_classes(labels, found, "suspicious_class").tolist()


@pytest.mark.parametrize("seed", range(6))
def test_it_ranks_a_planted_shift_and_names_its_class(seed):
    features, labels, truth = planted.poisoned(seed, shift=7.0)
    members = labels == planted.TARGET
    found = detect("spectre", features, labels)
    assert roc_auc_score(truth[members], found.scores[members]) > 0.98
    assert named(features, labels) == [planted.TARGET]
    assert found.class_statistic.argmax() == planted.TARGET, "the paper's choice"


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_what_a_larger_variation_hides_from_algorithm_1(seed):
    features, labels, truth = planted.poisoned(seed, shift=8.0, axis=10)
    features[:, 0] *= 10
    members = labels == planted.TARGET
    plain = detect("spectral", features, labels).scores
    assert roc_auc_score(truth[members], plain[members]) < 0.7
    found = detect("spectre", features, labels).scores
    assert roc_auc_score(truth[members], found[members]) > 0.98


@pytest.mark.parametrize("sizes", [(400,) * 6, (60, 120, 240, 480, 960)])
def test_it_names_no_class_of_a_clean_set(sizes):
    assert [named(*planted.clean(seed, sizes)) for seed in range(50, 62)] == [[]] * 12


def test_the_robust_covariance_leaves_the_poison_out():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(1000, 9))
    points[:80, 4] += 9.0
    kept = spectre.robust(points, 0.1)
    assert len(kept) == 800, "twice the assumed share is left out"
    assert (kept < 80).sum() <= 2
    assert np.var(points, axis=0)[4] > 6
    assert np.var(points[kept], axis=0)[4] < 1.2


def test_the_widest_form_is_the_top_eigenvector_of_the_squares():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(500, 4))
    points[:50, 1] += 5.0
    white = spectre.whitened_by(points, points)
    squares = (white[:, :, None] * white[:, None, :]).reshape(500, 16)
    squares -= np.eye(4).ravel()
    top = np.linalg.eigh(squares.T @ squares).eigenvectors[:, -1]
    expected = squares @ top
    found = spectre._widest_form(white)
    assert abs(np.corrcoef(found, expected)[0, 1]) > 0.99


def test_que_scores_are_squared_lengths_in_the_metric_of_the_paper(monkeypatch):
    monkeypatch.setattr(spectre, "robust", lambda points, share: np.arange(400))  # the clean ones
    rng = np.random.default_rng(2)
    points = rng.normal(size=(440, 3))
    points[400:, 0] += 6
    clean = points[:400]
    values, vectors = np.linalg.eigh(np.cov(clean.T, bias=True))
    white = (points - clean.mean(0)) @ (vectors / np.sqrt(values)) @ vectors.T
    white *= np.sqrt(3 * (1 - 2 / 27) ** 3 / np.median((white**2).sum(1)))
    second = white.T @ white / len(white)
    top = np.linalg.norm(second, 2)
    values, vectors = np.linalg.eigh(4 * (second - np.eye(3)) / (top - 1))
    metric = (vectors * np.exp(values)) @ vectors.T
    expected = np.einsum("ni,ij,nj->n", white, metric, white) / np.trace(metric)
    np.testing.assert_allclose(spectre._scores(points, 0.1), expected, rtol=1e-4)


def test_the_assumed_share_has_its_limits():
    features, labels = planted.clean(0)
    with pytest.raises(BadRequest, match=r"assumed_share must lie in \[0.001, 0.24\], got 0.5"):
        detect("spectre", features, labels, parameters={"assumed_share": 0.5})
