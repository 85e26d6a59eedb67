"""How rows are gone through: class by class, however many classes there are, and in blocks that fit anywhere.

Features may lie in a file that is larger than the memory. The rows of a class are scattered over it, so those of many
classes are fetched together, in the order of the file, and what was looked at is let go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from core.store import let_go, lies_in, on_disk
from core.types import Features, Ids, Images, Labels, Mask

FETCHED = 2**27  # bytes of rows of a file that are fetched together, of whole classes
WHOLE = 2**27  # bytes in double precision, up to which a class is looked at in one piece,
PIECE = 2**25  # and of a piece, where it is not
TOUCHED = 2**26  # bytes of a file that are looked at before they are let go
MOST_ROWS = 2**26  # numbers of features in memory, up to which core.detectors.split holds a centred copy of all of them
MOST_OWN = 16_000_000  # numbers of the classes' own moments, beyond which it makes them again when they are needed
OWN_SHARE = 1 / 16  # the same of features in a file, or of more: so small a part of them


def members_of(labels: Labels) -> Iterator[tuple[int, Ids]]:
    """Each class that is present in labels [n]: its label and the ids of its rows [m], both ascending."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    for label, ids in zip(ordered[starts], np.split(order, starts[1:]), strict=True):
        yield int(label), ids


def rows_of(features: Features, members: Iterable[tuple[int, Ids]]) -> Iterator[tuple[int, Ids, Features]]:
    """Each class of `members`, its ids [m] in the order given, and those rows of features [n, d], as they are.

    Of a mapped file as many classes as fit into 128 MB are fetched together, at least one.
    """
    if lies_in(features) is None:
        yield from ((label, ids, features[ids]) for label, ids in members)
        return
    width = features.dtype.itemsize * features.shape[1]
    waiting: list[tuple[int, Ids]] = []
    count = 0
    for label, ids in members:
        if waiting and (count + len(ids)) * width > FETCHED:
            yield from _together(features, waiting)
            waiting, count = [], 0
        waiting.append((label, ids))
        count += len(ids)
    if waiting:
        yield from _together(features, waiting)


def is_much(ids: Ids, features: Features) -> bool:
    """Whether the rows of a class of these ids [m] are more than 128 MB in double precision."""
    return 8 * len(ids) * int(features.shape[1]) > WHOLE


def is_large(ids: Ids, features: Features) -> bool:
    """Whether a class of these ids [m] is looked at in pieces: where its rows are much, and no fewer than the features.

    Of fewer the Gram matrix [m, m] is smaller than the second moments [d, d], and it needs all of them.
    """
    return len(ids) >= features.shape[1] and is_much(ids, features)


def held_and_large(
    features: Features, members: Iterable[tuple[int, Ids]]
) -> tuple[Iterator[tuple[int, Ids, Features]], list[tuple[int, Ids]]]:
    """The classes of `members` that are held, as `rows_of` hands them out, and the large ones, label and ids."""
    held, large = list[tuple[int, Ids]](), list[tuple[int, Ids]]()
    for label, ids in members:
        (large if is_large(ids, features) else held).append((label, ids))
    return rows_of(features, held), large


def pieces_of(
    features: Features, members: Iterable[tuple[int, Ids]], cut: Callable[[Ids, Features], bool] = is_large
) -> Iterator[tuple[int, slice | Ids, Features]]:
    """Each class of `members` in pieces: its label, which of its ids they are (places), and those rows [p, d].

    A class comes in one piece, its rows in the order of its ids, unless it is to be `cut`; then in the order of the
    file, 32 MB in double precision a piece.
    """
    width = max(1, 8 * features.shape[1])
    places: list[slice | Ids] = []

    def some_of_each() -> Iterator[tuple[int, Ids]]:
        for label, ids in members:
            if not cut(ids, features):
                places.append(slice(None))
                yield label, ids
                continue
            order = np.argsort(ids, kind="stable")
            for some in np.array_split(order, -(-len(ids) * width // PIECE)):
                places.append(some)
                yield label, ids[some]

    for number, (label, _, rows) in enumerate(rows_of(features, some_of_each())):
        yield label, places[number], rows


def _together(features: Features, classes: list[tuple[int, Ids]]) -> Iterator[tuple[int, Ids, Features]]:
    fetched = _fetched(features, np.concatenate([ids for _, ids in classes]))
    start = 0
    for label, ids in classes:
        yield label, ids, fetched[start : start + len(ids)]
        start += len(ids)


def _fetched(features: Features, ids: Ids) -> Features:
    """Rows [m, d] of a mapped file, in the order of ids [m], read in the order of the file."""
    found = np.empty((len(ids), features.shape[1]), features.dtype)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    step = max(1, TOUCHED // max(1, features.dtype.itemsize * features.shape[1]))
    for start in range(0, len(features), step):
        some = slice(*np.searchsorted(ordered, (start, start + step)))
        found[order[some]] = features[ordered[some]]
        let_go(features)
    return found


def blocks(features: Features) -> Iterator[tuple[slice, Features]]:
    """Features [n, d] in blocks of successive rows, `block_rows` each, with where they are; let go one by one."""
    step = block_rows(features.shape[1])
    for start in range(0, len(features), step):
        place = slice(start, start + step)
        yield place, features[place]
        let_go(features)


def taken(what: str, features: Features, ids: Ids) -> Features:
    """Rows of features [n, d] by ids [m], ascending, none twice: the features themselves where that is all.

    Of a mapped file they are written to another, which is mapped (core.store.on_disk). what: a name for a sentence.
    """
    if np.array_equal(ids, np.arange(len(features))):
        return features
    if lies_in(features) is None:
        return features[ids]
    kept = np.zeros(len(features), bool)
    kept[ids] = True
    some = (block[kept[place]] for place, block in blocks(features))
    return on_disk(what, some, (len(ids), features.shape[1]), features.dtype)


def block_rows(width: int) -> int:
    """How many rows of so many numbers in double precision are looked at together: those of 16 MB, at least one."""
    return max(1, 2**21 // max(1, width))


def distinct(images: Images) -> Mask:
    """The first of each image's exact copies, [n] bool."""
    seen: set[bytes] = set()
    found = np.zeros(len(images), bool)
    for place, image in enumerate(images):
        before = len(seen)
        seen.add(image.tobytes())
        found[place] = len(seen) > before
    return found
