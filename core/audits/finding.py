"""What an audit finds: one finding, one cause, and which images it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation import Transplant
from core.types import Detection, Ids, Mask, Scores

# What a finding is put down to, and what that word says. Only the first is an accusation.
CAUSES = {
    "backdoor": "a mark in some images of one class, which the others lack",
    "mark": "a mark in images of all classes alike, as a watermark is",
    "copies": "images that are there several times in one class",
    "twins": "one picture under two labels",
    "leak": "a picture in two splits",
    "labels": "images that look like those of another class",
    "group": "a class of two kinds of images, which overlap",
    "wild": "features that cannot be right: far out of their class, all zero, not finite, or not varying",
    "blank": "images without anything in them",
    "unreadable": "files that are no image, or a broken one",
    "small": "classes too small to judge",
}
ACCUSED = ("backdoor", "mark")  # of what was planted, or looks so


@dataclass(frozen=True)
class Found:
    """A finding of an audit.

    cause: one of CAUSES. classes: names. ids: the images it means, [m] int64 in the order of the set; of unreadable
    files none. p: the chance of a set without a cause to show as much, where there is a test. sentence: for a person.
    place: (top, left, height, width) in pixels of the working size, where what was seen has a place.
    proof: what a network that was trained on the set answers to what the images share; None where none was asked.
    looks_like: of likely label errors the class that each looks like, [m] names; of all else none.
    """

    cause: str
    classes: tuple[str, ...]
    ids: Ids
    p: float | None
    sentence: str
    place: tuple[int, int, int, int] | None = None
    proof: Transplant | None = None
    looks_like: tuple[str, ...] = ()


def nobody() -> Ids:
    """No image."""
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Judged:
    """What the panel says of the images that have a label: their ids [m], its detection, and who is flagged [m]."""

    ids: Ids
    detection: Detection
    flagged: Mask

    def scores(self, count: int) -> Scores:
        """Scores of all images [n]; NaN for those without a label."""
        every = np.full(count, np.nan)
        every[self.ids] = self.detection.scores
        return every


def rank(scores: Scores) -> Ids:
    """The rank of each score [n], 1 for the highest; what has none (NaN) comes last."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def share(count: int, total: int) -> str:
    """So many of so many, in words."""
    return f"{count:,} of {total:,} images" if total != 1 else "the one image"


def listed(names: tuple[str, ...] | list[str], most: int = 5) -> str:
    """Names for a sentence; the rest is counted."""
    shown = ", ".join(plain(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def plain(name: str, most: int = 60) -> str:
    """A name that anybody may have written, on one line, without control letters, not long."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"


def places(values: NDArray[Any]) -> Ids:
    """Where values [n] hold, [m]."""
    return np.flatnonzero(values).astype(np.int64)
