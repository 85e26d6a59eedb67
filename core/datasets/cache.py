"""A data set on disk: one folder of .npy files, whole or not there at all.

The folder is filled under another name beside its place, synced and then renamed, with the marker DONE
written last; so it may be interrupted at any moment. What is damaged is set aside, never deleted.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets.arrays import Arrays, Expected, Progress, check, check_form
from core.store import sync_folder
from core.types import DamagedArtefact

if sys.platform != "win32":
    import fcntl

MARKER = "DONE"
QUARANTINE = "quarantine"

_log = logging.getLogger(__name__)
# Which folders this process has hashed, and what their files looked like then.
_hashed: dict[Path, tuple[tuple[int, int, int], ...]] = {}


def complete(folder: Path, expected: Mapping[str, Expected]) -> bool:
    """Whether the folder is all there by its marker, headers and sizes; nothing is hashed."""
    try:
        _map(folder, expected)
    except (FileNotFoundError, DamagedArtefact):
        return False
    return True


def read(folder: Path, expected: Mapping[str, Expected]) -> dict[str, NDArray[Any]]:
    """The arrays, memory-mapped and read-only.

    Hashing 184 MB takes 0.1 to 0.3 s, so every byte is checked once a process, and again whenever a file's
    size, time or inode is another. Raises FileNotFoundError where there is no folder, DamagedArtefact
    where there is one that is not as it must be.
    """
    arrays = _map(folder, expected)
    looks = tuple((s.st_size, s.st_mtime_ns, s.st_ino) for s in (_file(folder, name).stat() for name in expected))
    if _hashed.get(folder) != looks:
        check(arrays, expected)
        _hashed[folder] = looks
    return arrays


def write(folder: Path, arrays: Arrays, expected: Mapping[str, Expected], source: str, progress: Progress) -> None:
    """Check the arrays and put them in place; `source` is noted in the marker.

    A folder that another process has put there meanwhile is left as it is. Raises DamagedArtefact, OSError.
    """
    progress("verifying", 0.0)
    check(arrays, expected)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent))
    try:
        for number, (name, array) in enumerate(arrays.items(), start=1):
            progress(f"writing {name}", number / (len(arrays) + 1))
            _write_array(_file(partial, name), array)
        note = {"source": source, "sha256": {name: wanted.sha256 for name, wanted in expected.items()}}
        _write_bytes(partial / MARKER, json.dumps(note, indent=1).encode())
        sync_folder(partial)
        _put(partial, folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    progress("written", 1.0)


def set_aside(folder: Path) -> Path:
    """Move a damaged folder to the quarantine beside it, and say where it is now."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    place = folder.parent / QUARANTINE / f"{folder.name}-{stamp}-{os.getpid()}-{time.monotonic_ns()}"
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    _log.warning("%s was damaged and has been set aside in %s", folder, place)
    return place


@contextmanager
def locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Wait for the turn to prepare a folder, so that two processes do not both fetch it.

    Correctness does not hang on it (see `write`): where there is no fcntl both fetch, and both succeed.
    What a killed process left half written is cleared away under the lock.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    with (folder.parent / f".{folder.name}.lock").open("a") as handle:
        while not _taken(handle.fileno()):
            progress(f"waiting for another process that is preparing {folder.name}", 0.0)
            time.sleep(0.2)
        for leftover in folder.parent.glob(_prefix(folder) + "*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _taken(descriptor: int) -> bool:
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _prefix(folder: Path) -> str:
    return f".{folder.name}-partial-"


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _map(folder: Path, expected: Mapping[str, Expected]) -> dict[str, NDArray[Any]]:
    """Every file mapped, none of them read beyond its header."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not (folder / MARKER).is_file():
        raise DamagedArtefact(f"{folder} is incomplete: its marker {MARKER} is missing")
    arrays = {name: _map_file(_file(folder, name)) for name in expected}
    check_form(arrays, expected)
    return arrays


def _map_file(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    # A damaged header can make numpy's parser raise nearly anything.
    except Exception as error:
        raise DamagedArtefact(f"{path.name} cannot be read ({error})") from error
    if not isinstance(array, np.memmap) or not array.flags.c_contiguous:
        raise DamagedArtefact(f"{path.name} must hold one array in C order")
    size = path.stat().st_size
    if size != array.offset + array.nbytes:
        raise DamagedArtefact(f"{path.name} must be {array.offset + array.nbytes} bytes long, got {size}")
    return array


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with path.open("wb") as handle:
        np.save(handle, np.ascontiguousarray(array), allow_pickle=False)
        handle.flush()
        os.fsync(handle.fileno())


def _write_bytes(path: Path, content: bytes) -> None:
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _put(partial: Path, folder: Path) -> None:
    """Rename into place; where a complete folder stands there already, that one stays."""
    partial.chmod(0o755)  # mkdtemp makes it private; the cache may be shared
    try:
        partial.rename(folder)
    except OSError:
        if not (folder / MARKER).is_file():
            raise
