"""What the pictures of one class are made from, against the filter, the metrics and a plain SVD."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detectors import detect
from core.evaluation import filter as filtering
from core.evaluation import metrics, views
from core.types import BadRequest

few = settings(max_examples=60, derandomize=True)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties, labels of three classes (of which some may be empty), and which are poisoned."""
    size = draw(st.integers(1, 40))
    scores = np.array(draw(st.lists(st.integers(-4, 4), min_size=size, max_size=size)), float) / 3
    labels = np.array(draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)))
    return scores, labels, np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))


@few
@given(given=scored(), budget=st.integers(0, 45))
def test_a_budget_counts_what_the_filter_would_flag(given, budget):
    scores, labels, poisoned = given
    tally = views.tally(views.rank(scores, labels, 3), poisoned)
    for classes in (np.array([], int), np.array([1]), np.arange(3)):
        flagged = filtering.flag(scores, labels, budget, classes)
        expected = metrics.found(flagged, poisoned)
        removed, hits = tally.at(budget, classes)
        assert metrics.counted(len(scores), int(poisoned.sum()), removed, hits) == expected


@few
@given(given=scored(), budget=st.integers(0, 45))
def test_a_cut_stands_between_what_goes_and_what_stays(given, budget):
    scores, labels, _ = given
    for label, ranked in enumerate(views.rank(scores, labels, 3)):
        threshold = ranked.threshold(budget)
        flagged = filtering.flag(scores, labels, budget, np.array([label]))
        if threshold is None:
            assert not flagged.any()
            continue
        assert (scores[flagged] >= threshold).all()
        kept = scores[(labels == label) & ~flagged]
        assert (kept <= threshold).all()
        assert ranked.budget(threshold) >= min(budget, len(ranked.ids))  # more only where images tie with the last
        if not np.isin(scores[flagged].min(), kept):
            assert ranked.budget(threshold) == flagged.sum()


@few
@given(given=scored(), ends=st.tuples(st.integers(-5, 5), st.integers(-5, 5)))
def test_a_range_of_scores_is_the_images_in_it_highest_first(given, ends):
    scores, labels, _ = given
    low, high = ends[0] / 3, ends[1] / 3
    for label, ranked in enumerate(views.rank(scores, labels, 3)):
        chosen = ranked.between(low, high)
        assert set(chosen) == set(np.flatnonzero((labels == label) & (scores >= low) & (scores <= high)))
        assert (np.diff(scores[chosen]) <= 0).all()


def test_the_planes_first_direction_is_algorithm_1s():
    generator = np.random.default_rng(3)
    features = generator.normal(size=(80, 12)).astype(np.float32) + 5
    features[:9, 4] += 8
    places = views.plane(features)
    scores = detect("spectral", features, np.zeros(80, int)).scores
    assert places.dtype == np.float32
    assert np.allclose(places[:, 0] ** 2, scores, rtol=1e-4, atol=1e-5)
    assert places[:9, 0].min() > 0  # the longer tail is on the right
    centred = features - features.mean(0)
    values = np.linalg.svd(centred, compute_uv=False)
    assert np.allclose(np.linalg.norm(places, axis=0), values[:2], rtol=1e-5)


def test_a_plane_of_one_feature_or_of_equal_images_is_flat():
    assert (views.plane(np.arange(5.0)[:, None])[:, 1] == 0).all()
    assert (views.plane(np.ones((4, 3))) == 0).all()


@pytest.mark.parametrize("features", [np.zeros((0, 3)), np.zeros(4)])
def test_no_features_are_refused(features):
    with pytest.raises(BadRequest, match="not empty"):
        views.plane(features)
