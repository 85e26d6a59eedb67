"""STRIP's score: minus the mean entropy of the answers to superimposed images."""

from __future__ import annotations

import numpy as np
import pytest

from core.detectors import detect
from core.types import BadRequest

LABELS = np.arange(40) % 4
FEATURES = np.zeros((40, 2), np.float32)
ENTROPIES = np.random.default_rng(0).uniform(0, 3, (40, 5)).astype(np.float32)


def test_a_score_is_minus_the_mean_entropy() -> None:
    found = detect("strip", FEATURES, LABELS, parameters={"others": 5}, evidence={"entropies": ENTROPIES})
    np.testing.assert_allclose(found.scores, -ENTROPIES.astype(float).mean(1))
    assert found.class_statistic is None


def test_entropies_of_another_number_of_images_are_refused() -> None:
    with pytest.raises(BadRequest, match="entropies must be of 6 superimposed images each, got 5"):
        detect("strip", FEATURES, LABELS, evidence={"entropies": ENTROPIES})


def test_entropies_that_are_not_finite_are_refused() -> None:
    spoilt = ENTROPIES.copy()
    spoilt[[3, 9], 1] = np.nan, np.inf
    with pytest.raises(BadRequest, match="entropies must be finite, 2 rows are not"):
        detect("strip", FEATURES, LABELS, parameters={"others": 5}, evidence={"entropies": spoilt})
