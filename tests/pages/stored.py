"""A finished run in the store, made up without a training: what the screens show can be tested in seconds.

Features are noise around each class's own centre; the poisoned images are shifted along one more axis, so
that every detector has something to find. The networks' answers are right but for a few.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

import core
from core import Job, RunConfig, Store
from core.configuration import stages
from core.evaluation import filter
from core.results import result as results
from core.results.result import Result

ASR1, ASR2, BENIGN_ASR = 0.9, 0.05, 0.03
NAT1, NAT2 = 0.95, 0.94
DIMENSIONS = 24


def config(**changes: object) -> RunConfig:
    """A small run on digits, of which a test may change what it is about."""
    settings = dict(dataset="digits", trigger="pattern", target="three", ratio=0.2)
    return core.configure(**{**settings, **changes})  # type: ignore[arg-type]


def few(**changes: object) -> RunConfig:
    """The same run on 60 images a class, for what asks slow detectors."""
    return config(**{"training": {"per_class": 60}, **changes})


def gap_config(**changes: object) -> RunConfig:
    """The same run by whitened-spectral, cut at its own gap."""
    return config(**{"detector": "whitened-spectral", "cut": "gap", **changes})


def finished(
    wanted: RunConfig, asr1: float = ASR1, weights: bool = False, asr2: float = ASR2, removes: bool = True
) -> Job:
    """Put every artefact of a run into the store, and the run into the ledger, which finds it done.

    weights stores real networks too; they are as they were drawn, so their answers are not those stored. And it
    stores losses of the poisoned one's training; without it, as for an earlier version's, there are none. removes:
    whether the filter removes what it would.
    """
    made = _made_up(wanted.model_dump_json(), asr1, weights, asr2, removes)
    shutil.copytree(made, Store().folder, dirs_exist_ok=True)
    return core.submit(wanted)


@cache
def _made_up(settings: str, asr1: float, weights: bool, asr2: float, removes: bool) -> Path:
    """A store with the artefacts of such a run alone: made once, however many tests look at it."""
    folder = Path(tempfile.mkdtemp(prefix="made-up-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    wanted, store = RunConfig.model_validate_json(settings), Store(folder)
    result = Result(wanted, store)
    truth, labels = result.poisoned.truth.poisoned, result.poisoned.labels
    _network(result, stages.model_key(wanted), NAT1, asr1, weights)
    store.write("features", result.features_key, arrays=_representations(labels, truth))
    found = result.detection()
    assert found is not None
    keep = filter.keep_mask(found, labels, wanted.defence) if removes else np.ones(len(labels), bool)
    _network(result, stages.model_key(wanted, keep), NAT2, asr2, weights)
    answers = (store.read("predictions", stages.predictions_key(stages.model_key(wanted, k), wanted.attack))
               for k in (None, keep))  # fmt: skip
    before, after = (
        results.quality(wanted, result.dataset, read.array("clean"), read.array("triggered")) for read in answers
    )
    summary = results.summarise(wanted, result.dataset, result.poisoned, found, ~keep, before, after)
    key = stages.run_key(wanted)
    summary |= {"run": key, "seconds": 61.0, "device": "no device"}
    store.write("run", key, arrays={"flagged": ~keep}, document=summary)
    return folder


def benign(wanted: RunConfig, weights: bool = False) -> None:
    """The benign reference of a run."""
    _network(Result(wanted), stages.model_key(stages.benign(wanted)), NAT1, BENIGN_ASR, weights)


def _network(result: Result, key: str, nat: float, asr: float, weights: bool = False) -> None:
    """The history of a training, and answers to the test images that come to these figures."""
    wanted, store = result.config, result.store
    epochs = range(1, wanted.training.epochs + 1)
    history = [{"epoch": e, "loss": 1 / e, "accuracy": nat, "nat": nat, "asr": asr, "seconds": 5.0} for e in epochs]
    document = {"history": history, "images_per_second": 500.0, "network": "none"}
    losses = {"losses": _losses(result)} if weights and key == stages.model_key(wanted) else {}
    store.write("model", key, arrays=losses, document=document, weights=_weights(result, key) if weights else None)
    labels, target = result.dataset.test_labels, result.aims
    clean = _first(np.ones(len(labels), bool), nat)
    source = wanted.attack.source  # of an attack from one class, that class alone is fooled
    fooled = _first(labels != target if source is None else labels == source, asr)
    wrong = (labels + 1) % result.dataset.classes
    arrays = {
        "clean": _logits(np.where(clean, labels, wrong), result.dataset.classes),
        "triggered": _logits(np.where(fooled, target, labels), result.dataset.classes),
    }
    store.write("predictions", stages.predictions_key(key, wanted.attack), arrays=arrays)


def _weights(result: Result, key: str) -> dict[str, np.ndarray]:
    """An untrained network of the run's kind, another one for every key."""
    import torch

    from core.training import loop, models, step

    network = models.build(result.config.training.model, result.dataset.classes, int(key[:6], 16))
    network.calibrate(step.to_float(torch.from_numpy(np.array(result.dataset.train_images[:100]))))
    return loop.weights(network)


def _losses(result: Result) -> np.ndarray:
    """Losses of a training that learns the poisoned images first."""
    truth, epochs = result.poisoned.truth.poisoned, result.config.training.epochs
    noise = np.random.default_rng(0).uniform(0.5, 1.5, (epochs, len(truth)))
    return np.where(truth, 0.01 * noise, noise).astype(np.float32)


def _first(candidates: np.ndarray, share: float) -> np.ndarray:
    """A mask of the first so large a share of the candidates."""
    chosen = np.zeros(len(candidates), bool)
    rows = np.flatnonzero(candidates)
    chosen[rows[: round(share * len(rows))]] = True
    return chosen


def _logits(answers: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[answers]


def _representations(labels: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(len(labels), DIMENSIONS))
    features += 4 * generator.normal(size=(labels.max() + 1, DIMENSIONS))[labels]
    features[truth, 0] += 6
    return {"features": features.astype(np.float32), "logits": _logits(labels, int(labels.max()) + 1)}
