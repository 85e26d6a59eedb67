"""Triggers: pure functions from images [n, h, w, 3] uint8 and parameters to stamped copies.

Some lie in one place: a small mask of lit pixels, or a small picture, placed by its lower right pixel. BadNets (Gu
et al. 2017) uses a single bright pixel and a pattern of bright pixels in the lower right corner, and stickers. Others
change the whole image a little: a blended pattern (Chen et al. 2017), a wave (Barni et al. 2019), a warp (Nguyen &
Tran 2021). What is random in them comes from a seed of their own, so that every image gets the same. Triggers made
of frequencies stand in `spectra`, those that training images bear each in their own way in `adaptive`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from core.configuration import TRIGGERS, TriggerConfig, pictures
from core.types import BadRequest, Ids, Images, Mask

Floats = NDArray[np.float64]

BATCH = 250  # images that are floats at a time: a whole test set would take gigabytes


def pixel(images: Images, *, row: int, column: int, colour: str, opacity: float) -> Images:
    """Stamp one bright pixel at (row, column); negative numbers count from the lower right."""
    return stamp(images, np.ones((1, 1), bool), row, column, colour, opacity)


def pattern(images: Images, *, size: int, row: int, column: int, colour: str, opacity: float) -> Images:
    """Stamp a checkerboard of bright pixels, size x size, whose lower right pixel is at (row, column)."""
    return stamp(images, checkerboard(size), row, column, colour, opacity)


def checkerboard(size: int) -> Mask:
    """Which pixels of a pattern are lit, [size, size] bool: every second one, the first among them."""
    rows, columns = np.indices((size, size))
    lit: Mask = (rows + columns) % 2 == 0
    return lit


def patch(images: Images, *, size: int, row: int, column: int, colour: str, opacity: float) -> Images:
    """Stamp a filled square, size x size, whose lower right pixel is at (row, column)."""
    return stamp(images, np.ones((size, size), bool), row, column, colour, opacity)


def drawing(images: Images, *, picture: str, row: int, column: int, opacity: float) -> Images:
    """Stamp a picture of one's own (see core.configuration.pictures), its last pixel at (row, column).

    Each pixel is mixed with the image by its alpha times the opacity.
    """
    pixels = pictures.decode(picture)
    box = _box(images, pixels.shape[:2], row, column)
    alpha = opacity * pixels[..., 3:] / 255
    stamped = images.copy()
    stamped[box] = np.rint((1 - alpha) * stamped[box] + alpha * pixels[..., :3]).astype(np.uint8)
    return stamped


def blended(images: Images, *, opacity: float, seed: int) -> Images:
    """Mix every image with the same random picture: (1 - opacity) * image + opacity * noise (Chen et al. 2017).

    The noise is uniform in 0..255, each pixel and channel on its own, drawn from the seed for the images' size.
    """
    noise = np.random.default_rng(seed).integers(0, 256, images.shape[1:]).astype(float)
    return everywhere(images, lambda some: (1 - opacity) * some + opacity * noise)


def sinusoid(images: Images, *, amplitude: int, frequency: int) -> Images:
    """Add amplitude * sin(2 pi column * frequency / width) to every row and channel (SIG, Barni et al. 2019).

    The amplitude is in steps of 256, the frequency in waves across the width. In the paper the images are of the
    target class and keep their label; here the attack says whose images are stamped.
    """
    columns = np.arange(images.shape[2])[:, None]
    wave = amplitude * np.sin(2 * np.pi * columns * frequency / len(columns))
    return everywhere(images, lambda some: some + wave)


def warp(images: Images, *, grid: int, strength: float, seed: int) -> Images:
    """Move every pixel a little, by one smooth field for all images (WaNet, Nguyen & Tran 2021).

    grid x grid offsets, uniform in -1..1 and then scaled to a mean absolute value of 1, are drawn from the seed and
    spread over the image bicubically. Times strength / 2 they are how many pixels aside each pixel looks, bilinearly
    and no farther than the edge: about a quarter by default. The paper also shows the network images that are
    warped otherwise and rightly labelled: core.attack.adaptive.warp_noise.
    """
    rows, columns = places(strength * field(images.shape[1:3], grid, seed))
    return everywhere(images, lambda some: between(some, rows, columns))


def field(sides: tuple[int, ...], grid: int, seed: int) -> Floats:
    """The smooth random field of a warp on an image of sides (h, w), [2, h, w], of strength 1."""
    offsets = np.random.default_rng(seed).uniform(-1, 1, (2, grid, grid))
    offsets /= np.abs(offsets).mean()
    smooth: Floats = _spread(sides[0], grid) @ offsets @ _spread(sides[1], grid).T
    return smooth


def places(field: Floats) -> tuple[Floats, Floats]:
    """Where the pixels of an image look that a field [..., 2, h, w] warps: rows and columns [..., h, w], inside it.

    The field's unit is the paper's, 1 / side on a scale where the image goes from -1 to 1: about half a pixel.
    """
    sides = field.shape[-2:]
    rows, columns = (
        np.clip(at + aside * (side - 1) / (2 * side), 0, side - 1)
        for at, aside, side in zip(np.indices(sides), np.moveaxis(field, -3, 0), sides, strict=True)
    )
    return rows, columns


def _spread(size: int, points: int) -> Floats:
    """Weights [size, points] that put values at evenly spaced points, the first and last at the ends, on size pixels.

    Cubic convolution (Keys 1981) with a = -0.75, beyond the ends the outermost value, as the paper's code has it.
    """
    places = np.linspace(0, points - 1, size)
    first = np.floor(places).astype(int)
    weights = np.zeros((size, points))
    for step in (-1, 0, 1, 2):
        apart = np.abs(places - first - step)
        near = (1.25 * apart - 2.25) * apart**2 + 1
        far = -0.75 * (((apart - 5) * apart + 8) * apart - 4)
        point = np.clip(first + step, 0, points - 1)
        np.add.at(weights, (np.arange(size), point), np.where(apart <= 1, near, far))
    return weights


def between(images: Images, rows: Floats, columns: Floats) -> Floats:
    """What images [n, h, w, 3] show at places [h, w], or [n, h, w], between their pixels, bilinearly."""
    of = slice(None) if rows.ndim == 2 else np.arange(len(images))[:, None, None]
    (top, below, down), (left, beside, right) = (
        (whole := np.floor(places).astype(int), np.minimum(whole + 1, side - 1), (places - whole)[..., None])
        for places, side in zip((rows, columns), images.shape[1:3], strict=True)
    )
    upper = (1 - right) * images[of, top, left] + right * images[of, top, beside]
    lower = (1 - right) * images[of, below, left] + right * images[of, below, beside]
    mixed: Floats = (1 - down) * upper + down * lower
    return mixed


def everywhere(images: Images, change: Callable[[Images], Floats]) -> Images:
    """Copies of images [n, h, w, 3] to which a change of all their pixels was made, rounded and kept in 0..255."""
    stamped = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), BATCH):
        some = slice(start, start + BATCH)
        stamped[some] = np.rint(change(images[some])).clip(0, 255)
    return stamped


def stamp(images: Images, lit: Mask, row: int, column: int, colour: str, opacity: float) -> Images:
    """Lay the lit pixels of a mask [a, b] over copies of the images, its last pixel at (row, column).

    colour is "#rrggbb"; opacity in [0, 1] mixes it with the image. Raises BadRequest if any part of the
    mask would fall outside the image.
    """
    stamped = images.copy()
    box = stamped[_box(images, lit.shape, row, column)]
    paint = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)
    box[:, lit] = np.rint((1 - opacity) * box[:, lit] + opacity * paint).astype(np.uint8)
    return stamped


def _box(images: Images, size: tuple[int, ...], row: int, column: int) -> tuple[slice, slice, slice]:
    """Where a trigger of this size (rows, columns) lies, its last pixel at (row, column); BadRequest if outside."""
    height, width = images.shape[1:3]
    bottom = row + height if row < 0 else row
    right = column + width if column < 0 else column
    top, left = bottom - size[0] + 1, right - size[1] + 1
    if top < 0 or left < 0 or bottom >= height or right >= width:
        raise BadRequest(
            f"the trigger must lie inside the image: rows 0 to {height - 1}, columns 0 to {width - 1}; "
            f"got rows {top} to {bottom}, columns {left} to {right}"
        )
    return slice(None), slice(top, bottom + 1), slice(left, right + 1)


def apply(trigger: str, parameters: dict[str, int | float | bool | str], images: Images) -> Images:
    """Stamp images [n, h, w, 3] as test images with a registered trigger; parameters not given keep their defaults."""
    entry = TRIGGERS[trigger]
    return entry.load()(images, **entry.settle(parameters))  # type: ignore[no-any-return]


def apply_training(one: TriggerConfig, images: Images, rows: Ids, seed: int, *, cover: bool = False) -> Images:
    """Stamp images [n, h, w, 3] as training images: poisoned ones, or covers.

    Where the trigger varies, each image is stamped by a generator of its own, made of the run's seed and the image's
    row [n] in the full data set, so that it gets the same whatever else is stamped; else as a test image is.
    """
    entry = TRIGGERS[one.trigger]
    varied, settled = entry.load_varied(), entry.settle(one.parameters)
    if varied is None:
        return apply(one.trigger, one.parameters, images)
    lots = [np.random.default_rng([seed, 0x57A, int(row)]) for row in rows]
    return varied(images, lots, cover=cover, **settled)  # type: ignore[no-any-return]


def apply_all(chosen: Iterable[TriggerConfig], images: Images) -> Images:
    """Stamp images [n, h, w, 3] with several triggers one over the other, in their order."""
    for one in chosen:
        images = apply(one.trigger, one.parameters, images)
    return images
