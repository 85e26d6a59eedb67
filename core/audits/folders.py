"""Class folders on disk. No link is followed out of the set, and none to a folder: what is within is read anyway."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import IO, NamedTuple

from core.audits import layout, stamps
from core.audits.found import MOST_ENTRIES, Fault, Found, Places, Raw, readable
from core.types import BadRequest

AWAY, FOLDED, BROKEN = "links that lead outside", "links to folders of the set", "links that lead nowhere"
CLOSED = "folders that cannot be read"


class Walked(NamedTuple):
    """Paths within a folder, `/` between the parts: images, other visible files, folders (end in /); what was left."""

    images: list[str]
    others: list[str]
    folders: list[str]
    skipped: Counter[str]


def walked(root: Path) -> Walked:
    """All that lies in a folder, in the order of the names; BadRequest where that is more than 2,000,000 things."""
    found = Walked([], [], [], Counter())
    inside, waiting, seen = Path(os.path.realpath(root)), [""], 0
    while waiting:
        folder = waiting.pop()
        for entry in _entries(root, folder, found.skipped):
            seen += 1
            if seen > MOST_ENTRIES:
                raise BadRequest(f"{root} must hold at most {MOST_ENTRIES:,} files and folders, got more")
            _sort(entry, folder + entry.name, inside, found, waiting)
    for paths in found[:3]:
        paths.sort()
    found.skipped[layout.EMPTY] += layout.empty_folders(found.folders, found.images)
    return found


def found(root: Path, walk: Walked) -> Found:
    """The class folders in a folder. Its files are known by where they lie, however the folder was named."""
    # One that has an image's name and is here nevertheless is a pipe or a device.
    skipped = walk.skipped + Counter(layout.why_skipped(path) or layout.OTHER for path in walk.others)
    arranged = layout.arrange(walk.images)
    inside = os.path.realpath(root)
    files = cache(lambda: [f"{inside}/{path}" for path in walk.images])
    return Found(
        kind="class folders",
        names=[readable(path) for path in walk.images],
        labels=arranged.labels,
        splits=[readable(split) for split in arranged.splits],
        stream=streamed(files),
        skipped=layout.told(skipped),
        notes=arranged.notes,
        stamps=lambda: stamps.of_files(files()),
        files=files,
    )


def opened(path: str | Fault) -> IO[bytes] | Fault:
    """A regular file, or why it cannot be opened; a pipe would wait for ever."""
    if isinstance(path, Fault):
        return path
    try:
        if not S_ISREG(os.stat(path).st_mode):
            return Fault("is no file")
        return open(path, "rb")
    except FileNotFoundError:
        return Fault("there is no such file")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return Fault(f"cannot be opened: {getattr(error, 'strerror', None) or 'its name is none'}")


def streamed(files: Callable[[], Sequence[str | Fault]]) -> Callable[..., Iterator[Raw]]:
    """A stream of files."""

    def stream(places: Places = None) -> Iterator[Raw]:
        where = files()
        return (opened(path) for path in (where if places is None else (where[place] for place in places)))

    return stream


def _entries(root: Path, folder: str, skipped: Counter[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            return list(entries)
    except OSError as error:
        if not folder:
            raise BadRequest(f"cannot read {root}: {error.strerror}") from None
        skipped[CLOSED] += 1
        return []


def _sort(entry: os.DirEntry[str], path: str, inside: Path, found: Walked, waiting: list[str]) -> None:
    """Put one thing where it belongs."""
    try:
        is_folder = entry.is_dir()
    except OSError:  # a link to itself
        is_folder = False
    reason = layout.why_skipped(path + "/" * is_folder)
    if reason not in (None, layout.OTHER, layout.NESTED):
        found.skipped[str(reason)] += 1
    elif entry.is_symlink() and (why := _not_followed(entry, inside)):
        found.skipped[why] += 1
    elif is_folder:
        found.folders.append(path + "/")
        waiting.append(path + "/")
    elif reason is None and entry.is_file():
        found.images.append(path)
    else:
        found.others.append(path)


def _not_followed(entry: os.DirEntry[str], inside: Path) -> str | None:
    try:
        target = Path(os.path.realpath(entry.path, strict=True))
    except OSError:  # nowhere, or in a circle
        return BROKEN
    if not target.is_relative_to(inside):
        return AWAY
    return FOLDED if target.is_dir() else None


def located(root: Path, path: str) -> str | Fault:
    """Where a file lies whose path somebody wrote down: relative to the root, within it when all links are followed.

    The root's own links are followed already.
    """
    if not path:
        return Fault("no path is given")
    if "://" in path:
        return Fault("is an address, not a file")
    try:
        place = root / path
        if "\\" in path and not place.exists():
            place = root / path.replace("\\", "/")
        if not Path(os.path.realpath(place)).is_relative_to(root):
            return Fault("leads outside the folder of the table")
    except (OSError, ValueError):
        return Fault("is no file's name")
    return str(place)
