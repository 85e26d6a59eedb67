"""The training loop. It knows nothing of screens, attacks or detectors: it reports to a watcher.

The data live on the device as uint8; augmentation is a batched gather there. Everything random in an
epoch comes from (seed, epoch) alone, drawn for every id whether it is kept or not: so a run resumed from
a checkpoint equals an undisturbed one, and a retraining differs from the first only by the removed rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core import devices, models, optim
from core.config import TrainingConfig
from core.types import BadRequest, Event, Images, Labels, Mask, Watcher, ignore

LOOKS = 8  # of the probe in a whole training, where that is more than one an epoch
REPORT_SECONDS = 0.4  # how often a running epoch says how far it is
Probe = Callable[[models.Network], Mapping[str, float]]


class Checkpoint(Protocol):
    """Where an unfinished training keeps its state."""

    def save(self, tensors: Mapping[str, NDArray[Any]], document: Mapping[str, Any]) -> None:
        """Replace what was saved before, or leave it whole."""

    def load(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]] | None:
        """What was saved last, or None."""


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode and one record an epoch: loss, accuracy, seconds, the probe's figures,
    and what the probe saw "within" the epoch.
    """

    network: models.Network
    history: list[dict[str, Any]]


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


def train(
    images: Images,
    labels: Labels,
    classes: int,
    training: TrainingConfig,
    seed: int,
    *,
    keep: Mask | None = None,
    device: torch.device | None = None,
    probe: Probe | None = None,
    watch: Watcher = ignore,
    stage: str = "train",
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train a network from a random initialisation on images [n, h, w, 3] with labels [n].

    keep [n] bool leaves rows out. probe is called after every epoch and its figures go into the history.
    The watcher hears of progress a few times a second; what it raises (Cancelled) ends the training.
    """
    device = device or devices.choose()
    with devices.settled(device):
        batches = _batches(images, labels, keep, training, device)
        network = models.build(training.model, classes, seed, device)
        network.calibrate(_calibration_sample(batches))
        chosen = optim.optimisers(network, training)
        history = _restore(checkpoint, network, chosen)
        for epoch in range(len(history), training.epochs):
            began = time.perf_counter()
            figures = _epoch(network, chosen, batches, training, seed, epoch, probe, watch, stage)
            network.eval()
            if probe is not None:
                figures |= probe(network)
            history.append({"epoch": epoch + 1, **figures, "seconds": time.perf_counter() - began})
            if checkpoint is not None:
                checkpoint.save(_state(network, chosen), {"history": history})
            watch(Event(stage, (epoch + 1) / training.epochs, f"epoch {epoch + 1} of {training.epochs}", history[-1]))
        return Trained(network.eval(), history)


def _batches(
    images: Images, labels: Labels, keep: Mask | None, training: TrainingConfig, device: torch.device
) -> Batches:
    kept = np.arange(len(labels)) if keep is None else np.flatnonzero(keep)
    if len(kept) < 2:
        raise BadRequest(f"training needs at least 2 images, got {len(kept)} after the filter")
    return Batches(
        images=torch.from_numpy(np.require(images, requirements="W")).to(device),  # a data set is read-only
        labels=torch.from_numpy(np.require(labels, requirements="W")).to(device),
        kept=torch.from_numpy(kept),
        size=min(training.batch_size, len(kept)),
    )


def _calibration_sample(batches: Batches) -> Tensor:
    """Evenly spread kept images, for the network's input statistics."""
    spread = torch.linspace(0, len(batches.kept) - 1, min(models.WHITENING_SAMPLE, len(batches.kept))).long()
    return to_float(batches.images[batches.kept[spread]])


def _epoch(
    network: models.Network,
    chosen: list[torch.optim.Optimizer],
    batches: Batches,
    training: TrainingConfig,
    seed: int,
    epoch: int,
    probe: Probe | None,
    watch: Watcher,
    stage: str,
) -> dict[str, Any]:
    """One pass over the kept rows; returns the mean loss and the accuracy on the batches as they came.

    "within" holds what the probe saw on the way, each with its place in the training, in epochs.
    """
    network.train()
    device = batches.images.device
    order, grids = _draw(batches, training, seed, epoch)
    bf16 = devices.use_bf16(training.precision, device)
    peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in chosen]
    total_loss = torch.zeros((), device=device)
    total_right = torch.zeros((), device=device)
    heard = time.perf_counter()
    looks = _looks(batches.steps, training.epochs) if probe is not None else set()
    within: list[dict[str, float]] = []
    for step in range(batches.steps):
        share = (epoch + step / batches.steps) / training.epochs
        _set_rates(chosen, peaks, optim.rate(training, share))
        rows = order[step * batches.size : (step + 1) * batches.size]
        answers = batches.labels[rows]
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = network(to_float(augment(batches.images, rows, *grids)))
        loss = functional.cross_entropy(logits.float(), answers, label_smoothing=training.label_smoothing)
        for optimiser in chosen:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in chosen:
            optimiser.step()
        total_loss += loss.detach()
        total_right += (logits.detach().argmax(1) == answers).float().mean()
        if time.perf_counter() - heard > REPORT_SECONDS:
            heard = time.perf_counter()
            watch(Event(stage, share, f"epoch {epoch + 1} of {training.epochs}"))
        if probe is not None and step + 1 in looks:
            done = (step + 1) / batches.steps
            network.eval()
            within.append({"epoch": epoch + done, "loss": float(total_loss) / (step + 1), **probe(network)})
            network.train()
            told = f"epoch {epoch + 1} of {training.epochs}"
            watch(Event(stage, (epoch + done) / training.epochs, told, within[-1]))
    _set_rates(chosen, peaks, 1.0)
    figures = {"loss": float(total_loss) / batches.steps, "accuracy": float(total_right) / batches.steps}
    return {**figures, "within": within} if within else figures


def _looks(steps: int, epochs: int) -> set[int]:
    """After which steps of an epoch the probe looks, besides its end."""
    looks = LOOKS // epochs
    return {round(steps * look / looks) for look in range(1, looks)} - {0, steps}


def _set_rates(chosen: list[torch.optim.Optimizer], peaks: list[list[float]], share: float) -> None:
    for optimiser, rates in zip(chosen, peaks, strict=True):
        for group, peak in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = peak * share


def _draw(batches: Batches, training: TrainingConfig, seed: int, epoch: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """An epoch's order over the kept ids, and each id's row and column grids, [n, h] and [n, w].

    Drawn on the CPU for all n ids, so that neither device nor keep-mask changes what an id gets.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    total, height, width = batches.images.shape[:3]
    order = torch.randperm(total, generator=generator)
    shifts = torch.randint(-training.crop, training.crop + 1, (2, total, 1), generator=generator)
    mirrored = torch.rand(total, 1, generator=generator) < 0.5
    rows = _reflect(torch.arange(height) + shifts[0], height)
    columns = _reflect(torch.arange(width) + shifts[1], width)
    if training.flip:
        columns = torch.where(mirrored, width - 1 - columns, columns)
    kept = torch.zeros(total, dtype=torch.bool)
    kept[batches.kept] = True
    device = batches.images.device
    return order[kept[order]].to(device), (rows.to(device), columns.to(device))


def _reflect(positions: Tensor, size: int) -> Tensor:
    """Positions beyond an edge mirrored back inside."""
    return size - 1 - (size - 1 - positions.abs()).abs()


def augment(images: Tensor, ids: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The images of some ids, shifted and mirrored as their grids say: [b, h, w, 3] uint8."""
    return images[ids[:, None, None], rows[ids][:, :, None], columns[ids][:, None, :]]


def to_float(images: Tensor) -> Tensor:
    """uint8 [b, h, w, 3] to float [b, 3, h, w], 0 to 255, channels last in memory."""
    return images.float().permute(0, 3, 1, 2)


def _state(network: models.Network, chosen: list[torch.optim.Optimizer]) -> dict[str, NDArray[Any]]:
    """Weights, buffers and momenta as named arrays."""
    state = {f"network.{name}": tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    for number, optimiser in enumerate(chosen):
        for index, values in optimiser.state_dict()["state"].items():
            state[f"optimiser{number}.{index}"] = values["momentum_buffer"].cpu().numpy()
    return state


def _restore(
    checkpoint: Checkpoint | None, network: models.Network, chosen: list[torch.optim.Optimizer]
) -> list[dict[str, float]]:
    """Put a checkpoint's state back, if there is one; returns the history so far."""
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is None:
        return []
    tensors, document = saved
    load_weights(network, {n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")})
    for number, optimiser in enumerate(chosen):
        prefix = f"optimiser{number}."
        momenta = {
            int(name.removeprefix(prefix)): {"momentum_buffer": torch.from_numpy(np.array(tensor))}
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
        optimiser.load_state_dict({**optimiser.state_dict(), "state": momenta})
    return [dict(record) for record in document["history"]]


def weights(network: models.Network) -> dict[str, NDArray[Any]]:
    """A network's parameters and buffers as arrays."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}


def load_weights(network: models.Network, arrays: Mapping[str, NDArray[Any]]) -> models.Network:
    """Put stored arrays into a network of the same shape."""
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    return network
