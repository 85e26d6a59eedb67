"""What only saves time, apart from what is kept: shelves of a store, of which the one used longest ago goes first.

    <store>/shelves/<key>/   a store of its own; its folder's time says when it was used last

All shelves together hold at most so many bytes, and never the disk's last ones. A shelf that goes while another process
reads it is a shelf without anything on it, and what was on it is made again.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.store.artefacts import Array, Artefact
from core.store.stores import SHELVES, Store
from core.types import PoisonscopeError

LOCK = "shelf"  # a stage's name, for the locks of shelves
LEAST_FREE = 2**30  # bytes of the disk that are left alone
log = logging.getLogger(__name__)


class Shelf:
    """The shelf of a key, and whether there is room on it: most bytes for all shelves of the store together.

    trouble: why something was not kept, the first time; from then on nothing more is written.
    """

    def __init__(self, store: Store, key: str, most: float) -> None:
        self.folder = store.folder / SHELVES / key
        self.most, self.trouble = most, ""
        self.store = Store(self.folder)
        self._whole = store
        self._left: float | None = None  # bytes that may still be written, once that was looked at

    def read(self, stage: str, but: Collection[str] = ()) -> Iterator[tuple[str, Artefact]]:
        """The checked artefacts of a stage, with their keys; those that are damaged or go meanwhile are left out."""
        with suppress(OSError):  # there is no such shelf, or it cannot be written
            os.utime(self.folder)
        for key in self._keys(stage):
            found = None
            if key in but:
                continue
            with suppress(OSError, PoisonscopeError):
                found = self.store.read(stage, key)
            if found is not None:
                yield key, found

    def _keys(self, stage: str) -> list[str]:
        with suppress(OSError):
            return sorted(place.name for place in (self.folder / stage).iterdir())
        return []

    def write(self, stage: str, key: str, arrays: Mapping[str, Array], document: Mapping[str, Any]) -> None:
        """Put something there, if there is room."""
        if self.trouble:
            return
        size = sum(array.nbytes for array in arrays.values())
        try:
            if not self.room(size):
                return
            self.store.write(stage, key, arrays=arrays, document=document)
            os.utime(self.folder)
        except (PoisonscopeError, OSError) as error:
            self.trouble = str(error)
            log.warning("nothing more is kept: %s", error)

    @contextmanager
    def alone(self, poll: Callable[[], None]) -> Iterator[None]:
        """Of several processes at one shelf one goes first; poll is called while waiting and may raise to give up."""
        with self._whole.lock(LOCK, self.folder.name, poll, must=False):
            yield

    def forget(self, stage: str, key: str) -> None:
        """Take something away."""
        with suppress(PoisonscopeError, OSError):
            self.store.delete(stage, key)

    def room(self, size: int) -> bool:
        """Whether so many bytes more may be written; other shelves go for them. Where not, `trouble` says why."""
        if self._left is None or size > self._left:
            try:
                self._left = self._made(size)
            except OSError as error:  # a folder that cannot be made or looked at
                self.trouble = f"{self.folder}: {error.strerror or error}"
                return False
        if size > self._left:
            self.trouble = f"what is kept of sets may take {self.most / 1e9:g} GB, and the disk shall not be full"
            return False
        self._left -= size
        return True

    def _made(self, size: int) -> float:
        """Bytes that may be written when as many other shelves have gone as are needed for that."""
        shelves = {place: size_of(place) for place in self.folder.parent.glob("*") if place.is_dir()}
        others = sorted((place for place in shelves if place != self.folder), key=_used)
        self.folder.mkdir(parents=True, exist_ok=True)
        while True:
            free = shutil.disk_usage(self.folder).free - LEAST_FREE
            left = min(self.most - sum(shelves.values()), free)
            if left >= size or not others:
                return left
            gone = others.pop(0)
            lock = self._whole.lock_of(LOCK, gone.name)
            if lock.try_acquire():  # nobody is reading there
                shutil.rmtree(gone, ignore_errors=True)
                lock.release(remove=True)
                del shelves[gone]


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def _used(folder: Path) -> float:
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
