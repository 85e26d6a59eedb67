"""Isolation by loss: what was learned sooner than the rest of its class."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.detectors import detect
from core.types import BadRequest, Detection

IMAGES, CLASSES = 300, 3
LABELS = np.arange(IMAGES) % CLASSES
FEATURES = np.zeros((IMAGES, 2), np.float32)
POISONED = np.isin(np.arange(IMAGES), np.flatnonzero(LABELS == 1)[:10])


def history(seed: int = 0) -> np.ndarray:
    """Losses [4, 300]: noise at first, then the poison falls before the rest, in the end all are learned."""
    rng = np.random.default_rng(seed)
    levels = np.array([2.3, 1.2, 0.6, 0.0])[:, None] + LABELS  # some classes are harder than others
    losses = np.maximum(levels + rng.normal(0, 0.2, (4, IMAGES)), 0.001)
    losses[1:3, POISONED] = 0.01
    return losses.astype(np.float32)


def isolated(losses: np.ndarray, **parameters: int) -> Detection:
    return detect("loss-isolation", FEATURES, LABELS, parameters=parameters, evidence={"losses": losses})


def test_what_is_learned_early_scores_highest() -> None:
    members = LABELS == 1
    found = isolated(history())
    assert roc_auc_score(POISONED[members], found.scores[members]) == 1.0
    assert found.class_statistic is None


def test_a_score_is_how_far_the_logarithm_lies_below_the_class_s_median() -> None:
    losses = history()
    found = isolated(losses, epochs=3).scores
    for label in range(CLASSES):
        mean = np.log(losses[1:3, label == LABELS].astype(float)).mean(0)
        np.testing.assert_allclose(found[label == LABELS], np.median(mean) - mean)


def geometric(losses: np.ndarray) -> np.ndarray:
    """The geometric mean of epochs as one epoch."""
    return np.exp(np.log(losses).mean(0, keepdims=True))


@pytest.mark.parametrize(("epochs", "rows"), [(1, [0]), (2, [1]), (3, [1, 2]), (4, [1, 2, 3]), (1000, [1, 2, 3])])
def test_the_first_epoch_counts_where_there_is_no_other(epochs: int, rows: list[int]) -> None:
    losses = history()
    np.testing.assert_allclose(isolated(losses, epochs=epochs).scores, isolated(geometric(losses[rows])).scores,
                               atol=1e-5)  # fmt: skip


def test_an_epoch_that_passed_an_image_over_has_no_say() -> None:
    losses = history()
    losses[1, 4] = np.nan
    losses[1:, 7] = np.nan
    losses[:, LABELS == 2] = np.nan
    found = isolated(losses, epochs=3).scores
    members = np.flatnonzero((LABELS == 1) & (np.arange(IMAGES) != 7))
    assert found[7] == 0.0
    assert not found[LABELS == 2].any()
    mean = np.nanmean(np.log(losses[1:3, members].astype(float)), axis=0)
    np.testing.assert_allclose(found[members], np.median(mean) - mean)


def test_losses_that_overflowed_are_large_ones_and_of_nothing_small_ones() -> None:
    losses = history()
    losses[1, [4, 8]] = np.inf
    losses[1, 5] = 0.0
    found = isolated(losses, epochs=2).scores
    assert np.isfinite(found).all()
    assert set(np.argsort(found)[:2]) == {4, 8}
    assert found.argmax() == 5


def test_an_early_training_without_losses_is_refused() -> None:
    losses = history()
    losses[1] = np.nan
    with pytest.raises(BadRequest, match="losses say nothing of early training"):
        isolated(losses, epochs=2)
