"""Making the recorded runs of assets/ (see core.results.recorded) from runs of the project's own pipeline.

    python -m core record             the run that the program opens on
    python -m core record --tables    runs behind the report's tables

Features are kept in 8 bits a dimension, logits and weights in float16 (a table's logits in 8 bits, too); scores,
flags and figures stay as they were. Rounding changes no network's answer to any test image. The losses of the
training are left out.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core import doors
from core.configuration import DefenceConfig, RunConfig, predictions_key, run_key, scores_key, settings
from core.results import Result, recorded
from core.store import Artefact
from core.types import BadRequest, Ids, Images, Watcher, ignore

TOP_OF_A_CLASS = 16  # highest scores of every class by each of DETECTORS
TOP_IN_TABLES = 4  # and of runs behind the tables, by their own detector
SHARED = "shared.npz"  # what several runs need
TESTED_OF_A_CLASS = 12
NETWORKS = ("poisoned", "clean", "benign")
DETECTORS = ("spectral", "spectral-released", "whitened-spectral")  # recorded; any other scores when it is asked

Array = recorded.Array


def chosen() -> list[tuple[str, RunConfig]]:
    """What is recorded: one poisoned network, cleaned after two detectors; the main run first."""
    attack: dict[str, Any] = dict(trigger="pattern", target="horse", ratio=0.1, recipe="quick", seed=0)
    return [
        ("Recorded run", settings.configure(**attack, detector="whitened-spectral")),
        ("Recorded run, Algorithm 1", settings.configure(**attack, detector="spectral")),
    ]


def record(folder: Path = recorded.FOLDER, watch: Watcher = ignore) -> Path:
    """Carry the runs out, or find them stored, and write the recording into a folder. Returns the manifest."""
    runs = chosen()
    for _, config in runs:
        doors.run(config, watch=watch)
        doors.run_benign(config, watch=watch)
    return pack(runs, folder)


def pack(runs: Sequence[tuple[str, RunConfig]], folder: Path, *, apart: bool = False) -> Path:
    """Write finished runs on one data set, the main one first, into a folder as a recording. Returns the manifest.

    apart: each run in a file of its own, with no other detector's scores and logits in 8 bits.
    """
    results = [Result(config) for _, config in runs]
    _check(results)
    kept = _Kept(apart)
    for result in results:
        kept.add(result)
    files = {**kept.files(), **_pictures(results, apart)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for left_over in set(folder.glob("*.npz")) - {folder / name for name in files}:
        left_over.unlink()  # of runs that an earlier recording had
    manifest = {
        "runs": [
            {"name": name, "key": run_key(config), "config": config.model_dump(mode="json")} for name, config in runs
        ],
        "dataset": results[0].config.dataset.model_dump(mode="json"),
        "made": {
            "by": f"python -m core record{' --tables' if apart else ''}",
            "device": ", ".join(dict.fromkeys(str((result.summary or {}).get("device")) for result in results)),
            "seconds": [round((result.summary or {}).get("seconds", 0.0), 1) for result in results],
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "artefacts": kept.listed,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    place = folder / recorded.MANIFEST
    place.write_text(json.dumps(manifest, indent=1) + "\n")
    return place


def _check(results: Sequence[Result]) -> None:
    if not results:
        raise BadRequest("a recording needs at least one finished run, got none")
    if any(result.summary is None or result.quality("benign") is None for result in results):
        raise BadRequest("only finished runs with their benign reference can be recorded")
    if any(result.config.dataset != results[0].config.dataset for result in results):
        raise BadRequest("one recording holds runs on one data set, with the same images a class")
    if any(not result.pictured.all() for result in results):
        raise BadRequest("the data set itself must be here to make a recording of it")


@dataclass
class _Kept:
    """The artefacts of a recording, each once: arrays by "key/name" for each artefact, and a list of them."""

    apart: bool
    listed: list[dict[str, Any]] = field(default_factory=list)
    arrays: dict[str, dict[str, Array]] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """All that a run needs and no run before it had."""
        run = run_key(result.config)
        for stage, key in _needed(result, _detectors(result, self.apart)):
            known = next((one for one in self.listed if one["key"] == key), None)
            if known is not None:
                known["runs"].append(run)
                continue
            artefact = result.store.read(stage, key)
            if artefact is None:
                raise BadRequest(f"the store lacks {stage} {key[:12]} of a run that is to be recorded; run it again")
            self._keep(stage, key, artefact, run)

    def _keep(self, stage: str, key: str, artefact: Artefact, run: str) -> None:
        names = sorted({path.stem for path in artefact.folder.glob("*.npy")} - {"losses"})
        weights = artefact.weights() if stage == "model" else {}
        one = {"stage": stage, "key": key, "document": dict(artefact.document), "arrays": names, "weights": [*weights]}
        self.listed.append({**one, "runs": [run]})
        self.arrays[key] = {}
        for name, array in {**{name: artefact.array(name) for name in names}, **weights}.items():
            self.arrays[key] |= _rounded(stage, f"{key}/{name}", array, self.apart)

    def files(self) -> dict[str, bytes]:
        """The arrays as files; every artefact in the list is told which is its."""
        contents: dict[str, dict[str, Array]] = {}
        for one in self.listed:
            one["file"] = self._file(one["runs"])
            contents.setdefault(one["file"], {}).update(self.arrays[one["key"]])
        return {name: _npz(arrays) for name, arrays in contents.items()}

    def _file(self, runs: Sequence[str]) -> str:
        if not self.apart:
            return "arrays.npz"
        return SHARED if len(runs) > 1 else f"{runs[0][:16]}.npz"


def _detectors(result: Result, apart: bool) -> Collection[str]:
    """Whose scores are recorded."""
    return (result.config.defence.detector,) if apart else DETECTORS


def _needed(result: Result, detectors: Collection[str]) -> Iterator[tuple[str, str]]:
    """Stage and key of all that the screens read of a run; the detectors' scores are made sure of."""
    config = result.config
    keys = {which: result.model_key(which) for which in NETWORKS}
    for key in filter(None, keys.values()):
        yield "model", key
        yield "predictions", predictions_key(key, config.attack)
    yield "features", result.features_key
    for detector in detectors:
        defence = config.defence
        if detector != defence.detector:
            defence = DefenceConfig(detector=detector, representation=defence.representation)
        result.detection(defence)
        yield "scores", scores_key(result.features_key, defence)
    yield "run", run_key(config)


def _rounded(stage: str, name: str, array: Array, small_logits: bool) -> dict[str, Array]:
    """An array in fewer bits, where that does no harm."""
    if array.dtype != np.float32:
        return {name: array}
    if name.endswith("/features"):
        low, high = array.min(0), array.max(0)
        step = np.where(high > low, (high - low) / 255, 1.0).astype(np.float32)
        return {name: np.rint((array - low) / step).astype(np.uint8), f"{name}:scale": np.stack([step, low])}
    if small_logits and stage in ("predictions", "features"):
        return _in_8_bits(name, array)
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


def _in_8_bits(name: str, logits: Array) -> dict[str, Array]:
    """Logits [n, k] on one scale of 256 steps; a rival that would draw level with the largest is put one below."""
    low = logits.min()
    step = (logits.max() - low) / 255 or np.float32(1)
    codes = np.rint((logits - low) / step).astype(np.int64)
    rows, answers = np.arange(len(logits)), logits.argmax(1)
    largest = np.maximum(codes[rows, answers], 1)
    codes = np.minimum(codes, largest[:, None] - 1)
    codes[rows, answers] = largest
    return {name: codes.astype(np.uint8), f"{name}:scale": np.array([step, low], np.float32)}


def _pictures(results: Sequence[Result], apart: bool) -> dict[str, bytes]:
    """labels.npz and the sheets of pictures: what the filters removed of the target, sources, tops of classes."""
    first = results[0]
    top = TOP_IN_TABLES if apart else TOP_OF_A_CLASS
    train = np.unique(np.concatenate([_shown(result, _detectors(result, apart), top) for result in results]))
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


def _shown(result: Result, detectors: Collection[str], top: int) -> Ids:
    """Rows of the clean training set whose pictures the screens show: `top` of every class by each detector, too."""
    poisoned, flagged = result.poisoned, result.flagged
    assert flagged is not None
    ids = [
        np.flatnonzero(poisoned.truth.poisoned),
        np.flatnonzero(flagged & (poisoned.labels == result.config.attack.target)),
    ]
    for detector in detectors:
        found = result.detection(DefenceConfig(detector=detector))
        assert found is not None
        for label in range(result.dataset.classes):
            members = np.flatnonzero(poisoned.labels == label)
            ids.append(members[np.argsort(-found.scores[members], kind="stable")[:top]])
    return np.unique(poisoned.source_ids[np.concatenate(ids)])


def _tested(result: Result) -> Ids:
    """Test images of every class, first those that tell the story: right before and after, fooled in between."""
    before, after = result.predictions("poisoned"), result.predictions("clean")
    assert before is not None
    assert after is not None
    labels, target = result.dataset.test_labels, result.aims
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
