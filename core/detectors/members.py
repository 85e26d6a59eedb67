"""How rows are gone through: class by class, however many classes there are, and in blocks that fit anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.types import Ids, Images, Labels, Mask


def members_of(labels: Labels) -> Iterator[tuple[int, Ids]]:
    """Each class that is present in labels [n]: its label and the ids of its rows [m], both ascending."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    for label, ids in zip(ordered[starts], np.split(order, starts[1:]), strict=True):
        yield int(label), ids


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
