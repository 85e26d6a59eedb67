"""The data sets: loaded whole or as a class-balanced subset, fetched and verified where they are missing.

A data set is one function and one line of `entries.py`. The function returns the whole set; it may take a progress
callback. One that must be fetched first (`download` among its entry's facts) has `available()` and
`prepare(folder, progress)` beside the function, in the same module.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.configuration import DATASETS, DatasetConfig, Entry, class_names
from core.datasets.arrays import Progress, check_dataset, read_only, silent
from core.types import BadRequest, Dataset, Ids, Labels


def load(config: DatasetConfig, progress: Progress | None = None) -> Dataset:
    """The data set that a configuration names: whole, or the first per_class training images of every class.

    train_images [n, h, w, 3] uint8 and train_labels [n] int64 stay in the order of the data set, and
    train_rows [n] int64 are their rows there; the test set is always whole. All arrays are read-only.
    Raises BadRequest where per_class is larger than a class, DataUnavailable where no source has the data.
    """
    whole = _load_whole(config.name, progress or silent)
    if config.per_class is None:
        return whole
    _check_per_class(config, np.bincount(whole.train_labels, minlength=whole.classes).tolist())
    return _subset(whole, first_rows(whole.train_labels, config.per_class))


def available(name: str) -> bool:
    """Whether a data set can be loaded without fetching it; looks at files and sizes, hashes nothing."""
    check = _beside(DATASETS[name], "available")
    return True if check is None else bool(check())


def prepare(name: str, folder: Path | None = None, progress: Progress | None = None) -> None:
    """Fetch a data set, or import it from a folder that the user has, and verify it.

    Raises BadRequest for a folder that the data set has no use for, DataUnavailable where it cannot be had.
    """
    fetch = _beside(DATASETS[name], "prepare")
    if fetch is not None:
        fetch(folder, progress or silent)
    elif folder is not None:
        raise BadRequest(f"the data set {name!r} needs no files, got the folder {folder}")
    else:
        _load_whole(name, progress or silent)


def class_sizes(config: DatasetConfig) -> tuple[int, ...]:
    """The number of training images of every class [k], without loading where the registry knows it."""
    known = DATASETS[config.name].facts.get("class_sizes")
    if known is None:
        labels = _load_whole(config.name, silent).train_labels
        known = np.bincount(labels, minlength=len(class_names(config.name))).tolist()
    sizes = tuple(int(size) for size in known)
    if config.per_class is None:
        return sizes
    _check_per_class(config, sizes)
    return (config.per_class,) * len(sizes)


def first_rows(labels: Labels, per_class: int) -> Ids:
    """The rows [k * per_class] of the first so many images of every class, in ascending order."""
    chosen = [np.flatnonzero(labels == number)[:per_class] for number in np.unique(labels)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _load_whole(name: str, progress: Progress) -> Dataset:
    loader = DATASETS[name].load()
    takes_progress = bool(inspect.signature(loader).parameters)
    found = loader(progress) if takes_progress else loader()
    return check_dataset(found, name, class_names(name))


def _subset(whole: Dataset, rows: Ids) -> Dataset:
    return read_only(
        replace(
            whole,
            train_images=whole.train_images[rows],
            train_labels=whole.train_labels[rows],
            train_rows=rows,
        )
    )


def _check_per_class(config: DatasetConfig, sizes: tuple[int, ...] | list[int]) -> None:
    if config.per_class is not None and config.per_class > min(sizes):
        smallest = class_names(config.name)[int(np.argmin(sizes))]
        raise BadRequest(
            f"per_class must lie in [2, {min(sizes)}] for {config.name} "
            f"(its smallest class is {smallest}), got {config.per_class}"
        )


def _beside(entry: Entry, name: str) -> Callable[..., Any] | None:
    """The function of this name beside the loader of a data set that must be fetched."""
    if not entry.facts.get("download"):
        return None
    found: Callable[..., Any] | None = getattr(sys.modules[entry.load().__module__], name, None)
    return found
