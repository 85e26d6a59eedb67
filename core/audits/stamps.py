"""What tells that a file is the one that was read before, without reading it, as Git's index does.

A stamp is a digest of a file's path and of what the system says of it: its size, when it was written, when its entry
was changed (which no program can set back), its inode. Whoever writes to it leaves another one, unless the clock has
not moved on since the file was looked at. So a file that was written a moment before has no stamp yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from core.audits.found import Fault, Stamp

UNKNOWN: Stamp = b""
SETTLED = 2.0  # seconds since it was written from which on a file has a stamp: FAT counts in steps of two


def of_file(path: str | None, now: float | None = None) -> Stamp:
    """The stamp of the file at a path; UNKNOWN where there is none, or it was written a moment ago (now: unix time)."""
    if path is None:
        return UNKNOWN
    try:
        return of_state(path, os.stat(path), now)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return UNKNOWN


def of_state(path: str, state: os.stat_result, now: float | None = None) -> Stamp:
    """The stamp of a file of which the system says this."""
    now = time.time() if now is None else now
    if abs(now - state.st_mtime) <= SETTLED or abs(now - state.st_ctime) <= SETTLED:
        return UNKNOWN
    said = b"%d %d %d %d " % (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    return _digest(said + os.fsencode(path))


def of_files(paths: Iterable[str | Fault]) -> list[Stamp]:
    """The stamps of files; UNKNOWN of what is none."""
    now = time.time()
    return [of_file(None if isinstance(path, Fault) else path, now) for path in paths]


def of_members(container: str, count: int) -> Iterator[Stamp]:
    """The stamps of what lies in a file, by its place there: another one of each where the file is another."""
    whole = of_file(os.path.realpath(container))
    for place in range(count):
        yield _digest(whole + b"%d" % place) if whole else UNKNOWN


def _digest(said: bytes) -> Stamp:
    return blake2b(said, digest_size=16).digest()
