"""Parquet, as Hugging Face writes it: pictures within the table or paths, class names in the schema's metadata, shards.

Rows are streamed a few at a time; labels are read by themselves, so that no picture is touched to count the classes.
"""

from __future__ import annotations

import io
import json
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.audits import columns, folders, limits, stamps
from core.audits.found import Fault, Found, Places, Raw, counted, readable
from core.audits.tars import split_of
from core.configuration import reading
from core.types import BadRequest

AT_ONCE = 16  # rows, whose pictures are in memory together


class Shard(NamedTuple):
    """One file: its name within the set, which columns are meant, what their rows say."""

    path: Path
    name: str
    taken: columns.Columns
    labels: list[str | None]
    splits: list[str]
    declared: tuple[str, ...]


def found(paths: Sequence[Path], root: Path) -> Found:
    """The images of a Parquet file, or of several shards one after the other."""
    shards = [_shard(path, path.relative_to(root).as_posix()) for path in paths]
    taken = [shard.taken for shard in shards]
    if other := next((shard for shard in shards if shard.taken != taken[0]), None):
        raise BadRequest(
            f"{root} must have the same columns in all its Parquet files; {shards[0].name} has {taken[0].image!r} and "
            f"{taken[0].label!r}, {other.name} has {other.taken.image!r} and {other.taken.label!r}"
        )
    limits.check_count(root, sum(len(shard.labels) for shard in shards))
    splits = [split for shard in shards for split in shard.splits]
    return Found(
        kind="Hugging Face Parquet",
        names=[f"{shard.name}:{row}" for shard in shards for row in range(len(shard.labels))],
        labels=[label for shard in shards for label in shard.labels],
        splits=splits,
        stream=lambda places=None: _all(shards, places),
        stamps=lambda: [stamp for shard in shards for stamp in stamps.of_members(str(shard.path), len(shard.labels))],
        notes=_told(shards),
    )


def _told(shards: Sequence[Shard]) -> tuple[str, ...]:
    notes = [shards[0].taken.told()]
    if len(shards) > 1:
        notes.append(f"{len(shards)} shards are read as one set.")
    if declared := {name for shard in shards for name in shard.declared}:
        missing = len(declared - {label for shard in shards for label in shard.labels})
        unused = f"; {counted(missing, 'of them has', 'of them have')} no image" if missing else ""
        notes.append(f"The schema names {counted(len(declared), 'class', 'classes')}{unused}.")
    return tuple(notes)


def _shard(path: Path, name: str) -> Shard:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            limits.check_count(path, file.metadata.num_rows)
            usable = _usable(schema)
            taken = columns.chosen(usable, path)
            _check_image(schema.field(taken.image).type, path, taken.image)
            declared = _class_names(schema, taken.label)
            labels = _column(file, taken.label, _labels(path, taken.label, declared))
            splits = _column(file, taken.split, lambda value: "" if value is None else readable(str(value)))
    except pa.ArrowException as error:
        if isinstance(error, OSError) and error.strerror:
            raise
        raise BadRequest(f"{path} is a damaged Parquet file, or is cut short") from None
    by_name = split_of(path.name) or split_of(path.parent.name if "/" in name else "")
    rows = file.metadata.num_rows
    return Shard(path, name, taken, labels or [None] * rows, splits or [by_name] * rows, declared)


def _usable(schema: Any) -> list[str]:
    """The columns that may be meant: of several that could be the image, the one that holds files."""
    images = [field for field in schema if field.name.strip().lower() in columns.PATHS]
    whole = [field.name for field in images if pa.types.is_struct(field.type) or pa.types.is_binary(field.type)]
    others = {field.name for field in images if len(whole) == 1 and field.name != whole[0]}
    return [name for name in schema.names if name not in others]


def _check_image(kind: Any, path: Path, name: str) -> None:
    if (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0) or _is_plain(kind):
        return
    raise BadRequest(f"{path}:{name} must hold files' bytes, struct{{bytes, path}} or paths, got {kind}")


def _is_plain(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string, pa.types.is_large_string)
    return any(check(kind) for check in checks)


# --- labels -----------------------------------------------------------------------------------------------


def _class_names(schema: Any, label: str | None) -> tuple[str, ...]:
    """The names that `datasets` writes beside a ClassLabel; none where there are none, or they cannot be read."""
    try:
        feature = json.loads(schema.metadata[b"huggingface"])["info"]["features"][label]
        names = feature["names"] if feature.get("_type") == "ClassLabel" else ()
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _labels(path: Path, name: str | None, declared: tuple[str, ...]) -> Callable[[Any], str | None]:
    """What one value of the column says: a class's name or None."""

    def read(value: Any) -> str | None:
        if isinstance(value, float):
            if value != value:
                return None
            if not value.is_integer():
                raise BadRequest(f"{path}:{name} must hold whole numbers or text, got {value:g}")
            value = int(value)
        if value is None or value == -1 or value == "" or value == b"":
            return None
        if isinstance(value, bytes):
            return value.decode("utf-8", "backslashreplace")
        if isinstance(value, int | str):
            at_home = isinstance(value, int) and 0 <= value < len(declared)
            return declared[int(value)] if at_home else readable(str(value))
        raise BadRequest(f"{path}:{name} must hold one label a row, got {reading.shown(value)}")

    return read


def _column(file: Any, name: str | None, read: Callable[[Any], Any]) -> list[Any]:
    if name is None:
        return []
    values: list[Any] = []
    for batch in file.iter_batches(batch_size=65_536, columns=[name], use_threads=False):
        values += [read(value) for value in batch.column(0).to_pylist()]
    return values


# --- pictures ---------------------------------------------------------------------------------------------


def _all(shards: Sequence[Shard], places: Places) -> Iterator[Raw]:
    """The pictures at some places of all shards; one of which none is wanted is not opened."""
    begins = 0
    for shard in shards:
        ends = begins + len(shard.labels)
        if places is None:
            yield from _streamed(shard, range(len(shard.labels)))
        elif wanted := [place - begins for place in places[bisect_left(places, begins) : bisect_left(places, ends)]]:
            yield from _streamed(shard, wanted)
        begins = ends


def _streamed(shard: Shard, rows: Sequence[int]) -> Iterator[Raw]:
    begins, count = 0, 0
    with ExitStack() as stack:
        try:
            file = stack.enter_context(pq.ParquetFile(shard.path))
            for batch in file.iter_batches(batch_size=AT_ONCE, columns=[shard.taken.image], use_threads=False):
                ends = begins + len(batch)
                for row in rows[bisect_left(rows, begins) : bisect_left(rows, ends)]:
                    count += 1
                    yield _raw(batch.column(0)[row - begins].as_py(), shard.path.parent)
                begins = ends
        except (pa.ArrowException, OSError):
            pass
    for _ in range(len(rows) - count):  # the other shards' rows keep their names
        yield Fault("the Parquet file is damaged here")


def _raw(value: Any, folder: Path) -> Raw:
    """A file within the table, or one that it names."""
    path = None
    if isinstance(value, dict):
        value, path = value.get("bytes"), value.get("path")
    if isinstance(value, bytes):
        return io.BytesIO(value) if value else Fault("the cell is empty")
    path = value if isinstance(value, str) else path
    if not isinstance(path, str) or not path:
        return Fault("the cell is empty")
    return folders.opened(folders.located(Path(os.path.realpath(folder)), path))
