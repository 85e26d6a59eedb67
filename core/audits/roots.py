"""Which paths of this machine a visitor of the screens may have read: those below a few folders, links followed.

Whoever reaches the server may name any path, so what lies elsewhere is refused before anything of it is looked at, and
in the same words whether it is there or not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from core.types import BadRequest

VARIABLE = "POISONSCOPE_AUDIT_ROOTS"


def allowed_folders() -> tuple[Path, ...]:
    """The folders that are allowed, links resolved: those that POISONSCOPE_AUDIT_ROOTS names, `os.pathsep` between.

    Where it is not set, the working folder and the home of whoever started the server; where it is empty, none.
    """
    chosen = os.environ.get(VARIABLE)
    named = _usual() if chosen is None else (Path(one.strip()) for one in chosen.split(os.pathsep) if one.strip())
    found = []
    for one in named:
        with suppress(OSError, ValueError, RuntimeError):  # a NUL, or ~somebody who is unknown here: allows nothing
            found.append(Path(os.path.realpath(one.expanduser())))
    return tuple(dict.fromkeys(found))


def allowed(path: str) -> Path:
    """The place that a path leads to, links resolved; BadRequest in one sentence unless it is below an allowed folder.

    `~` is a home, and what is relative begins in the working folder. Whether anything is there is not looked at.
    """
    below = allowed_folders()
    with suppress(OSError, ValueError):  # ValueError: with a NUL in it
        place = Path(os.path.realpath(os.path.expanduser(path.strip())))
        if path.strip() and any(place.is_relative_to(root) for root in below):
            return place
    raise BadRequest(_refused(below))


def _usual() -> Iterator[Path]:
    """The working folder and the home, but not the root of all: a service's home may be that."""
    with suppress(OSError, RuntimeError):
        yield from (one for one in (Path.cwd(), Path.home()) if one != one.parent)


def _refused(below: tuple[Path, ...]) -> str:
    if not below:
        return f"paths of this machine are not read here: {VARIABLE} allows no folder"
    return f"the path must lie below {' or '.join(map(str, below))}, which {VARIABLE} can change"
