"""A clean copy of a set: class folders of what is kept, beside them those of what is not; the set stays as it is.

Pictures are copied byte for byte, from wherever they lie; rows of arrays become PNG files. Names in a set were written
by anybody, so no part of a path is taken as it is.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.audits.brought import Brought, Listing
from core.audits.decoding import contents, digest
from core.audits.found import Fault, Raw, Row
from core.audits.given import MEMORY
from core.audits.layout import IMAGES, extension
from core.audits.pixels import FORMATS
from core.audits.sources import found_at
from core.configuration import pictures
from core.store import in_words, writing
from core.types import BadRequest, Ids, Mask

KEPT, ASIDE = "clean", "quarantine"
ON_DISK = ("class folders", "CSV manifest", "JSON Lines manifest")  # kinds whose images are files that can be linked to
LONGEST = 100  # letters of a part of a path
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows


class Copied(NamedTuple):
    """A clean copy: the folders of what is kept and of what lies aside, and how many images are in each."""

    clean: Path
    quarantine: Path
    kept: int
    aside: int

    @property
    def sentence(self) -> str:
        """What was written, and where."""
        return f"{self.kept:,} images are in {self.clean}, {self.aside:,} in {self.quarantine}"


def copy(
    brought: Brought, keep: Mask, to: Path, *, links: bool = False, tell: Callable[[float], None] = lambda done: None
) -> Copied:
    """Write the images that are to be kept [n] to `to/clean/class/…`, the others to `to/quarantine/class/…`.

    Above the classes stand the splits, where the set has some; images without a label lie in a folder `unlabelled`.
    links: link to the pictures instead, where they are files. BadRequest where `to` holds something or lies in the set,
    where the set has changed since it was read, and where files cannot be written.
    """
    if keep.shape != (len(brought),):
        raise BadRequest(f"keep must be [{len(brought)}], one an image; got {list(keep.shape)}")
    check_copy(brought, to, links)
    names, copied = _Names(brought), [0, 0]
    with writing(to):
        for row, image in enumerate(_each(brought, np.arange(len(brought)))):
            file = to / (KEPT if keep[row] else ASIDE) / names.of(row, image)
            file.parent.mkdir(parents=True, exist_ok=True)
            _put(image, file, links)
            copied[not keep[row]] += 1
            if row % 64 == 0:
                tell(row / len(brought))
    tell(1.0)
    return Copied(to / KEPT, to / ASIDE, *copied)


def copy_some(brought: Brought, rows: Ids, to: Path, *, links: bool = False) -> list[str]:
    """Write the images of some rows [m], in order, to `to/class/…` as `copy` does; the files' paths within `to`."""
    check_copy(brought, to, links)
    names, files = _Names(brought), list[str]()
    with writing(to):
        for row, image in zip(rows.tolist(), _each(brought, rows), strict=True):
            files.append(names.of(row, image))
            (to / files[-1]).parent.mkdir(parents=True, exist_ok=True)
            _put(image, to / files[-1], links)
    return files


def original(brought: Brought, row: int) -> bytes:
    """The file of one image as it lies there, of arrays the row as PNG; BadRequest where it is another by now."""
    return next(_each(brought, np.array([row]))).data


def check_copy(of: Brought | Listing, to: Path, links: bool) -> None:
    """BadRequest where a copy of a set could not go to a folder, before anything is computed for it (see `copy`)."""
    if links and of.kind not in ON_DISK:
        raise BadRequest(f"links lead to files, and the images of this set ({of.kind}) are none; copy them instead")
    with writing(to):
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise BadRequest(f"a copy needs an empty folder, or a new one; {to} holds something")
        source, target = Path(os.path.realpath(of.source)), Path(os.path.realpath(to))
    if of.source != MEMORY and source.is_dir() and target.is_relative_to(source):
        raise BadRequest(f"a copy must not lie within the set that it is of: {to} does")


class _Image(NamedTuple):
    """A picture: its bytes, and where it lies if it is a file of its own; or an array's row as the bytes of a PNG."""

    data: bytes
    place: str | None


def _each(brought: Brought, rows: Ids) -> Iterator[_Image]:
    """The pictures of some rows, ascending, as they lie there; BadRequest where one is no longer what it was."""
    if brought.source == MEMORY:
        yield from (_Image(_png(brought.images[row]), None) for row in rows)
        return
    places = brought.rows[rows].tolist()
    with in_words(brought.source):
        found, count = found_at(Path(brought.source)), 0
        if not places or places[-1] < len(found.names):
            for row, raw in zip(rows.tolist(), found.stream(places), strict=False):
                yield _unchanged(raw, brought, row)
                count += 1
    if count < len(places):
        raise BadRequest(f"{brought.source} has changed since it was read: images of it are gone")


def _unchanged(raw: Raw, brought: Brought, row: int) -> _Image:
    """A picture, if it is the one that was read."""
    if isinstance(raw, Fault):
        data, image = b"", _Image(b"", None)
    elif isinstance(raw, Row):
        data, image = raw.data, _Image(_png(raw.pixels), None)
    else:
        place = raw.name if brought.kind in ON_DISK and isinstance(raw.name, str) else None
        data = contents(raw)
        image = _Image(data, place)
    if digest(data) != brought.digests[row]:
        raise BadRequest(f"{brought.source} has changed since it was read: {brought.names[row]} is another picture")
    return image


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _put(image: _Image, file: Path, links: bool) -> None:
    if links and image.place is not None:
        file.symlink_to(os.path.abspath(image.place))
    else:
        file.write_bytes(image.data)


class _Names:
    """Paths for the images of a set: the split, the class, the picture's own name; each safe, and none twice."""

    def __init__(self, brought: Brought) -> None:
        self.brought = brought
        self.classes = _distinct([*brought.classes, "unlabelled"])
        self.splits = _distinct(list(brought.split_names))
        self.taken: set[str] = set()

    def of(self, row: int, image: _Image) -> str:
        brought = self.brought
        split = self.splits[brought.splits[row]] if brought.split_names != ("",) else None
        folder = "/".join(filter(None, (split, self.classes[brought.labels[row]])))
        base = _part(brought.names[row].replace("\\", "/").rpartition("/")[2])
        if extension(base) not in IMAGES:
            base = f"{base}.{_kind(image.data)}"
        stem, _, end = base.rpartition(".")
        file = f"{folder}/{base}"
        while file.casefold() in self.taken:  # as a disk that knows no case would have it
            stem = f"{stem}-{row}"
            file = f"{folder}/{stem}.{end}"
        self.taken.add(file.casefold())
        return file


def _distinct(names: list[str]) -> list[str]:
    """Names as parts of a path, no two alike."""
    found: list[str] = []
    taken: set[str] = set()
    for number, name in enumerate(names):
        part = _part(name)
        if part.casefold() in taken:
            part = f"{part}-{number}"
        taken.add(part.casefold())
        found.append(part)
    return found


def _part(name: str) -> str:
    """A name as one part of a path, on any system."""
    safe = _UNSAFE.sub("_", name.encode("utf-8", "replace").decode()).strip(" .")
    if len(safe) > LONGEST:
        stem, dot, end = safe.rpartition(".")
        safe = stem[: LONGEST - len(end) - 1] + dot + end if dot and len(end) < 10 else safe[:LONGEST]
    return f"_{safe}" if not safe or _RESERVED.fullmatch(safe) else safe


def _kind(data: bytes) -> str:
    """A file's ending, by what is in it."""
    with pictures.opened(data, FORMATS) as image:
        kind = str(image.format).lower()
    return {"jpeg": "jpg", "mpo": "jpg"}.get(kind, kind)
