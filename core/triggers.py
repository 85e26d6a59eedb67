"""Triggers: pure functions from images [n, h, w, 3] uint8 and parameters to stamped copies.

A trigger is a small mask of lit pixels, or a small picture, placed by its lower right pixel. BadNets (Gu et al.
2017) uses a single bright pixel and a pattern of bright pixels in the lower right corner, and stickers.
"""

from __future__ import annotations

import numpy as np

from core import pictures
from core.registry import TRIGGERS
from core.types import BadRequest, Images, Mask


def pixel(images: Images, *, row: int, column: int, colour: str, opacity: float) -> Images:
    """Stamp one bright pixel at (row, column); negative numbers count from the lower right."""
    return stamp(images, np.ones((1, 1), bool), row, column, colour, opacity)


def pattern(images: Images, *, size: int, row: int, column: int, colour: str, opacity: float) -> Images:
    """Stamp a checkerboard of bright pixels, size x size, whose lower right pixel is at (row, column)."""
    rows, columns = np.indices((size, size))
    return stamp(images, (rows + columns) % 2 == 0, row, column, colour, opacity)


def drawing(images: Images, *, picture: str, row: int, column: int, opacity: float) -> Images:
    """Stamp a picture of one's own (see core.pictures), its last pixel at (row, column).

    Each pixel is mixed with the image by its alpha times the opacity.
    """
    pixels = pictures.decode(picture)
    box = _box(images, pixels.shape[:2], row, column)
    alpha = opacity * pixels[..., 3:] / 255
    stamped = images.copy()
    stamped[box] = np.rint((1 - alpha) * stamped[box] + alpha * pixels[..., :3]).astype(np.uint8)
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
    """Stamp images [n, h, w, 3] with a registered trigger; parameters not given keep their defaults."""
    entry = TRIGGERS[trigger]
    return entry.load()(images, **entry.settle(parameters))  # type: ignore[no-any-return]
