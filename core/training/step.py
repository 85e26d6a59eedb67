"""One training step. On CUDA it is recorded once and replayed (core.training.graphs).

A step finds its rows, its learning rates and its augmentation by a counter that lives on the device: an epoch is
laid out there before it begins, and the host then only says "again". The same code runs on every device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.configuration import TrainingConfig
from core.training import devices, graphs, models
from core.training.ways import Way


@dataclass(frozen=True)
class Batches:
    """The training set on the device: images [n, h, w, 3] uint8, labels [n], and the kept ids [m]."""

    images: Tensor
    labels: Tensor
    kept: Tensor
    size: int

    @property
    def steps(self) -> int:
        """Steps an epoch; the incomplete last batch is left out."""
        return max(1, len(self.kept) // self.size)


@dataclass(frozen=True)
class Course:
    """An epoch laid out: the order of the ids [m], each id's shift [2, n] in pixels and whether it is mirrored [n],
    and the learning rate at every step as a share of its peak [steps].
    """

    order: Tensor
    shifts: Tensor
    mirrored: Tensor
    rates: Tensor


class Step:
    """Calls the network, the loss and the optimisers once, and keeps the epoch's sums of loss and accuracy.

    record: also every image's own cross-entropy, in `losses` [n] at its id; NaN until the epoch comes to it.
    """

    def __init__(
        self,
        network: models.Network,
        chosen: list[torch.optim.Optimizer],
        batches: Batches,
        training: TrainingConfig,
        record: bool = True,
        way: Way | None = None,
    ) -> None:
        self.network, self.chosen, self.batches = network, chosen, batches
        self.smoothing, self.shifts = training.label_smoothing, training.crop > 0
        device = batches.images.device
        self.bf16 = devices.use_bf16(training.precision, device)
        self.peaks = [[float(group["lr"]) for group in optimiser.param_groups] for optimiser in chosen]
        total = len(batches.images)
        self.course = Course(
            order=torch.zeros(batches.steps * batches.size, dtype=torch.int64, device=device),
            shifts=torch.zeros(2, total, dtype=torch.int64, device=device),
            mirrored=torch.zeros(total, dtype=torch.bool, device=device),
            rates=torch.ones(batches.steps, device=device),
        )
        self.places = torch.arange(batches.size, device=device)
        self.count = torch.zeros((), dtype=torch.int64, device=device)
        self.loss, self.right = torch.zeros((), device=device), torch.zeros((), device=device)
        self.losses = torch.full((total,), torch.nan, device=device) if record else None
        norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        self.momenta = [(norm, norm.momentum) for norm in norms]
        self.go(way or Way())

    def go(self, way: Way) -> None:
        """Carry the steps out in this way from here on."""
        self.way = way
        self.forget_gradients()
        recorder = graphs.recorder(self.course.order.device) if way.graphs else None
        self.graph = None if recorder is None else graphs.Graph(recorder)
        for norm, momentum in self.momenta:
            norm.momentum = momentum if momentum is None or way.parts == 1 else _split(momentum, way.parts)

    def begin(self, course: Course) -> None:
        """Lay an epoch out; where a graph looks is written over, not replaced."""
        used = len(self.course.order)
        self.course.order.copy_(course.order[:used])
        self.course.shifts.copy_(course.shifts)
        self.course.mirrored.copy_(course.mirrored)
        self.course.rates.copy_(course.rates)
        for sums in (self.count, self.loss, self.right):
            sums.zero_()
        if self.losses is not None:
            self.losses.fill_(torch.nan)

    def __call__(self) -> None:
        """The epoch's next step. The network must be in training mode."""
        if self.graph is None:
            self._compute()
        else:
            self.graph(self._compute, self.forget_gradients)

    def forget_gradients(self) -> None:
        """Let go of the last step's gradients."""
        for optimiser in self.chosen:
            optimiser.zero_grad(set_to_none=True)

    def _compute(self) -> None:
        ids = self.course.order[self.count * self.batches.size + self.places]
        self._set_rates()
        self.forget_gradients()
        for part in ids.tensor_split(self.way.parts):
            self._look_at(part, len(part) / len(ids))
        for optimiser in self.chosen:
            optimiser.step()
        self.count += 1

    def _look_at(self, ids: Tensor, share: float) -> None:
        """Add the gradients of a share of the batch, the loss being the mean over all of it."""
        answers = self.batches.labels[ids]
        shifts = self.course.shifts[:, ids] if self.shifts else None
        images = augment(self.batches.images, ids, shifts, self.course.mirrored[ids])
        # No cache of cast weights: each is used once a step, and none may outlive a recording.
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            logits = self.network(to_float(images)).float()
        loss = functional.cross_entropy(logits, answers, label_smoothing=self.smoothing) * share
        loss.backward()  # type: ignore[no-untyped-call]
        self.loss += loss.detach()
        self.right += (logits.detach().argmax(1) == answers).float().mean() * share
        if self.losses is not None:  # without the smoothing, which is the same for all
            each = functional.cross_entropy(logits.detach(), answers, reduction="none")
            self.losses.index_copy_(0, ids, each)

    def _set_rates(self) -> None:
        share = self.course.rates.take(self.count)  # rates[count] would fetch the count to the host
        for optimiser, rates in zip(self.chosen, self.peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = share * peak


def _split(momentum: float, parts: int) -> float:
    """The momentum of running statistics that forget in `parts` updates what they forgot in one."""
    return float(1 - (1 - momentum) ** (1 / parts))


def augment(images: Tensor, ids: Tensor, shifts: Tensor | None, mirrored: Tensor) -> Tensor:
    """The images of some ids [b], shifted by [2, b] pixels (edges reflected) and mirrored where [b] says so.

    images [n, h, w, 3] uint8; returns [b, h, w, 3] uint8.
    """
    if shifts is None:  # on a CPU three times as fast as looking every pixel up
        chosen = images[ids]
        return torch.where(mirrored[:, None, None, None], chosen.flip(2), chosen)
    height, width = images.shape[1:3]
    rows = _reflect(torch.arange(height, device=ids.device) + shifts[0, :, None], height)
    columns = _reflect(torch.arange(width, device=ids.device) + shifts[1, :, None], width)
    columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    return images[ids[:, None, None], rows[:, :, None], columns[:, None, :]]


def _reflect(positions: Tensor, size: int) -> Tensor:
    """Positions beyond an edge mirrored back inside."""
    return size - 1 - (size - 1 - positions.abs()).abs()


def to_float(images: Tensor) -> Tensor:
    """uint8 [b, h, w, 3] to float [b, 3, h, w], 0 to 255, channels last in memory."""
    return images.float().permute(0, 3, 1, 2)
