"""Tar archives, plain or compressed, read from front to back: class folders, or WebDataset (key.jpg beside key.cls)."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import tarfile
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from core.audits import columns, layout, limits, stamps
from core.audits.found import SPLITS, Fault, Found, Places, Raw, Stamp, named_twice, numbers_or_names, readable
from core.types import BadRequest

COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
MOST_HEADER = 64 * 1024  # bytes of one header: Python searches them by expressions that take the square of that
MOST_SIDECAR = 2**20  # bytes of a .cls or .json
SHARD = re.compile(rf"({'|'.join(SPLITS)})(?![a-z])", re.IGNORECASE)
_DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, RecursionError, zlib.error, lzma.LZMAError)
_CUT = "{} is cut short; what lies before that is read."


class Entry(NamedTuple):
    """One image of an archive: its name, and its place among all members."""

    name: str
    place: int


class Listed(NamedTuple):
    """What lies in one archive: images, what else there is (folders end in /), labels by key, what was left out."""

    images: list[Entry]
    others: list[str]
    labels: dict[str, str | None]
    skipped: Counter[str]
    cut: bool


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive by its first bytes, compressed or not."""
    try:
        with _unpacked(path) as (file, _):
            begins = file.read(512)
    except (OSError, EOFError, lzma.LZMAError, BadRequest):
        return False
    return begins[257:262] == b"ustar" or _is_old(begins)


def found(paths: Sequence[Path], root: Path) -> Found:
    """The images of an archive, or of several shards one after the other, named by them where there are several."""
    listed = [_listed(path) for path in paths]
    skipped = sum((one.skipped for one in listed), Counter[str]())
    notes = tuple(_CUT.format(path.name) for path, one in zip(paths, listed, strict=True) if one.cut)
    if any(one.labels for one in listed):
        return _webdataset(paths, root, listed, skipped, notes)
    folders = [name for one in listed for name in one.others if name.endswith("/")]
    names = [entry.name for one in listed for entry in one.images]
    skipped += Counter(
        reason
        for one in listed
        for name in one.others
        if not name.endswith("/") and (reason := layout.why_skipped(name))
    )
    skipped[layout.EMPTY] += layout.empty_folders(folders, names)
    arranged = layout.arrange(names)
    shown = [readable(name) for name in names]
    return Found(
        kind="tar of class folders",
        names=shown,
        labels=arranged.labels,
        splits=[readable(split) for split in arranged.splits],
        stream=lambda places=None: _streamed(paths, listed, places),
        stamps=lambda: _stamps(paths, listed),
        skipped=layout.told(+skipped),
        notes=notes + arranged.notes,
        doubtful=named_twice(shown),
    )


def split_of(name: str) -> str:
    """The split that a shard's name begins with, as train-00000-of-00002.parquet; "" where it names none."""
    begins = SHARD.match(name)
    return begins.group(1) if begins else ""


def _webdataset(
    paths: Sequence[Path], root: Path, listed: list[Listed], skipped: Counter[str], notes: tuple[str, ...]
) -> Found:
    names, labels, splits = [], list[str | None](), []
    for path, one in zip(paths, listed, strict=True):
        shard = "" if len(paths) == 1 else f"{path.relative_to(root).as_posix()}/"
        for entry in one.images:
            names.append(readable(shard + entry.name))
            labels.append(one.labels.get(_key(entry.name)))
            splits.append(split_of(path.name))
        skipped += Counter(
            reason
            for name in one.others
            if not name.endswith("/") and _key(name) not in one.labels and (reason := layout.why_skipped(name))
        )
    if len(set(splits)) > 1 and "" in splits:
        splits = [""] * len(splits)
    shards = f"{len(paths)} shards" if len(paths) > 1 else "The archive"
    notes += (f"{shards}: labels are taken from the .cls or .json beside each image.",)
    return Found(
        kind="WebDataset tar",
        names=names,
        labels=numbers_or_names(labels),
        splits=splits,
        stream=lambda places=None: _streamed(paths, listed, places),
        stamps=lambda: _stamps(paths, listed),
        skipped=layout.told(+skipped),
        notes=notes,
        doubtful=named_twice(names),
    )


# --- from front to back -----------------------------------------------------------------------------------


class _Guarded(io.RawIOBase):
    """A file of which no more than `most` bytes are read at once: tarfile takes a header's word for its length."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file, self.path, self.most = file, path, MOST_HEADER

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self.most:
            raise BadRequest(f"{self.path} must have headers of at most {MOST_HEADER >> 10} KiB, got {size:,} bytes")
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The archive unpacked, as a file, and the file on the disk, whose place says how much of it was used."""
    with path.open("rb") as raw:
        begins = raw.read(6)
        raw.seek(0)
        opener = next((one for magic, one in COMPRESSED.items() if begins.startswith(magic)), None)
        if opener is None:
            yield raw, raw
            return
        with opener(raw, "rb") as unpacking:
            yield unpacking, raw


def _members(path: Path) -> Generator[tuple[tarfile.TarInfo, tarfile.TarFile, _Guarded], None, None]:
    """One member after the other; BadRequest as soon as they unpack to too much."""
    with _unpacked(path) as (file, raw):
        guarded, count = _Guarded(file, path), 0
        with tarfile.open(fileobj=guarded, mode="r:", errorlevel=1) as archive:
            while (member := archive.next()) is not None:
                count += 1
                limits.check_count(path, count)
                _check(path, member, None if raw is file else raw.tell())
                yield member, archive, guarded
                archive.members = []  # type: ignore[attr-defined]  # tarfile keeps all that it saw


def _check(path: Path, member: tarfile.TarInfo, packed: int | None) -> None:
    """packed: how much of a compressed archive all that lies before the member took."""
    limits.check_total(path, member.offset_data + member.size)
    if layout.why_skipped(member.name) != layout.NESTED:
        limits.check_member(path, readable(member.name), member.size, member.size)
    if packed is not None:
        limits.check_ratio(path, member.offset, packed)


def _listed(path: Path) -> Listed:
    images, others, labels, skipped = [], list[str](), dict[str, str | None](), Counter[str]()
    place, cut = -1, True
    with closing(_members(path)) as members, _until_damage():
        for place, (member, archive, guarded) in enumerate(members):
            name = member.name.removeprefix("./") + "/" * member.isdir()
            reason = _why_skipped(member, name)
            if reason is None:
                images.append(Entry(name, place))
            elif reason not in (layout.OTHER, layout.NESTED) or not (member.isreg() or member.isdir()):
                skipped[reason] += 1
            else:
                others.append(name)
                if layout.extension(name) in ("cls", "json") and member.size <= MOST_SIDECAR:
                    _add_label(labels, _key(name), _read(archive, member, guarded), layout.extension(name))
        cut = False
    if cut and place < 0:
        raise BadRequest(f"{path} is damaged or cut short")
    return Listed(images, others, labels, skipped, cut)


def _stamps(paths: Sequence[Path], listed: Sequence[Listed]) -> list[Stamp]:
    return [
        stamp
        for path, one in zip(paths, listed, strict=True)
        for stamp in stamps.of_members(str(path), len(one.images))
    ]


def _streamed(paths: Sequence[Path], listed: Sequence[Listed], places: Places) -> Iterator[Raw]:
    begins = 0
    for path, one in zip(paths, listed, strict=True):
        ends = begins + len(one.images)
        mine = (
            range(begins, ends) if places is None else places[bisect_left(places, begins) : bisect_left(places, ends)]
        )
        wanted, count = {one.images[place - begins].place for place in mine}, 0
        begins = ends
        if not wanted:  # an archive whose pictures are all known is not opened
            continue
        with closing(_members(path)) as members, _until_damage():
            for place, (member, archive, guarded) in enumerate(members):
                if place in wanted:
                    count += 1
                    yield io.BytesIO(_read(archive, member, guarded))
        for _ in range(len(wanted) - count):  # the next shard's images keep their names
            yield Fault("the archive is damaged here")


@contextmanager
def _until_damage() -> Iterator[None]:
    """What is damaged ends here; what is refused, a BadRequest, is of the archive as a whole."""
    try:
        yield
    except BadRequest:
        raise
    except _DAMAGE:
        pass


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, guarded: _Guarded) -> bytes:
    guarded.most = limits.MOST_MEMBER
    content = b""
    with _until_damage():  # the picture's own reader says that it is cut short
        file = archive.extractfile(member)
        content = b"" if file is None else file.read()
    guarded.most = MOST_HEADER
    return content


def _why_skipped(member: tarfile.TarInfo, name: str) -> str | None:
    if layout.leads_outside(name):
        return layout.OUTSIDE
    if member.issym() or member.islnk():
        return layout.LINKS
    reason = layout.why_skipped(name)
    if reason is None and (not member.isreg() or member.issparse()):
        return layout.OTHER
    return reason


# --- WebDataset -------------------------------------------------------------------------------------------


def _key(name: str) -> str:
    return name.rpartition(".")[0]


def _add_label(labels: dict[str, str | None], key: str, content: bytes, kind: str) -> None:
    """Note what a .cls says, or else a .json; only where it says something, so that other .json are no labels."""
    text = content.decode("utf-8", "backslashreplace").strip()
    if kind == "cls":
        labels[key] = text or None
        return
    try:
        record = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return
    told = [record[one] for one in ("cls", *columns.LABELS) if one in record] if isinstance(record, dict) else []
    if len(told) == 1 and isinstance(told[0], str):
        labels.setdefault(key, readable(told[0]) or None)


def _is_old(begins: bytes) -> bool:
    """A tar header of before 1988: no mark, but a checksum that is right."""
    if len(begins) < 512 or not begins[0]:
        return False
    try:
        return int(begins[148:156].strip(b"\0 "), 8) == sum(begins[:148]) + 8 * 32 + sum(begins[156:512])
    except ValueError:
        return False
