"""Results as the store keeps them: what the pipeline and every door read. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core import datasets, evidence
from core.attack import poison as attack
from core.attack import triggers
from core.configuration import DETECTORS, DefenceConfig, RunConfig, class_names, stages
from core.detectors import detect
from core.evaluation import filter as filtering
from core.evaluation import metrics
from core.results import detections, recorded
from core.store import Store
from core.types import (
    BadRequest,
    Dataset,
    DataUnavailable,
    Detection,
    Features,
    Images,
    Labels,
    Logits,
    Mask,
    PoisonedSet,
)

if TYPE_CHECKING:
    from core.training import Network


class Result:
    """One run, read from the store. Everything is loaded when first asked for.

    `summary` is None while the run is not finished; what is there of the earlier stages can be read all
    the same. Properties that need a stage which is not stored return None.
    """

    def __init__(self, config: RunConfig, store: Store | None = None) -> None:
        self.config = config
        self.store = store or Store()

    def at(self, representation: str) -> Result:
        """The same run with its network read off at another layer; shares what is loaded. ValidationError without it.

        Where that layer's representations are not stored it has no features (see core.represent_run).
        """
        changed = self.config.model_dump()
        changed["defence"]["representation"] = representation
        seen = Result(RunConfig.model_validate(changed), self.store)
        vars(seen).update({name: vars(self)[name] for name in ("dataset", "poisoned") if name in vars(self)})
        return seen

    @cached_property
    def summary(self) -> dict[str, Any] | None:
        """The run's figures, or None if it is not finished."""
        artefact = self.store.read("run", stages.run_key(self.config))
        return None if artefact is None else dict(artefact.document)

    @cached_property
    def dataset(self) -> Dataset:
        """The clean data set that the run is about, or what the recorded run holds of it; nothing is fetched.

        Raises DataUnavailable where neither is on this machine.
        """
        name = self.config.dataset.name
        if datasets.available(name):
            return datasets.load(self.config.dataset)
        known = recorded.dataset(self.config.dataset)
        if known is None:
            raise DataUnavailable(f"{name} is not on this machine; fetch it: python -m core data {name}")
        return known

    @cached_property
    def poisoned(self) -> PoisonedSet:
        """The poisoned training set; its truth is for metrics and screens only."""
        return attack.poison(self.dataset, self.config.attack, self.config.seed)

    @cached_property
    def aims(self) -> Labels:
        """What the attacker wants each triggered test image to be taken for, [m] int64."""
        return attack.aim(self.dataset.test_labels, self.config.attack, self.dataset.classes)

    @cached_property
    def pictured(self) -> Mask:
        """Which images of the poisoned set have their pixels here, [n] bool: all, but for a recorded run."""
        known = self.dataset.pictured
        return np.ones(len(self.poisoned), bool) if known is None else known[self.poisoned.source_ids]

    @cached_property
    def test_pictured(self) -> Mask:
        """Which test images have their pixels here, [m] bool."""
        known = self.dataset.test_pictured
        return np.ones(len(self.dataset.test_labels), bool) if known is None else known

    @cached_property
    def flagged(self) -> Mask | None:
        """What the run removed, [n] bool."""
        artefact = self.store.read("run", stages.run_key(self.config))
        return None if artefact is None else artefact.array("flagged")

    @property
    def removed(self) -> dict[int, int] | None:
        """How many images the run removed from each class that lost any; None while it is not finished."""
        if self.flagged is None:
            return None
        counts = np.bincount(self.poisoned.labels[self.flagged])
        return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}

    @property
    def features(self) -> Features | None:
        """Representations of the training set, [n, d] float32."""
        artefact = self.store.read("features", self.features_key)
        return None if artefact is None else artefact.array("features")

    @property
    def logits(self) -> Logits | None:
        """The poisoned network's logits for the training set, [n, k] float32."""
        artefact = self.store.read("features", self.features_key)
        return None if artefact is None else artefact.array("logits")

    @property
    def features_key(self) -> str:
        """The key of the run's representations."""
        return stages.features_key(stages.model_key(self.config), self.config.defence.representation)

    def detection(self, defence: DefenceConfig | None = None) -> Detection | None:
        """Scores by the run's detector or another one; no training. None where features are missing.

        BadRequest where the detector needs what is neither stored nor can be asked of the network; see `lacks`.
        """
        asked = defence or self.config.defence
        given = partial(self._evidence, asked)
        return detection(self.store, self.features_key, self.poisoned.labels, asked, given)

    def lacks(self, defence: DefenceConfig | None = None) -> str | None:
        """Why the run's detector or another one cannot score this run, in words; None where nothing is in the way."""
        asked = defence or self.config.defence
        return None if self.has_scores(asked) else evidence.lacking(self.store, self.config, asked)

    def _evidence(self, defence: DefenceConfig) -> dict[str, NDArray[Any]]:
        """What a detector needs beyond features, labels and logits."""
        why = evidence.lacking(self.store, self.config, defence)
        if why is not None:
            raise BadRequest(why)
        return evidence.gather(self.store, self.config, defence, lambda: self.poisoned)

    def has_scores(self, defence: DefenceConfig | None = None) -> bool:
        """Whether the scores of the run's detector or another one are stored, so that `detection` only reads."""
        return self.store.has("scores", stages.scores_key(self.features_key, defence or self.config.defence))

    def model_key(self, which: str) -> str | None:
        """The key of the "poisoned", "clean" or "benign" network; None where it is not known yet."""
        if which == "poisoned":
            return stages.model_key(self.config)
        if which == "benign":
            return stages.model_key(stages.benign(self.config))
        return None if self.flagged is None else stages.model_key(self.config, ~self.flagged)

    def network(self, which: str) -> Network | None:
        """The "poisoned", "clean" or "benign" network on the CPU, in evaluation mode; None where it is not stored."""
        from core.training import (
            build,  # torch: only who looks inside a network waits for it
            load_weights,
        )

        key = self.model_key(which)
        artefact = None if key is None else self.store.read("model", key)
        if artefact is None or not artefact.has_weights:
            return None
        network = build(self.config.training.model, len(class_names(self.config.dataset.name)), self.config.seed)
        return load_weights(network, artefact.weights()).eval()

    def history(self, which: str) -> list[dict[str, Any]]:
        """One record an epoch of the "poisoned", "clean" or "benign" network's training."""
        key = self.model_key(which)
        artefact = None if key is None else self.store.read("model", key)
        return [] if artefact is None else list(artefact.document["history"])

    def predictions(self, which: str) -> tuple[Logits, Logits] | None:
        """A network's logits for the clean and the triggered test images, [m, k] each."""
        key = self.model_key(which)
        if key is None:
            return None
        artefact = self.store.read("predictions", stages.predictions_key(key, self.config.attack))
        return None if artefact is None else (artefact.array("clean"), artefact.array("triggered"))

    def quality(self, which: str) -> metrics.Quality | None:
        """Nat and ASR of the "poisoned", "clean" or "benign" network, or None where it is not evaluated."""
        predictions = self.predictions(which)
        return None if predictions is None else quality(self.config, self.dataset, *predictions)


def quality(config: RunConfig, dataset: Dataset, clean: Logits, triggered: Logits) -> metrics.Quality:
    """Nat and ASR from logits [m, k] for clean and for triggered test images."""
    wanted = attack.aim(dataset.test_labels, config.attack, dataset.classes)
    answers = clean.argmax(1), triggered.argmax(1)
    return metrics.quality(*answers, dataset.test_labels, wanted, config.attack.source)


def detection(
    store: Store,
    features_key: str,
    labels: Labels,
    defence: DefenceConfig,
    given: Callable[[], Mapping[str, NDArray[Any]]] = dict,
) -> Detection | None:
    """A detector's scores, from the store or computed now and kept there; None where features are missing.

    given() is the evidence that the detector needs besides; asked for only where scores are computed.
    """
    parts = {name: _part_key(features_key, defence, name) for name in DETECTORS[defence.detector].parts}

    def compute(before: Mapping[str, Detection]) -> Detection | None:
        features = store.read("features", features_key)
        if features is None:
            return None
        arrays = features.array("features"), labels, features.array("logits")
        return detect(defence.detector, *arrays, defence.parameters, given(), before)

    keys = {**parts, defence.detector: stages.scores_key(features_key, defence)}
    return detections.asked(store, defence.detector, keys, compute)


def _part_key(features_key: str, defence: DefenceConfig, part: str) -> str:
    """The key of what a detector says that another one asks, at the settings that they share."""
    same = {setting: defence.parameters[setting] for setting in DETECTORS[part].parameters}
    return stages.scores_key(features_key, DefenceConfig(detector=part, parameters=same))


def triggered_images(config: RunConfig, images: Images) -> Images:
    """Images [n, h, w, 3] stamped with the run's trigger, or with all of its triggers."""
    return triggers.apply_all(config.attack.triggers, images)


def summarise(
    config: RunConfig,
    dataset: Dataset,
    poisoned: PoisonedSet,
    found: Detection,
    flagged: Mask,
    before: metrics.Quality,
    after: metrics.Quality,
) -> dict[str, Any]:
    """All figures of a finished run, as JSON; epsilon and budget are None where the cut was made at the gap."""
    truth, labels = poisoned.truth.poisoned, poisoned.labels
    defence = config.defence
    assumed = defence.cut == "budget"
    classes = filtering.suspicious_classes(labels, found, defence.scope)
    decision = metrics.found(flagged, truth)
    references = {
        "random": metrics.found(~filtering.random_keep(labels, flagged, config.seed), truth),
        "perfect": metrics.found(~filtering.perfect_keep(flagged, truth), truth),
    }
    return {
        **_numbered(before, 1),
        **asdict(attack.extent(dataset.train_labels, config.attack)),
        **asdict(decision),
        "covers_removed": int((flagged & poisoned.truth.covers).sum()),
        **asdict(metrics.ranking(found.scores, labels, truth)),
        **_numbered(after, 2),
        "epsilon": filtering.epsilon(labels, defence.assumed_ratio) if assumed else None,
        "budget": filtering.budget(labels, defence) if assumed else None,
        "suspicious_classes": [int(label) for label in classes],
        "class_statistic": None if found.class_statistic is None else np.round(found.class_statistic, 6).tolist(),
        "class_threshold": found.class_threshold,
        "references": {name: asdict(reference) for name, reference in references.items()},
        "config": config.model_dump(mode="json"),
    }


def _numbered(quality: metrics.Quality, number: int) -> dict[str, Any]:
    """A network's figures under the report's names: 1 before the defence, 2 after."""
    return {f"{name}{number}": value for name, value in asdict(quality).items()}
