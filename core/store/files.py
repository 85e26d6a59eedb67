"""Files that a person asked for: said in words where they cannot be written, and CSV that is safe to open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.types import BadRequest, PoisonscopeError


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


_FORMULA = re.compile(r"[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")  # the wide forms are read as the narrow ones
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def csv_cell(value: Any) -> Any:
    """A value as a cell of a CSV: text that a spreadsheet would run as a formula gets an apostrophe before it.

    Numbers stay as they are, also those written as text (OWASP, "CSV Injection").
    """
    if not isinstance(value, str):
        return value
    if "\r" in value:  # which begins a line in a spreadsheet, and which Python does not quote
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value


def as_csv(table: Any) -> bytes:
    """A pandas table, without its index, as CSV in which no cell begins a formula (see `csv_cell`), in UTF-8."""
    safe = table.set_axis([csv_cell(name) for name in table.columns], axis=1)
    for place, kind in enumerate(table.dtypes):
        if kind.kind == "O":  # text, and whatever else may be text
            safe.isetitem(place, table.iloc[:, place].astype(object).map(csv_cell))
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text.encode(errors="backslashreplace")  # half a surrogate pair, say


@contextmanager
def in_words(where: Any) -> Iterator[None]:
    """What readers say of a damaged file, in one sentence of ours: theirs speak to programmers. where: its name."""
    try:
        yield
    except PoisonscopeError:
        raise
    except MemoryError:
        raise BadRequest(f"{where} does not fit into memory") from None
    except Exception as error:  # NumPy, zipfile, tarfile, csv and Arrow raise many kinds
        if isinstance(error, OSError) and error.strerror:
            raise BadRequest(f"cannot read {where}: {error.strerror}") from None
        raise BadRequest(f"{where} is damaged or cut short") from None
