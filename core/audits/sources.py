"""Which kind of set lies at a path, and the two doors: what is there, and all of it read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from core import clusters
from core.audits import arrays, columns, folders, layout, shards, tables, tars, zips
from core.audits.brought import Brought, Listing
from core.audits.decoding import decoded
from core.audits.found import Fault, Found, Row, codes, counted, some, split_codes
from core.audits.known import VARIABLE, shelf_of
from core.audits.spread import Spread
from core.store import Shelf, Store, in_words
from core.types import BadRequest

KINDS = (
    "a folder of class folders, a zip or tar of them, a WebDataset tar, a CSV or JSON Lines manifest, Parquet, "
    "an .npz, or images.npy beside labels.npy"
)
PAIR = ("images.npy", "labels.npy")
SHARDS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
TABLES = ("csv", "tsv", *tables.LINES)
_FOREIGN = (
    ((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "holds Python objects, which are never read here"),
    ((b"\x89HDF",), "is an HDF5 file; save its arrays by np.savez(name, images=..., labels=...)"),
    ((b"MATLAB 5.0",), "is a MATLAB file; save its arrays by np.savez(name, images=..., labels=...)"),
    ((b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd"), "is compressed in a way that is not read; zip it, or unpack it"),
    ((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"), "is compressed and holds no tar archive; unpack it"),
    ((b"ARROW1", b"FEA1"), "is an Arrow file; save it as Parquet"),
    ((b"<!doc", b"<!DOC", b"<html", b"<HTML", b"<?xml"), "is a web page, as servers send in place of a file"),
    ((b"version https://git-lfs",), "is a pointer of Git LFS; `git lfs pull` brings the file itself"),
    ((b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), "is a single picture; give the folder that it lies in"),
)  # fmt: skip


def recognise(path: str | Path) -> Listing:
    """What lies at a path, without decoding a pixel; BadRequest in one sentence where nothing can be read."""
    place = Path(os.path.expanduser(path))
    return _listed(found_at(place), place)


def read(
    path: str | Path,
    *,
    side: int | None = None,
    tell: Callable[[float], None] = lambda done: None,
    store: Store | None = None,
    cluster: str | None = None,
    keep_read: bool = True,
) -> Brought:
    """Read and decode all images of a set, one broken one for itself; ids are rows of what is returned.

    Working size: the size that at least 99% of the images have, where that is at most 224 a side; else a square of
    the median shorter side, from 8 to 224, to which shorter sides are averaged over areas and the middle is cut out.
    side: another square, 8 to 1,024 pixels. tell: is told how far it is, 0 to 1, and may raise to end it. store: where
    what was read is kept, by default the user's; what was read before is not read again (core.audits.known). keep_read:
    False where nobody will look at this path again, so that nothing is. cluster: the address of a Ray cluster, with
    options (core.clusters.places), whose nodes read the files of a set that lies at the same path for all. BadRequest
    as `recognise`, where no image can be read, where all would not fit into the memory that is free, and where there is
    no such cluster.
    """
    place, store = Path(os.path.expanduser(path)), store or Store()
    where = None if cluster is None else clusters.place(cluster)
    if where is not None and not keep_read:
        raise BadRequest("what a cluster reads comes here by way of the store and is kept there; say keep_read=True")
    found = found_at(place)
    shelf = shelf_of(store, str(place)) if keep_read else None
    elsewhere = None if where is None else _spread(where, found, place, shelf, store)

    def heard(done: float) -> None:
        try:
            tell(done)
        except Exception as error:
            raise _Ended(error) from None

    try:
        with in_words(place):
            return decoded(found, str(place), _listed(found, place).sentences, side, heard, shelf, elsewhere)
    except _Ended as ended:
        raise ended.error from None


def _spread(where: clusters.Place, found: Found, path: Path, shelf: Shelf | None, store: Store) -> Spread | None:
    """The cluster that reads a set; None where that is none of files."""
    if shelf is None:
        raise BadRequest(f"what a cluster reads comes here by way of the store; {VARIABLE} must not be 0 then")
    if found.files is None:
        found.late.append("What lies in an archive or a table is read by this machine alone.")
        return None
    return Spread(where, os.path.realpath(path), shelf, store)


class _Ended(BaseException):
    """What whoever was told raised, to end the reading: no damage of a file, whose words those of any error become."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def found_at(path: Path) -> Found:
    """What lies at a path, whatever its kind; BadRequest in one sentence where nothing can be read."""
    try:
        path.stat()
    except (OSError, ValueError) as error:  # ValueError: with a NUL in it
        raise BadRequest(f"cannot read {str(path)[:200]!r}: {getattr(error, 'strerror', None) or error}") from None
    with in_words(path):
        found = _in_folder(path) if path.is_dir() else _in_file(path)
    if not found.names:
        left = f"; left out: {_sizes(found.skipped)}" if found.skipped else ""
        raise BadRequest(f"{path} must hold images, got none{left}")
    return found


def _in_folder(path: Path) -> Found:
    if (path / PAIR[0]).is_file():
        return arrays.from_pair(path / PAIR[0], path / PAIR[1])
    walk = folders.walked(path)
    for ends, reader in ((".parquet", shards.found), (SHARDS, tars.found)):
        files = [path / one for one in walk.others if one.lower().endswith(ends)]
        if files and not walk.images:
            return reader(files, path)
    found = folders.found(path, walk)
    manifests = [one for one in walk.others if layout.extension(one) in TABLES and "/" not in one]
    if len(manifests) == 1 and len(set(found.labels)) == 1:
        return _by_manifest(path / manifests[0], found)
    return found


def _by_manifest(path: Path, found: Found) -> Found:
    """Pictures in no class folders, or in one, beside a table: as it says, if it names files that are there."""
    try:
        said = tables.found(path, layout.extension(path.name) in tables.LINES)
    except BadRequest:
        return found
    first = next(iter(said.stream()), None)
    if first is None or isinstance(first, Fault | Row):
        return found
    first.close()
    return said


def _in_file(path: Path) -> Found:
    if not path.is_file():
        raise BadRequest(f"{path} must be {KINDS}, got a device")
    with path.open("rb") as file:
        begins = file.read(512)
    if begins.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _in_zip(path)
    if begins.startswith(b"PAR1"):
        return shards.found([path], path.parent)
    if begins.startswith(b"\x93NUMPY"):
        return _beside(path)
    end = layout.extension(path.name)
    if begins and end in TABLES and (b"\0" not in begins or begins[:2] in (b"\xff\xfe", b"\xfe\xff")):
        return tables.found(path, end in tables.LINES)
    if tars.is_tar(path):
        return tars.found([path], path.parent)
    raise BadRequest(f"{path} must be {KINDS}; it {_foreign(begins, end)}")


def _in_zip(path: Path) -> Found:
    entries = zips.members(path) if path.suffix != ".npz" else []
    if path.suffix == ".npz" or any(entry.filename.endswith(".npy") for entry in entries):
        return arrays.from_npz(path)
    return zips.found(path, entries)


def _beside(path: Path) -> Found:
    if path.name == PAIR[1] or not path.name.startswith("images"):
        raise BadRequest(f"{path} must be called images.npy and lie beside labels.npy")
    return arrays.from_pair(path, path.with_name(path.name.replace("images", "labels", 1)))


def _foreign(begins: bytes, end: str) -> str:
    """What a file is, by its first bytes."""
    for magics, words in _FOREIGN:
        if begins.lstrip().startswith(magics):
            return words
    if not begins:
        return "is empty"
    if end in ("npy", "npz"):
        return "is no array, whatever its name says, or is damaged"
    if end == "json":
        return f"is JSON; write one object a line ({columns.PATHS[0]}, {columns.LABELS[0]}) and call it .jsonl"
    return "is none of these"


# --- in English -------------------------------------------------------------------------------------------


def _listed(found: Found, path: Path) -> Listing:
    labels, classes = codes(found.labels)
    splits, split_names = split_codes(found.splits)
    sizes, parts = Counter(labels.tolist()), Counter(splits.tolist())
    by_class = {name: sizes[number] for number, name in enumerate(classes)}
    by_split = {name: parts[number] for number, name in enumerate(split_names)}
    return listed(str(path), found.kind, by_class, by_split, sizes[-1], found.skipped, found.notes)


def listed(
    source: str,
    kind: str,
    classes: Mapping[str, int],
    splits: Mapping[str, int] | None = None,
    unlabelled: int = 0,
    skipped: Mapping[str, int] | None = None,
    notes: tuple[str, ...] = (),
) -> Listing:
    """A listing with its sentences, of images by class, by split, and of what was left out by reason."""
    images, splits, left = sum(classes.values()) + unlabelled, splits or {"": 0}, dict(skipped or {})
    told = _told(f"{kind[0].upper()}{kind[1:]}: {counted(images, 'image')}", classes, splits, unlabelled, left)
    return Listing(source, kind, images, classes, splits, unlabelled, left, (*told, *notes))


def _told(
    what: str, classes: Mapping[str, int], splits: Mapping[str, int], unlabelled: int, skipped: Mapping[str, int]
) -> Iterator[str]:
    if not classes:
        yield f"{what}, none of which has a label."
    else:
        yield f"{what} in {counted(len(classes), 'class', 'classes')}: {_sizes(classes)}."
        if unlabelled:
            yield f"{counted(unlabelled, 'image has', 'images have')} no label."
    if list(splits) != [""]:
        yield f"Splits: {_sizes({name or 'none': size for name, size in splits.items()})}."
    if skipped:
        yield f"Left out: {_sizes(skipped)}."


def _sizes(counts: Mapping[str, int]) -> str:
    """Names and how many of each, in a sentence."""
    return some([f"{name} ({count:,})" for name, count in counts.items()], most=12)
