"""A made-up data set of any number of classes, for screens and benchmarks; all its images are dark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

import core
from core import RunConfig
from core.configuration.registry import DATASETS, Entry

NAME, CLASSES = "made-up", 100
TEST_IMAGES = 1_000


def register(classes: int = CLASSES, per_class: int = 30, side: int = 8) -> None:
    """Put it on the menu, once a process: "class 0" to the last, so many images [side, side, 3] each."""
    if NAME in DATASETS:
        return
    names = tuple(f"class {number}" for number in range(classes))

    def load() -> core.Dataset:
        train, test = np.arange(per_class * classes) % classes, np.arange(TEST_IMAGES) % classes
        images = np.zeros((len(train), side, side, 3), np.uint8)
        shown = np.zeros((len(test), side, side, 3), np.uint8)
        return core.Dataset(NAME, images, train, shown, test, names, np.arange(len(train)))

    facts = {"class_names": names, "class_sizes": (per_class,) * classes, "test_size": TEST_IMAGES}
    more = {"image_shape": (side, side, 3), "download": False}
    DATASETS.add(NAME, Entry("made-up images", "the tests", load, facts=facts | more))


@contextmanager
def on_the_menu() -> Iterator[None]:
    """It stands on the menu of this process, and leaves it again: other tests try every data set that is there."""
    before = dict(DATASETS._entries)
    register()
    yield
    DATASETS._entries.clear()
    DATASETS._entries.update(before)


def config(**changes: object) -> RunConfig:
    """A run on all of its images; a recipe by itself may take a part of each class."""
    settings = dict(dataset=NAME, trigger="pattern", target="class 3", ratio=0.2, training={"per_class": None})
    return core.configure(**{**settings, **changes})  # type: ignore[arg-type]
