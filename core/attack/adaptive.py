"""Triggers that training images bear each in their own way, made to slip by a detector.

Each is two functions. The first stamps test images, and is pure as any trigger is. The second, whose name ends in
`_in_training`, stamps training images; beside them it gets one random generator an image (`lots`), and whether they are
covers, which keep their label. Both give every image the same, whatever images come with it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.attack import triggers
from core.types import BadRequest, Images, Mask

Lots = Sequence[np.random.Generator]

AT_ONCE = 50  # images whose fields are in memory


# --- pieces of a trigger ---------------------------------------------------------------------------------


def adaptive_blend(
    images: Images, *, opacity: float, trained_opacity: float, pieces: int, masked: float, seed: int
) -> Images:
    """Mix test images with the whole of a random picture, as `blended` does (Qi, Xie, Li, Mahajan, Mittal 2023)."""
    return triggers.blended(images, opacity=opacity, seed=seed)


def adaptive_blend_in_training(
    images: Images,
    lots: Lots,
    *,
    cover: bool,
    opacity: float,
    trained_opacity: float,
    pieces: int,
    masked: float,
    seed: int,
) -> Images:
    """Mix training images with some pieces of the same picture, and more faintly (Qi et al. 2023).

    The picture is cut into pieces x pieces parts, or into as many as there are pixels. The share `masked` of them,
    drawn for each image, is left out; one piece stays at least. The paper's are 4 x 4, half of them masked, 0.15 in
    training and 0.2 in testing, and as many covers as poisoned images.
    """
    parts = [np.arange(side) * min(pieces, side) // side for side in images.shape[1:3]]  # of each row, each column
    number = (parts[0][-1] + 1, parts[1][-1] + 1)
    total = int(np.prod(number))
    kept = np.zeros((len(images), total), bool)
    for shown, lot in zip(kept, lots, strict=True):
        shown[lot.permutation(total)[: max(1, total - round(masked * total))]] = True
    lit = kept.reshape(-1, *number)[:, parts[0][:, None], parts[1]]
    stamped: Images = np.where(lit[..., None], triggers.blended(images, opacity=trained_opacity, seed=seed), images)
    return stamped


# --- several small patches -------------------------------------------------------------------------------


class Patch(NamedTuple):
    """A small coloured square: its place in the image, and its colours [size, size, 3], 0 or 255."""

    box: tuple[slice, slice]
    paint: Images


def adaptive_patch(
    images: Images, *, opacity: float, trained_opacity: float, patches: int, shown: int, size: int, seed: int
) -> Images:
    """Lay several small coloured squares over test images, all of them (Qi, Xie, Li, Mahajan, Mittal 2023).

    The image is cut into as many equal fields as it takes, and each patch lies in one, at a place and in colours that
    the seed draws. BadRequest where a field is smaller than a patch, or more are to be shown than there are.
    """
    stamped = images.copy()
    for patch in _patches(images.shape[1:3], patches, shown, size, seed):
        _lay(stamped, patch, opacity)
    return stamped


def adaptive_patch_in_training(
    images: Images,
    lots: Lots,
    *,
    cover: bool,
    opacity: float,
    trained_opacity: float,
    patches: int,
    shown: int,
    size: int,
    seed: int,
) -> Images:
    """Lay `shown` of the same squares, drawn for each image, over training images, more faintly (Qi et al. 2023)."""
    stamped = images.copy()
    known = _patches(images.shape[1:3], patches, shown, size, seed)
    for place, lot in enumerate(lots):
        for number in lot.permutation(patches)[:shown]:
            _lay(stamped[place : place + 1], known[number], trained_opacity)
    return stamped


def _patches(sides: tuple[int, ...], patches: int, shown: int, size: int, seed: int) -> list[Patch]:
    """The patches on an image of sides (h, w), in fields from the upper left to the lower right."""
    if shown > patches:
        raise BadRequest(f"shown must be at most the number of patches, {patches}, got {shown}")
    across = int(np.ceil(np.sqrt(patches)))
    field = [side // across for side in sides]
    if min(field) < size:
        raise BadRequest(
            f"{patches} patches must lie beside each other, so size must be at most {min(field)} in an image of "
            f"{sides[0]} by {sides[1]} pixels, got {size}"
        )
    drawn, found = np.random.default_rng(seed), []
    for number in range(patches):
        corner = [
            at * side + int(drawn.integers(side - size + 1))
            for at, side in zip(divmod(number, across), field, strict=True)
        ]
        paint = (255 * drawn.integers(0, 2, (size, size, 3))).astype(np.uint8)
        found.append(Patch((slice(corner[0], corner[0] + size), slice(corner[1], corner[1] + size)), paint))
    return found


def _lay(images: Images, patch: Patch, opacity: float) -> None:
    """Mix a patch into images [n, h, w, 3], which are changed."""
    box = (slice(None), *patch.box)
    images[box] = np.rint((1 - opacity) * images[box] + opacity * patch.paint).astype(np.uint8)


# --- a stamp that moves ----------------------------------------------------------------------------------


def scattered(images: Images, *, size: int, colour: str, opacity: float, seed: int) -> Images:
    """Stamp the checkerboard of `pattern` somewhere in each test image, by lots drawn from the seed and the image."""
    lots = (np.random.default_rng([seed, zlib.crc32(one.tobytes())]) for one in images)
    return _scatter(images, lots, size, colour, opacity)


def scattered_in_training(
    images: Images, lots: Lots, *, cover: bool, size: int, colour: str, opacity: float, seed: int
) -> Images:
    """Stamp the same checkerboard somewhere in each training image, every place that it fits being as likely."""
    return _scatter(images, lots, size, colour, opacity)


def _scatter(images: Images, lots: Iterable[np.random.Generator], size: int, colour: str, opacity: float) -> Images:
    height, width = images.shape[1:3]
    if size > min(height, width):
        raise BadRequest(f"size must be at most {min(height, width)} in an image of {height} by {width}, got {size}")
    lit, stamped = triggers.checkerboard(size), images.copy()
    for place, lot in enumerate(lots):
        row, column = (int(lot.integers(size - 1, side)) for side in (height, width))
        one = slice(place, place + 1)
        stamped[one] = triggers.stamp(images[one], lit, row, column, colour, opacity)
    return stamped


def mirrored(images: Images, *, size: int, row: int, column: int, colour: str, opacity: float) -> Images:
    """Stamp test images with a checkerboard whose last pixel is at (row, column), as `pattern` does."""
    return triggers.pattern(images, size=size, row=row, column=column, colour=colour, opacity=opacity)


def mirrored_in_training(
    images: Images, lots: Lots, *, cover: bool, size: int, row: int, column: int, colour: str, opacity: float
) -> Images:
    """Stamp training images with the same, or, by lot for half of them, with what a mirror would make of it.

    Whoever compares the left half of the poison with the right one then finds them alike.
    """
    lit = triggers.checkerboard(size)
    plain = triggers.stamp(images, lit, row, column, colour, opacity)
    turned = triggers.stamp(images[:, :, ::-1], lit, row, column, colour, opacity)[:, :, ::-1]
    flip: Mask = np.array([lot.random() < 0.5 for lot in lots], bool)
    stamped: Images = np.where(flip[:, None, None, None], turned, plain)
    return stamped


# --- a warp whose covers are warped otherwise ------------------------------------------------------------


def warp_noise(images: Images, *, grid: int, strength: float, noise: float, seed: int) -> Images:
    """Move every pixel of test images a little, as `warp` does (WaNet, Nguyen & Tran 2021)."""
    return triggers.warp(images, grid=grid, strength=strength, seed=seed)


def warp_noise_in_training(
    images: Images, lots: Lots, *, cover: bool, grid: int, strength: float, noise: float, seed: int
) -> Images:
    """The same for poisoned images; covers are moved by another field each (the noise mode of Nguyen & Tran 2021).

    A cover's field is the trigger's plus noise, uniform in -1..1 for each pixel and side, times `noise`: with 1, as in
    the paper's code, up to half a pixel. The paper has twice as many covers as poisoned images.
    """
    if not cover:
        return warp_noise(images, grid=grid, strength=strength, noise=noise, seed=seed)
    usual, stamped = strength * triggers.field(images.shape[1:3], grid, seed), images.copy()
    for first in range(0, len(images), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        more = np.stack([lot.uniform(-1, 1, usual.shape) for lot in lots[some]])
        stamped[some] = np.rint(triggers.between(images[some], *triggers.places(usual + noise * more)))
    return stamped
