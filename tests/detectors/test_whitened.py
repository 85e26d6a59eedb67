"""The whitened detector finds poison that Algorithm 1 misses, names its class, and names none in a clean set."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture

from core.configuration.config import DefenceConfig
from core.detectors import detect, whitened
from core.detectors.mixtures import mixture
from core.evaluation import filter as filtering

CLASSES, EACH, WIDTH = 8, 300, 16
NAMED = DefenceConfig(detector="whitened-spectral", assumed_ratio=0.1)


def mixtures(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A clean set: Gaussian classes of different covariances about different means."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), EACH)
    features = np.empty((len(labels), WIDTH))
    for label in range(CLASSES):
        turn, _ = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))
        spread = turn * rng.uniform(0.5, 2.0, WIDTH)
        features[labels == label] = rng.normal(size=(EACH, WIDTH)) @ spread.T + 4 * rng.normal(size=WIDTH)
    return features, labels


def poisoned_set(seed: int, target: int = 3, poisons: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every class varies most along axis 0, as photographs do; the poison is shifted along axis 1 alone."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(CLASSES), EACH), np.full(poisons, target)])
    features = rng.normal(size=(len(labels), WIDTH))
    features[:, 0] *= 12.0
    features += 5 * rng.normal(size=(CLASSES, WIDTH))[labels]
    poisoned = np.arange(len(labels)) >= CLASSES * EACH
    features[poisoned, 1] += 7.0
    order = rng.permutation(len(labels))
    return features[order], labels[order], poisoned[order]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("target", [0, 3, 7])
def test_it_finds_the_poison_that_hides_behind_a_classs_own_variation_and_names_the_class(seed, target):
    features, labels, poisoned = poisoned_set(seed, target)
    members = labels == target
    plain = detect("spectral", features, labels).scores
    assert roc_auc_score(poisoned[members], plain[members]) < 0.75, "Algorithm 1 must miss it, or this tests nothing"
    found = detect("whitened-spectral", features, labels)
    assert roc_auc_score(poisoned[members], found.scores[members]) > 0.99
    assert filtering.suspicious_classes(labels, found, "suspicious_class").tolist() == [target]
    keep = filtering.keep_mask(found, labels, NAMED)
    assert not (poisoned & keep).any(), "the budget of one and a half times epsilon takes all of the poison"
    assert (~keep).sum() == filtering.budget(labels, NAMED)


@pytest.mark.parametrize("seed", range(4))
def test_it_ranks_the_poison_highest_whichever_side_it_lies_on(seed):
    features, labels, poisoned = poisoned_set(seed)
    members = labels == 3
    found = detect("whitened-spectral", -features, labels).scores
    assert roc_auc_score(poisoned[members], found[members]) > 0.99


@pytest.mark.parametrize("seed", range(6))
def test_where_it_names_no_class_of_a_clean_set_the_filter_keeps_everything(seed):
    features, labels = mixtures(seed)
    found = detect("whitened-spectral", features, labels)
    assert filtering.suspicious_classes(labels, found, "suspicious_class").tolist() == []
    assert filtering.keep_mask(found, labels, NAMED).all()


def named_in(features: np.ndarray, labels: np.ndarray) -> list[int]:
    found = detect("whitened-spectral", features, labels)
    return filtering.suspicious_classes(labels, found, "suspicious_class").tolist()


def test_it_names_no_class_of_a_clean_set():
    assert [named_in(*mixtures(seed)) for seed in range(100, 116)] == [[]] * 16


@pytest.mark.parametrize(
    ("sizes", "tails"),
    [
        ([300] * 8, 5.0),
        ([300] * 8, 3.0),
        ([20, 40, 80, 160, 320, 640, 1280], None),
        ([30] * 43, None),
        ([12] * 10, None),
    ],
)
def test_heavy_tails_unequal_and_tiny_classes_are_not_taken_for_poison(sizes, tails):
    for seed in range(4):
        rng = np.random.default_rng([seed, 1])
        labels = np.repeat(np.arange(len(sizes)), sizes)
        shape = len(labels), WIDTH
        features = rng.normal(size=shape) if tails is None else rng.standard_t(tails, size=shape)
        features += 4 * rng.normal(size=(len(sizes), WIDTH))[labels]
        assert named_in(features, labels) == [], seed


def test_two_halves_of_a_class_are_a_gap_only_where_they_lie_further_apart_than_a_cloud_shows():
    for distance, expected in ((2.5, []), (9.0, [3])):
        features, labels, poisoned = poisoned_set(0, poisons=90)
        features[poisoned, 1] += distance - 7.0
        assert named_in(features, labels) == expected, distance


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("poisons", [30, 90, 150])
def test_cut_at_the_gap_it_removes_the_poison_and_next_to_nothing_else_whatever_its_number(seed, poisons):
    features, labels, poisoned = poisoned_set(seed, poisons=poisons)
    found = detect("whitened-spectral", features, labels)
    keep = filtering.keep_mask(found, labels, DefenceConfig(detector="whitened-spectral", cut="gap"))
    assert (poisoned & keep).sum() <= 1
    assert (~poisoned & ~keep).sum() <= 2


def test_a_few_poisoned_images_are_found_in_most_sets_and_never_in_a_benign_class():
    found = []
    for seed in range(4):
        features, labels, _ = poisoned_set(seed, poisons=15)
        found.append(named_in(features, labels))
    assert [3] in found
    assert all(named in ([3], []) for named in found)
    assert found.count([3]) >= 3


def test_the_cut_of_a_class_lies_between_its_two_groups():
    features, labels, poisoned = poisoned_set(0)
    found = detect("whitened-spectral", features, labels)
    members = labels == 3
    assert np.median(found.scores[members & ~poisoned]) < found.cut[3] < np.median(found.scores[members & poisoned])


# ---------------------------------------------------------------- few, and many, classes


@pytest.mark.parametrize("sizes", [[600], [600, 400], [900, 10, 11]])
@pytest.mark.parametrize("width", [8, 24])
def test_in_one_or_two_classes_fifty_images_that_stand_apart_are_found_by_the_classs_own_covariance(sizes, width):
    for seed in range(2000, 2003):  # the fallback was looked at on others
        rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(len(sizes)), sizes)
        features = rng.normal(size=(len(labels), width)) * np.linspace(3, 0.5, width)
        features += 4 * rng.normal(size=(len(sizes), width))[labels]
        assert named_in(features, labels) == [], "clean"
        apart = np.arange(len(labels)) < 50
        direction = rng.normal(size=width)
        features[apart] += 12 * direction / np.linalg.norm(direction)
        found = detect("whitened-spectral", features, labels)
        assert filtering.suspicious_classes(labels, found, "suspicious_class").tolist() == [0]
        keep = filtering.keep_mask(found, labels, DefenceConfig(detector="whitened-spectral", cut="gap"))
        assert (apart & keep).sum() <= 2
        assert (~apart & ~keep).sum() <= 2
        assert any("whitened by its own robust covariance" in note for note in found.notes)


@pytest.mark.parametrize("tails", [3.0, 5.0])
@pytest.mark.parametrize("sizes", [[100], [500, 60]])
def test_one_or_two_clean_classes_of_heavy_tails_are_not_named(sizes, tails):
    for seed in range(2000, 2004):
        labels = np.repeat(np.arange(len(sizes)), sizes)
        assert named_in(np.random.default_rng(seed).standard_t(tails, size=(len(labels), 12)), labels) == []


def test_a_class_of_fewer_images_than_features_is_whitened_as_the_matrices_of_features_say():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), 45)
    features = rng.normal(size=(360, 60)) * np.linspace(2, 0.1, 60) + 3 * rng.normal(size=(8, 60))[labels]
    features[:6, 50] += 5.0
    metric = whitened._OtherClasses(features, labels)
    matrix = features[:45] - features[:45].mean(0)
    scatter = matrix.T @ matrix
    values, directions = whitened._whitened(scatter, (metric.whole - scatter) / 315, len(scatter))
    found, points = metric.whitened(features[:45])
    np.testing.assert_allclose(found[:44], values[:44], rtol=1e-9)
    np.testing.assert_allclose(np.abs(points), np.abs(matrix @ directions[:, :2]), rtol=1e-7, atol=1e-9)


def test_many_classes_keep_no_matrix_each():
    rng = np.random.default_rng(0)
    labels = np.arange(480) % 40
    features = rng.normal(size=(480, 256)).astype(np.float32)
    tracemalloc.start()
    try:
        detect("whitened-spectral", features, labels)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * 256**2 * 8, "a few matrices of features, and not one for each of the 40 classes"


# ---------------------------------------------------------------- the mixture, against scikit-learn's


def samples() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "a tenth far up": np.r_[rng.normal(size=900), rng.normal(6, 0.7, 100)],
        "few far up": np.r_[rng.normal(size=1990), rng.normal(9, 0.5, 10)],
        "two halves": np.r_[rng.normal(size=500), rng.normal(4, 1.5, 500)],
        "wide and narrow": np.r_[rng.normal(size=3000), rng.normal(5, 2, 900)],
        "small": np.r_[rng.normal(size=40), rng.normal(8, 1, 10)],
    }


@pytest.mark.parametrize("name", samples())
def test_the_mixture_is_the_one_that_scikit_learn_fits(name):
    sample = samples()[name]
    sample = (sample - np.median(sample)) / sample.std()
    theirs = GaussianMixture(2, n_init=5, tol=1e-8, max_iter=2000, reg_covar=1e-4, random_state=0).fit(sample[:, None])
    order = theirs.means_[:, 0].argsort()
    ours = mixture(sample)
    np.testing.assert_allclose(ours.means, theirs.means_[order, 0], atol=0.05)
    np.testing.assert_allclose(ours.variances**0.5, theirs.covariances_[order, 0, 0] ** 0.5, atol=0.05)
    np.testing.assert_allclose(ours.weights, theirs.weights_[order], atol=0.02)
    above = theirs.score(sample[:, None]) - (ours.likelihood - 0.5 * np.log(2 * np.pi))
    assert abs(above) < 2e-3, "log-likelihood per point"


def test_ashmans_d_is_the_distance_in_root_mean_square_deviations():
    rng = np.random.default_rng(1)
    sample = np.r_[rng.normal(0, 1, 20_000), rng.normal(10, 2, 20_000)]
    found = mixture((sample - np.median(sample)) / sample.std())
    assert found.separation == pytest.approx(10 / np.sqrt((1 + 4) / 2), rel=0.02)


def test_there_is_no_mixture_where_nothing_varies_or_hardly_anything_is():
    assert mixture(np.zeros(100)) is None
    assert mixture(np.array([0.0, 1.0, 2.0])) is None


def test_the_threshold_is_the_defenders_and_comes_with_the_verdict():
    features, labels, _ = poisoned_set(0)
    strict = detect("whitened-spectral", features, labels, parameters={"threshold": 100.0})
    lax = detect("whitened-spectral", features, labels, parameters={"threshold": 0.0})
    assert (strict.class_threshold, lax.class_threshold) == (100.0, 0.0)
    assert np.array_equal(strict.scores, lax.scores)
    assert np.array_equal(strict.class_statistic, lax.class_statistic)
    assert filtering.suspicious_classes(labels, strict, "suspicious_class").size == 0
    assert filtering.suspicious_classes(labels, lax, "suspicious_class").size > 1


def test_rescaling_or_rotating_all_features_together_changes_no_ranking_worth_speaking_of():
    features, labels, _ = poisoned_set(1)
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(WIDTH, WIDTH)))
    scores = detect("whitened-spectral", features, labels).scores
    for same in (features * 1000, features @ turn, features + 50):
        again = detect("whitened-spectral", same, labels).scores
        assert np.abs(again - scores).max() < 1e-3


def test_scores_are_centred_and_in_standard_deviations_of_the_class():
    features, labels, _ = poisoned_set(2)
    scores = detect("whitened-spectral", features, labels).scores
    for label in range(CLASSES):
        assert np.median(scores[labels == label]) == pytest.approx(0.0, abs=1e-9)
        assert scores[labels == label].std() == pytest.approx(1.0)
