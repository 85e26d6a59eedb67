"""Locks between processes, on files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


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
