"""Artefacts on disk by stage and key: written whole or not at all, checked when read, set aside when damaged.

    <store>/<stage>/<key>/        <name>.npy, weights.safetensors, document.json and, written last, DONE
    <store>/checkpoints/...       the newest states of interrupted trainings, in the same form
    <store>/quarantine/           what was found truncated or altered
    <store>/tmp/, <store>/locks/  being written; being computed

numpy only, never torch (a stored answer must come at once), and never pickle.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import platform
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import safetensors
from numpy.typing import NDArray

from core.store import home
from core.types import BadRequest, DamagedArtefact, PoisonscopeError

Array = NDArray[Any]

FORMAT = 1
DONE = "DONE"
WEIGHTS = "weights.safetensors"
DOCUMENT = "document.json"
CHECKPOINTS, QUARANTINE, TEMPORARY, LOCKS = "checkpoints", "quarantine", "tmp", "locks"

_RESERVED = (CHECKPOINTS, QUARANTINE, TEMPORARY, LOCKS)
_STAGE = re.compile(r"[a-z-]+")
_KEY = re.compile(r"[0-9a-f]{64}")
_ARRAY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

log = logging.getLogger(__name__)


class FileLock:
    """A lock between processes (and threads) on a file; the system frees it when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free; False where another holds it."""
        while True:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                taken = _lock(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            self._descriptor = descriptor if taken else None
            if taken and self.intact():
                return True
            os.close(descriptor)
            self._descriptor = None
            if not taken:
                return False
            # The last holder removed the file between our open and our lock: what we hold excludes nobody.

    def acquire(self, poll: Callable[[], None] | None = None) -> None:
        """Wait for the lock; `poll` is called while waiting and may raise to give up."""
        pause = 0.01
        while not self.try_acquire():
            if poll is not None:
                poll()
            time.sleep(pause)
            pause = min(2 * pause, 0.2)

    @property
    def descriptor(self) -> int | None:
        """The open file that holds the lock, to be handed to a child process; None where it is not held."""
        return self._descriptor

    def adopt(self, descriptor: int) -> bool:
        """Go on holding what a parent process handed over; False where that is not the file at our path."""
        self._descriptor = descriptor
        try:
            os.set_inheritable(descriptor, False)
            ours = self.intact()
        except OSError:
            ours = False
        if not ours:
            self._descriptor = None
        return ours

    def intact(self) -> bool:
        """Whether the file that we hold is still the one at our path (a home may be removed under us)."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def release(self, remove: bool = False) -> None:
        """Give the lock back, and with `remove` its file too."""
        if self._descriptor is None:
            return
        if remove and self.intact():
            with suppress(OSError):
                self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


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
        with _damage(path):
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
        with _damage(path):
            return {name: np.array(tensor) for name, tensor in load(path.read_bytes()).items()}


class Listed(NamedTuple):
    """A stored artefact: what it is, its size in bytes, and when it was written (unix seconds)."""

    stage: str
    key: str
    bytes: int
    time: float


class Problem(NamedTuple):
    """A damaged artefact and what is wrong with it."""

    stage: str
    key: str
    reason: str


class Store:
    """The artefacts of one folder (by default the user's). Any number of processes may share it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = home.store_folder() if folder is None else Path(folder)

    def has(self, stage: str, key: str, file: str | None = None) -> bool:
        """Whether a finished artefact is there, by its marker and the sizes of its files; contents are not read.

        file: and whether a file of that name is part of it.
        """
        try:
            done = _sizes_agree(self._place(stage, key), stage, key)
        except DamagedArtefact:
            return False
        return file is None or file in done["files"]

    def read(self, stage: str, key: str) -> Artefact | None:
        """A checked artefact, or None: it is not there, or it was damaged and is now in quarantine."""
        place = self._place(stage, key)
        try:
            return _open(place, stage, key)
        except FileNotFoundError:
            return None
        except DamagedArtefact as damage:
            self._set_aside(stage, key, str(damage))
            return None

    def write(
        self,
        stage: str,
        key: str,
        *,
        arrays: Mapping[str, Array] | None = None,
        weights: Mapping[str, Array] | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> Artefact:
        """Store a result; one that is there already and intact stays, and ours is dropped.

        Raises PoisonscopeError where the disk is full or may not be written; nothing is left behind then.
        """
        with self._prepared(stage, key, arrays or {}, weights, document) as prepared:
            return self._put(stage, key, prepared)

    def take(self, stage: str, key: str, fill: Callable[[Path], None]) -> Artefact:
        """Store an artefact of another store: `fill` puts its files, DONE among them, into a folder.

        One that is there already and intact stays. DamagedArtefact where the files are not those of its DONE.
        """
        with _explained(self.folder), self._scratch(stage) as scratch:
            received = scratch / "artefact"
            received.mkdir()
            fill(received)
            _open(received, stage, key)
            return self._put(stage, key, received)

    def _put(self, stage: str, key: str, prepared: Path) -> Artefact:
        """Rename a whole artefact into its place, unless an intact one is there."""
        place = self._place(stage, key)
        for _ in range(10):
            place.parent.mkdir(parents=True, exist_ok=True)
            if _renamed(prepared, place):
                home.sync_folder(place.parent)
                break
            if Store.read(self, stage, key) is not None:
                break
        else:
            raise PoisonscopeError(f"{place} is damaged and could not be moved away; remove it by hand")
        return Artefact(place, _document(place))

    @contextmanager
    def lock(self, stage: str, key: str, poll: Callable[[], None] | None = None) -> Iterator[None]:
        """Only one process at a time computes a stage; `poll` is called while waiting and may raise to give up."""
        lock = FileLock(self.folder / LOCKS / f"{_checked(stage, key)}.lock")
        with _explained(self.folder):
            lock.acquire(poll)
        try:
            yield
        finally:
            lock.release(remove=True)

    def checkpoint(self, stage: str, key: str) -> Checkpoint:
        """The place of a stage's checkpoint; nothing is made yet."""
        return Checkpoint(self, stage, key)

    def delete(self, stage: str, key: str) -> None:
        """Remove an artefact, if it is there."""
        self._remove(self._place(stage, key))

    def listing(self, only: str | None = None) -> list[Listed]:
        """What is stored, of one stage or of all, newest first; damaged ones are left out."""
        found = []
        for stage, key in self._places():
            if only not in (None, stage):
                continue
            with suppress(DamagedArtefact):
                done = _sizes_agree(self._place(stage, key), stage, key)
                size = sum(entry["bytes"] for entry in done["files"].values())
                found.append(Listed(stage, key, size, done["time"]))
        return sorted(found, key=lambda listed: listed.time, reverse=True)

    def problems(self) -> list[Problem]:
        """Every damaged artefact; reads every byte. Nothing is moved."""
        found = []
        for stage, key in self._places():
            try:
                _open(self._place(stage, key), stage, key)
            except FileNotFoundError:  # removed while we looked
                continue
            except DamagedArtefact as damage:
                found.append(Problem(stage, key, str(damage)))
        return found

    def sweep(self) -> int:
        """Remove what dead processes left half-written; returns how many folders and lock files went."""
        swept = 0
        for path in [*self.folder.glob(f"{TEMPORARY}/*.lock"), *self.folder.glob(f"{LOCKS}/*.lock")]:
            lock = FileLock(path)
            if lock.try_acquire():
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                lock.release(remove=True)
                swept += 1
        return swept

    def _place(self, stage: str, key: str) -> Path:
        _checked(stage, key)
        return self.folder / stage / key

    def _places(self) -> list[tuple[str, str]]:
        found = [
            (place.parent.name, place.name)
            for place in self.folder.glob("*/*/")
            if _is_stage(place.parent.name) and _KEY.fullmatch(place.name)
        ]
        return sorted(found)

    @contextmanager
    def _scratch(self, label: str) -> Iterator[Path]:
        """A temporary folder that is gone afterwards; its lock tells `sweep` that its process lives."""
        folder = self.folder / TEMPORARY / f"{label[:40]}-{secrets.token_hex(6)}"
        lock = FileLock(folder.with_suffix(".lock"))
        lock.acquire()
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release(remove=True)

    @contextmanager
    def _prepared(
        self,
        stage: str,
        key: str,
        arrays: Mapping[str, Array],
        weights: Mapping[str, Array] | None,
        document: Mapping[str, Any] | None,
    ) -> Iterator[Path]:
        """A finished and synced artefact in a temporary folder, to be renamed into place."""
        with _explained(self.folder), self._scratch(stage) as scratch:
            prepared = scratch / "artefact"
            prepared.mkdir()
            _fill(prepared, stage, key, arrays, weights, document)
            yield prepared

    def _set_aside(self, stage: str, key: str, reason: str) -> None:
        """Move a damaged artefact to quarantine, unless another process has done so or has replaced it."""
        place = self._place(stage, key)
        with self._moving():
            try:
                _open(place, stage, key)
                return
            except FileNotFoundError:
                return
            except DamagedArtefact:
                pass
            quarantine = self.folder / QUARANTINE
            try:
                quarantine.mkdir(exist_ok=True)
                aside = _free_name(quarantine / f"{stage}-{key[:12]}-{time.strftime('%Y%m%dT%H%M%S')}")
                place.rename(aside)
            except OSError as error:
                log.warning("%s is damaged (%s) and could not be set aside: %s", place, reason, error)
            else:
                log.warning("%s was damaged (%s); it has been set aside as %s", place, reason, aside)

    def _remove(self, place: Path) -> None:
        if not place.exists():
            return
        with _explained(self.folder), self._scratch("removed") as scratch, self._moving(), suppress(FileNotFoundError):
            place.rename(scratch / "artefact")

    @contextmanager
    def _moving(self) -> Iterator[None]:
        """Whoever moves an artefact away holds this, so that nobody moves the good one that came after a bad one."""
        lock = FileLock(self.folder / LOCKS / "moving.lock")
        lock.acquire()
        try:
            yield
        finally:
            lock.release()


class Checkpoint:
    """The last state of an interrupted stage. The one before survives until the next is whole on disk."""

    def __init__(self, store: Store, stage: str, key: str) -> None:
        self._store = store
        self._stage, self._key = stage, key
        self.folder = store.folder / CHECKPOINTS / _checked(stage, key)

    def save(self, tensors: Mapping[str, Array], document: Mapping[str, Any]) -> None:
        """Replace the checkpoint. Raises PoisonscopeError where the disk is full; the previous one stays then."""
        earlier = self._numbers()
        place = self.folder / f"{max(earlier, default=0) + 1:08d}"
        with self._store._prepared(self._stage, self._key, {}, tensors, document) as prepared:
            self.folder.mkdir(parents=True, exist_ok=True)
            prepared.rename(place)
            home.sync_folder(self.folder)
        for number in earlier:
            self._store._remove(self.folder / f"{number:08d}")

    def load(self) -> tuple[dict[str, Array], dict[str, Any]] | None:
        """The tensors and document of the newest intact checkpoint; None where there is none."""
        for number in sorted(self._numbers(), reverse=True):
            place = self.folder / f"{number:08d}"
            try:
                artefact = _open(place, self._stage, self._key)
                return artefact.weights(), dict(artefact.document)
            except (FileNotFoundError, DamagedArtefact) as damage:
                log.warning("checkpoint %s is damaged and is passed over: %s", place, damage)
        return None

    def clear(self) -> None:
        """Forget the checkpoint, if there is one."""
        self._store._remove(self.folder)

    def _numbers(self) -> list[int]:
        return [int(place.name) for place in self.folder.glob("*/") if place.name.isdecimal()]


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


def _fill(
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
    with _damage(Path(DONE)):
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
    with _damage(folder / DONE):
        return read_marker((folder / DONE).read_bytes(), stage, key)


def _sizes_agree(folder: Path, stage: str, key: str) -> dict[str, Any]:
    """The DONE marker of a folder whose files have the sizes it names, or DamagedArtefact."""
    done = _done(folder, stage, key)
    for name, entry in done["files"].items():
        with _damage(folder / name):
            size = (folder / name).stat().st_size
            if size != entry["bytes"]:
                raise DamagedArtefact(f"{name} has {size} bytes instead of {entry['bytes']}")
    return done


def _open(folder: Path, stage: str, key: str) -> Artefact:
    """A folder whose every byte was checked; FileNotFoundError where there is none, else DamagedArtefact."""
    if not folder.exists():
        raise FileNotFoundError(folder)
    done = _sizes_agree(folder, stage, key)
    for name, entry in done["files"].items():
        with _damage(folder / name), open(folder / name, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                raise DamagedArtefact(f"{name} was altered")
    return Artefact(folder, _document(folder))


def _document(folder: Path) -> dict[str, Any]:
    path = folder / DOCUMENT
    if not path.exists():
        return {}
    with _damage(path):
        return dict(json.loads(path.read_bytes()))


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """What goes wrong while reading a stored file is damage, unless this process ran out of something."""
    try:
        yield
    except OSError as error:
        if error.errno in _EXHAUSTED:
            raise
        raise DamagedArtefact(f"{path.name} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise DamagedArtefact(f"{path.name} cannot be understood: {error}") from error


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """A full disk or a forbidden folder in words that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise PoisonscopeError(no_space(folder, error)) from error
        if error.errno in _NO_ACCESS:
            raise PoisonscopeError(
                f"{folder} cannot be written ({error.strerror}); set {home.VARIABLE} to a folder that can"
            ) from error
        raise


def no_space(folder: Path, error: OSError) -> str:
    """What to tell a person whose disk is full."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free / 2**20
    return (
        f"no room to write in {folder} ({error.strerror}; {free:,.0f} MiB free there); "
        f"free some space, or set {home.VARIABLE} to a folder on a larger disk"
    )


def _renamed(source: Path, place: Path) -> bool:
    """Rename a folder to a place unless that is taken."""
    try:
        source.rename(place)
    except OSError:
        if place.exists():
            return False
        raise
    return True


def _free_name(path: Path) -> Path:
    names = (path if number == 0 else path.with_name(f"{path.name}-{number}") for number in range(10_000))
    return next(name for name in names if not name.exists())


def _is_stage(name: str) -> bool:
    return bool(_STAGE.fullmatch(name)) and name not in _RESERVED


def _checked(stage: str, key: str) -> str:
    """Stage and key as one name, or BadRequest for what could lead out of the store."""
    if not _is_stage(stage):
        raise BadRequest(f"a stage is named by a-z and '-' and not {', '.join(_RESERVED)}; got {stage!r}")
    if not _KEY.fullmatch(key):
        raise BadRequest(f"a key is 64 hexadecimal digits (a SHA-256), got {key!r}")
    return f"{stage}-{key}"


def _array_name(name: str) -> str:
    if not _ARRAY.fullmatch(name):
        raise BadRequest(f"an array is named by letters, digits, '_' and '-'; got {name!r}")
    return name
