"""About what a detector costs before it starts: seconds and memory, from the sizes alone.

The figures are of one core of an AMD EPYC (python -m benchmarks.detector_costs measures them beside these), and right
within a factor of about three: to tell a second from an hour, and what fits from what does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.configuration import DETECTORS
from core.detectors.judged import COMPARED
from core.detectors.members import MOST_OWN, MOST_ROWS, OWN_SHARE, WHOLE
from core.detectors.views import tile_views
from core.types import BadRequest, Labels

REAL = 8.0  # bytes of a number
PRODUCTS = 1.5e10  # multiplications and additions a second, in products of matrices
DECOMPOSED = 12.0  # products of a matrix with itself that finding all its eigenvectors takes, in time
PIXELS = 1024  # of an image, where nobody says how many there are: CIFAR-10's
LEAST = 5e7  # bytes that any detector may take: libraries, and blocks that are looked at one by one
FETCHED = 1.4e8  # bytes of features in a file, of some classes together (core.detectors.members)


class Cost(NamedTuple):
    """What a detector takes: seconds of one core, and bytes beside the features themselves."""

    seconds: float
    bytes: float


class Sizes(NamedTuple):
    """Images, features, classes that are present, images of the largest of these, and pixels of an image."""

    rows: int
    features: int
    classes: int
    largest: int
    pixels: int = PIXELS

    @property
    def gram(self) -> int:
        """The side of the larger classes' Gram matrices."""
        return min(self.largest, self.features)

    @property
    def span(self) -> int:
        """Features, or images where these are fewer."""
        return min(self.rows, self.features)

    @property
    def typical(self) -> float:
        """Images of a class, on average."""
        return self.rows / self.classes


def expected(
    detector: str, rows: int, features: int, classes: int, largest: int | None = None, pixels: int = PIXELS
) -> Cost:
    """About what a registered detector takes at its usual settings, for so many images [n], features and classes.

    largest: the images of the largest class; by default all have as many. pixels: those of an image (h * w), which
    count for a detector that looks at them; 0 where there are no images. What it costs to get the evidence that a
    detector needs besides is not counted. BadRequest where the detector is unknown or another number is below 1.
    """
    DETECTORS[detector]
    for name, number in (("rows", rows), ("features", features), ("classes", classes)):
        if number < 1:
            raise BadRequest(f"{name} must be at least 1, got {number}")
    largest = -(-rows // classes) if largest is None else largest
    sizes = Sizes(rows, features, min(classes, rows), largest, pixels)
    seconds, numbers = _COSTS.get(detector, _by_class)(sizes)
    fetched = min(FETCHED, 4.0 * rows * features) if DETECTORS[detector].reads_features else 0.0
    return Cost(seconds, LEAST + fetched + REAL * numbers)


def check_fits(detector: str, shape: tuple[int, ...], labels: Labels, pixels: int = 0) -> None:
    """BadRequest where a detector would need more memory for features of this shape [n, d] than is free.

    pixels: those of an image (h * w), which count for a detector that looks at them; 0 where there are no images.
    """
    sizes, rows, features = np.bincount(labels), shape[0], max(1, shape[1])
    free = free_memory()

    def needed(features: int, one: str = detector) -> float:
        return expected(one, rows, features, int((sizes > 0).sum()), int(sizes.max()), pixels).bytes

    if free is None or needed(features) <= free:
        return
    fits, too_many = 0, features
    while too_many - fits > max(1, fits // 100):
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if needed(middle) <= free else (fits, middle)
    advice = f"about {fits:,} features would fit" if fits else "fewer rows would fit"
    reads = DETECTORS[detector].reads_features
    what = f"rows of {features:,} features" if reads else f"images of {pixels:,} pixels"
    able = (one for one, entry in DETECTORS.items() if entry.reads_features and not entry.needs and one != detector)
    others = [one for one in able if reads and needed(features, one) <= free]
    raise BadRequest(
        f"{detector} would need about {_said(needed(features))} of memory for {rows:,} {what} "
        f"in {np.count_nonzero(sizes):,} classes, and {_said(free)} are free; {advice}{_instead(others)}"
    )


def _instead(others: list[str]) -> str:
    """Which other detectors there is memory for."""
    return f", and all of them by {', '.join(others)}" if others else ""


def free_memory() -> float | None:
    """Bytes that this process may still take, by the system's and its container's word; None where they say nothing."""
    found = [free for free in (_of_system(), _of_container()) if free is not None]
    return min(found) if found else None


def _of_system() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError):
        return None


def _of_container() -> float | None:
    folder = Path("/sys/fs/cgroup")
    try:
        most, taken = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        held = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return float(most - taken + int(held.get("inactive_file", 0)))  # what is only a copy of files can be let go
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return None


def _said(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"


# --- seconds, and numbers that are alive at once ----------------------------------------------------------

Pair = tuple[float, float]


def _by_class(one: Sizes) -> Pair:
    """Each class by itself: its rows in order, copied and centred."""
    return 2e-8 * one.rows * one.features + 1e-4 * one.classes, 4.0 * one.largest * one.features


def _held(one: Sizes, width: float) -> tuple[float, float]:
    """Numbers of the largest class that are held together, and its rows, where it is looked at in pieces (is_large)."""
    if one.largest < width or one.largest * width <= WHOLE / REAL:
        return one.largest * width, 0.0
    return WHOLE / REAL, one.largest


def _spectral(one: Sizes) -> Pair:
    """The same of Algorithm 1, which looks at a large class in pieces."""
    held, projected = _held(one, one.features)
    return _directions(one)[0], 4.0 * held + 4.0 * projected + 4.0 * one.gram**2


def _directions(one: Sizes) -> Pair:
    """A few leading directions of each class: Lanczos on its Gram matrix."""
    seconds, numbers = _by_class(one)
    products = one.rows * one.features * min(one.typical, one.features) + 100.0 * one.classes * one.gram**2
    return seconds + products / PRODUCTS + 3e-4 * one.classes, numbers + 4.0 * one.gram**2


def _all_directions(one: Sizes) -> Pair:
    seconds, numbers = _directions(one)
    side = min(one.typical, one.features)
    return (
        seconds + DECOMPOSED * one.classes * side**3 / PRODUCTS,
        numbers + one.gram * (one.features + one.largest),
    )


def _narrowed(one: Sizes) -> Pair:
    """Where features are more than images: the coordinates in their span."""
    if one.features <= one.rows:
        return 0.0, 0.0
    return 4.0 * one.features * one.rows**2 / PRODUCTS, 4.0 * one.features * one.rows


def _whitened(one: Sizes) -> Pair:
    """Each class in the metric of the others; of one or two, by itself and all of it."""
    if one.classes < COMPARED:
        return _alone(one)
    before, numbers = _narrowed(one)
    side, few = one.span, min(one.span, max(1.0, one.typical / 20), 128)
    products = 2.0 * one.rows * side**2 + 2 * DECOMPOSED * side**3
    if one.typical >= side:
        products += 0.5 * DECOMPOSED * one.classes * side**3
    else:
        products += one.rows * one.typical * (side + DECOMPOSED * one.typical)
    refined = one.classes * 0.03 + 3e-6 * one.rows * few
    held, projected = _held(one, side)
    return before + products / PRODUCTS + refined, numbers + 6.0 * held + 8.0 * side**2 + 4.0 * few * projected


def _alone(one: Sizes) -> Pair:
    """A class in the metric of its own robust covariance."""
    seconds, numbers = _directions(one)
    few = min(one.features, max(1.0, one.largest / 20), 128)
    return seconds + 0.03 * one.classes + 6e-6 * one.rows * few, numbers + 8.0 * one.largest * few


def _scan(one: Sizes) -> Pair:
    before, numbers = _narrowed(one)
    side = one.span
    products = 3.0 * one.rows * side**2 + (5.0 * one.classes + 20 * DECOMPOSED) * side**3
    groups = 0.01 * one.classes + 1e-7 * one.rows * side
    alive = 2.0 * one.rows * side + 4.0 * one.largest * side + 12.0 * side**2 + 6.0 * one.classes * side
    return before + products / PRODUCTS + groups, numbers + alive


def _spectre(one: Sizes) -> Pair:
    seconds, numbers = _directions(one)
    few = min(one.features, max(1.0, one.typical / 20), 100)
    return seconds + 0.003 * one.classes + 3e-6 * one.rows * few, numbers + 8.0 * one.largest * few


def _clustering(one: Sizes) -> Pair:
    seconds, numbers = _directions(one)
    return seconds + 0.025 * one.classes + 2e-4 * one.rows, numbers + 100.0 * one.largest + 3.0 * min(
        one.largest, 3000
    ) ** 2


def _mahalanobis(one: Sizes) -> Pair:
    seconds, numbers = _directions(one)
    return seconds + 0.04 * one.classes + 1e-3 * one.rows, numbers + 300.0 * one.largest


def _neighbours(one: Sizes) -> Pair:
    seconds, numbers = _by_class(one)
    near = min(0.15 * one.largest, 1000.0)
    compared = one.rows * one.typical * (one.features + 150.0)
    return seconds + compared / PRODUCTS + 1e-3 * one.classes, numbers + 6.0 * one.largest * near


def _forest(one: Sizes) -> Pair:
    seconds, numbers = _by_class(one)
    numbers, trees = 2 * numbers, 100.0
    if one.classes <= 50:
        return seconds + 0.25 * one.classes + 1e-4 * one.rows, numbers + 2.0 * one.largest * trees
    return seconds + 0.003 * one.classes + 1e-4 * one.rows, numbers + 20.0 * min(one.largest, 256) * trees


def _evidence(one: Sizes) -> Pair:
    return 1e-6 * one.rows + 1e-4 * one.classes, 20.0 * one.rows


def _mirror(one: Sizes) -> Pair:
    """Each class reduced to 32 x 32: three channels' odd parts, and about a thousand waves of one channel at a time."""
    small = min(one.pixels, 1024)
    seconds = 2e-8 * one.rows * one.pixels + 2e-7 * one.rows * small + 0.05 * one.classes
    return seconds, 4.0 * one.largest * small + 0.4 * one.largest * one.pixels


def _repeats(one: Sizes) -> Pair:
    """Each class's colours sorted in blocks, and a table of all colours."""
    seconds = 6e-8 * one.rows * one.pixels + 0.05 * one.classes
    return seconds, 1e7 + 10.0 * min(2**22, one.largest * one.pixels) + 1.0 * one.largest * one.pixels


def _split(one: Sizes) -> Pair:
    """One representation, halved: each class whitened, and the leading directions of either half.

    A few numbers a row are held, the rows of one class, and what core.detectors.split holds where there is room for it.
    """
    before, numbers = _narrowed(one)
    width, judged = one.span, min(one.classes, one.rows / 40)
    side = min(width, one.typical / 2)
    seconds = 5e-11 * one.rows * width**2 + judged * (1e-10 * width**3 + 1.5e-10 * side**3 + 0.06)
    copied, own = _kept(one, width)
    held, projected = (one.largest * width, 0.0) if copied else _held(one, width)
    alive = 8.0 * one.rows + copied + own + 6.0 * width**2 + 5.0 * held + 150.0 * projected
    return before + seconds, numbers + alive


def _kept(one: Sizes, width: int) -> tuple[float, float]:
    """Numbers of a centred copy of all rows, if they lie in memory, and of each class's own second moments."""
    whole, own = float(one.rows * width), float(one.classes * width**2)
    copied = whole if whole <= MOST_ROWS else 0.0
    return copied, own if own <= (MOST_OWN if copied else min(MOST_OWN, OWN_SHARE * whole)) else 0.0


def _image_spectral(one: Sizes) -> Pair:
    """Spectra and tiles, two views at a time in single precision: what is alive is that of one in double."""
    side = max(1, round(one.pixels**0.5))
    tiles = len(tile_views(side, side))
    seen = min(one.pixels, 1024), 768
    whole, tile = (_split(one._replace(features=width)) for width in seen)
    held = 1.0 * max(seen) * one.rows + 0.4 * min(one.pixels, 224**2) * one.rows
    return 3 * whole[0] + tiles * tile[0], max(whole[1], tile[1]) + held


def _panel(one: Sizes) -> Pair:
    """Each test after the other; without images that on features alone."""
    on_images = [_mirror(one), _repeats(one), _image_spectral(one), _split(one)] if one.pixels else []
    parts = [*on_images, _split(one)]
    return sum(part[0] for part in parts), max(part[1] for part in parts)


_COSTS: dict[str, Callable[[Sizes], Pair]] = {
    "spectral": _spectral,
    "spectral-released": _spectral,
    "spectral-top-k": _all_directions,
    "whitened-spectral": _whitened,
    "spectre": _spectre,
    "activation-clustering": _clustering,
    "scan": _scan,
    "mahalanobis": _mahalanobis,
    "knn": _neighbours,
    "lof": _neighbours,
    "isolation-forest": _forest,
    "loss-isolation": _evidence,
    "strip": _evidence,
    "mirror": _mirror,
    "repeats": _repeats,
    "image-spectral": _image_spectral,
    "split-spectral": _split,
    "panel": _panel,
}
