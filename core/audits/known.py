"""What was read of a set before, so that a second look reads only what is new.

Kept on a shelf of the store, one a set, in blocks of many images, each whole or not there at all. An image is known by
its stamp (core.audits.stamps), for which its file need not be opened, or else by the digest of its file, for which it
need not be decoded. Heads are kept by themselves: the working size is chosen by those of all images.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from core.audits.found import Stamp
from core.audits.pixels import Seen
from core.configuration import reading, stages
from core.store import Artefact, Shelf, Store
from core.types import BadRequest

VARIABLE = "POISONSCOPE_AUDIT_GB"  # how much all sets together may take
MOST = 4.0  # GB, where it is not set
READER = 1  # raise it when a file comes to be read as other pixels
BLOCK_ROWS, BLOCK_BYTES, BLOCK_SECONDS = 4_096, 2**24, 10.0  # of a block: the first that is reached ends it
HEADS, PIXELS, ROWS = "heads", "pixels", "rows"
THIN = 0.5  # of a block's images, below which those that are still in the set move to another one

Shape = tuple[int, int]  # height, width
NO_SIZE: Shape = (0, 0)  # of an image whose head was not looked at
_HEAD = [("stamp", "u1", 16), ("digest", "u1", 16), ("height", "<i4"), ("width", "<i4")]


def shelf_of(store: Store, source: str) -> Shelf | None:
    """Where what is read of the set at a path is kept; None where nothing shall be."""
    most = most_bytes()
    if not most:
        return None
    key = stages.stage_key("shelf", source=os.path.realpath(source), reader=READER, pillow=PIL.__version__)
    return Shelf(store, key, most)


def most_bytes() -> float:
    """How much may be kept of all sets together."""
    written = os.environ.get(VARIABLE, "").strip() or str(MOST)
    most = reading.real(written, 0.0, 1e6)
    if most is None:
        raise BadRequest(f"{VARIABLE} must be a number of gigabytes from 0 (keep no pixels) up, got {written!r}")
    return most * 1e9


class Rows:
    """What was read of a set so far, by the images' places among all that are listed.

    images [n, h, w, 3] uint8, sizes [n, 2] int32; stamps, modes and digests [n], of which the latter are None and empty
    where nothing was read; doubts: those that there are.
    """

    def __init__(self, stamps: Sequence[Stamp], total: int, shape: Shape) -> None:
        self.stamps = list(stamps) or [b""] * total
        self.images = np.empty((total, *shape, 3), np.uint8)
        self.sizes = np.zeros((total, 2), np.int32)
        self.modes: list[str | None] = [None] * total
        self.digests = [b""] * total
        self.doubts: dict[int, tuple[str, ...]] = {}

    @property
    def shape(self) -> Shape:
        """The working size."""
        return self.images.shape[1], self.images.shape[2]

    def put(self, place: int, digest: bytes, seen: Seen) -> None:
        """An image that was decoded."""
        self.images[place] = seen.pixels
        self.sizes[place] = seen.height, seen.width
        self.modes[place] = seen.mode
        self.digests[place] = digest
        if seen.doubts:
            self.doubts[place] = seen.doubts

    def missing(self) -> list[int]:
        """The places of which nothing was read."""
        return [place for place, mode in enumerate(self.modes) if mode is None]


class Heads:
    """Height and width of the images of a set, by their stamps, and the digests of those that were decoded."""

    def __init__(self, shelf: Shelf | None) -> None:
        self.shelf = shelf
        self.sizes: dict[Stamp, Shape] = {}
        self.digests: dict[Stamp, bytes] = {}
        self._new: list[tuple[Stamp, bytes, Shape]] = []
        self._since = time.monotonic()
        self._blocks: list[str] = []
        for key, artefact in () if shelf is None else shelf.read(HEADS):
            self._blocks.append(key)
            rows = artefact.array(ROWS)
            stamps, digests = _bytes(rows["stamp"]), _bytes(rows["digest"])
            self.sizes |= zip(stamps, zip(rows["height"].tolist(), rows["width"].tolist(), strict=True), strict=True)
            self.digests |= {stamp: one for stamp, one in zip(stamps, digests, strict=True) if any(one)}

    def note(self, stamp: Stamp, size: Shape, digest: bytes = bytes(16)) -> None:
        """One more, if it has a stamp."""
        if stamp:
            self.sizes[stamp] = size
            if any(digest):
                self.digests[stamp] = digest
            self._new.append((stamp, digest, size))
            if len(self._new) >= 16 * BLOCK_ROWS or time.monotonic() - self._since > BLOCK_SECONDS:
                self.keep()

    def tidy(self, stamps: Sequence[Stamp]) -> None:
        """Drop those of files that are gone or have changed, where they are most of all."""
        current = [stamp for stamp in stamps if stamp in self.sizes]
        if self.shelf is None or len(current) >= THIN * len(self.sizes):
            return
        before, self._blocks = self._blocks, []
        for stamp in current:
            self.note(stamp, self.sizes[stamp], self.digests.get(stamp, bytes(16)))
        self.keep()
        for key in () if self.shelf.trouble else set(before) - set(self._blocks):
            self.shelf.forget(HEADS, key)

    def keep(self) -> None:
        """Put the new ones onto the shelf."""
        if self.shelf is not None and self._new:
            rows = np.empty(len(self._new), _HEAD)
            rows["stamp"] = _numbers([stamp for stamp, _, _ in self._new])
            rows["digest"] = _numbers([digest for _, digest, _ in self._new])
            rows["height"], rows["width"] = np.array([size for _, _, size in self._new]).T
            self._blocks.append(_key(HEADS, rows))
            self.shelf.write(HEADS, self._blocks[-1], {ROWS: rows}, {})
        self._new, self._since = [], time.monotonic()


class Known:
    """The images of a set at its working size that were decoded before, and those that are decoded now."""

    def __init__(self, shelf: Shelf | None, rows: Rows) -> None:
        self.shelf, self.rows = shelf, rows
        self.blocks: dict[str, Artefact] = {}
        self.by_digest: dict[bytes, tuple[str, int]] = {}
        self.by_stamp: dict[Stamp, tuple[str, int]] = {}
        self.used: dict[str, dict[int, int]] = {}  # of a block, by its row: the place in the set
        self._new: list[int] = []
        self._since = time.monotonic()
        self.look()

    def look(self) -> None:
        """What is on the shelf now, and was not at the last look."""
        for key, artefact in () if self.shelf is None else self.shelf.read(PIXELS, self.blocks):
            if artefact.document["shape"] != list(self.rows.shape):
                continue
            self.blocks[key], self.used[key] = artefact, {}
            rows = artefact.array(ROWS, mmap_mode="r")
            for row, (stamp, digest) in enumerate(zip(_bytes(rows["stamp"]), _bytes(rows["digest"]), strict=True)):
                self.by_digest[digest] = key, row
                if any(stamp):
                    self.by_stamp[stamp] = key, row

    def take(self, heads: Heads) -> None:
        """All that is known by its stamp, put into its rows."""
        wanted: dict[str, list[tuple[int, int]]] = {}
        for place in self.rows.missing():
            stamp = self.rows.stamps[place]
            at = self.by_stamp.get(stamp) or self.by_digest.get(heads.digests.get(stamp, b""))
            if stamp and at is not None:
                wanted.setdefault(at[0], []).append((at[1], place))
        for key, pairs in wanted.items():
            self._copy(key, pairs)

    def by_content(self, place: int, digest: bytes) -> bool:
        """Whether an image is known by the digest of its file; then it is put into its row."""
        at = self.by_digest.get(digest)
        if at is not None:
            self._copy(at[0], [(at[1], place)])
        return at is not None

    def _copy(self, key: str, pairs: list[tuple[int, int]]) -> None:
        block, document = self.blocks[key].array(ROWS, mmap_mode="r"), self.blocks[key].document
        rows, places = (list(one) for one in zip(*pairs, strict=True))
        found = block[rows]
        self.rows.images[places] = found["pixels"]
        self.rows.sizes[places] = np.stack([found["height"], found["width"]], axis=1)
        for digest, mode, (row, place) in zip(_bytes(found["digest"]), found["mode"].tolist(), pairs, strict=True):
            self.rows.digests[place] = digest
            self.rows.modes[place] = document["modes"][mode]
            self.used[key][row] = place
            if doubts := document["doubts"].get(str(row)):
                self.rows.doubts[place] = tuple(doubts)

    def note(self, place: int) -> None:
        """One more image that was decoded, and stands in its row."""
        self._new.append(place)
        size = len(self._new) * self.rows.images[0].nbytes
        if len(self._new) >= BLOCK_ROWS or size >= BLOCK_BYTES or time.monotonic() - self._since > BLOCK_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Put the new images onto the shelf."""
        if self.shelf is not None and self._new:
            put(self.shelf, self.rows, self._new)
        self._new, self._since = [], time.monotonic()

    def tidy(self) -> None:
        """Drop blocks of which little is in the set any more; what still is moves to others."""
        thin = {
            key: used for key, used in self.used.items() if len(used) < THIN * len(self.blocks[key].array(ROWS, "r"))
        }
        if self.shelf is None or not thin:
            return
        for place in sorted({place for used in thin.values() for place in used.values()}):
            self.note(place)
        self.keep()
        if not self.shelf.trouble:
            for key in thin:
                self.shelf.forget(PIXELS, key)


def put(shelf: Shelf, rows: Rows, places: Sequence[int], key: str | None = None) -> None:
    """Put images at some places onto a shelf, as a block; key: its name, by default its content's."""
    modes = sorted({str(rows.modes[place]) for place in places})
    block = np.empty(len(places), [*_HEAD, ("mode", "u1"), ("pixels", "u1", (*rows.shape, 3))])
    block["stamp"] = _numbers([rows.stamps[place] or bytes(16) for place in places])
    block["digest"] = _numbers([rows.digests[place] for place in places])
    block["height"], block["width"] = rows.sizes[places].T
    block["mode"] = [modes.index(str(rows.modes[place])) for place in places]
    block["pixels"] = rows.images[places]
    doubts = {str(row): rows.doubts[place] for row, place in enumerate(places) if place in rows.doubts}
    shelf.write(
        PIXELS, key or _key(PIXELS, block), {ROWS: block}, {"shape": list(rows.shape), "modes": modes, "doubts": doubts}
    )


@contextmanager
def kept(*several: Heads | Known) -> Iterator[None]:
    """Whatever ends the block, what was read within is kept."""
    try:
        yield
    finally:
        for one in several:
            one.keep()


def alone(shelf: Shelf | None, poll: Callable[[], None]) -> Any:
    """Of two processes that read one set, the second waits, and then finds what the first has read."""
    return nullcontext() if shelf is None else shelf.alone(poll)


def _key(stage: str, rows: NDArray[Any]) -> str:
    return stages.stage_key(stage, rows=hashlib.sha256(rows.tobytes()).hexdigest())


def _bytes(column: NDArray[np.uint8]) -> list[bytes]:
    """Rows [n, 16] as bytes."""
    found: list[bytes] = np.ascontiguousarray(column).view("V16").ravel().tolist()
    return found


def _numbers(values: Iterable[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(values), np.uint8).reshape(-1, 16)
