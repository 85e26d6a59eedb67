"""One cell of a sweep: carried out as far as the sweep asks, measured once, and kept as one small document.

So a table of a thousand cells is read without loading a data set.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core import pipeline
from core.attack import poison as attack
from core.configuration import RunConfig, Sweep, cell_key, stages
from core.detectors import top_singular
from core.evaluation import FPR, metrics, spectral_gaps
from core.evaluation import filter as filtering
from core.jobs import estimates, progress
from core.pipeline import Line
from core.store import Store
from core.training import devices
from core.types import Features, Labels, Mask, Watcher, ignore


def measure(
    config: RunConfig, sweep: Sweep, store: Store, watch: Watcher = ignore, device: str = "auto"
) -> dict[str, Any]:
    """The figures of a cell, from the store or computed now and kept there."""
    cell = cell_key(config, sweep)
    if (known := store.read("cell", cell)) is not None:
        return dict(known.document)
    parts = estimates.parts(config, store, retrain=sweep.retrain, references=sweep.references, benign=sweep.benign)
    watchers = progress.in_turn(watch, [sum(part.values()) for part in parts])
    line = Line(config, store, watchers[0], device, parts[0])
    fooled = line.model("train")
    line.losses(fooled)
    before = line.quality(fooled, "evaluate")
    features = line.features(fooled)
    found = line.detection(features)
    labels, truth = line.poisoned.labels, line.poisoned.truth.poisoned
    flagged = ~filtering.keep_mask(found, labels, config.defence)
    named = filtering.suspicious_classes(labels, found, config.defence.scope)
    names_classes = found.class_statistic is not None and found.class_threshold is not None
    figures: dict[str, Any] = {
        "run": stages.run_key(config),
        "nat1": before.nat,
        "asr1": before.asr,
        **metrics.plain(metrics.found(flagged, truth)),
        **metrics.plain(metrics.ranking(found.scores, labels, truth)),
        "tpr_at_1": metrics.tpr_at(FPR, found.scores, labels, truth),
        "gap": _gap(store, features, labels, attack.targets(config.attack, line.dataset.classes)),
        "named": [int(label) for label in named] if names_classes else None,
        "device": devices.describe(line.device),
    }
    if sweep.retrain:
        summary = pipeline.run(config, store, watchers[0], device, line)
        _look_at(config, flagged, store)
        figures |= {"nat2": summary["nat2"], "asr2": summary["asr2"]}
    if sweep.benign:
        figures["benign_asr"] = pipeline.benign(config, store, watchers[1], device).asr
    for which, told in zip(stages.FILTERS if sweep.references else (), watchers[1 + sweep.benign :], strict=True):
        quality = pipeline.reference(which, config, store, told, device)
        figures |= {f"{which}_nat2": quality.nat, f"{which}_asr2": quality.asr}
    return dict(store.write("cell", cell, document=figures).document)


def _look_at(config: RunConfig, flagged: Mask, store: Store) -> None:
    """Read what the cleaned network left: so a store that fetches what it reads has it, whoever made the run."""
    cleaned = stages.model_key(config, ~flagged)
    store.read("model", cleaned)
    store.read("predictions", stages.predictions_key(cleaned, config.attack))


def _gap(store: Store, features_key: str, labels: Labels, targets: Labels) -> float | None:
    """The spectral gap of the target class (leading singular value over the second); of several, the mean."""
    stored = store.read("features", features_key)
    if stored is None:
        return None
    features = stored.array("features")
    gaps = [gap for target in targets if (gap := spectral_gap(features[labels == target])) is not None]
    return float(np.mean(gaps)) if gaps else None


def spectral_gap(features: Features) -> float | None:
    """The leading singular value of a class's centred features [m, d] over the second; None where there is none."""
    matrix = features.astype(np.float64)
    values, _ = top_singular(matrix - matrix.mean(0), 2)
    gaps = spectral_gaps(values[None])
    return None if gaps is None or np.isnan(gaps[0]) else float(gaps[0])
