"""The training loop. It knows nothing of screens, attacks or detectors: it reports to a watcher.

The data live on the device as uint8; augmentation is a batched gather there (core.training.step). Everything random in
an epoch comes from (seed, epoch) alone, drawn for every id whether it is kept or not: so a run resumed from
a checkpoint equals an undisturbed one, and a retraining differs from the first only by the removed rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.configuration import TrainingConfig
from core.training import devices, memory, models, optim, ways
from core.training.graphs import Failed
from core.training.start import Start
from core.training.step import Batches, Course, Step, to_float
from core.training.ways import Way
from core.types import NOTES, BadRequest, Event, Images, Labels, Losses, Mask, PoisonscopeError, Watcher, ignore

LOOKS = 8  # of the probe in a whole training, where that is more than one an epoch
REPORT_SECONDS = 0.4  # how often a running epoch says how far it is
CHECKPOINT_SECONDS = 5.0  # what may be lost: writing a large network's state takes longer than a short epoch
LOSSES = "losses"  # their name in a checkpoint
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

    losses [epochs, n]: every image's cross-entropy (no label smoothing) in the step that it was part of, augmented
    as it was there; NaN where an epoch passed an id over: removed, in the incomplete last batch, or done before a
    checkpoint that kept none. None where they were not recorded.

    notes: what was not done as wished and why, in sentences: a device passed over, precision, graphs, memory.
    """

    network: models.Network
    history: list[dict[str, Any]]
    losses: Losses | None = None
    notes: tuple[str, ...] = ()


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
    record: bool = True,
) -> Trained:
    """Train a network from a random initialisation on images [n, h, w, 3] with labels [n].

    keep [n] bool leaves rows out. probe is called after every epoch and its figures go into the history.
    The watcher hears of progress a few times a second; what it raises (Cancelled) ends the training.
    record: keep every image's losses; the weights are the same to the bit either way.

    Where the device does not do as wished, the training goes on as it can (core.training.ways) and the watcher hears
    that once, as data["notes"]. PoisonscopeError where it cannot.
    """
    device = device or devices.choose()
    with devices.settled(device):
        with memory.needed(f"a training set of {len(labels):,} images, with {training.model} beside it,", device):
            batches = _batches(images, labels, keep, training, device)
            network = models.build(training.model, classes, seed, device)
            network.calibrate(_calibration_sample(batches))
        chosen = optim.optimisers(network, training)
        losses = np.full((training.epochs, len(labels)), np.nan, np.float32) if record else None
        history, way, before = _restore(checkpoint, network, chosen, losses, device)
        step = Step(network, chosen, batches, training, record, way)
        say = _Voice(watch, stage, training.epochs, (*before, *devices.notes(training.precision, device)))
        start = Start(network, chosen)
        saved = time.perf_counter()
        for epoch in range(len(history), training.epochs):
            began = time.perf_counter()
            figures = _epoch_somehow(step, start, training, seed, epoch, probe, say)
            _check_finite(figures["loss"], epoch, training)
            if losses is not None and step.losses is not None:
                losses[epoch] = step.losses.cpu().numpy()
            network.eval()
            if probe is not None:
                figures |= probe(network)
            history.append({"epoch": epoch + 1, **figures, "seconds": time.perf_counter() - began})
            if checkpoint is not None and time.perf_counter() - saved >= CHECKPOINT_SECONDS:
                how = {"way": asdict(step.way), "device": devices.describe(device), "before": before}
                document = {"history": history, **how, NOTES: say.notes_of(step)}
                checkpoint.save(_state(network, chosen, losses), document)
                saved = time.perf_counter()
            say(epoch, 1.0, history[-1])
        return Trained(network.eval(), history, losses, say.notes_of(step))


class _Voice:
    """What a training says to its watcher: how far it is, figures, and every note once."""

    def __init__(self, watch: Watcher, stage: str, epochs: int, notes: tuple[str, ...]) -> None:
        self.watch, self.stage, self.epochs, self.notes = watch, stage, epochs, notes
        self.told: set[str] = set()

    def __call__(self, epoch: int, share: float, data: Mapping[str, Any] | None = None) -> None:
        """That so much (0 to 1) of an epoch is done."""
        words = f"epoch {epoch + 1} of {self.epochs}"
        self.watch(Event(self.stage, (epoch + share) / self.epochs, words, data or {}))

    def note(self, epoch: int, step: Step) -> None:
        """Say what was not said yet of how the steps are carried out."""
        fresh = [note for note in self.notes_of(step) if note not in self.told]
        self.told.update(fresh)
        if fresh:
            self(epoch, 0.0, {NOTES: fresh})

    def notes_of(self, step: Step) -> tuple[str, ...]:
        """All that is to be said of a training by these steps."""
        return self.notes + step.way.notes(step.batches.size, step.batches.images.device)


def _check_finite(loss: float, epoch: int, training: TrainingConfig) -> None:
    """What diverged does not come back: it ends here, with what may help."""
    if not math.isfinite(loss):
        rates = f"lr {training.lr:g}" + (f", muon_lr {training.muon_lr:g}" if training.optimizer == "muon" else "")
        raise PoisonscopeError(
            f"the training diverged in epoch {epoch + 1}: its loss is {loss}; try smaller learning rates than {rates}"
        )


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


def _epoch_somehow(
    step: Step, start: Start, training: TrainingConfig, seed: int, epoch: int, probe: Probe | None, say: _Voice
) -> dict[str, Any]:
    """An epoch; where a graph or the memory fails, once more from its beginning in a gentler way, if there is one."""
    device = step.batches.images.device
    with memory.needed(f"{training.model} with a copy of its weights", device):
        start.keep()
    while True:
        try:
            return _epoch(step, training, seed, epoch, probe, say)
        except (Failed, RuntimeError, MemoryError) as error:
            way = ways.gentler(step.way, error, step.batches.size, training.model, device)
            if way is None:
                raise
        with ways.answering(device):
            step.go(way)  # which lets go of the graph and of what the failed step had computed
            memory.release(device)
            start.restore()


def _epoch(
    step: Step, training: TrainingConfig, seed: int, epoch: int, probe: Probe | None, say: _Voice
) -> dict[str, Any]:
    """One pass over the kept rows; returns the mean loss and the accuracy on the batches as they came.

    "within" holds what the probe saw on the way, each with its place in the training, in epochs. Where there is
    nothing to look at on the way, the host does not wait for the device before the end.
    """
    network, steps = step.network.train(), step.batches.steps
    step.begin(_course(step.batches, training, seed, epoch))
    looks = _looks(steps, training.epochs) if probe is not None else set()
    within: list[dict[str, float]] = []
    heard = time.perf_counter()
    for number in range(1, steps + 1):
        step()
        if number == 1:  # one has fitted into the memory
            say.note(epoch, step)
        share = number / steps
        if time.perf_counter() - heard > REPORT_SECONDS:
            heard = time.perf_counter()
            say(epoch, share)
        if probe is not None and number in looks:
            network.eval()
            within.append({"epoch": epoch + share, "loss": float(step.loss) / number, **probe(network)})
            network.train()
            say(epoch, share, within[-1])
    figures = {"loss": float(step.loss) / steps, "accuracy": float(step.right) / steps}
    return {**figures, "within": within} if within else figures


def _looks(steps: int, epochs: int) -> set[int]:
    """After which steps of an epoch the probe looks, besides its end."""
    looks = LOOKS // epochs
    return {round(steps * look / looks) for look in range(1, looks)} - {0, steps}


def _course(batches: Batches, training: TrainingConfig, seed: int, epoch: int) -> Course:
    """An epoch's order over the kept ids, each id's shift and mirroring, and every step's rate.

    Drawn on the CPU for all n ids, so that neither device nor keep-mask changes what an id gets.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    total = len(batches.images)
    order = torch.randperm(total, generator=generator)
    shifts = torch.randint(-training.crop, training.crop + 1, (2, total), generator=generator)
    mirrored = (torch.rand(total, generator=generator) < 0.5) & training.flip
    kept = torch.zeros(total, dtype=torch.bool)
    kept[batches.kept] = True
    shares = [(epoch + step / batches.steps) / training.epochs for step in range(batches.steps)]
    return Course(order[kept[order]], shifts, mirrored, torch.tensor([optim.rate(training, at) for at in shares]))


def _state(
    network: models.Network, chosen: list[torch.optim.Optimizer], losses: Losses | None
) -> dict[str, NDArray[Any]]:
    """Weights, buffers and momenta as named arrays, and the losses so far."""
    state = {f"network.{name}": tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    for number, optimiser in enumerate(chosen):
        for index, values in optimiser.state_dict()["state"].items():
            state[f"optimiser{number}.{index}"] = values["momentum_buffer"].cpu().numpy()
    return state if losses is None else {**state, LOSSES: losses}


def _restore(
    checkpoint: Checkpoint | None,
    network: models.Network,
    chosen: list[torch.optim.Optimizer],
    losses: Losses | None,
    device: torch.device,
) -> tuple[list[dict[str, float]], Way, tuple[str, ...]]:
    """Put a checkpoint's state back, if there is one; returns the history so far, the way to go on, and notes.

    That is the way of the last step if it was made on this device. What another one could not do says nothing of it;
    that it could not is what the notes say.
    """
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is None:
        return [], Way(), ()
    tensors, document = saved
    load_weights(network, {n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")})
    for number, optimiser in enumerate(chosen):
        momenta = {}
        for index, weight in enumerate(weight for group in optimiser.param_groups for weight in group["params"]):
            saved_momentum = torch.from_numpy(np.array(tensors[f"optimiser{number}.{index}"]))
            # In the memory order of the weight: a fused optimiser takes it for granted.
            momenta[index] = {"momentum_buffer": torch.empty_like(weight).copy_(saved_momentum)}
        optimiser.load_state_dict({**optimiser.state_dict(), "state": momenta})
    if losses is not None and LOSSES in tensors:  # an earlier version's checkpoint has none
        losses[:] = tensors[LOSSES]
    history, before = [dict(record) for record in document["history"]], tuple(document.get("before", ()))
    if document.get("device") == devices.describe(device):  # an earlier version's checkpoint does not say
        return history, Way(**document["way"]), before
    fresh = [note for note in document.get(NOTES, ()) if note not in before]
    there = f"Up to epoch {len(history)}, on {document.get('device')}"
    return history, Way(), (*before, *(f"{there}: {note}" for note in fresh))


def weights(network: models.Network) -> dict[str, NDArray[Any]]:
    """A network's parameters and buffers as arrays."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}


def load_weights(network: models.Network, arrays: Mapping[str, NDArray[Any]]) -> models.Network:
    """Put stored arrays into a network of the same shape."""
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    return network
