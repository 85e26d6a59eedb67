"""What a person brought: what it is by its outside, and what came of reading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.types import Ids, Images, Labels


class Unreadable(NamedTuple):
    """One image, by its name in the set, and in a sentence without a full stop why it is named."""

    name: str
    why: str


@dataclass(frozen=True)
class Listing:
    """What lies at a path, by names and headers alone; no pixel was decoded.

    kind: "class folders", "zip of class folders", "tar of class folders", "WebDataset tar", "CSV manifest",
    "JSON Lines manifest", "Hugging Face Parquet", "npz" or "npy pair". images: how many, whether they turn out to be
    readable or not. classes and splits: names in natural order -> images of them; unlabelled: images without a class.
    skipped: reason -> count of what is there and no part of the set. sentences: all of that in English.
    """

    source: str
    kind: str
    images: int
    classes: Mapping[str, int]
    splits: Mapping[str, int]
    unlabelled: int
    skipped: Mapping[str, int]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Brought:
    """An image set in memory. Row i of everything that has n rows is the same image; broken images have no row.

    names [n]: path within the set, `file.parquet:row` or `array:row`. labels [n] int64, -1 where there is none;
    classes [k] their names in natural order. splits [n] int64, split_names their names, ("",) where there are none.
    images [n, h, w, 3] uint8 at one working size, as a loader that calls `convert("RGB")` hands them to a network.
    sizes [n, 2] int32: height and width before that, upright. modes [n]: Pillow's mode of each file (of arrays the
    mode that would hold them). digests [n]: blake2b of 16 bytes, of each file's bytes (of arrays of the row's).
    rows [n] int64: the place of each image among all that were listed, broken ones included, so that something
    else that is in the set's order (features, losses) is aligned by it; listed: how many these are.

    unreadable: images that have no row, and why. doubtful: images that have one and may not be what they seem: hidden
    under transparency, several frames, named twice. skipped: reason -> count, as in Listing. sentences: in English.
    """

    source: str
    kind: str
    names: tuple[str, ...]
    labels: Labels
    classes: tuple[str, ...]
    splits: NDArray[np.int64]
    split_names: tuple[str, ...]
    images: Images
    sizes: NDArray[np.int32]
    modes: tuple[str, ...]
    digests: tuple[bytes, ...]
    rows: Ids
    listed: int
    unreadable: tuple[Unreadable, ...]
    doubtful: tuple[Unreadable, ...]
    skipped: Mapping[str, int]
    sentences: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)
