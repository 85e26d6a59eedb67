"""Reading a found set into one array: a look at all heads for the working size, then each picture into its row."""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import repeat
from typing import IO

import numpy as np
from numpy.typing import NDArray

from core.audits import pixels
from core.audits.brought import Brought, Unreadable
from core.audits.found import Fault, Found, Raw, Row, codes, counted, some, split_codes
from core.configuration import pictures
from core.detectors import free_memory
from core.types import BadRequest

LARGEST, SMALLEST = 224, 8  # pixels a side of the working size
ALIKE = 0.99  # of the images, from which on their common size is the working size
HEADS = 0.2  # of the time, about, that the heads take

Tell = Callable[[float], None]


def decoded(found: Found, source: str, told: Sequence[str], side: int | None, tell: Tell) -> Brought:
    """Read all images of a set; BadRequest where none can be read, or all would not fit into free memory.

    told: sentences on the set as it was listed; what comes to light while it is read follows.
    """
    pixels.check_side(side)
    (height, width), why = _working_size(found, side, tell)
    total = len(found.names)
    _check_room(total, height, width)
    images = np.empty((total, height, width, 3), np.uint8)
    reader = _Reader(found, images)
    begin = HEADS if side is None and found.size is None else 0.0
    for row, raw in enumerate(_each(found)):
        reader.take(row, raw)
        if row % 64 == 0:
            tell(begin + (1 - begin) * row / total)
    if not reader.rows:
        raise BadRequest(_none_readable(total, reader.unreadable[0]))
    tell(1.0)
    return reader.brought(source, (*told, *dict.fromkeys(found.late), why))


class _Reader:
    """The rows that came so far. Images are written one behind the other, so that a broken one leaves no gap."""

    def __init__(self, found: Found, images: NDArray[np.uint8]) -> None:
        self.found, self.images = found, images
        self.rows: list[int] = []
        self.sizes: list[tuple[int, int]] = []
        self.modes: list[str] = []
        self.digests: list[bytes] = []
        self.unreadable: list[Unreadable] = []
        self.doubtful: list[Unreadable] = []

    def take(self, row: int, raw: Raw) -> None:
        """Decode one image into the next row, or note why it has none."""
        name = self.found.names[row]
        try:
            known, seen = _seen(raw, self.images.shape[1:3])
        except BadRequest as error:
            self.unreadable.append(Unreadable(name, str(error)))
            return
        self.images[len(self.rows)] = seen.pixels
        self.rows.append(row)
        self.sizes.append((seen.height, seen.width))
        self.modes.append(seen.mode)
        self.digests.append(known)
        self.doubtful += [Unreadable(name, doubt) for doubt in seen.doubts]

    def brought(self, source: str, told: Sequence[str]) -> Brought:
        found, rows = self.found, np.array(self.rows, np.int64)
        labels, classes = codes([found.labels[row] for row in self.rows])
        splits, split_names = split_codes([found.splits[row] for row in self.rows])
        return Brought(
            source=source,
            kind=found.kind,
            names=tuple(found.names[row] for row in self.rows),
            labels=labels,
            classes=classes,
            splits=splits,
            split_names=split_names,
            images=self.images[: len(rows)],
            sizes=np.array(self.sizes, np.int32).reshape(-1, 2),
            modes=tuple(self.modes),
            digests=tuple(self.digests),
            rows=rows,
            listed=len(found.names),
            unreadable=tuple(self.unreadable),
            doubtful=(*found.doubtful, *self.doubtful),
            skipped=found.skipped,
            sentences=(*told, *self._told()),
        )

    def _told(self) -> Iterator[str]:
        modes = Counter(self.modes)
        if set(modes) != {"RGB"}:
            yield f"Kinds of pixels: {', '.join(f'{mode} ({count:,})' for mode, count in modes.most_common())}."
        if self.unreadable:
            names = some((one.name for one in self.unreadable), 3)
            yield f"{counted(len(self.unreadable), 'image')} could not be read: {names}."
        if doubtful := len({one.name for one in (*self.found.doubtful, *self.doubtful)}):
            yield f"{counted(doubtful, 'image')} may not be what a viewer shows, or stand there twice."


def _seen(raw: Raw, shape: tuple[int, ...]) -> tuple[bytes, pixels.Seen]:
    """The digest of an image and what a network sees of it; BadRequest says why there is none."""
    size = (shape[0], shape[1])
    if isinstance(raw, Fault):
        raise BadRequest(raw.why)
    if isinstance(raw, Row):
        return digest(raw.data), pixels.shown(raw.pixels, size, raw.mode)
    data = contents(raw)
    return digest(data), pixels.seen(data, size)


def digest(data: bytes) -> bytes:
    """Of an image's file, or of an array's row."""
    """Of an image's file, or of an array's row."""
    return hashlib.blake2b(data, digest_size=16).digest()


def contents(file: IO[bytes]) -> bytes:
    """All bytes of a file, which is closed; a byte more than a picture may have where there are more."""
    try:
        with file:
            return file.read(pictures.MOST_BYTES + 1)
    except Exception:  # of an archive: a wrong checksum, a method that is not known, an end too early
        raise BadRequest("it is damaged where it lies in the archive, or cannot be read from the disk") from None


def _each(found: Found) -> Iterator[Raw]:
    """One for every name, also where an archive ends too early."""
    stream, count = found.stream(), 0
    try:
        for raw in stream:
            count += 1
            yield raw
    except BadRequest:  # of the set as a whole
        raise
    except (OSError, EOFError, ValueError, RuntimeError, tarfile.TarError, zlib.error, lzma.LZMAError):
        pass  # ValueError: Arrow's errors are of that kind, too
    finally:
        if isinstance(stream, Generator):
            stream.close()  # and with it the archive
    yield from repeat(Fault("the file that it lies in is damaged or cut short"), len(found.names) - count)


# --- the working size -------------------------------------------------------------------------------------


def _working_size(found: Found, side: int | None, tell: Tell) -> tuple[tuple[int, int], str]:
    """Height and width at which all images are held, and a sentence that says why."""
    if side is not None:
        return (side, side), f"Images are held at {side} x {side} pixels, as asked for."
    if found.size is not None:
        sizes = np.array([found.size], np.int64)
    else:
        sizes = _sizes(found, tell)
    kinds, counts = np.unique(sizes, axis=0, return_counts=True)
    height, width = map(int, kinds[counts.argmax()])
    if counts.max() >= ALIKE * len(sizes) and max(height, width) <= LARGEST:
        every = "all have" if len(kinds) == 1 else f"{counts.max() / len(sizes):.1%} of them have"
        return (height, width), f"Images are held at {height} x {width} pixels (height x width), the size that {every}."
    side = int(np.clip(np.median(sizes.min(1)), SMALLEST, LARGEST))
    ends = (sizes[sizes.prod(1).argmin()], sizes[sizes.prod(1).argmax()])
    span = " to ".join(dict.fromkeys(f"{h:,} x {w:,}" for h, w in ends))
    return (side, side), (
        f"Images are {span} pixels (height x width) and are held at {side} x {side}: the shorter side is averaged over "
        "areas to that, and the middle cut out."
    )


def _sizes(found: Found, tell: Tell) -> NDArray[np.int64]:
    """Height and width of all pictures that have a head, [m, 2] int64; BadRequest where none has."""
    sizes: list[tuple[int, int]] = []
    first: Unreadable | None = None
    for row, raw in enumerate(_each(found)):
        try:
            sizes.append(_size(raw))
        except BadRequest as error:
            first = first or Unreadable(found.names[row], str(error))
        if row % 64 == 0:
            tell(HEADS * row / len(found.names))
    if not sizes:
        raise BadRequest(_none_readable(len(found.names), first or Unreadable("", "")))
    return np.array(sizes, np.int64)


def _size(raw: Raw) -> tuple[int, int]:
    if isinstance(raw, Fault):
        raise BadRequest(raw.why)
    if isinstance(raw, Row):
        return raw.pixels.shape[0], raw.pixels.shape[1]
    with raw:
        return pixels.size_of(raw)


def _none_readable(total: int, first: Unreadable) -> str:
    every = "the only image" if total == 1 else f"none of the {total:,} images"
    return f"{every} could be read; {first.name}: {first.why}"


def _check_room(total: int, height: int, width: int) -> None:
    """BadRequest where the images at their working size would not fit into the memory that is free."""
    needed, free = 3.0 * total * height * width, free_memory()
    if free is None or needed <= free:
        return
    fits = int((free / (3.0 * total)) ** 0.5)
    advice = f"side={fits} would fit" if fits >= SMALLEST else "fewer images would fit"
    raise BadRequest(
        f"{total:,} images of {height} x {width} pixels take {needed / 1e9:,.1f} GB of memory, and "
        f"{free / 1e9:,.1f} GB are free; {advice}"
    )
