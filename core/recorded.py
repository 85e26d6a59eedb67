"""The recorded run that ships in assets/: every screen works with it, with no data set and no training.

Made by core.record from runs of the project's own pipeline. What it holds, each file named in
manifest.json with its SHA-256:

    arrays.npz    the runs' artefacts: scores as they were; features, logits and weights rounded to save space
    labels.npz    the labels of all training and test images, and which of them have a picture here
    train.webp, test.webp    those pictures, lossless, 32 in a row

Reading puts the artefacts into a store under their own keys, so that every door finds them as if the run had
been made here. Where the data set itself is not on this machine, `dataset` stands in for it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config import DatasetConfig, RunConfig, class_names
from core.store import Store
from core.types import DamagedArtefact, Dataset, Images, Mask

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "recorded"
MANIFEST = "manifest.json"
GREY = 128  # where there is no picture
COLUMNS = 32  # pictures in a row of a sheet

Array = NDArray[Any]


def present() -> bool:
    """Whether a recorded run ships with this copy of the program."""
    return (FOLDER / MANIFEST).is_file()


def manifest() -> dict[str, Any]:
    """What the recording says of itself: runs, artefacts, files, and how it was made."""
    return _manifest(FOLDER)


def runs() -> list[tuple[str, RunConfig]]:
    """The recorded runs, the main one first, each with the name it goes by; none where none ships."""
    if not present():
        return []
    return [(run["name"], RunConfig.model_validate(run["config"])) for run in manifest()["runs"]]


def run_keys() -> list[str]:
    """The keys of the recorded runs, the main one first."""
    return [run["key"] for run in manifest()["runs"]] if present() else []


def unpack(store: Store) -> None:
    """Put every artefact of the recording into a store that lacks it. DamagedArtefact where a file was altered."""
    missing = [one for one in manifest()["artefacts"] if not store.has(one["stage"], one["key"])]
    if not missing:
        return
    arrays = _load("arrays.npz")
    for one in missing:
        kept = {name: restore(arrays, f"{one['key']}/{name}") for name in one["arrays"]}
        weights = {name: restore(arrays, f"{one['key']}/{name}") for name in one["weights"]}
        store.write(one["stage"], one["key"], arrays=kept, weights=weights or None, document=one["document"])


def dataset(config: DatasetConfig) -> Dataset | None:
    """The data set as far as the recording holds it: all labels, some pictures, the rest grey; or None."""
    if not present() or manifest()["dataset"] != config.model_dump(mode="json"):
        return None
    return _dataset(FOLDER, config.name)


def restore(arrays: dict[str, Array], name: str) -> Array:
    """An array as the artefact had it, up to rounding: float16 and quantised ones become float32 again."""
    found = arrays[name]
    if f"{name}:scale" in arrays:
        step, offset = arrays[f"{name}:scale"]
        return np.asarray(found * step + offset, np.float32)
    return found.astype(np.float32) if found.dtype == np.float16 else found


def forget() -> None:
    """Read the recording anew when it is next asked for."""
    _manifest.cache_clear()
    _dataset.cache_clear()


@functools.lru_cache(maxsize=1)
def _manifest(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return read


@functools.lru_cache(maxsize=1)
def _dataset(folder: Path, name: str) -> Dataset:
    labels = _load("labels.npz")
    train, pictured = _pictures("train.webp", labels["pictured"], len(labels["train_labels"]))
    test, test_pictured = _pictures("test.webp", labels["test_pictured"], len(labels["test_labels"]))
    found = Dataset(
        name=name,
        train_images=train,
        train_labels=labels["train_labels"].astype(np.int64),
        test_images=test,
        test_labels=labels["test_labels"].astype(np.int64),
        class_names=class_names(name),
        train_rows=labels["train_rows"].astype(np.int64),
        pictured=pictured,
        test_pictured=test_pictured,
    )
    for array in (train, test, pictured, test_pictured):
        array.flags.writeable = False
    return found


def _pictures(file: str, rows: Array, count: int) -> tuple[Images, Mask]:
    """Images [count, side, side, 3]: those of the given rows from a sheet, the others grey; and which are which."""
    from PIL import Image

    with Image.open(io.BytesIO(_checked(file))) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    side = pixels.shape[1] // COLUMNS
    tiles = pixels.reshape(-1, side, COLUMNS, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    images = np.full((count, side, side, 3), GREY, np.uint8)
    images[rows] = tiles[: len(rows)]
    pictured = np.zeros(count, bool)
    pictured[rows] = True
    return images, pictured


def _load(file: str) -> dict[str, Array]:
    with np.load(io.BytesIO(_checked(file)), allow_pickle=False) as found:
        return dict(found)


def _checked(file: str) -> bytes:
    """A file's bytes, if they are those that the manifest names."""
    try:
        content = (FOLDER / file).read_bytes()
    except OSError as error:
        raise DamagedArtefact(f"the recorded run's {file} cannot be read ({error}); get assets/ anew") from error
    wanted = manifest()["files"][file]
    if (found := hashlib.sha256(content).hexdigest()) != wanted:
        raise DamagedArtefact(f"the recorded run's {file} must have SHA-256 {wanted}, got {found}; get assets/ anew")
    return content
