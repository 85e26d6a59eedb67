"""One artefact: the files of a folder, its marker DONE, and what they must agree in."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import safetensors
from numpy.typing import NDArray

from core.store import home
from core.store.troubles import damage
from core.types import BadRequest, DamagedArtefact

Array = NDArray[Any]
FORMAT = 1
DONE = "DONE"
WEIGHTS = "weights.safetensors"
DOCUMENT = "document.json"
_ARRAY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Artefact:
    """A stored result whose files have been checked."""

    folder: Path
    document: Mapping[str, Any] = field(default_factory=dict)

    def array(self, name: str, mmap_mode: Literal["r"] | None = None) -> Array:
        """An array by name; mmap_mode "r" leaves it on disk, read-only, until it is looked at."""
        path = self.folder / f"{_array_name(name)}.npy"
        if not path.exists() and self.folder.exists():
            known = sorted(found.stem for found in self.folder.glob("*.npy"))
            raise BadRequest(f"{self.folder.name} has no array {name!r}; it has {known}")
        with damage(path):
            # An empty array cannot be mapped, and need not be.
            found: Array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
            return found

    @property
    def done(self) -> Mapping[str, Any]:
        """The marker: `time` (unix seconds) and `versions` of when it was written, among others."""
        found: dict[str, Any] = json.loads((self.folder / DONE).read_text())
        return found

    @property
    def has_weights(self) -> bool:
        """Whether there are any."""
        return (self.folder / WEIGHTS).exists()

    def weights(self) -> dict[str, Array]:
        """The tensors of weights.safetensors, each a writable copy in memory."""
        from safetensors.numpy import load

        path = self.folder / WEIGHTS
        if not path.exists() and self.folder.exists():
            raise BadRequest(f"{self.folder.name} has no weights")
        with damage(path):
            return {name: np.array(tensor) for name, tensor in load(path.read_bytes()).items()}


class _Measured:
    """A file that is being written, with the SHA-256 and size of what went in.

    It is no real file to numpy, which therefore writes through Python: its own C writing drops the errno
    by which a full disk is known.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self._size += len(data)
        return self._file.write(data)

    def entry(self) -> dict[str, Any]:
        return {"sha256": self._digest.hexdigest(), "bytes": self._size}


def fill(
    folder: Path,
    stage: str,
    key: str,
    arrays: Mapping[str, Array],
    weights: Mapping[str, Array] | None,
    document: Mapping[str, Any] | None,
) -> None:
    """Write an artefact's files into a folder, DONE last, and sync them all."""
    files: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        with _writing(folder, f"{_array_name(name)}.npy", files) as file:
            np.save(file, array, allow_pickle=False)
    if weights is not None:
        with _writing(folder, WEIGHTS, files) as file:
            file.write(_safetensors(weights))
    if document is not None:
        with _writing(folder, DOCUMENT, files) as file:
            file.write(json.dumps(document, allow_nan=False, default=_plain, indent=1).encode())
    done = {
        "stage": stage,
        "key": key,
        "files": files,
        "time": time.time(),
        "versions": {
            "format": FORMAT,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "safetensors": safetensors.__version__,
        },
    }
    with _writing(folder, DONE, {}) as file:
        file.write(_canonical({**done, "seal": _seal(done)}))
    home.sync_folder(folder)


@contextmanager
def _writing(folder: Path, name: str, files: dict[str, dict[str, Any]]) -> Iterator[_Measured]:
    """A new file, synced when the block ends; its size and digest are entered under its name."""
    with open(folder / name, "xb") as file:
        measured = _Measured(file)
        yield measured
        file.flush()
        os.fsync(file.fileno())
    files[name] = measured.entry()


def _safetensors(weights: Mapping[str, Array]) -> bytes:
    from safetensors.numpy import save

    # The library takes the memory as it lies: it must be contiguous and in this machine's byte order.
    native = {name: np.array(value, dtype=value.dtype.newbyteorder("="), order="C") for name, value in weights.items()}
    return save(native)


def _plain(value: Any) -> Any:
    """A number or array of numpy, a mapping or a path as JSON has it."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a document may hold JSON values, numpy numbers and arrays; got {type(value).__name__}")


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _seal(done: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(done)).hexdigest()


def read_marker(content: bytes, stage: str, key: str) -> dict[str, Any]:
    """What a DONE marker says of its artefact, or DamagedArtefact where it was altered or is another's."""
    with damage(Path(DONE)):
        done = json.loads(content)
        seal = done.pop("seal")
        # Another spelling of the same values is an alteration, too.
        if seal != _seal(done) or content != _canonical({**done, "seal": seal}):
            raise DamagedArtefact("DONE was altered")
        if (done["stage"], done["key"]) != (stage, key):
            raise DamagedArtefact(f"it is the artefact of {done['stage']} {done['key']}")
        if done["versions"]["format"] != FORMAT:
            raise DamagedArtefact(f"its format is {done['versions']['format']}, this version reads {FORMAT}")
        return dict(done)


def _done(folder: Path, stage: str, key: str) -> dict[str, Any]:
    """What the DONE marker of a folder says, or DamagedArtefact."""
    with damage(folder / DONE):
        return read_marker((folder / DONE).read_bytes(), stage, key)


def sizes_agree(folder: Path, stage: str, key: str) -> dict[str, Any]:
    """The DONE marker of a folder whose files have the sizes it names, or DamagedArtefact."""
    done = _done(folder, stage, key)
    for name, entry in done["files"].items():
        with damage(folder / name):
            size = (folder / name).stat().st_size
            if size != entry["bytes"]:
                raise DamagedArtefact(f"{name} has {size} bytes instead of {entry['bytes']}")
    return done


def opened(folder: Path, stage: str, key: str) -> Artefact:
    """A folder whose every byte was checked; FileNotFoundError where there is none, else DamagedArtefact."""
    if not folder.exists():
        raise FileNotFoundError(folder)
    done = sizes_agree(folder, stage, key)
    for name, entry in done["files"].items():
        with damage(folder / name), open(folder / name, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                raise DamagedArtefact(f"{name} was altered")
    return Artefact(folder, document_of(folder))


def document_of(folder: Path) -> dict[str, Any]:
    """The document of an artefact, empty where it has none; DamagedArtefact where it cannot be read."""
    path = folder / DOCUMENT
    if not path.exists():
        return {}
    with damage(path):
        return dict(json.loads(path.read_bytes()))


def _array_name(name: str) -> str:
    if not _ARRAY.fullmatch(name):
        raise BadRequest(f"an array is named by letters, digits, '_' and '-'; got {name!r}")
    return name
