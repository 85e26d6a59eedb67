"""Artefacts on disk by stage and key: written whole or not at all, checked when read, set aside when damaged.

    <store>/<stage>/<key>/        <name>.npy, weights.safetensors, document.json and, written last, DONE
    <store>/checkpoints/...       the newest states of interrupted trainings, in the same form
    <store>/quarantine/           what was found truncated or altered
    <store>/tmp/, <store>/locks/  being written; being computed
    <store>/shelves/              what only saves time (core.store.shelves)

numpy only, never torch (a stored answer must come at once), and never pickle.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from core.store import home
from core.store.artefacts import Array, Artefact, document_of, fill, opened, sizes_agree
from core.store.locks import FileLock
from core.store.troubles import EXHAUSTED, explained
from core.types import BadRequest, DamagedArtefact, PoisonscopeError

CHECKPOINTS, QUARANTINE, TEMPORARY, LOCKS, SHELVES = "checkpoints", "quarantine", "tmp", "locks", "shelves"
_RESERVED = (CHECKPOINTS, QUARANTINE, TEMPORARY, LOCKS, SHELVES)
_STAGE = re.compile(r"[a-z-]+")
_NUMBER = re.compile(r"[0-9]{8}")
_KEY = re.compile(r"[0-9a-f]{64}")
log = logging.getLogger(__name__)


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
            done = sizes_agree(self._place(stage, key), stage, key)
        except DamagedArtefact:
            return False
        return file is None or file in done["files"]

    def read(self, stage: str, key: str) -> Artefact | None:
        """A checked artefact, or None: it is not there, or it was damaged and is now in quarantine."""
        place = self._place(stage, key)
        try:
            return opened(place, stage, key)
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
        with explained(self.folder), self._scratch(stage) as scratch:
            received = scratch / "artefact"
            received.mkdir()
            fill(received)
            opened(received, stage, key)
            return self._put(stage, key, received)

    def _put(self, stage: str, key: str, prepared: Path) -> Artefact:
        """Rename a whole artefact into its place, unless an intact one is there."""
        place = self._place(stage, key)
        for _ in range(10):
            place.parent.mkdir(parents=True, exist_ok=True)
            if _renamed(prepared, place):
                home.sync_folder(place.parent)
                break
            if self._stands(stage, key):
                break
        else:
            raise PoisonscopeError(f"{place} is damaged and could not be moved away; remove it by hand")
        return Artefact(place, document_of(place))

    def _stands(self, stage: str, key: str) -> bool:
        """Whether an intact artefact is in its place; a damaged one is set aside, or OSError says why it cannot be."""
        try:
            opened(self._place(stage, key), stage, key)
        except FileNotFoundError:
            return False
        except DamagedArtefact as damage:
            trouble = self._set_aside(stage, key, str(damage))
            if trouble is not None:
                raise trouble from None
            return False
        return True

    @contextmanager
    def lock(
        self, stage: str, key: str, poll: Callable[[], None] | None = None, *, must: bool = True
    ) -> Iterator[None]:
        """Only one process at a time computes a stage; `poll` is called while waiting and may raise to give up.

        must: whether it is an error where there can be no lock, as in a folder that cannot be written; else nobody
        waits there.
        """
        lock = self.lock_of(stage, key)
        with explained(self.folder) if must else suppress(OSError):
            lock.acquire(poll)
        try:
            yield
        finally:
            lock.release(remove=True)

    def lock_of(self, stage: str, key: str) -> FileLock:
        """The lock of a stage, not held."""
        return FileLock(self.folder / LOCKS / f"{_checked(stage, key)}.lock")

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
                done = sizes_agree(self._place(stage, key), stage, key)
                size = sum(entry["bytes"] for entry in done["files"].values())
                found.append(Listed(stage, key, size, done["time"]))
        return sorted(found, key=lambda listed: listed.time, reverse=True)

    def problems(self) -> list[Problem]:
        """Every damaged artefact; reads every byte. Nothing is moved."""
        found = []
        for stage, key in self._places():
            try:
                opened(self._place(stage, key), stage, key)
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
            for place in self.folder.glob("*/*")
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
        with explained(self.folder), self._scratch(stage) as scratch:
            prepared = scratch / "artefact"
            prepared.mkdir()
            fill(prepared, stage, key, arrays, weights, document)
            yield prepared

    def _set_aside(self, stage: str, key: str, reason: str) -> OSError | None:
        """Move a damaged artefact to quarantine, unless another process has done so or has replaced it.

        Returns what kept it from being moved, if anything did.
        """
        place = self._place(stage, key)
        try:
            with self._moving():
                try:
                    opened(place, stage, key)
                    return None
                except FileNotFoundError:
                    return None
                except DamagedArtefact:
                    pass
                quarantine = self.folder / QUARANTINE
                quarantine.mkdir(exist_ok=True)
                aside = _free_name(quarantine / f"{stage}-{key[:12]}-{time.strftime('%Y%m%dT%H%M%S')}")
                place.rename(aside)
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            log.warning("%s is damaged (%s) and could not be set aside: %s", place, reason, error)
            return error
        log.warning("%s was damaged (%s); it has been set aside as %s", place, reason, aside)
        return None

    def _remove(self, place: Path) -> None:
        if not os.path.lexists(place):
            return
        with explained(self.folder), self._scratch("removed") as scratch, self._moving(), suppress(FileNotFoundError):
            place.rename(scratch / "artefact")

    @contextmanager
    def _moving(self) -> Iterator[None]:
        """Whoever moves an artefact away holds this, so that nobody moves the good one that came after a bad one."""
        lock = FileLock(self.folder / LOCKS / "moving.lock")
        lock.acquire()
        try:
            yield
        finally:
            lock.release(remove=True)


class Checkpoint:
    """The last state of an interrupted stage. The one before survives until the next is whole on disk."""

    def __init__(self, store: Store, stage: str, key: str) -> None:
        self._store = store
        self._stage, self._key = stage, key
        self.folder = store.folder / CHECKPOINTS / _checked(stage, key)

    def save(self, tensors: Mapping[str, Array], document: Mapping[str, Any]) -> None:
        """Replace the checkpoint. Raises PoisonscopeError where the disk is full; the previous one stays then."""
        if not self.folder.is_dir():  # a file, or a link that leads nowhere
            self.clear()
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
                artefact = opened(place, self._stage, self._key)
                return artefact.weights(), dict(artefact.document)
            except (FileNotFoundError, DamagedArtefact) as damage:
                log.warning("checkpoint %s is damaged and is passed over: %s", place, damage)
        return None

    def clear(self) -> None:
        """Forget the checkpoint, if there is one."""
        self._store._remove(self.folder)

    def _numbers(self) -> list[int]:
        return [int(place.name) for place in self.folder.glob("*") if _NUMBER.fullmatch(place.name)]


def _renamed(source: Path, place: Path) -> bool:
    """Rename a folder to a place unless that is taken."""
    try:
        source.rename(place)
    except OSError:
        if os.path.lexists(place):
            return False
        raise
    return True


def _free_name(path: Path) -> Path:
    names = (path if number == 0 else path.with_name(f"{path.name}-{number}") for number in range(10_000))
    return next(name for name in names if not os.path.lexists(name))


def _is_stage(name: str) -> bool:
    return bool(_STAGE.fullmatch(name)) and name not in _RESERVED


def _checked(stage: str, key: str) -> str:
    """Stage and key as one name, or BadRequest for what could lead out of the store."""
    if not _is_stage(stage):
        raise BadRequest(f"a stage is named by a-z and '-' and not {', '.join(_RESERVED)}; got {stage!r}")
    if not _KEY.fullmatch(key):
        raise BadRequest(f"a key is 64 hexadecimal digits (a SHA-256), got {key!r}")
    return f"{stage}-{key}"
