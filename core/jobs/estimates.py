"""What there is still to do of a run, and about how long it takes on this machine."""

from __future__ import annotations

from collections.abc import Collection, Container
from dataclasses import dataclass
from typing import NamedTuple

from core import evidence
from core.configuration import DATASETS, DETECTORS, MODELS, RunConfig, stages
from core.jobs import progress
from core.store import Store

BESIDE = 5.0  # seconds that a run takes beside its passes
RETRAINING = ("retrain", "evaluate again")  # stages of a run
# Between which multiples of an estimate a run's time lies: another may use the cores, and of a machine on which nothing
# was trained yet little is known.
MEASURED, GUESSED = (0.8, 2.0), (0.5, 6.0)


@dataclass(frozen=True)
class Estimate:
    """What starting a run would mean: whether it is stored already, and about how many seconds it takes.

    measured says whether the seconds come from a training of the same network in this store, or from the
    figure that the registry gives for two CPU cores.
    """

    cached: bool
    seconds: float
    measured: bool


def estimate(config: RunConfig, *, store: Store | None = None, trained: Container[str] = ()) -> Estimate:
    """About how long a run would take from here, counting only the stages that are not stored.

    `trained` has the keys of networks that runs before it in a plan will have trained and represented.
    """
    store = store or Store()
    if store.has("run", stages.run_key(config)):
        return Estimate(cached=True, seconds=0.0, measured=True)
    speed = pace(config, store)
    return Estimate(False, seconds(left(config, store, trained).values(), speed), speed.measured)


def span(seconds: float, measured: bool) -> tuple[float, float]:
    """Between how many seconds the time lies that was estimated before anything began, [low, high]."""
    low, high = MEASURED if measured else GUESSED
    return seconds * low, seconds * high


def left(config: RunConfig, store: Store, trained: Container[str] = ()) -> dict[str, float]:
    """The stages of a run that are not stored, and their cost in forward passes; `trained` as in `estimate`."""
    if store.has("run", stages.run_key(config)):
        return {}
    model = stages.model_key(config)
    stored = {
        "train": model in trained or (store.has("model", model) and not _losses_missing(config, store, model)),
        "evaluate": model in trained or store.has("predictions", stages.predictions_key(model, config.attack)),
        "represent": model in trained
        or store.has("features", stages.features_key(model, config.defence.representation)),
    }
    return {stage: passes for stage, passes in costs(config).items() if not stored.get(stage)}


def parts(
    config: RunConfig, store: Store, *, retrain: bool, references: bool, benign: bool, trained: Container[str] = ()
) -> list[dict[str, float]]:
    """The same of a run, without its retraining where that is not asked for, and of its references one by one.

    The benign network stands before the filters.
    """
    run = {stage: cost for stage, cost in left(config, store, trained).items() if retrain or stage not in RETRAINING}
    stored = [store.has("reference", stages.reference_key(config, which)) for which in stages.FILTERS]
    filters = [{} if known else retraining(config) for known in stored if references]
    return [run, *([unpoisoned(config, store, trained)] if benign else []), *filters]


def unpoisoned(config: RunConfig, store: Store, trained: Container[str] = ()) -> dict[str, float]:
    """The stages of a run's benign reference that are not stored, and their cost; `trained` as in `estimate`."""
    missing = left(stages.benign(config), store, trained)
    return {stage: cost for stage, cost in missing.items() if stage in ("train", "evaluate")}


def retraining(config: RunConfig) -> dict[str, float]:
    """What training once more on a part of the images costs, in forward passes: all there is to a reference."""
    whole = costs(config)
    return {stage: whole[stage] for stage in RETRAINING}


def costs(config: RunConfig) -> dict[str, float]:
    """What each stage of a run costs, in forward passes; no data set is loaded for it."""
    size = train_size(config)
    return progress.costs(config, size, DATASETS[config.dataset.name].facts.get("test_size", size // 5))


def train_size(config: RunConfig) -> int:
    """How many images a run has before any is poisoned; no data set is loaded for it."""
    facts, per_class = DATASETS[config.dataset.name].facts, config.dataset.per_class
    sizes = facts.get("class_sizes", (1_000,))
    return sum(sizes) if per_class is None else per_class * len(facts["class_names"])


class Pace(NamedTuple):
    """How many images a second a network trains on, and whether that was measured in this store."""

    images_per_second: float
    measured: bool


def seconds(passes: Collection[float], pace: Pace) -> float:
    """About how long stages of so many forward passes take."""
    return sum(passes) / (progress.TRAINING_COST * pace.images_per_second) + BESIDE if passes else 0.0


def _losses_missing(config: RunConfig, store: Store, model: str) -> bool:
    """Whether a stored network is trained once more, for the losses that the detector needs."""
    needed = evidence.LOSSES in DETECTORS[config.defence.detector].needs
    return needed and not evidence.has_losses(store, model)


def pace(config: RunConfig, store: Store) -> Pace:
    """The speed of a stored training of the same network on the same data set, whose batches and precision differ."""
    network, dataset = config.training.model, config.dataset.name
    for listed in store.listing("model"):
        artefact = store.read("model", listed.key)
        known = {} if artefact is None else artefact.document
        if known.get("recorded"):  # on another machine
            continue
        if known.get("network") == network and known.get("dataset", dataset) == dataset:
            return Pace(float(known["images_per_second"]), True)
    return Pace(float(MODELS[network].facts.get("cpu_images_per_second", 100.0)), False)
