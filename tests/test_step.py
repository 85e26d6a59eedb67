"""A training step: what a CUDA graph may hold. Recording one fails where a step waits for a value from the device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import core
from core.training import models, optim
from core.training.step import Batches, Course, Step

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal")  # these bring values to the host
IMAGES, SIZE = 40, 10


class Waits(TorchDispatchMode):
    """Notes every operation that needs a value from the device before the host can go on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        if any(str(function).startswith(f"aten.{name}.") for name in WAITING):
            self.seen.append(str(function))
        return function(*arguments, **(named or {}))


def step_of(recipe: str) -> Step:
    """A step of a recipe on images of noise, its first epoch laid out."""
    config = core.configure(dataset="digits", target=3, recipe=recipe, training={"crop": 2, "batch_size": SIZE})
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 32, 32, 3), dtype=torch.uint8, generator=generator)
    batches = Batches(images, torch.arange(IMAGES) % 10, torch.arange(IMAGES), SIZE)
    network = models.build(config.training.model, 10, 0)
    step = Step(network.train(), optim.optimisers(network, config.training), batches, config.training)
    rates = torch.linspace(1.0, 0.5, batches.steps)
    step.begin(Course(torch.arange(IMAGES), torch.zeros(2, IMAGES, dtype=torch.int64), torch.zeros(IMAGES) > 0, rates))
    return step


@pytest.mark.parametrize("recipe", ["quick", "instant", "fast"])
def test_a_step_waits_for_nothing_that_the_device_computes(recipe: str) -> None:
    step = step_of(recipe)
    step()  # the optimisers make their state in the first
    with Waits() as waits:
        step()
    assert waits.seen == []
    assert float(step.loss) > 0


def test_a_step_notes_every_image_s_own_loss() -> None:
    step = step_of("quick")
    assert step.losses is not None
    step()
    assert torch.isfinite(step.losses).tolist() == [True] * SIZE + [False] * (IMAGES - SIZE)
    place = step.losses.data_ptr()
    step.begin(step.course)
    assert step.losses.isnan().all()
    assert step.losses.data_ptr() == place  # where a recorded graph writes


def test_what_waits_is_noticed() -> None:
    with Waits() as waits:
        torch.arange(3)[torch.tensor(1)]
        float(torch.ones(()))
    assert waits.seen == ["aten._local_scalar_dense.default"] * 2


def test_every_step_has_its_own_rate() -> None:
    step = step_of("quick")
    peak = step.peaks[0][0]
    for wanted in torch.linspace(1.0, 0.5, step.batches.steps):
        step()
        assert float(step.chosen[0].param_groups[0]["lr"]) == pytest.approx(float(wanted) * peak)
