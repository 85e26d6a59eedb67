"""Features and labels from Parquet, where it is clear which columns are meant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.cli import kinds
from core.store import on_disk
from core.types import BadRequest

LABELS = ("labels", "label")
BUFFER = 2**17  # bytes of a column that are read together; without one, all that a row group has of it
NO_FEATURES = frozenset(("id", "ids", "index", "idx", "row", "fold", "split", "target", "class", "y"))
OF_PANDAS = "__index_level_"  # how pandas calls an index that it writes as a column


def read(path: Path, name: str | None, wanted: str) -> NDArray[Any]:
    """Features [n, d], labels [n] or other evidence [n, m] of a Parquet file; BadRequest where that is not clear."""
    with pq.ParquetFile(path, buffer_size=BUFFER) as file:
        columns = _columns(file.schema_arrow, path, name, wanted)
        held = file.metadata
        # Lists have their length in the data only; the pages' sizes tell what they take.
        size = max(_pages(held, set(columns)), 8 * len(columns) * held.num_rows)
        if wanted == "features" and size >= kinds.LARGE:
            return _in_blocks(file, columns, path, max(1, kinds.BLOCK * held.num_rows // size))
        kinds.check_room(path, 2 * size)
        table = file.read(columns=columns)
    if wanted == "labels":
        return _labels(table.column(0), f"{path}:{columns[0]}")
    return _matrix(table, path)


def _pages(held: Any, columns: set[str]) -> int:
    """The bytes of some columns' pages, unpacked."""
    total = 0
    for group in map(held.row_group, range(held.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            path = chunk.path_in_schema  # of lists: name.list.element
            if path in columns or path.rsplit(".", 2)[0] in columns:
                total += chunk.total_uncompressed_size
    return total


def _matrix(table: Any, path: Path, part: str = "") -> NDArray[Any]:
    """A column of lists, or columns of numbers, as a matrix [n, d]; part: of which rows, in a sentence."""
    if table.num_columns == 1 and _is_list(table.schema.field(0).type):
        return _lists(table.column(0), f"{path}:{table.column_names[0]}", part)
    return _numbers(table, path, part)


def _in_blocks(file: Any, columns: list[str], path: Path, rows: int) -> NDArray[Any]:
    """The same of what is large: read some rows at a time, and kept on the disk."""
    blocks = _each(file, columns, path, rows)
    first = next(blocks)
    shape = (file.metadata.num_rows, first.shape[1])

    def checked() -> Iterator[NDArray[Any]]:
        for block in chain([first], blocks):
            if block.shape[1] != shape[1]:
                raise BadRequest(f"{path}:{columns[0]} must hold lists of numbers, all of one length, got several")
            yield block

    return on_disk(path, checked(), shape, first.dtype)


def _each(file: Any, columns: list[str], path: Path, rows: int) -> Iterator[NDArray[Any]]:
    start = 0
    for batch in file.iter_batches(rows, columns=columns, use_threads=False):
        part = f" in rows {start:,} to {start + batch.num_rows - 1:,}"
        yield _matrix(pa.Table.from_batches([batch]), path, part)
        start += batch.num_rows


def _columns(schema: Any, path: Path, name: str | None, wanted: str) -> list[str]:
    """Which columns are meant."""
    names = [one for one in schema.names if not one.startswith(OF_PANDAS)]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise BadRequest(f"{path} has several columns called {twice[0]}")
    if name is not None:
        if name not in names:
            raise BadRequest(f"{path} has no column {name!r}; it has {_some(names)}")
        return [name]
    if wanted == "labels":
        found = [one for one in names if one in LABELS] or names
        if len(found) != 1:
            raise BadRequest(f"{path} must have a column `label`, or say which as {path}:NAME; it has {_some(names)}")
        return found
    if wanted in names:
        return [wanted]
    return _features(schema, [one for one in names if one not in LABELS], path)


def _features(schema: Any, names: list[str], path: Path) -> list[str]:
    """The one column of lists, or all columns where all are numbers."""
    lists = [one for one in names if _is_list(schema.field(one).type)]
    if len(lists) == 1:
        return lists
    others = [one for one in names if not _is_number(schema.field(one).type)]
    if lists or others or not names:
        raise BadRequest(
            f"{path} must have one column of lists, or numbers in all but `label`; say which as {path}:NAME, or leave "
            f"out what is no feature: {_some(lists or others or ['there is no column'])}"
        )
    if unlikely := [one for one in names if one.lower() in NO_FEATURES]:
        raise BadRequest(f"{path} has columns that are hardly features; leave out or rename {_some(unlikely)}")
    return names


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_list(kind: Any) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(listed and _is_number(kind.value_type))


def _labels(column: Any, where: str) -> NDArray[Any]:
    if pa.types.is_nested(column.type) and not _is_list(column.type):
        raise BadRequest(f"{where} must hold one label a row, got {column.type}")
    if _is_list(column.type):  # one-hot
        return _lists(column, where)
    if _is_number(column.type) and not column.null_count:
        return np.asarray(column.to_numpy())
    values = column.to_pylist()
    return np.fromiter(values, object, len(values))


def _lists(column: Any, where: str, part: str = "") -> NDArray[Any]:
    """A column of lists of equal length as a matrix [n, d]."""
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    values = pc.list_flatten(column)
    if len(lengths) != 1 or lengths[0] is None or values.null_count:
        what = "empty cells" if None in lengths or values.null_count else f"{len(lengths)} lengths"
        raise BadRequest(f"{where} must hold lists of numbers, all of one length, got {what}{part}")
    return np.asarray(values.to_numpy()).reshape(len(column), lengths[0])


def _numbers(table: Any, path: Path, part: str) -> NDArray[Any]:
    """Columns of numbers as a matrix [n, d]: float32 where all fit into that exactly, else float64."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not _is_number(column.type):
            raise BadRequest(f"{path}:{name} must hold numbers or lists of numbers, got {column.type}")
        if column.null_count:
            raise BadRequest(f"{path}:{name} has {column.null_count:,} empty cells{part}; features must be numbers")
    types = [np.dtype(column.type.to_pandas_dtype()) for column in table.columns]
    matrix = np.empty((table.num_rows, table.num_columns), np.result_type(np.float32, *types))
    for place, column in enumerate(table.columns):
        matrix[:, place] = column.to_numpy()
    return matrix


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
