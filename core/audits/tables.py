"""Manifests: CSV and JSON Lines that name a file and a class a row. All is text: "NA", "007" and "1e5" are names."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from core.audits import columns, folders, stamps
from core.audits.found import (
    MOST_ENTRIES,
    Fault,
    Found,
    counted,
    named_twice,
    numbers_or_names,
    readable,
)
from core.configuration import reading
from core.types import BadRequest

MOST_BYTES = 2**30  # of a manifest
MOST_LINE = 2**20  # bytes of a line
DELIMITERS = ",;\t|"
LINES = ("jsonl", "ndjson")


class Rows(NamedTuple):
    """What a manifest says: paths (None: the line could not be read), labels, splits, and sentences."""

    paths: list[str | None]
    labels: list[str | None]
    splits: list[str]
    notes: tuple[str, ...]


def found(path: Path, is_lines: bool) -> Found:
    """The images that a manifest names; BadRequest where it is unclear which columns are meant."""
    if path.stat().st_size > MOST_BYTES:
        raise BadRequest(f"{path} must have at most {MOST_BYTES >> 30} GiB, got {path.stat().st_size / 2**30:,.1f}")
    rows = _from_lines(path) if is_lines else _from_csv(path)
    names = [f"{path.name}:{row}" if not one else readable(one) for row, one in enumerate(rows.paths)]
    files = cache(lambda: _located(path.parent, rows.paths))
    return Found(
        kind="JSON Lines manifest" if is_lines else "CSV manifest",
        names=names,
        labels=numbers_or_names(rows.labels),
        splits=rows.splits,
        stream=folders.streamed(files),
        notes=rows.notes,
        doubtful=named_twice(names),
        stamps=lambda: stamps.of_files(files()),
        files=files,
    )


def _located(root: Path, paths: list[str | None]) -> list[str | Fault]:
    inside, unread = Path(os.path.realpath(root)), Fault("the line of the table cannot be read")
    return [unread if path is None else folders.located(inside, path) for path in paths]


# --- CSV --------------------------------------------------------------------------------------------------


def _from_csv(path: Path) -> Rows:
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            first = file.readline(MOST_LINE)
            delimiter = max(DELIMITERS, key=first.count)
            file.seek(0)
            return _rows(path, csv.reader(file, delimiter=delimiter, skipinitialspace=True))
    except UnicodeError:
        raise BadRequest(f"{path} must be text in UTF-8; save it anew with that encoding") from None
    except csv.Error as error:
        raise BadRequest(f"{path} must be a table of comma-separated values; {error}") from None


def _rows(path: Path, lines: Iterator[list[str]]) -> Rows:
    header = [name.strip() for name in next(lines, [])]
    taken = columns.chosen(header, path)
    places = [None if name is None else header.index(name) for name in taken]
    rows = Rows([], [], [], ())
    longer = 0
    for line in lines:
        if not any(map(str.strip, line)):
            continue
        image, label, split = ("" if at is None or at >= len(line) else line[at].strip() for at in places)
        longer += len(line) > len(header)
        _add(rows, path, image, label, split)
    notes = [taken.told()]
    if longer:
        notes.append(
            f"{counted(longer, 'row has', 'rows have')} more fields than the header; put quotes around commas."
        )
    return rows._replace(notes=tuple(notes))


def _add(rows: Rows, path: Path, image: str | None, label: str | None, split: str) -> None:
    if len(rows.paths) >= MOST_ENTRIES:
        raise BadRequest(f"{path} must have at most {MOST_ENTRIES:,} rows, got more")
    rows.paths.append(image)
    rows.labels.append(readable(label) if label else None)
    rows.splits.append(split)


def _encoding(path: Path) -> str:
    """UTF-8, or what a mark at the beginning says: spreadsheets write UTF-16."""
    with path.open("rb") as file:
        begins = file.read(2)
    return "utf-16" if begins in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


# --- JSON Lines -------------------------------------------------------------------------------------------


def _from_lines(path: Path) -> Rows:
    lines, names, broken = [], dict[str, None](), 0
    with path.open("rb") as file:
        while line := file.readline(MOST_LINE + 1):
            if len(line) > MOST_LINE:
                raise BadRequest(f"{path} must have lines of at most {MOST_LINE >> 20} MiB, got a longer one")
            if not line.strip():
                continue
            record = _record(line)
            broken += record is None
            kept = {name: record[name] for name in record if _wanted(name)} if record else None
            names |= dict.fromkeys(record or ())
            if len(names) > 1000:
                raise BadRequest(f"{path} must have the same few names in every line, got more than 1,000 of them")
            lines.append(kept)
            if len(lines) > MOST_ENTRIES:
                raise BadRequest(f"{path} must have at most {MOST_ENTRIES:,} rows, got more")
    if lines and broken == len(lines):
        raise BadRequest(f'{path} must hold one JSON object a line, as {{"path": "a.png", "label": "cat"}}')
    taken = columns.chosen(list(names), path)
    rows = Rows([], [], [], (taken.told(),))
    for number, record in enumerate(lines, 1):
        image, label, split = (_text(record, name, path, number) for name in taken)
        _add(rows, path, None if record is None else image, label, split or "")
    note = f"{counted(broken, 'line is', 'lines are')} no JSON object."
    return rows._replace(notes=(*rows.notes, note)) if broken else rows


def _record(line: bytes) -> dict[str, Any] | None:
    """The object of a line, numbers as they are spelled; None where it is none."""
    try:
        record = json.loads(line.removeprefix(b"\xef\xbb\xbf"), parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _wanted(name: str) -> bool:
    return name.strip().lower() in (*columns.PATHS, *columns.LABELS, *columns.SPLIT)


def _text(record: dict[str, Any] | None, name: str | None, path: Path, line: int) -> str:
    value = None if record is None or name is None else record.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        raise BadRequest(
            f"{path} must have one value for {name!r} in a line, got {reading.shown(value)} in line {line}"
        )
    return readable(value.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace"))
