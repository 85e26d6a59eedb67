"""A network's answers to superimposed images: pixels added, entropies in bits, a row an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.evidence import superimpose
from core.types import BadRequest, Event, Images
from tests.unable import Allocator

CLASSES = 4


class Fooled(torch.nn.Module):
    """Says class 2 where the last pixel is white, and wavers between all classes elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.clone())
        white = images[:, 0, -1, -1] == 255
        return 100.0 * torch.nn.functional.one_hot(torch.full((len(images),), 2), CLASSES) * white[:, None]


def pictures(count: int) -> Images:
    images = np.random.default_rng(1).integers(0, 100, (count, 8, 8, 3), dtype=np.uint8)
    images[::7, -1, -1] = 255
    return images


def asked(images: Images, others: int = 3, seed: int = 0, **options: Any) -> tuple[np.ndarray, Fooled]:
    network = Fooled()
    return superimpose.entropies(network, images, others, seed, **options), network  # type: ignore[arg-type]


def test_a_trigger_shows_through_and_nothing_else_does() -> None:
    images = pictures(600)  # several batches, the last of them incomplete
    found, _ = asked(images, others=1, seed=3)
    assert found.shape == (600, 1)
    assert found.dtype == np.float32
    triggered = images[:, -1, -1, 0] == 255
    np.testing.assert_allclose(found[triggered], 0.0, atol=1e-6)
    np.testing.assert_allclose(found[~triggered], np.log2(CLASSES), rtol=1e-6)


def test_every_image_meets_the_same_others() -> None:
    images = pictures(20)
    _, network = asked(images)
    assert len(network.seen) == 3
    pixels = images.astype(int)
    for seen in network.seen:
        shown = seen.permute(0, 2, 3, 1).numpy().astype(int)
        assert any((shown == np.minimum(pixels + other, 255)).all() for other in pixels)


def test_others_are_drawn_by_the_seed_without_repetition() -> None:
    images = pictures(20)
    drawn = [[seen[0].sum().item() for seen in asked(images, 20, seed)[1].seen] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert sorted(drawn[0]) == sorted(drawn[2])  # each once


def test_what_is_brighter_than_white_is_white() -> None:
    images = torch.tensor([[0, 100, 200, 255]], dtype=torch.uint8)
    overlay = torch.tensor([10, 200, 55, 255], dtype=torch.uint8)
    assert superimpose.superimposed(images, overlay).tolist() == [[10, 255, 255, 255]]


def test_entropy_of_a_sure_and_of_a_clueless_answer() -> None:
    found = superimpose.entropy(torch.tensor([[1e4, 0.0], [0.0, 0.0], [-1e4, -1e4]]))
    np.testing.assert_allclose(found.numpy(), [0.0, 1.0, 1.0], atol=1e-6)


def test_progress_is_told() -> None:
    heard: list[Event] = []
    asked(pictures(600), watch=heard.append)
    assert [event.fraction for event in heard] == [250 / 600, 500 / 600, 1.0]
    assert {event.stage for event in heard} == {"score"}


def test_too_few_images_are_refused() -> None:
    with pytest.raises(BadRequest, match="at least 8 images to superimpose, got 5"):
        asked(pictures(5), others=8)


def test_a_batch_for_which_there_is_no_memory_is_halved() -> None:
    images = pictures(100)
    expected, _ = asked(images)
    heard: list[float] = []
    with Allocator(30 * 8 * 8 * 3 * 4) as tight:  # room for 30 images of float32
        found, _ = asked(images, watch=lambda event: heard.append(event.fraction))
    np.testing.assert_array_equal(found, expected)
    assert tight.refused == 2  # of 100, of 50
    assert heard == [0.25, 0.5, 0.75, 1.0]
