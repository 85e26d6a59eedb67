"""Representations and answers: evaluation mode, one row an image, in the order given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from core import datasets
from core.configuration.config import LAYERS, DatasetConfig, TrainingConfig
from core.evidence import representations
from core.training import models
from core.training.loop import train, weights
from core.types import Event, Images, PoisonscopeError
from tests.unable import Allocator

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images() -> Images:
    return datasets.load(DatasetConfig(name="digits", per_class=3)).train_images


@pytest.fixture(scope="module")
def network(images: Images) -> models.Network:
    """A network whose batch norms have seen something."""
    training = TrainingConfig(model="resnet_small", epochs=1, batch_size=10, lr=0.05)
    labels = np.arange(len(images), dtype=np.int64) % 10
    return train(images, labels, 10, training, 0, device=CPU).network


@pytest.mark.parametrize(("representation", "width"), list(zip(LAYERS, (128, 64, 32, 16), strict=True)))
def test_shapes_and_events(network: models.Network, images: Images, representation: str, width: int) -> None:
    heard: list[Event] = []
    features, logits = representations.represent(network, images, representation, watch=heard.append)
    assert features.shape == (len(images), width)
    assert logits.shape == (len(images), 10)
    assert features.dtype == logits.dtype == np.float32
    assert [(event.stage, event.fraction) for event in heard] == [("represent", 1.0)]


def test_looking_twice_finds_the_same_and_changes_nothing(network: models.Network, images: Images) -> None:
    network.train()  # as a careless caller may leave it
    before = {name: array.copy() for name, array in weights(network).items()}
    first = representations.represent(network, images, "penultimate")
    second = representations.represent(network, images, "penultimate")
    for one, two in zip(first, second, strict=True):
        assert one.tobytes() == two.tobytes()
    assert not network.training
    after = weights(network)
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_order_is_kept_over_batches(network: models.Network, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, answers = representations.represent(network, images, "block2")
    monkeypatch.setattr(representations, "BATCH", 7)
    heard: list[float] = []
    parts, again = representations.represent(
        network, images, "block2", watch=lambda event: heard.append(event.fraction)
    )
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(again, answers, rtol=1e-4, atol=1e-4)
    assert heard == [pytest.approx(min(1.0, 7 * part / 30)) for part in range(1, 6)]
    backwards, _ = representations.represent(network, images[::-1], "block2")
    np.testing.assert_allclose(backwards[::-1], whole, rtol=1e-4, atol=1e-4)
    assert np.abs(whole[0] - whole[1]).max() > 1e-3  # or order would not show


def test_an_image_is_answered_without_regard_to_its_neighbours(network: models.Network, images: Images) -> None:
    alone = representations.predict(network, images[4:5])
    np.testing.assert_allclose(alone[0], representations.predict(network, images)[4], rtol=1e-4, atol=1e-4)


def test_attributions_ask_for_a_label_and_change_nothing(network: models.Network, images: Images) -> None:
    before = {name: array.copy() for name, array in weights(network).items()}
    labels = np.arange(len(images), dtype=np.int64) % 10
    network.zero_grad(set_to_none=True)
    heard: list[Event] = []
    found, logits = representations.attribute(network, images, labels, watch=heard.append, stage="score")
    other, again = representations.attribute(network, images, (labels + 1) % 10)
    assert (found.shape, found.dtype, logits.dtype) == ((len(images), 16 + 32), np.float32, np.float32)
    assert [(event.stage, event.fraction) for event in heard] == [("score", 1.0)]
    np.testing.assert_allclose(logits, representations.predict(network, images), rtol=1e-4, atol=1e-4)
    assert logits.tobytes() == again.tobytes()
    assert (np.abs(found - other).max(1) > 0).all(), "each image's answer for another label rests on something else"
    alone, _ = representations.attribute(network, images[4:5], labels[4:5])
    np.testing.assert_allclose(alone[0], found[4], rtol=1e-3, atol=1e-5)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(before[name].tobytes() == array.tobytes() for name, array in weights(network).items())


def test_predict_is_the_logits_of_represent(network: models.Network, images: Images) -> None:
    _, logits = representations.represent(network, images, "penultimate")
    assert representations.predict(network, images).tobytes() == logits.tobytes()


def test_in_bf16_the_answers_are_nearly_the_same(network: models.Network, images: Images) -> None:
    exact, rough = representations.predict(network, images), representations.predict(network, images, bf16=True)
    assert rough.dtype == exact.dtype
    assert not np.array_equal(exact, rough)
    np.testing.assert_allclose(rough, exact, atol=0.05 * np.abs(exact).max())


def test_read_only_images_are_taken(network: models.Network, images: Images) -> None:
    assert not images.flags.writeable
    representations.predict(network, images)  # torch warns of read-only memory, and a warning is a failure


def test_the_caller_keeps_its_subnormal_numbers() -> None:
    """Training flushes them to zero for speed; a process that called it must not."""
    images = np.zeros((4, 32, 32, 3), np.uint8)
    representations.predict(models.build("whitened_cnn", 3, 0), images)
    assert float(np.float32(1e-40) * np.float32(1)) != 0


# --- where the memory is too small for a batch --------------------------------------------------------------


def asked_with(most_images: int, ask: Callable[[], tuple[np.ndarray, np.ndarray]]) -> int:
    """Compare what is found with room for so many images with what is found with room for all; how often it failed."""
    with Allocator(float("inf")) as free:
        expected = ask()
    with Allocator(most_images / 30 * free.largest) as tight:
        found = ask()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    return tight.refused


@pytest.mark.parametrize(("most", "refusals"), [(30, 0), (15, 1), (7, 3), (1, 5)])
def test_a_batch_for_which_there_is_no_memory_is_halved(
    network: models.Network, images: Images, most: int, refusals: int
) -> None:
    """30 images in one batch, or in batches of 15; 8 do not fit where 7 do, so 4; one at a time."""
    labels = np.arange(len(images), dtype=np.int64) % 10
    assert asked_with(most, lambda: representations.represent(network, images, "block2")) == refusals
    assert asked_with(most, lambda: representations.attribute(network, images, labels)) == refusals


@pytest.mark.parametrize("what", ["represent", "attribute"])
def test_no_memory_for_a_single_image_is_said(network: models.Network, images: Images, what: str) -> None:
    labels = np.zeros(len(images), np.int64)
    asks = {
        "represent": lambda: representations.represent(network, images, "block2"),
        "attribute": lambda: representations.attribute(network, images, labels),
    }
    with Allocator(1000) as none, pytest.raises(PoisonscopeError) as told:
        asks[what]()
    assert none.refused == 6  # of 30, 15, 8, 4, 2, 1
    assert str(told.value) == (
        "not even one image at a time fits into this machine's memory; smaller images or a smaller network would fit"
    )


def test_an_error_that_is_not_the_memory_s_goes_through(network: models.Network, images: Images) -> None:
    with Allocator(1000, lambda: RuntimeError("a bug")) as broken, pytest.raises(RuntimeError, match="a bug"):
        representations.predict(network, images)
    assert broken.refused == 1
