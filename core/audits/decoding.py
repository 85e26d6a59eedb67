"""Reading a found set into one array: a look at all heads for the working size, then each picture into its row.

What was read before is not read again (core.audits.known), and all that is read is kept, however the reading ends.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import zlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import repeat
from typing import IO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.audits import known, pixels, stamps
from core.audits.brought import Brought, Unreadable
from core.audits.found import Fault, Found, Places, Raw, Row, Stamp, codes, counted, some, split_codes
from core.audits.known import NO_SIZE, Heads, Known, Rows, Shape
from core.configuration import pictures
from core.detectors import free_memory
from core.store import Shelf
from core.training import threads
from core.types import BadRequest, Images

LARGEST, SMALLEST = 224, 8  # pixels a side of the working size
ALIKE = 0.99  # of the images, from which on their common size is the working size
HEADS = 0.2  # of the time, about, that the heads take
ELSEWHERE = 0.95  # of the pictures' time, where others read them
AT_ONCE = 4  # threads, each of which holds an unpacked picture of up to 40 million pixels
BATCH, BATCH_BYTES = 64, 2**20  # pictures that a thread gets at a time, and how large their files may be together
MOST_WAITING = 2**22  # bytes of files, above which no more wait than there are threads

Tell = Callable[[float], None]


class Elsewhere(Protocol):
    """Who reads files elsewhere (core.audits.spread): what it has read is known, and the rest is read here."""

    def heads(self, files: Sequence[str | Fault], marks: Sequence[Stamp], heads: Heads, tell: Tell) -> None:
        """Look at the heads that are not known, and note them."""

    def pictures(self, files: Sequence[str | Fault], rows: Rows, tell: Tell) -> None:
        """Read what is missing, and bring it onto the shelf."""


def decoded(
    found: Found,
    source: str,
    told: Sequence[str],
    side: int | None,
    tell: Tell,
    shelf: Shelf | None = None,
    elsewhere: Elsewhere | None = None,
) -> Brought:
    """Read all images of a set; BadRequest where none can be read, or all would not fit into free memory.

    told: sentences on the set as it was listed; what comes to light while it is read follows. shelf: where what was
    read before lies, and what is read now is put. elsewhere: who else reads, where the set is one of files.
    """
    pixels.check_side(side)
    with known.alone(shelf, lambda: tell(0.0)):
        marks = found.stamps()
        heads = Heads(shelf if len(marks) else None)
        if elsewhere and found.files and side is None:
            with known.kept(heads):
                elsewhere.heads(found.files(), marks, heads, lambda done: tell(HEADS * done))
            tell = _after(tell, HEADS)
        (height, width), why = _working_size(found, side, heads, marks, tell)
        total = len(found.names)
        _check_room(total, height, width)
        rows = Rows(marks, total, (height, width))
        begin = HEADS if side is None and found.size is None else 0.0
        reader = _Reader(found, rows, heads, Known(heads.shelf, rows))
        reader.take()
        if elsewhere and found.files:
            elsewhere.pictures(found.files(), rows, lambda done: tell(begin + (1 - begin) * ELSEWHERE * done))
            begin += (1 - begin) * ELSEWHERE
            reader.known.look()
            reader.known.take(heads)
        reader.read(lambda done: tell(begin + (1 - begin) * done))
    if len(reader.unreadable) == total:
        raise BadRequest(_none_readable(total, reader.unreadable[0]))
    tell(1.0)
    trouble = (f"Not all that was read is kept for a second look: {shelf.trouble}.",) if shelf and shelf.trouble else ()
    return reader.brought(source, (*told, *dict.fromkeys(found.late), why, *trouble))


class _File(NamedTuple):
    """An image that is to be decoded: its place in the set, the digest of its file or row, and that."""

    place: int
    digest: bytes
    raw: bytes | Row


_Batch = list[tuple[_File, pixels.Seen | BadRequest]]


class _Reader:
    """Reads what is not known of a set into its rows. A broken image fails alone, and has no row in what is brought."""

    def __init__(self, found: Found, rows: Rows, heads: Heads, before: Known) -> None:
        self.found, self.rows, self.heads, self.known = found, rows, heads, before
        self.faults: dict[int, str] = {}
        self.before = 0  # images that need not be read again

    def take(self) -> None:
        """All that is known by its stamp."""
        self.known.take(self.heads)
        self.before = len(self.rows.modes) - len(self.rows.missing())

    def read(self, tell: Tell) -> None:
        """All that is missing."""
        places = self.rows.missing()
        with known.kept(self.heads, self.known), closing(self._decoded(places)) as batches:
            for done, batch in batches:
                for file, seen in batch:
                    self._put(file, seen)
                tell(done / len(places))
            self.known.tidy()
            self.heads.tidy(self.rows.stamps)

    def _put(self, file: _File, seen: pixels.Seen | BadRequest) -> None:
        if isinstance(seen, BadRequest):
            self.faults[file.place] = str(seen)
            return
        self.rows.put(file.place, file.digest, seen)
        self.known.note(file.place)

    def _decoded(self, places: Sequence[int]) -> Generator[tuple[int, _Batch], None, None]:
        """What was decoded, some at a time, and how many images were looked at until then; in several threads."""
        count = min(AT_ONCE, threads.cores())
        waiting: deque[tuple[int, int, Future[_Batch]]] = deque()
        with ThreadPoolExecutor(count) as pool:
            try:
                for done, size, batch in self._files(places):
                    waiting.append((done, size, pool.submit(_decode, batch, self.rows.shape)))
                    while len(waiting) > (count if sum(one[1] for one in waiting) > MOST_WAITING else 2 * count):
                        done, _, first = waiting.popleft()
                        yield done, first.result()
                while waiting:
                    done, _, first = waiting.popleft()
                    yield done, first.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _files(self, places: Sequence[int]) -> Iterator[tuple[int, int, list[_File]]]:
        """Images that have to be decoded, some at a time: how many were looked at until then, their bytes, they."""
        batch, size = list[_File](), 0
        every = len(places) == len(self.found.names)
        for done, (place, raw) in enumerate(zip(places, _each(self.found, None if every else places), strict=True), 1):
            file = self._file(place, raw)
            if file is not None:
                batch.append(file)
                size += len(file.raw.data if isinstance(file.raw, Row) else file.raw)
            if done % BATCH == 0 or size > BATCH_BYTES or done == len(places):
                yield done, size, batch
                batch, size = [], 0

    def _file(self, place: int, raw: Raw) -> _File | None:
        """An image to be decoded; None where it cannot be read, or its file is known by its digest."""
        if isinstance(raw, Fault):
            self.faults[place] = raw.why
            return None
        if isinstance(raw, Row):
            return _File(place, digest(raw.data), raw)
        stamp = self.rows.stamps[place] = _stamp(self.found, self.rows.stamps[place], raw)
        try:
            data = contents(raw)
        except BadRequest as error:
            self.faults[place] = str(error)
            return None
        found = digest(data)
        if not self.known.by_content(place, found):
            return _File(place, found, data)
        self.heads.note(stamp, self.heads.sizes.get(stamp, NO_SIZE), found)
        return None

    @property
    def unreadable(self) -> list[Unreadable]:
        """What has no row, in the set's order."""
        return [Unreadable(self.found.names[place], why) for place, why in sorted(self.faults.items())]

    def brought(self, source: str, told: Sequence[str]) -> Brought:
        found, rows = self.found, np.array([p for p, mode in enumerate(self.rows.modes) if mode is not None], np.int64)
        labels, classes = codes([found.labels[row] for row in rows])
        splits, split_names = split_codes([found.splits[row] for row in rows])
        modes = tuple(mode for mode in self.rows.modes if mode is not None)
        doubts = [Unreadable(found.names[place], one) for place, all in sorted(self.rows.doubts.items()) for one in all]
        doubtful = (*found.doubtful, *doubts)
        return Brought(
            source=source,
            kind=found.kind,
            names=tuple(found.names[row] for row in rows),
            labels=labels,
            classes=classes,
            splits=splits,
            split_names=split_names,
            images=_without_gaps(self.rows.images, rows),
            sizes=self.rows.sizes[rows],
            modes=modes,
            digests=tuple(self.rows.digests[row] for row in rows),
            rows=rows,
            listed=len(found.names),
            unreadable=tuple(self.unreadable),
            doubtful=doubtful,
            skipped=found.skipped,
            sentences=(*told, *self._told(modes, doubtful)),
        )

    def _told(self, modes: Sequence[str], doubtful: Sequence[Unreadable]) -> Iterator[str]:
        kinds = Counter(modes)
        if set(kinds) != {"RGB"}:
            yield f"Kinds of pixels: {', '.join(f'{mode} ({count:,})' for mode, count in kinds.most_common())}."
        if broken := self.unreadable:
            yield f"{counted(len(broken), 'image')} could not be read: {some((one.name for one in broken), 3)}."
        if count := len({one.name for one in doubtful}):
            yield f"{counted(count, 'image')} may not be what a viewer shows, or stand there twice."
        if self.before:
            yield f"{self.before:,} of {counted(len(self.rows.modes), 'image')} were read before, and not again."


def _without_gaps(images: Images, rows: NDArray[np.int64]) -> Images:
    """The images at these rows, which ascend, moved to the front: a copy may not fit into memory beside them."""
    if len(rows) < len(images):
        for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) > 1) + 1):
            images[run[0] : run[-1] + 1] = images[rows[run[0]] : rows[run[-1]] + 1]
    return images[: len(rows)]


def _after(tell: Tell, begin: float) -> Tell:
    """Who hears of what is left after a first part."""
    return lambda done: tell(begin + (1 - begin) * done)


def _decode(batch: Sequence[_File], shape: tuple[int, int]) -> _Batch:
    """What a network sees of images, or why it sees nothing."""
    return [(file, _seen(file.raw, shape)) for file in batch]


def into(rows: Rows, place: int, file: IO[bytes]) -> None:
    """Decode a file into its row, which stays empty where it cannot be read."""
    try:
        data = contents(file)
    except BadRequest:
        return
    found = _seen(data, rows.shape)
    if isinstance(found, pixels.Seen):
        rows.put(place, digest(data), found)


def _seen(raw: bytes | Row, shape: tuple[int, int]) -> pixels.Seen | BadRequest:
    try:
        return pixels.shown(raw.pixels, shape, raw.mode) if isinstance(raw, Row) else pixels.seen(raw, shape)
    except BadRequest as error:
        return error


def _stamp(found: Found, stamp: Stamp, raw: IO[bytes]) -> Stamp:
    """A file that a table of another kind names has not the stamp of that table."""
    return stamps.UNKNOWN if found.files is None and isinstance(raw, io.BufferedReader) else stamp


def digest(data: bytes) -> bytes:
    """Of an image's file, or of an array's row."""
    return hashlib.blake2b(data, digest_size=16).digest()


def contents(file: IO[bytes]) -> bytes:
    """All bytes of a file, which is closed; a byte more than a picture may have where there are more."""
    try:
        with file:
            return file.read(pictures.MOST_BYTES + 1)
    except Exception:  # of an archive: a wrong checksum, a method that is not known, an end too early
        raise BadRequest("it is damaged where it lies in the archive, or cannot be read from the disk") from None


def _each(found: Found, places: Places = None) -> Iterator[Raw]:
    """One for every name, or every place, also where an archive ends too early."""
    stream, count = found.stream(places), 0
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
    missing = len(found.names if places is None else places) - count
    yield from repeat(Fault("the file that it lies in is damaged or cut short"), missing)


# --- the working size -------------------------------------------------------------------------------------


def _working_size(
    found: Found, side: int | None, heads: Heads, marks: Sequence[Stamp], tell: Tell
) -> tuple[Shape, str]:
    """Height and width at which all images are held, and a sentence that says why."""
    if side is not None:
        return (side, side), f"Images are held at {side} x {side} pixels, as asked for."
    if found.size is not None:
        sizes = np.array([found.size], np.int64)
    else:
        sizes = _sizes(found, heads, marks, tell)
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


def _sizes(found: Found, heads: Heads, marks: Sequence[Stamp], tell: Tell) -> NDArray[np.int64]:
    """Height and width of all pictures that have a head, [m, 2] int64; BadRequest where none has."""
    before = {place: size for place, stamp in enumerate(marks) if (size := heads.sizes.get(stamp, NO_SIZE)) != NO_SIZE}
    places = [place for place in range(len(found.names)) if place not in before]
    sizes, first = list(before.values()), None
    with known.kept(heads):
        for done, (place, raw) in enumerate(zip(places, _each(found, places if before else None), strict=True)):
            try:
                sizes.append(head(raw))
                if len(marks):
                    heads.note(_stamp(found, marks[place], raw), sizes[-1])  # type: ignore[arg-type]  # no Fault
            except BadRequest as error:
                first = first or Unreadable(found.names[place], str(error))
            if done % 64 == 0:
                tell(HEADS * done / len(places))
    if not sizes:
        raise BadRequest(_none_readable(len(found.names), first or Unreadable("", "")))
    return np.array(sizes, np.int64)


def head(raw: Raw) -> Shape:
    """Height and width of an image, by its head; BadRequest where it has none."""
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
