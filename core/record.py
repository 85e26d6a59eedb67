"""Making the recorded run of assets/ (see core.recorded) from runs of the project's own pipeline.

    python -m core record

Features are kept in 8 bits a dimension, logits and weights in float16; scores, flags and figures stay as they
were. Rounding changes no network's answer to any test image: where it would, the answer's logit is raised.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core import doors, recorded
from core.config import DefenceConfig, RunConfig
from core.results import Result
from core.stages import predictions_key, run_key, scores_key
from core.store import Artefact
from core.types import BadRequest, Ids, Images, Watcher, ignore

TOP_OF_A_CLASS = 16  # highest scores of every class by each of DETECTORS
TESTED_OF_A_CLASS = 12
NETWORKS = ("poisoned", "clean", "benign")
DETECTORS = ("spectral", "spectral-released", "whitened-spectral")  # recorded; any other scores when it is asked

Array = recorded.Array


def chosen() -> list[tuple[str, RunConfig]]:
    """What is recorded: one poisoned network, cleaned after two detectors; the main run first."""
    attack: dict[str, Any] = dict(trigger="pattern", target="horse", ratio=0.1, recipe="quick", seed=1)
    return [
        ("Recorded run", doors.configure(**attack, detector="whitened-spectral")),
        ("Recorded run, Algorithm 1", doors.configure(**attack, detector="spectral")),
    ]


def record(folder: Path = recorded.FOLDER, watch: Watcher = ignore) -> Path:
    """Carry the runs out, or find them stored, and write the recording into a folder. Returns the manifest."""
    runs = chosen()
    for _, config in runs:
        doors.run(config, watch=watch)
        doors.run_benign(config, watch=watch)
    return pack(runs, folder)


def pack(runs: Sequence[tuple[str, RunConfig]], folder: Path) -> Path:
    """Write finished runs on one data set, the main one first, into a folder as a recording."""
    results = [Result(config) for _, config in runs]
    if any(result.summary is None or result.quality("benign") is None for result in results):
        raise BadRequest("only finished runs with their benign reference can be recorded")
    if any(result.config.dataset != results[0].config.dataset for result in results):
        raise BadRequest("one recording holds runs on one data set, with the same images a class")
    if any(not result.pictured.all() for result in results):
        raise BadRequest("the data set itself must be here to make a recording of it")
    folder.mkdir(parents=True, exist_ok=True)
    kept = _artefacts(results)
    files = {"arrays.npz": _npz(kept.arrays), **_pictures(results)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "runs": [
            {"name": name, "key": run_key(config), "config": config.model_dump(mode="json")} for name, config in runs
        ],
        "dataset": results[0].config.dataset.model_dump(mode="json"),
        "made": {
            "by": "python -m core record",
            "device": (results[0].summary or {}).get("device"),
            "seconds": [round((result.summary or {}).get("seconds", 0.0), 1) for result in results],
            "torch": torch.__version__,
        },
        "artefacts": kept.listed,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    place = folder / recorded.MANIFEST
    place.write_text(json.dumps(manifest, indent=1) + "\n")
    return place


@dataclass
class _Kept:
    """The artefacts of a recording, each once: arrays by "key/name", and a list of what they belong to."""

    listed: list[dict[str, Any]] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)

    def add(self, stage: str, key: str, artefact: Artefact) -> None:
        if any(one["key"] == key for one in self.listed):
            return
        names = sorted(path.stem for path in artefact.folder.glob("*.npy"))
        weights = artefact.weights() if stage == "model" else {}
        one = {"stage": stage, "key": key, "document": dict(artefact.document), "arrays": names, "weights": [*weights]}
        self.listed.append(one)
        for name, array in {**{name: artefact.array(name) for name in names}, **weights}.items():
            self.arrays |= _rounded(stage, f"{key}/{name}", array)


def _artefacts(results: Sequence[Result]) -> _Kept:
    kept = _Kept()
    for result in results:
        for stage, key in _needed(result):
            artefact = result.store.read(stage, key)
            if artefact is None:
                raise BadRequest(f"the store lacks {stage} {key[:12]} of a run that is to be recorded; run it again")
            kept.add(stage, key, artefact)
    return kept


def _needed(result: Result) -> Iterator[tuple[str, str]]:
    """Stage and key of all that the screens read of a run; the scores of DETECTORS are made sure of."""
    config = result.config
    keys = {which: result.model_key(which) for which in NETWORKS}
    for key in filter(None, keys.values()):
        yield "model", key
        yield "predictions", predictions_key(key, config.attack)
    yield "features", result.features_key
    for detector in DETECTORS:
        defence = config.defence
        if detector != defence.detector:
            defence = DefenceConfig(detector=detector, representation=defence.representation)
        result.detection(defence)
        yield "scores", scores_key(result.features_key, defence)
    yield "run", run_key(config)


def _rounded(stage: str, name: str, array: Array) -> dict[str, Array]:
    """An array in fewer bits, where that does no harm."""
    if array.dtype != np.float32:
        return {name: array}
    if name.endswith("/features"):
        low, high = array.min(0), array.max(0)
        step = np.where(high > low, (high - low) / 255, 1.0).astype(np.float32)
        return {name: np.rint((array - low) / step).astype(np.uint8), f"{name}:scale": np.stack([step, low])}
    small = array.astype(np.float16)
    if stage in ("predictions", "features"):
        small = _same_answers(array, small)
    if not np.isfinite(small).all():
        raise BadRequest(f"{name} has numbers that float16 cannot hold")
    return {name: small}


def _same_answers(logits: Array, small: Array) -> Array:
    """Rounded logits [n, k] whose largest is where it was."""
    rows = np.arange(len(logits))
    answers = logits.argmax(1)
    small[rows, answers] = np.where(
        small.argmax(1) == answers, small[rows, answers], np.nextafter(small.max(1), np.float16(np.inf))
    )
    return small


def _pictures(results: Sequence[Result]) -> dict[str, bytes]:
    """labels.npz and the sheets of pictures: what the filters removed of the target, sources, tops of classes."""
    first = results[0]
    train = np.unique(np.concatenate([_shown(result) for result in results]))
    test = _tested(first)
    dataset = first.dataset
    labels: dict[str, Array] = {
        "train_labels": dataset.train_labels.astype(np.uint8),
        "train_rows": dataset.train_rows.astype(np.uint32),
        "test_labels": dataset.test_labels.astype(np.uint8),
        "pictured": train.astype(np.uint32),
        "test_pictured": test.astype(np.uint32),
    }
    sheets = {"train.webp": dataset.train_images[train], "test.webp": dataset.test_images[test]}
    return {"labels.npz": _npz(labels), **{name: _sheet(images) for name, images in sheets.items()}}


def _shown(result: Result) -> Ids:
    """Rows of the clean training set whose pictures the screens show."""
    poisoned, flagged = result.poisoned, result.flagged
    assert flagged is not None
    ids = [
        np.flatnonzero(poisoned.truth.poisoned),
        np.flatnonzero(flagged & (poisoned.labels == result.config.attack.target)),
    ]
    for detector in DETECTORS:
        found = result.detection(DefenceConfig(detector=detector))
        assert found is not None
        for label in range(result.dataset.classes):
            members = np.flatnonzero(poisoned.labels == label)
            ids.append(members[np.argsort(-found.scores[members], kind="stable")[:TOP_OF_A_CLASS]])
    return np.unique(poisoned.source_ids[np.concatenate(ids)])


def _tested(result: Result) -> Ids:
    """Test images of every class, first those that tell the story: right before and after, fooled in between."""
    before, after = result.predictions("poisoned"), result.predictions("clean")
    assert before is not None
    assert after is not None
    labels, target = result.dataset.test_labels, result.config.attack.target
    clean, triggered = (np.stack([one[at].argmax(1) for one in (before, after)]) for at in (0, 1))
    tells = (clean == labels).all(0) & (triggered[0] == target) & (triggered[1] == labels)
    chosen = [
        np.flatnonzero(labels == label)[np.argsort(~tells[labels == label], kind="stable")[:TESTED_OF_A_CLASS]]
        for label in range(result.dataset.classes)
    ]
    return np.sort(np.concatenate(chosen))


def _sheet(images: Images) -> bytes:
    from PIL import Image

    count, side = images.shape[:2]
    rows = -(-count // recorded.COLUMNS)
    full = np.full((rows * recorded.COLUMNS, *images.shape[1:]), recorded.GREY, np.uint8)
    full[:count] = images
    sheet = full.reshape(rows, recorded.COLUMNS, side, side, 3).swapaxes(1, 2).reshape(rows * side, -1, 3)
    content = io.BytesIO()
    Image.fromarray(sheet).save(content, "WEBP", lossless=True, quality=100, method=6)
    return content.getvalue()


def _npz(arrays: dict[str, Array]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()
