"""What every format comes down to: names, classes and splits in order, and a way to stream the files themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.audits.brought import Unreadable
from core.configuration import reading
from core.detectors import MOST_CLASSES, natural
from core.types import BadRequest, Labels

MOST_ENTRIES = 2_000_000  # of an archive or a table, images or not
MOST_SHOWN = 8  # names that a sentence lists
SPLITS = {name: place for place, name in enumerate(("train", "val", "valid", "validation", "dev", "test"))}


class Fault(NamedTuple):
    """Why one image could not even be opened, in a sentence without a full stop."""

    why: str


class Row(NamedTuple):
    """An image that was one row of an array: its pixels [h, w], [h, w, 3] or [h, w, 4] uint8, the mode of a picture
    that would hold what they were before, and the bytes that they were.
    """

    pixels: NDArray[np.uint8]
    mode: str
    data: bytes


Raw = IO[bytes] | Row | Fault
Stamp = bytes  # core.audits.stamps
Places = Sequence[int] | None  # of images among all that are listed, ascending; None: all of them


class Stream(Protocol):
    """Hands out the images at some places, as often as it is called.

    A file is closed by who gets it, before the next is asked for.
    """

    def __call__(self, places: Places = None) -> Iterator[Raw]:
        """The images at these places, in that order."""


def no_stamps() -> list[Stamp]:
    """Of what is not kept: an array is as quickly read as what would be kept of it."""
    return []


@dataclass(frozen=True)
class Found:
    """A set as it lies there. names, labels (a class's name or None) and splits ("": none) have one entry an image.

    stream: hands them out. size: height and width where the format has one for all. notes: sentences on how it was
    read. doubtful: as in Brought. late: sentences that come to light while the images are streamed.
    stamps: by what each image would be known again, none where it would not be. files: where each of them lies, of a
    set of files.
    """

    kind: str
    names: Sequence[str]
    labels: Sequence[str | None]
    splits: Sequence[str]
    stream: Stream
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    doubtful: tuple[Unreadable, ...] = ()
    size: tuple[int, int] | None = None
    late: list[str] = field(default_factory=list)
    stamps: Callable[[], Sequence[Stamp]] = no_stamps
    files: Callable[[], Sequence[str | Fault]] | None = None


def chosen(items: Iterable[Any], places: Places) -> Iterator[Any]:
    """Those at some places, which ascend."""
    if places is None:
        yield from items
        return
    wanted = iter(places)
    place = next(wanted, -1)
    for at, item in enumerate(items):
        if place < 0:
            return
        if at == place:
            yield item
            place = next(wanted, -1)


def codes(labels: Sequence[str | None]) -> tuple[Labels, tuple[str, ...]]:
    """Labels [n] int64 dense from 0, -1 where there is none, and the classes' names in natural order.

    Only the name counts: "007" and "7" are two classes. BadRequest where there are more than 10,000.
    """
    classes = tuple(sorted({one for one in labels if one is not None}, key=natural))
    if len(classes) > MOST_CLASSES:
        raise BadRequest(
            f"the labels must name at most {MOST_CLASSES:,} classes, got {len(classes):,} in {len(labels):,} images; "
            "are these the images' own names?"
        )
    number = {name: place for place, name in enumerate(classes)}
    return np.fromiter((-1 if one is None else number[one] for one in labels), np.int64, len(labels)), classes


def split_codes(splits: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Splits [n] int64 and their names: what one trains on first, then what one chooses by, then what one tests on."""
    names = tuple(sorted(set(splits) or {""}, key=lambda one: (SPLITS.get(one.lower(), len(SPLITS)), natural(one))))
    number = {name: place for place, name in enumerate(names)}
    return np.fromiter((number[one] for one in splits), np.int64, len(splits)), names


def numbers_or_names(labels: Sequence[str | None]) -> list[str | None]:
    """Labels from text. Where all are whole numbers, -1 says that there is none; else it is a name as any other."""
    whole = all(one is None or reading.whole(one, -(10**18), 10**18) is not None for one in set(labels))
    return [None if one == "-1" and whole else one for one in labels]


def named_twice(names: Iterable[str]) -> tuple[Unreadable, ...]:
    """A doubt for each name that stands there more than once."""
    times = Counter(names)
    return tuple(
        Unreadable(name, f"the same path stands there {count:,} times") for name, count in times.items() if count > 1
    )


def counted(number: int, what: str, several: str | None = None) -> str:
    """`1 image`, `1,200 images`."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def some(names: Iterable[str], most: int = MOST_SHOWN) -> str:
    """Names as a sentence lists them: the first few, shortened, and how many more."""
    listed = list(names)
    shown = ", ".join(reading.shortened(one, 40) for one in listed[:most])
    return shown + (f" and {len(listed) - most:,} more" if len(listed) > most else "")


def readable(name: str) -> str:
    """A name as it can be written anywhere: bytes of it that are no UTF-8 are spelled out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
