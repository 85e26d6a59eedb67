"""Files that a person asked for: said in words where they cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.types import BadRequest


def check_target(to: Path | None) -> None:
    """BadRequest where a file has no folder to go into, before anything is computed for it."""
    if to is not None and not to.absolute().parent.is_dir():
        raise BadRequest(f"cannot write {to}: there is no folder {to.absolute().parent}")


@contextmanager
def writing(to: Path) -> Iterator[None]:
    """BadRequest where a file or folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise BadRequest(f"cannot write {to}: {error.strerror or error}") from None
