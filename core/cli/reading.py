"""Arrays from files that people have: .npy, .npz, Parquet.

Nothing is ever unpickled, and nothing is allocated on a header's word: what an array would take is compared with what
the file holds, and with the memory that is free, before it is read.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.cli.kinds import KINDS, Place, check_room, kind_of, place
from core.store import in_words
from core.types import BadRequest

MAPPED = 64 * 2**20  # bytes from which an array stays in its file and is read where it is looked at


def read(given: str | Path, wanted: str) -> NDArray[Any]:
    """The array of a file; where it holds several, the one called `wanted` ("features", "labels", a kind of evidence).

    BadRequest in one sentence says why there is none. A large .npy comes as a read-only map of the file.
    """
    where = place(given)
    kind = kind_of(where.path)
    with in_words(where):
        if kind == "parquet":
            from core.cli import parquet

            return parquet.read(where.path, where.name, wanted)
        if kind == "npz":
            return _from_archive(where, wanted)
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
    if size < MAPPED:
        loaded: NDArray[Any] = np.load(path, allow_pickle=False)
        return loaded
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _check_header(where: Any, file: IO[bytes], size: int) -> int:
    """The bytes of the array that begins here, in a file of `size` bytes; BadRequest where its header is not true."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:  # 3.0 is for names of fields
        raise BadRequest(f"{where} must be a .npy file of version 1.0 or 2.0, got {version[0]}.{version[1]}")
    shape, _, dtype = readers[version](file)
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
    return told


# --- .npz -------------------------------------------------------------------------------------------------


def _from_archive(where: Place, wanted: str) -> NDArray[Any]:
    with zipfile.ZipFile(where.path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        if not members:
            raise BadRequest(f"{where.path} must be {KINDS}; it is a zip archive without NumPy arrays")
        names = [member.filename.removesuffix(".npy") for member in members]
        member = members[names.index(_chosen(where, names, wanted))]
        with archive.open(member) as file:
            check_room(where, _check_header(f"{where.path}:{member.filename[:-4]}", file, member.file_size))
        with archive.open(member) as file:
            loaded: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return loaded


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
