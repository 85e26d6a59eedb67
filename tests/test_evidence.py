"""Evidence beyond features, labels and logits: found in the store, asked of the network, or said to be missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.configuration import stages
from core.configuration.config import DefenceConfig, RunConfig
from core.configuration.settings import configure
from core.evidence import attribute
from core.evidence import gathering as gather
from core.jobs.estimates import estimate
from core.results.result import Result
from core.store.stores import Store
from core.training import models, weights
from core.types import BadRequest

LOSSES, STRIP = DefenceConfig(detector="loss-isolation"), DefenceConfig(detector="strip")


def config(**changes: Any) -> RunConfig:
    training = {"per_class": 10, "epochs": 1}
    return configure(**{"dataset": "digits", "target": 3, "training": training, **changes})


def with_features(tmp_path: Path, asked: RunConfig) -> Store:
    store = Store(tmp_path)
    result = Result(asked, store)
    count = len(result.poisoned) if asked.dataset.name == "digits" else 4
    arrays = {"features": np.ones((count, 3), np.float32), "logits": np.zeros((count, 10), np.float32)}
    store.write("features", result.features_key, arrays=arrays)
    return store


def test_losses_lie_beside_the_network_or_by_themselves(tmp_path: Path) -> None:
    store, model = Store(tmp_path), stages.model_key(config())
    assert gather.losses(store, model) is None
    store.write("model", model, document={})
    assert not gather.has_losses(store, model)
    repeated = np.ones((1, 5), np.float32)
    store.write("losses", stages.losses_key(model), arrays={"losses": repeated})
    assert gather.has_losses(store, model)
    np.testing.assert_array_equal(gather.losses(store, model), repeated)


def test_what_is_missing_is_said_before_and_refused_when_asked(tmp_path: Path) -> None:
    result = Result(config(), with_features(tmp_path, config()))
    for defence, words in ((LOSSES, "none were kept with this network"), (STRIP, "the network is not stored")):
        assert words in (result.lacks(defence) or "")
        with pytest.raises(BadRequest, match=words):
            result.detection(defence)
    assert result.lacks() is None
    assert result.detection() is not None


def test_a_network_cannot_be_asked_about_images_that_are_not_here(tmp_path: Path) -> None:
    result = Result(config(dataset="cifar10"), Store(tmp_path))
    assert "cifar10 is not on this machine: python -m core data cifar10" in (result.lacks(STRIP) or "")


def test_what_has_scored_lacks_nothing(tmp_path: Path) -> None:
    store = with_features(tmp_path, config())
    result = Result(config(), store)
    store.write("model", stages.model_key(config()), arrays={"losses": np.ones((1, len(result.poisoned)), np.float32)})
    assert result.lacks(LOSSES) is None
    assert result.detection(LOSSES) is not None
    store.delete("model", stages.model_key(config()))
    assert result.lacks(LOSSES) is None


def test_a_network_without_losses_counts_as_a_training_where_they_are_needed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    document = {"network": config().training.model, "images_per_second": 1.0}
    store.write("model", stages.model_key(config()), document=document)
    plain, needing = (estimate(config(detector=name), store=store).seconds for name in ("spectral", "loss-isolation"))
    assert needing > plain + 90  # images, one a second


def test_asking_the_network_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    few, many = (configure(dataset="digits", target=3, detector="strip", detector_parameters={"others": n})
                 for n in (1, 100))  # fmt: skip
    assert estimate(many, store=store).seconds > estimate(few, store=store).seconds


def test_attributions_are_asked_once_and_are_a_representation_of_the_run(tmp_path: Path) -> None:
    asked = config(trigger="pattern", detector="panel")
    store, panel = with_features(tmp_path, asked), asked.defence
    result = Result(asked, store)
    assert "panel asks the network about every image of the training set" in (result.lacks(panel) or "")
    network = models.build(asked.training.model, 10, 0)
    store.write("model", stages.model_key(asked), weights=weights(network), document={})
    assert result.lacks(panel) is None
    found = gather.gather(store, asked, panel, lambda: result.poisoned, "cpu")
    assert sorted(found) == ["attributions", "images"]
    seen = result.at("attribution")
    np.testing.assert_array_equal(seen.features, found["attributions"])
    expected, logits = attribute(network, result.poisoned.images, result.poisoned.labels)
    np.testing.assert_allclose(found["attributions"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(seen.logits, logits, rtol=1e-4, atol=1e-5)
    store.delete("model", stages.model_key(asked))
    assert result.lacks(panel) is None, "what was asked is kept"


def test_entropies_have_a_key_of_how_they_are_drawn() -> None:
    keys = {
        stages.entropies_key(model, DefenceConfig(detector="strip", parameters=parameters))
        for model in ("a", "b")
        for parameters in ({}, {"others": 9}, {"seed": 1})
    }
    assert len(keys) == 6
