"""The recorded runs that ship in assets/: every screen works with them, with no data set and no training.

Made by core.reproduction.record from runs of the project's own pipeline. There are two recordings: FOLDER is put into
store and ledger at the first start, TABLES has runs behind the report's tables, each unpacked when somebody opens it.
What a recording holds, each file named in manifest.json with its SHA-256:

    arrays.npz    the runs' artefacts: scores as they were; features, logits and weights rounded to save space
                  (in TABLES one such file a run, and shared.npz for what several runs need)
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.configuration import DatasetConfig, RunConfig, class_names
from core.store import Store
from core.types import DamagedArtefact, Dataset, Images, Mask

_ASSETS = Path(__file__).resolve().parents[2] / "assets"
FOLDER = _ASSETS / "recorded"
TABLES = _ASSETS / "tables" / "runs"
MANIFEST = "manifest.json"
GREY = 128  # where there is no picture
COLUMNS = 32  # pictures in a row of a sheet

Array = NDArray[Any]


def present(folder: Path | None = None) -> bool:
    """Whether a recording (FOLDER, if none is named) ships with this copy of the program."""
    return ((folder or FOLDER) / MANIFEST).is_file()


def manifest(folder: Path | None = None) -> dict[str, Any]:
    """What a recording says of itself: runs, artefacts, files, and how it was made."""
    return _manifest(folder or FOLDER)


def runs(folder: Path | None = None) -> list[tuple[str, RunConfig]]:
    """The recorded runs, the main one first, each with the name it goes by; none where none ships."""
    if not present(folder):
        return []
    return [(run["name"], RunConfig.model_validate(run["config"])) for run in manifest(folder)["runs"]]


def run_keys(folder: Path | None = None) -> list[str]:
    """The keys of the recorded runs, the main one first."""
    return [run["key"] for run in manifest(folder)["runs"]] if present(folder) else []


def unpack(store: Store, folder: Path | None = None, run: str | None = None) -> None:
    """Put the artefacts of a recording, or of one run of it, into a store that lacks them.

    DamagedArtefact where a file was altered.
    """
    folder = folder or FOLDER
    wanted = [one for one in manifest(folder)["artefacts"] if run is None or run in one["runs"]]
    missing = [one for one in wanted if not store.has(one["stage"], one["key"])]
    files = {name: _load(folder, name) for name in dict.fromkeys(one["file"] for one in missing)}
    for one in missing:
        arrays = files[one["file"]]
        kept = {name: restore(arrays, f"{one['key']}/{name}") for name in one["arrays"]}
        weights = {name: restore(arrays, f"{one['key']}/{name}") for name in one["weights"]}
        document = one["document"] | ({"recorded": True} if one["stage"] == "model" else {})  # not this machine's pace
        store.write(one["stage"], one["key"], arrays=kept, weights=weights or None, document=document)


def dataset(config: DatasetConfig) -> Dataset | None:
    """The data set as far as the recordings hold it: all labels, some pictures, the rest grey; or None."""
    wanted = config.model_dump(mode="json")
    holding = [folder for folder in (FOLDER, TABLES) if present(folder) and manifest(folder)["dataset"] == wanted]
    return _dataset(tuple(holding), config.name) if holding else None


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


@functools.lru_cache(maxsize=2)
def _manifest(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return read


@functools.lru_cache(maxsize=1)
def _dataset(folders: tuple[Path, ...], name: str) -> Dataset:
    known = [_load(folder, "labels.npz") for folder in folders]
    labels = known[0]  # the same in all of them
    train, pictured = _pictures(folders, "train.webp", [one["pictured"] for one in known], len(labels["train_labels"]))
    test, test_pictured = _pictures(
        folders, "test.webp", [one["test_pictured"] for one in known], len(labels["test_labels"])
    )
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


def _pictures(folders: Sequence[Path], file: str, rows: Sequence[Array], count: int) -> tuple[Images, Mask]:
    """Images [count, side, side, 3]: those of the given rows of each folder's sheet, the others grey; and which."""
    sheets = [_tiles(folder, file) for folder in folders]
    images = np.full((count, *sheets[0].shape[1:]), GREY, np.uint8)
    pictured = np.zeros(count, bool)
    for tiles, places in zip(sheets, rows, strict=True):
        images[places] = tiles[: len(places)]
        pictured[places] = True
    return images, pictured


def _tiles(folder: Path, file: str) -> Images:
    from PIL import Image

    with Image.open(io.BytesIO(_checked(folder, file))) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    side = pixels.shape[1] // COLUMNS
    return pixels.reshape(-1, side, COLUMNS, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)


def _load(folder: Path, file: str) -> dict[str, Array]:
    with np.load(io.BytesIO(_checked(folder, file)), allow_pickle=False) as found:
        return dict(found)


def _checked(folder: Path, file: str) -> bytes:
    """A file's bytes, if they are those that the manifest names."""
    try:
        content = (folder / file).read_bytes()
    except OSError as error:
        raise DamagedArtefact(f"the recorded run's {file} cannot be read ({error}); get assets/ anew") from error
    wanted = manifest(folder)["files"][file]
    if (found := hashlib.sha256(content).hexdigest()) != wanted:
        raise DamagedArtefact(f"the recorded run's {file} must have SHA-256 {wanted}, got {found}; get assets/ anew")
    return content
