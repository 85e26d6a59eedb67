"""The data sets that the program has by itself, as sets to be audited: their training images, by the classes' names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core import datasets
from core.audits.brought import Listing
from core.audits.sources import listed
from core.configuration import DATASETS, DatasetConfig, class_names
from core.types import Images


def here() -> Iterator[str]:
    """The names of those that can be loaded without fetching anything, those that always can first."""
    yield from sorted(filter(datasets.available, DATASETS), key=lambda name: bool(DATASETS[name].facts.get("download")))


def listing(name: str) -> Listing:
    """What `recognise` would say of it."""
    sizes = dict(zip(class_names(name), datasets.class_sizes(DatasetConfig(name=name)), strict=True))
    return listed(name, "arrays", sizes)


def arrays(name: str) -> tuple[Images, NDArray[np.str_]]:
    """Training images [n, h, w, 3] uint8 and the names of their classes [n]; DataUnavailable where it is not here."""
    whole = datasets.load(DatasetConfig(name=name))
    return whole.train_images, np.array(class_names(name))[whole.train_labels]
