"""One training step. On CUDA it is recorded once as a graph and replayed, so that launching costs next to nothing.

A step finds its rows, its learning rates and its augmentation by a counter that lives on the device: an epoch is
laid out there before it begins, and the host then only says "again". The same code runs on every device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.configuration import TrainingConfig
from core.training import devices, models

WARM_UP = 3  # steps before the recording, in which libraries choose their kernels and optimisers make their state


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
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self.graph: torch.cuda.CUDAGraph | None = None
        self.warm = 0

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
        if self.stream is None:
            self._compute()
        elif self.graph is None and self.warm < WARM_UP:
            self._on_the_side()
        else:
            if self.graph is None:
                self.graph = self._recorded()
            self.graph.replay()

    def _on_the_side(self) -> None:
        """A real step off the default stream, where CUDA wants the warm-up of what is to be recorded."""
        assert self.stream is not None
        self.warm += 1
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self._compute()
        torch.cuda.current_stream().wait_stream(self.stream)

    def _recorded(self) -> torch.cuda.CUDAGraph:
        """The step as a graph; recording computes nothing."""
        graph = torch.cuda.CUDAGraph()
        for optimiser in self.chosen:
            optimiser.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._compute()
        return graph

    def _compute(self) -> None:
        ids = self.course.order[self.count * self.batches.size + self.places]
        answers = self.batches.labels[ids]
        shifts = self.course.shifts[:, ids] if self.shifts else None
        images = augment(self.batches.images, ids, shifts, self.course.mirrored[ids])
        self._set_rates()
        # No cache of cast weights: each is used once a step, and none may outlive a recording.
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            logits = self.network(to_float(images)).float()
        loss = functional.cross_entropy(logits, answers, label_smoothing=self.smoothing)
        for optimiser in self.chosen:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.chosen:
            optimiser.step()
        self.loss += loss.detach()
        self.right += (logits.detach().argmax(1) == answers).float().mean()
        if self.losses is not None:  # without the smoothing, which is the same for all
            each = functional.cross_entropy(logits.detach(), answers, reduction="none")
            self.losses.index_copy_(0, ids, each)
        self.count += 1

    def _set_rates(self) -> None:
        share = self.course.rates.take(self.count)  # rates[count] would fetch the count to the host
        for optimiser, rates in zip(self.chosen, self.peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = share * peak


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
