"""Images in NumPy's files: an .npz of images and labels, also by splits, or images.npy beside labels.npy.

Nothing is unpickled. Rows are streamed, so that an array need not fit into memory beside its images.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.audits import limits, scales, zips
from core.audits.found import SPLITS, Found, Raw, chosen, some
from core.detectors import as_labels, free_memory
from core.types import BadRequest

IMAGES = ("images", "image", "imgs", "x", "data")
LABELS = ("labels", "label", "y", "targets", "target", "classes")
_SEPARATORS = re.compile(r"[_.\- ]+")
Open = Callable[[], AbstractContextManager[IO[bytes]]]


class Stored(NamedTuple):
    """An array in a file, by its header: where it begins to be read, its shape and dtype."""

    name: str
    open: Open
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool


def from_npz(path: Path) -> Found:
    """The images and labels of an archive of arrays, whatever usual names they have."""
    roles: dict[tuple[str, str], Stored] = {}
    zips.check_entries(path)
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
        names = [one.filename.removesuffix(".npy") for one in members]
        for member, name in zip(members, names, strict=True):
            role = _role(name)
            if role is None:
                continue
            if role in roles:
                raise BadRequest(f"{path} must hold one array of {role[0]}, got {roles[role].name} and {name}")
            roles[role] = _stored(path, name, _of_archive(path, member.filename), member.file_size)
    splits = [split for kind, split in roles if kind == "images"]
    if not splits:
        raise BadRequest(f"{path} must hold an array called images (and labels), [n, h, w, 3]; it holds {some(names)}")
    pairs = [(roles["images", split], roles.get(("labels", split)), split) for split in splits]
    return _found("npz", path, pairs)


def from_pair(images: Path, labels: Path) -> Found:
    """images.npy and labels.npy, which lie side by side; without the second there are no labels."""
    first, second = (_of_file(path) if path.exists() else None for path in (images, labels))
    if first is None:
        raise BadRequest(f"cannot read {images}: there is no such file")
    return _found("npy pair", images, [(first, second, "")])


def _found(kind: str, path: Path, pairs: Sequence[tuple[Stored, Stored | None, str]]) -> Found:
    notes: list[str] = []
    forms = [scales.form(images.shape, images.dtype, f"{path}:{images.name}") for images, _, _ in pairs]
    if len({(form.height, form.width) for form in forms}) > 1:
        raise BadRequest(f"{path} must hold images of one size in all its splits")
    limits.check_count(path, sum(images.shape[0] for images, _, _ in pairs))
    names, labels, splits = [], list[str | None](), []
    for (images, given, split), form in zip(pairs, forms, strict=True):
        rows = images.shape[0]
        labels += _labels(given, rows, path, notes) if given is not None else [None] * rows
        names += [f"{images.name}:{row}" for row in range(rows)]
        splits += [split] * rows
        notes += [form.note] * bool(form.note)
        if given is None:
            notes.append(f"No array holds labels of {images.name}.")
    late: list[str] = []
    return Found(
        kind=kind,
        names=names,
        labels=labels,
        splits=splits,
        stream=lambda places=None: chosen(
            (raw for (images, _, _), form in zip(pairs, forms, strict=True) for raw in _rows(images, form, late)),
            places,
        ),
        late=late,
        notes=tuple(dict.fromkeys(notes)),
        size=(forms[0].height, forms[0].width),
    )


def _role(name: str) -> tuple[str, str] | None:
    """("images" or "labels", split) of an array called x_train, test_labels, images; None of any other."""
    parts = [part for part in _SEPARATORS.split(name.lower()) if part]
    split = next((part for part in parts if part in SPLITS), "")
    rest = [part for part in parts if part != split]
    if len(rest) != 1:
        return None
    return ("images", split) if rest[0] in IMAGES else ("labels", split) if rest[0] in LABELS else None


def _labels(given: Stored, rows: int, path: Path, notes: list[str]) -> list[str | None]:
    """The class's name of each row."""
    free = free_memory()
    size = math.prod(given.shape) * given.dtype.itemsize
    if free is not None and size > free:
        raise BadRequest(f"{path}:{given.name} holds {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of memory are free")
    with given.open() as file:
        values = np.lib.format.read_array(file, allow_pickle=False)
    if values.shape[:1] != (rows,):
        raise BadRequest(f"{path}:{given.name} must hold a label for each of {rows:,} images, got {list(values.shape)}")
    read = as_labels(values)
    notes += [note[0].upper() + note[1:] + "." for note in read.notes]
    return [None if place < 0 else read.names[place] for place in read.labels.tolist()]


# --- files ------------------------------------------------------------------------------------------------


def _of_file(path: Path) -> Stored:
    return _stored(path, path.stem, lambda: path.open("rb"), path.stat().st_size)


def _of_archive(path: Path, member: str) -> Open:
    return lambda: _Member(path, member)


class _Member:
    """A member of an archive that is opened with it and closed with it."""

    def __init__(self, path: Path, member: str) -> None:
        self.path, self.member = path, member

    def __enter__(self) -> IO[bytes]:
        self.archive = zipfile.ZipFile(self.path)
        try:
            self.file = self.archive.open(self.member)
        except BaseException:
            self.archive.close()
            raise
        return self.file

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.archive.close()


def _stored(path: Path, name: str, opener: Open, size: int) -> Stored:
    """An array's header; BadRequest where it is not true, or what it holds is no array of numbers or text."""
    where = f"{path}:{name}"
    with opener() as file:
        try:
            shape, fortran, dtype = _header(file)
        except OSError:
            raise
        except Exception:  # NumPy reads a header by Python's own parser, which raises many kinds
            raise BadRequest(f"{where} must be an array as np.save writes it; it is none, or damaged") from None
        held = size - file.tell()
    if dtype.hasobject:
        raise BadRequest(f"{where} holds Python objects, which are not read; save plain numbers or text by np.save")
    told = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or told != held or dtype.names is not None:
        raise BadRequest(
            f"{where} is cut short or its header is wrong: by its header {dtype} {list(shape)}, {told:,} bytes, and "
            f"{held:,} bytes are there"
        )
    return Stored(name, opener, shape, dtype, fortran)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    return readers[np.lib.format.read_magic(file)](file)


def _rows(stored: Stored, form: scales.Form, late: list[str]) -> Iterator[Raw]:
    scale = scales.scale_of(_values(stored), stored.dtype, stored.name)
    late += [scale.note] * bool(scale.note)
    for values in _values(stored):
        yield scales.row(values, form, scale)


def _values(stored: Stored) -> Iterator[NDArray[Any]]:
    """One row after the other."""
    with stored.open() as file:
        if stored.fortran:
            yield from _whole(file, stored)
            return
        _header(file)
        size = math.prod(stored.shape[1:]) * stored.dtype.itemsize
        for _ in range(stored.shape[0]):
            data = file.read(size)
            if len(data) < size:
                return
            yield np.frombuffer(data, stored.dtype).reshape(stored.shape[1:])


def _whole(file: IO[bytes], stored: Stored) -> NDArray[Any]:
    free, size = free_memory(), math.prod(stored.shape) * stored.dtype.itemsize
    if free is not None and size > free:
        raise BadRequest(f"{stored.name} holds {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of memory are free")
    whole: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return whole
