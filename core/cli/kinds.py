"""What a file is, by its first bytes, and whether what it holds would fit into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from core.detectors import free_memory
from core.types import BadRequest

LARGE = 64 * 2**20  # bytes from which on features are read where they are looked at, from a file on the disk
BLOCK = 2**24  # bytes of a file that are read together
KINDS = "a .npy, .npz, .safetensors or Parquet file"
_FOREIGN = (
    ((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!"), "is compressed: unpack it first"),
    ((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "holds Python objects; save the array in it by np.save"),
    ((b"\x89HDF",), "is an HDF5 file; save the array in it by np.save"),
    ((b"MATLAB 5.0",), "is a MATLAB file; save the array in it by np.save"),
    ((b"ARROW1", b"FEA1"), "is an Arrow file; save it as Parquet"),
    ((b"<!doc", b"<!DOC", b"<html", b"<HTML", b"<?xml"), "is a web page, as servers send in place of a file"),
    ((b"version https://git-lfs",), "is a pointer of Git LFS; `git lfs pull` brings the file itself"),
    ((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), "is a picture or document"),
)  # fmt: skip


class Place(NamedTuple):
    """A file, and the array or column of it that was asked for, if one was."""

    path: Path
    name: str | None

    def __str__(self) -> str:
        return str(self.path) if self.name is None else f"{self.path}:{self.name}"


def place(given: str | Path) -> Place:
    """What `file` or `file:name` means."""
    path, colon, name = str(given).rpartition(":")
    try:
        if colon and name and not Path(given).exists() and Path(path).is_file():
            return Place(Path(path), name)
        Path(given).stat()
    except FileNotFoundError:
        pass  # said where it is opened
    except (OSError, ValueError) as error:  # too long, or with a NUL in it
        raise BadRequest(f"{str(given)[:40]!r} is no file's name: {getattr(error, 'strerror', error)}") from None
    return Place(Path(given), None)


def kind_of(path: Path) -> str:
    """npy, npz, safetensors or parquet; BadRequest says what else the file is."""
    if path.exists() and not path.is_file():
        raise BadRequest(f"{path} must be {KINDS}, got a {'folder' if path.is_dir() else 'device'}")
    try:
        with path.open("rb") as file:
            begins = file.read(512)
    except OSError as error:
        raise BadRequest(f"cannot read {path}: {error.strerror}") from None
    for magic, kind in ((b"\x93NUMPY", "npy"), (b"PK\x03\x04", "npz"), (b"PK\x05\x06", "npz"), (b"PAR1", "parquet")):
        if begins.startswith(magic):
            return kind
    if begins[8:9] == b"{" and int.from_bytes(begins[:8], "little") <= path.stat().st_size - 8:  # the header's length
        return "safetensors"
    raise BadRequest(f"{path} must be {KINDS}; it {_foreign(begins)}")


def check_room(where: Any, size: int) -> None:
    """BadRequest where an array of so many bytes would not fit into the memory that is free."""
    free = free_memory()
    if free is not None and size > free:
        raise BadRequest(f"{where} holds {size / 1e9:,.1f} GB of numbers, and {free / 1e9:,.1f} GB of memory are free")


def _foreign(begins: bytes) -> str:
    """What a file is, by its first bytes."""
    for magics, words in _FOREIGN:
        if begins.lstrip().startswith(magics):
            return words
    if not begins:
        return "is empty"
    if b"\0" not in begins:
        with_cut_letter = begins[:-3] if len(begins) == 512 else begins
        try:
            with_cut_letter.decode()
        except UnicodeDecodeError:
            return "is none of these"
        return "is text; np.save(name, np.loadtxt(file, delimiter=',')) makes an array of a table of numbers"
    return "is none of these"
