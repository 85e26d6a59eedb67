"""Zip archives, read in place: nothing is extracted, and what unpacks to more than it should is refused unread."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from core.audits import layout, limits, stamps
from core.audits.found import MOST_ENTRIES, Fault, Found, Raw, chosen, named_twice, readable
from core.types import BadRequest

_END, _LOCATOR, _LEAST = 22, 20, 46  # bytes: the record at the end, what points to its 64-bit form, an entry
_END64 = 56
_TAIL = _END + 65_535  # the record, and the longest comment behind it


def members(path: Path) -> list[zipfile.ZipInfo]:
    """All entries of an archive; BadRequest where it has too many, is encrypted, or unpacks to too much.

    The number of entries is looked at before they are read: two million of them take a gigabyte as Python's objects.
    """
    check_entries(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    limits.check_count(path, len(entries))
    _check(path, entries)
    return entries


def found(path: Path, entries: Sequence[zipfile.ZipInfo]) -> Found:
    """The class folders in an archive."""
    skipped: Counter[str] = Counter()
    images, folders = [], []
    for place, entry in enumerate(entries):
        name = _name(entry)
        reason = _why_skipped(entry, name)
        if reason is None:
            images.append((name, place))
        elif reason == layout.OTHER and name.endswith("/"):
            folders.append(name)
        else:
            skipped[reason] += 1
    images.sort()
    names = [name for name, _ in images]
    skipped[layout.EMPTY] += layout.empty_folders(folders, names)
    arranged = layout.arrange(names)
    shown = [readable(name) for name in names]
    return Found(
        kind="zip of class folders",
        names=shown,
        labels=arranged.labels,
        splits=[readable(split) for split in arranged.splits],
        stream=lambda places=None: _streamed(path, chosen((place for _, place in images), places)),
        stamps=lambda: list(stamps.of_members(str(path), len(images))),
        skipped=layout.told(+skipped),
        notes=arranged.notes,
        doubtful=named_twice(shown),
    )


def _streamed(path: Path, places: Iterable[int]) -> Iterator[Raw]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for place in places:
            yield _opened(archive, entries[place])


def _opened(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Raw:
    try:
        return archive.open(entry)
    except NotImplementedError:
        return Fault("is compressed by a method that is not read; zip it by the usual one")
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, struct.error):
        return Fault("it is damaged where it lies in the archive")


def _name(entry: zipfile.ZipInfo) -> str:
    """With slashes: some programs of Windows write the other ones."""
    return entry.filename.replace("\\", "/")


def _why_skipped(entry: zipfile.ZipInfo, name: str) -> str | None:
    if layout.leads_outside(name):
        return layout.OUTSIDE
    if stat.S_ISLNK(entry.external_attr >> 16):
        return layout.LINKS
    reason = layout.why_skipped(name)
    return layout.OTHER if reason is None and name.endswith("/") else reason


def _check(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """BadRequest for an archive that is encrypted, or made to unpack to more than its size promises."""
    size, packed, unpacked = os.stat(path).st_size, 0, 0
    for entry in entries:
        if entry.flag_bits & 1:
            raise BadRequest(f"{path} is encrypted ({readable(entry.filename)}); zip it without a password")
        packed, unpacked = packed + entry.compress_size, unpacked + entry.file_size
        if layout.why_skipped(_name(entry)) != layout.NESTED:  # these are never opened
            limits.check_member(path, readable(entry.filename), entry.file_size, entry.compress_size)
    if packed > size:
        raise BadRequest(f"{path} must hold each file once; its entries overlap, as in archives made to overwhelm")
    limits.check_total(path, unpacked)


# --- how many entries there are, before any is read -------------------------------------------------------


def check_entries(path: Path) -> None:
    """BadRequest where an archive has too many entries, by its own word or by what is there."""
    with path.open("rb") as file:
        count, length, start = _directory(file, path)
        limits.check_count(path, count)
        if length // _LEAST > MOST_ENTRIES:  # the count may lie
            limits.check_count(path, _entries(file, start, length))


def _directory(file: IO[bytes], path: Path) -> tuple[int, int, int]:
    """How many entries an archive claims, how many bytes these take, and where they begin."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL - _LOCATOR - _END64))
    tail = file.read()
    at = len(tail) - _END
    if at < 0 or tail[at : at + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END:
        raise BadRequest(f"{path} is damaged or cut short: the list of its files, which stands at its end, is missing")
    count, length = struct.unpack_from("<HL", tail, at + 10)
    end = size - len(tail) + at
    if tail[max(0, at - _LOCATOR) :].startswith(b"PK\x06\x07") and at >= _LOCATOR + _END64:
        count, length = struct.unpack_from("<QQ", tail, at - _LOCATOR - _END64 + 32)
        end -= _LOCATOR + _END64
    return count, length, max(0, end - length)


def _entries(file: IO[bytes], start: int, length: int) -> int:
    """Count the entries themselves, up to one more than are allowed, a block at a time."""
    file.seek(start)
    held, at, count, left = b"", 0, 0, length
    while count <= MOST_ENTRIES:
        if len(held) - at < _LEAST:
            block = file.read(min(1 << 20, left))
            left -= len(block)
            held, at = held[at:] + block, 0
            if len(held) < _LEAST:
                break
        name, extra, comment = struct.unpack_from("<HHH", held, at + 28)
        at += _LEAST + name + extra + comment
        count += 1
        while at > len(held) and left:
            block = file.read(min(1 << 20, left))
            left -= len(block)
            at -= len(held)
            held = block
            if not block:
                return count
    return count
