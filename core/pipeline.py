"""The story: dataset -> trigger -> poison -> train -> represent -> score -> filter -> retrain -> evaluate.

Every stage is looked up in the store by its key before it is computed, so that changing what comes late
in the line never repeats what comes early.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core import datasets, evidence, results
from core.attack import poison as attack
from core.configuration import ATTRIBUTION, DETECTORS, VIEWS, DatasetConfig, RunConfig, stages
from core.detectors import view
from core.evaluation import Quality, given, probed
from core.evaluation import filter as filtering
from core.evidence import attribute, predict, represent
from core.jobs import Progress, estimates
from core.results import quality, summarise, triggered_images
from core.store import Artefact, Checkpoint, Store, home
from core.training import Trained, devices, load_weights, models, train, weights
from core.types import NOTES, BadRequest, DamagedArtefact, Dataset, Detection, Event, Mask, Watcher, ignore


def execute(kind: str, config: RunConfig, store: Store, watch: Watcher = ignore, device: str = "auto") -> None:
    """Carry out a job of the ledger: a whole "run", or one of its references, "benign", "random" or "perfect"."""
    jobs: dict[str, Callable[..., Any]] = {
        "run": run,
        "benign": benign,
        "random": partial(reference, "random"),
        "perfect": partial(reference, "perfect"),
    }
    if kind not in jobs:
        raise BadRequest(f"kind must be one of {sorted(jobs)}, got {kind!r}")
    jobs[kind](config, store, watch, device)


def run(
    config: RunConfig, store: Store, watch: Watcher = ignore, device: str = "auto", line: Line | None = None
) -> dict[str, Any]:
    """Attack, train, detect, clean, retrain and compare; returns the summary, which the store keeps.

    line: that of the same run, where its first stages are done already.
    """
    key = stages.run_key(config)
    if (known := store.read("run", key)) is not None:
        return dict(known.document)
    began = time.perf_counter()
    line = line or Line(config, store, watch, device)
    fooled = line.model("train")
    line.losses(fooled)
    before = line.quality(fooled, "evaluate")
    found = line.detection(line.features(fooled))
    cut = ~filtering.keep_mask(found, line.poisoned.labels, config.defence)
    keep = ~cut if config.keep is None else results.keeping.stored(config, store, len(cut))
    cleaned = line.model("retrain", keep)
    after = line.quality(cleaned, "evaluate again")
    summary = summarise(config, line.dataset, line.poisoned, found, ~keep, before, after)
    summary |= {"run": key, "seconds": time.perf_counter() - began, "device": devices.describe(line.device)}
    summary |= {"torch": torch.__version__, "arithmetic": " and ".join(sorted(line.arithmetic))}
    if line.notes:
        summary[NOTES] = line.notes
    if config.keep is not None:
        made = results.keeping.Decision(cut, keep)
        summary |= {"reviewed": {"cut": int(cut.sum()), "spared": made.spared, "added": made.added}}
    return dict(store.write("run", key, arrays={"flagged": ~keep}, document=summary).document)


def benign(config: RunConfig, store: Store, watch: Watcher = ignore, device: str = "auto") -> Quality:
    """Train the benign reference of a run and show it the run's triggered images."""
    config = stages.benign(config)
    line = Line(config, store, watch, device, estimates.unpoisoned(config, store))
    return line.quality(line.model("train"), "evaluate")


def reference(which: str, config: RunConfig, store: Store, watch: Watcher = ignore, device: str = "auto") -> Quality:
    """Train on what a "random" or the "perfect" filter of a run's own budget leaves; the store keeps Nat and ASR.

    The run itself is carried out first where it is not stored, since its filter says what the budget was.
    """
    if which not in stages.FILTERS:
        raise BadRequest(f"a reference filter is random or perfect, got {which!r}")
    run(config, store, watch, device)
    finished = store.read("run", stages.run_key(config))
    if finished is None:
        raise DamagedArtefact("the run's flags were damaged and have been set aside; start it again")
    line = Line(config, store, watch, device, estimates.retraining(config))
    flagged, poisoned = finished.array("flagged"), line.poisoned
    if which == "random":
        keep = filtering.random_keep(poisoned.labels, flagged, config.seed)
    else:
        keep = filtering.perfect_keep(flagged, poisoned.truth.poisoned)
    found = line.quality(line.model("retrain", keep), "evaluate again")
    store.write("reference", stages.reference_key(config, which), document=asdict(found))
    return found


@lru_cache(maxsize=1)
def _dataset(config: DatasetConfig, place: Path) -> Dataset:
    """A data set of a home, which a worker keeps from run to run."""
    return datasets.load(config)


class Line:
    """The stages of one run. Each returns the key of its artefact, or what is in it, computing it if need be.

    ahead: what the stages that will be computed cost (core.jobs.progress); by default those that are not stored.
    """

    def __init__(
        self, config: RunConfig, store: Store, watch: Watcher, device: str, ahead: Mapping[str, float] | None = None
    ) -> None:
        self.config, self.store = config, store
        self.device = devices.choose(device)
        self.dataset = _dataset(config.dataset, home.home())
        self.poisoned = attack.poison(self.dataset, config.attack, config.seed)
        self.watch = Progress(watch, estimates.left(config, store) if ahead is None else ahead)
        self.notes: list[str] = []  # what was not done as wished in the trainings, and why, in sentences
        self.arithmetic: set[str] = set()  # in which the networks were trained, here or wherever they come from

    def model(self, stage: str, keep: Mask | None = None) -> str:
        """Train on the poisoned set, or on what the keep-mask leaves of it."""
        key = stages.model_key(self.config, keep)
        stored = self._once("model", key, stage, partial(self._train, key, stage, keep))
        self.notes += [note for note in stored.document.get(NOTES, ()) if note not in self.notes]
        self.arithmetic.add(stored.document.get("arithmetic", "unknown"))  # an earlier version's do not say
        return key

    def quality(self, model_key: str, stage: str) -> Quality:
        """Nat and ASR of a stored network."""
        key = stages.predictions_key(model_key, self.config.attack)
        artefact = self._once("predictions", key, stage, partial(self._predict, key, model_key, stage))
        return quality(self.config, self.dataset, artefact.array("clean"), artefact.array("triggered"))

    def features(self, model_key: str) -> str:
        """Representations and logits of the whole training set."""
        key = stages.features_key(model_key, self.config.defence.representation)
        self._once("features", key, "represent", partial(self._represent, key, model_key))
        return key

    def detection(self, features_key: str) -> Detection:
        """The detector's scores; it sees features, labels, logits and what else it needs, never the truth."""
        self.watch(Event("score", 0.0))
        found = results.detection(
            self.store, features_key, self.poisoned.labels, self.config.defence, self._evidence
        )  # fmt: skip
        if found is None:
            raise DamagedArtefact(f"the representations {features_key[:12]} vanished while the run was using them")
        self.watch(Event("score", 1.0))
        return found

    def losses(self, model_key: str) -> None:
        """See to the losses of the poisoned network's training, where the detector needs them.

        They lie beside the network. Where it was stored without (by an earlier version, or recorded), it is trained
        once more for them; the network itself stays.
        """
        needed = evidence.LOSSES in DETECTORS[self.config.defence.detector].needs
        if needed and not evidence.has_losses(self.store, model_key):
            key = stages.losses_key(model_key)
            self._once("losses", key, "train", partial(self._repeat, key))

    def _repeat(self, key: str) -> Artefact:
        """The losses of the poisoned network's training, by repeating it."""
        checkpoint = self.store.checkpoint("losses", key)
        trained = self._trained("train", None, checkpoint)
        artefact = self.store.write("losses", key, arrays=_arrays(trained))
        checkpoint.clear()
        return artefact

    def _evidence(self) -> dict[str, NDArray[Any]]:
        device, defence = self.device.type, self.config.defence
        return evidence.gather(self.store, self.config, defence, lambda: self.poisoned, device, self.watch)

    def _once(self, kind: str, key: str, stage: str, compute: Callable[[], Artefact]) -> Artefact:
        """The artefact of a key: read, or computed by whoever comes first while the others wait."""
        self.watch(Event(stage, 0.0))
        with self.store.lock(kind, key, poll=lambda: self.watch(Event(stage, 0.0, "another process is at it"))):
            artefact = self.store.read(kind, key)
            if artefact is None:
                artefact = compute()
        self.watch(Event(stage, 1.0))
        return artefact

    def _train(self, key: str, stage: str, keep: Mask | None) -> Artefact:
        checkpoint = self.store.checkpoint("model", key)
        trained = self._trained(stage, keep, checkpoint)
        passes = len(self.poisoned) if keep is None else int(keep.sum())
        seconds = sum(record["seconds"] for record in trained.history)
        document = {
            "history": trained.history,
            "seconds": seconds,
            "images_per_second": passes * self.config.training.epochs / seconds,
            "network": self.config.training.model,
            "dataset": self.config.dataset.name,
            "device": devices.describe(self.device),
            "torch": torch.__version__,
            "arithmetic": devices.arithmetic(self.config.training.precision, self.device),
            **({NOTES: trained.notes} if trained.notes else {}),
        }
        arrays = _arrays(trained)
        artefact = self.store.write("model", key, arrays=arrays, weights=weights(trained.network), document=document)
        checkpoint.clear()
        return artefact

    def _trained(self, stage: str, keep: Mask | None, checkpoint: Checkpoint) -> Trained:
        return train(
            self.poisoned.images, self.poisoned.labels, self.dataset.classes, self.config.training, self.config.seed,
            keep=keep, device=self.device, probe=self._probe, watch=self.watch, stage=stage, checkpoint=checkpoint,
            record=keep is None,
        )  # fmt: skip

    def _probe(self, network: models.Network) -> dict[str, float]:
        """Nat and ASR on the first few test images, for the curves that are drawn while training."""
        few = probed(len(self.dataset.train_labels) * self.config.training.epochs)
        images, labels = self.dataset.test_images[:few], self.dataset.test_labels[:few]
        bf16 = devices.use_bf16(self.config.training.precision, self.device)
        clean = predict(network, images, bf16=bf16).argmax(1)
        fooled = predict(network, triggered_images(self.config, images), bf16=bf16).argmax(1)
        wanted = attack.aim(labels, self.config.attack, self.dataset.classes)
        return {
            "nat": float((clean == labels).mean()),
            "asr": float((fooled == wanted)[labels != wanted].mean()),
        }

    def _network(self, model_key: str) -> models.Network:
        artefact = self.store.read("model", model_key)
        if artefact is None:
            raise DamagedArtefact(f"the network {model_key[:12]} vanished while the run was using it")
        network = models.build(self.config.training.model, self.dataset.classes, self.config.seed, self.device)
        return load_weights(network, artefact.weights())

    def _predict(self, key: str, model_key: str, stage: str) -> Artefact:
        network = self._network(model_key)
        bf16 = devices.use_bf16(self.config.training.precision, self.device)
        clean = predict(network, self.dataset.test_images, bf16=bf16)
        self.watch(Event(stage, 0.5))
        triggered = predict(network, triggered_images(self.config, self.dataset.test_images), bf16=bf16)
        rates = given(clean.argmax(1), triggered.argmax(1), self.dataset.test_labels)
        return self.store.write("predictions", key, arrays={"clean": clean, "triggered": triggered}, document=rates)

    def _represent(self, key: str, model_key: str) -> Artefact:
        representation = self.config.defence.representation
        network, poisoned = self._network(model_key), self.poisoned
        if representation == ATTRIBUTION:
            features, logits = attribute(network, poisoned.images, poisoned.labels, watch=self.watch)
            return self.store.write("features", key, arrays={"features": features, "logits": logits})
        layer = "penultimate" if representation in VIEWS else representation
        features, logits = represent(network, poisoned.images, layer, watch=self.watch)
        if representation in VIEWS:
            features = view(representation, poisoned.images)
        return self.store.write("features", key, arrays={"features": features, "logits": logits})


def _arrays(trained: Trained) -> dict[str, NDArray[np.float32]]:
    """A training's losses by name; none where some epoch has none, as after one that an earlier version began."""
    losses = trained.losses
    whole = losses is not None and np.isfinite(losses).any(1).all()
    return {evidence.LOSSES: losses} if losses is not None and whole else {}
