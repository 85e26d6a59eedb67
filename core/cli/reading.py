"""Arrays from files that people have: .npy, .npz, .safetensors, Parquet.

Nothing is ever unpickled, and nothing is allocated on a header's word: what an array would take is compared with what
the file holds, and with the memory that is free, before it is read. Large features take none: they are read from their
file, or where it holds them packed, from one that they are unpacked to in blocks.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.cli import kinds
from core.cli.kinds import KINDS, Place, check_room, kind_of, place
from core.store import in_words, on_disk
from core.types import BadRequest

DTYPES = {  # of .safetensors, by its own names
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


def read(given: str | Path, wanted: str) -> NDArray[Any]:
    """The array of a file; where it holds several, the one called `wanted` ("features", "labels", a kind of evidence).

    BadRequest in one sentence says why there is none. A large .npy comes as a read-only map of the file; so do large
    features of any file.
    """
    where = place(given)
    kind = kind_of(where.path)
    with in_words(where):
        if kind == "parquet":
            from core.cli import parquet

            return parquet.read(where.path, where.name, wanted)
        if kind == "npz":
            return _from_archive(where, wanted)
        if kind == "safetensors":
            return _from_safetensors(where, wanted)
        if where.name is not None:
            raise BadRequest(f"{where.path} is a single array and has no {where.name!r} in it")
        return _from_npy(where.path)


def holds_labels(given: str | Path) -> bool:
    """Whether a file of features can hold the labels, too."""
    return kind_of(place(given).path) != "npy"


# --- .npy -------------------------------------------------------------------------------------------------


def _from_npy(path: Path) -> NDArray[Any]:
    size = path.stat().st_size
    with path.open("rb") as file:
        _check_header(path, file, size)
    if size < kinds.LARGE:
        loaded: NDArray[Any] = np.load(path, allow_pickle=False)
        return loaded
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


class _Header(NamedTuple):
    """What an array is by its header: its shape, dtype and order, and how many bytes follow."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    size: int


def _check_header(where: Any, file: IO[bytes], size: int) -> _Header:
    """The header of the array that begins here, in a file of `size` bytes; BadRequest where it is not true."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:  # 3.0 is for names of fields
        raise BadRequest(f"{where} must be a .npy file of version 1.0 or 2.0, got {version[0]}.{version[1]}")
    shape, fortran, dtype = readers[version](file)
    if dtype.hasobject:
        raise BadRequest(
            f"{where} holds Python objects, which are not read; np.save(name, array.astype(str)) saves text, and "
            "array.astype(float) numbers"
        )
    if dtype.names is not None or not dtype.itemsize:
        raise BadRequest(f"{where} must hold plain numbers or text, got {dtype}")
    told, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or told != held:
        which = "is cut short or its header is wrong" if told > held else "holds more than its header says"
        raise BadRequest(
            f"{where} {which}: by its header {dtype} {list(shape)}, {told:,} bytes, and {held:,} bytes are there"
        )
    return _Header(shape, dtype, fortran, told)


# --- .npz -------------------------------------------------------------------------------------------------


def _from_archive(where: Place, wanted: str) -> NDArray[Any]:
    with zipfile.ZipFile(where.path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        if not members:
            raise BadRequest(f"{where.path} must be {KINDS}; it is a zip archive without NumPy arrays")
        names = [member.filename.removesuffix(".npy") for member in members]
        member = members[names.index(_chosen(where, names, wanted))]
        with archive.open(member) as file:
            header = _check_header(f"{where.path}:{member.filename[:-4]}", file, member.file_size)
            if wanted == "features" and header.size >= kinds.LARGE and not header.fortran and header.shape:
                return on_disk(where, _blocks(file, header), header.shape, header.dtype)
            check_room(where, header.size)
        with archive.open(member) as file:
            loaded: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return loaded


def _blocks(file: IO[bytes], header: _Header) -> Iterator[NDArray[Any]]:
    """The rows of an array of which the header has been read, in blocks of 16 MB."""
    left = header.size
    while left:
        block = file.read(min(left, kinds.BLOCK // header.dtype.itemsize * header.dtype.itemsize))
        if not block:
            raise EOFError
        left -= len(block)
        yield np.frombuffer(block, np.uint8)


def _chosen(where: Place, names: list[str], wanted: str) -> str:
    """Which of the arrays of an archive is meant: the one asked for, the one called what is wanted, or the only one."""
    some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    name = where.name or (wanted if wanted in names else names[0] if len(names) == 1 else None)
    if name is None:
        raise BadRequest(
            f"{where.path} holds {len(names)} arrays, none of them called {wanted}; say which as {where.path}:NAME, of "
            f"{some}"
        )
    if names.count(name) != 1:
        raise BadRequest(f"{where.path} holds {names.count(name) or 'no'} arrays called {name}; it has {some}")
    return name


# --- .safetensors -----------------------------------------------------------------------------------------


def _from_safetensors(where: Place, wanted: str) -> NDArray[Any]:
    from safetensors import safe_open

    with safe_open(where.path, "np") as file:  # which checks the header, and that it fits the file
        name = _chosen(where, list(file.keys()), wanted)
    with where.path.open("rb") as held:
        length = int.from_bytes(held.read(8), "little")
        told = json.loads(held.read(length))[name]
    if told["dtype"] not in DTYPES:
        raise BadRequest(f"{where.path}:{name} holds {told['dtype']}, which NumPy has not; save it as float32")
    start, shape, dtype = 8 + length + told["data_offsets"][0], tuple(told["shape"]), DTYPES[told["dtype"]]
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size >= kinds.LARGE:
        return np.asarray(np.memmap(where.path, dtype, "r", start, shape))
    return np.fromfile(where.path, dtype, math.prod(shape), offset=start).reshape(shape)
