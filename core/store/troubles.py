"""What goes wrong on a disk, in words: damage to what is stored, no room, no access."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors

from core.store import home
from core.types import DamagedArtefact, PoisonscopeError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """What goes wrong while reading a stored file is damage, unless this process ran out of something."""
    try:
        yield
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        raise DamagedArtefact(f"{path.name} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise DamagedArtefact(f"{path.name} cannot be understood: {error}") from error


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """A full disk or a forbidden folder in words that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise PoisonscopeError(no_space(folder, error)) from error
        if error.errno in NO_ACCESS:
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
