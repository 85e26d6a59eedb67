"""Halves that are drawn by images: rounding of features draws nothing, and nothing else changes."""

from __future__ import annotations

import numpy as np

from core.detectors import by_content, detect, drawn_by
from core.detectors.lots import drawn

GENERATOR = np.random.default_rng(5)
IMAGES = GENERATOR.integers(0, 256, (900, 4, 4, 3)).astype(np.uint8)
LABELS = np.repeat(np.arange(3), 300)
FEATURES = GENERATOR.normal(size=(900, 24)).astype(np.float32)
FEATURES[300:330, 0] += 9.0
ROUNDED = FEATURES * (1 + 1e-6 * GENERATOR.normal(size=FEATURES.shape)).astype(np.float32)


def test_rounding_draws_nothing() -> None:
    with drawn_by(by_content(IMAGES)):
        first, second = (detect("split-spectral", features, LABELS) for features in (FEATURES, ROUNDED))
    assert np.allclose(first.scores, second.scores, atol=1e-3)
    assert first.class_statistic.argmax() == 1
    alone, rounded = (detect("split-spectral", features, LABELS) for features in (FEATURES, ROUNDED))
    assert not np.allclose(alone.scores, rounded.scores, atol=1e-3), "drawn by the features, other halves"
    assert np.array_equal(alone.scores, detect("split-spectral", FEATURES, LABELS).scores)


def test_it_ends_and_speaks_of_these_rows_alone() -> None:
    with drawn_by(by_content(IMAGES)):
        assert drawn(len(IMAGES)) is not None
        assert drawn(len(IMAGES) - 1) is None
    assert drawn(len(IMAGES)) is None
