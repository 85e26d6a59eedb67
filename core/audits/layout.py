"""What a path within a set says: whether it is an image, of which class and split; the same for folders and archives.

Classes are the folders that hold images. What all images share (a wrapping folder) is no part of a class's name, and
train, val, test above the classes are splits, but only where every folder beside them is one, too: `train` is also a
class of CIFAR-100.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from core.audits.found import SPLITS, counted, readable

IMAGES = frozenset(
    ("png", "jpg", "jpeg", "jpe", "jfif", "bmp", "gif", "tif", "tiff", "webp", "ppm", "pgm", "pbm", "pnm", "avif")
)
ARCHIVES = frozenset(("zip", "tar", "gz", "tgz", "bz2", "tbz2", "xz", "txz", "zst", "7z", "rar"))
HIDDEN, OTHER, NESTED, EMPTY = "hidden files", "other files", "nested archives", "empty folders"
OUTSIDE, LINKS = "names that lead outside", "links"
_NAMED = ("__MACOSX", ".DS_Store", ".ipynb_checkpoints")  # counted by their own names
_SYSTEM = frozenset(("thumbs.db", "desktop.ini"))
_DRIVE = re.compile(r"[A-Za-z]:")


class Arranged(NamedTuple):
    """The class and the split of each image, and sentences on how they were read."""

    labels: list[str | None]
    splits: list[str]
    notes: tuple[str, ...]


def extension(name: str) -> str:
    """What stands behind the last dot of a name, in small letters."""
    stem, dot, end = name.rpartition("/")[2].rpartition(".")
    return end.lower() if dot and stem else ""


def why_skipped(path: str) -> str | None:
    """Why a file or folder (ends in /) at this path within the set is no image of it; None where it is one."""
    parts = path.rstrip("/").split("/")
    for part in parts:
        if part in _NAMED:
            return part
        if part.startswith(".") or part.lower() in _SYSTEM:
            return HIDDEN
    if extension(path) in IMAGES:
        return None
    return NESTED if extension(path) in ARCHIVES else OTHER


def leads_outside(path: str) -> bool:
    """Whether a name in an archive or table is absolute or climbs out of its folder, by either slash."""
    slashed = path.replace("\\", "/")
    return slashed.startswith("/") or bool(_DRIVE.match(slashed)) or ".." in slashed.split("/")


def empty_folders(folders: Sequence[str], images: Sequence[str]) -> int:
    """How many of the folders (end in /) hold neither an image nor another folder; hidden ones do not count."""
    full = {path.rstrip("/").rpartition("/")[0] for path in {*folders, *images}}
    full |= {"/".join(parts[:end]) for parts in (one.split("/") for one in full) for end in range(1, len(parts))}
    seen = (folder for folder in set(folders) if why_skipped(folder) in (OTHER, NESTED, None))
    return sum(folder.rstrip("/") not in full for folder in seen)


def arrange(paths: Sequence[str]) -> Arranged:
    """Classes and splits of images by their paths within the set, `/` between the parts."""
    folders = [tuple(path.split("/")[:-1]) for path in paths]
    wrapped = _wrapping(set(folders))
    folders = [folder[wrapped:] for folder in folders]
    notes = (f"All lie in the folder {'/'.join(paths[0].split('/')[:wrapped])}, which is no class.",) if wrapped else ()
    splits = [""] * len(paths)
    if _has_splits(set(folders)):
        splits = [folder[0] for folder in folders]
        folders = [folder[1:] for folder in folders]
    labels = ["/".join(map(readable, folder)) or None for folder in folders]
    if stray := labels.count(None):
        where = "lies in no class folder and has" if stray == 1 else "lie in no class folder and have"
        notes = (*notes, f"{counted(stray, 'image')} {where} no label.")
    return Arranged(labels, splits, notes)


def _wrapping(folders: set[tuple[str, ...]]) -> int:
    """How many folders lie around all classes: each the only one of its level, holding no image itself."""
    depth = 0
    while folders and all(len(folder) > depth + 1 for folder in folders):
        level = {folder[depth] for folder in folders}
        if len(level) > 1 or next(iter(level)).lower() in SPLITS:
            break
        depth += 1
    return depth


def _has_splits(folders: set[tuple[str, ...]]) -> bool:
    return bool(folders) and all(folder and folder[0].lower() in SPLITS for folder in folders)


def told(skipped: Counter[str]) -> dict[str, int]:
    """Reasons and counts, the commonest first."""
    return dict(skipped.most_common())
