"""What can be seen of images without a network: views, each a representation [n, d] float32 of every image.

A pattern over the whole image is best seen in the spectrum of the image, a stamp in one place in a tile of it. So
there are two kinds of view. The cosine transforms (orthonormal two-dimensional DCT-II) of luminance and of the two
opponent colours, of the whole image; and tiles of 16 x 16 pixels at native resolution, which overlap by half where
that makes few of them. A larger image is reduced to a width and height of at most 32 for the transforms; what is
above 224 is reduced to that before tiles are cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.configuration import VIEWS
from core.types import BadRequest, Features, Images

WHOLE = 32  # pixels a side, to which the whole image is reduced
TILE = 16  # pixels a side
OVERLAPPING = 64  # up to this side tiles overlap by half
LARGEST = 224  # pixels a side, above which tiles are cut from a reduced image
CHANNELS = {
    "luminance": (1 / 3, 1 / 3, 1 / 3),
    "blue-yellow": (-1 / 2, -1 / 2, 1.0),
    "red-green": (1.0, -1.0, 0.0),
}
PREFIX = "image-"  # of a view's name among representations (core.configuration.VIEWS)
TILES = "tile-"  # after it, of a tile's

Plane = NDArray[np.float32]


class View(NamedTuple):
    """One way to look at images [n, h, w, 3]: its name, and where in the image (top, left, height, width), or None."""

    name: str
    place: tuple[int, int, int, int] | None

    def of(self, images: Images) -> Features:
        """The representation [n, d] float32 of images [n, h, w, 3] uint8."""
        if self.place is None:
            return spectrum(images, self.name.removesuffix(" spectrum"))
        top, left, height, width = self.place
        tile = reduced(images, LARGEST)[:, top : top + height, left : left + width]
        return tile.reshape(len(images), -1).astype(np.float32)


def whole_views() -> list[View]:
    """The spectrum of each channel."""
    return [View(f"{name} spectrum", None) for name in CHANNELS]


def tile_views(height: int, width: int) -> list[View]:
    """The tiles of images of this size, from the top left; none where the image is no larger than one."""
    if height * width <= TILE * TILE:
        return []
    height, width = _within(height, width, LARGEST)
    rows, columns = _starts(height), _starts(width)
    return [
        View(f"tile at row {top}, column {left}", (top, left, min(TILE, height), min(TILE, width)))
        for top in rows
        for left in columns
    ]


def _starts(side: int) -> list[int]:
    """Where tiles begin along a side, evenly, the last one ending with it."""
    if side <= TILE:
        return [0]
    step = TILE // 2 if side <= OVERLAPPING else TILE
    return [int(start) for start in np.linspace(0, side - TILE, -(-(side - TILE) // step) + 1)]


def spectrum(images: Images, channel: str) -> Features:
    """The two-dimensional DCT-II [n, h * w] float32 of a channel of images, reduced to at most 32 x 32; orthonormal."""
    from scipy.fft import dctn  # a sixth of what a command takes to start

    parts = [dctn(plane, axes=(1, 2), norm="ortho", overwrite_x=True) for plane in _planes(images, channel, WHOLE)]
    whole = np.concatenate(parts)
    return whole.reshape(len(whole), -1)


def _planes(images: Images, channel: str, side: int) -> Iterator[Plane]:
    """A channel of the images, block by block, [m, h, w] float32, reduced to at most so many pixels a side."""
    weights = np.array(CHANNELS[channel], np.float32)
    for block in _blocks(images):
        plane = block.astype(np.float32) @ weights  # of one channel, so that a third is left to reduce
        yield _shrunk(plane[..., None], side)[..., 0]


BLOCK = 2_000 * 32 * 32  # pixels at a time


def _blocks(images: Images) -> Iterator[Images]:
    """The images, a few at a time: the larger, the fewer."""
    few = max(1, BLOCK // (images.shape[1] * images.shape[2]))
    return (images[start : start + few] for start in range(0, len(images), few))


def reduced(images: Images, side: int) -> Images:
    """Images as they are where they have at most so many pixels a side; else averaged over areas, [n, h', w', 3]."""
    if max(images.shape[1:3]) <= side:
        return images
    return np.concatenate([np.rint(_shrunk(block, side)).astype(np.uint8) for block in _blocks(images)])


def _shrunk(images: NDArray[np.uint8 | np.float32], side: int) -> NDArray[np.float32]:
    """Averages over areas, so that neither side is longer than `side`; [m, h', w', c] float32 of [m, h, w, c]."""
    before = images.shape[1], images.shape[2]
    after = _within(*before, side)
    if before == after:
        return images.astype(np.float32, copy=False)
    down, across = (areas(length, shorter) for length, shorter in zip(before, after, strict=True))
    return np.asarray(np.einsum("yh,nhwc,xw->nyxc", down, images.astype(np.float32, copy=False), across, optimize=True))


def _within(height: int, width: int, side: int) -> tuple[int, int]:
    """A height and width in about their ratio, neither longer than `side`; as they are where they fit."""
    longest = max(height, width, side)
    return max(1, round(height * side / longest)), max(1, round(width * side / longest))


def areas(length: int, shorter: int) -> NDArray[np.float32]:
    """Weights [shorter, length] that average a row of pixels over pieces of equal length."""
    edges = np.linspace(0, length, shorter + 1)
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.clip(covered, 0, None) * shorter / length, np.float32)


def view(name: str, images: Images) -> Features:
    """Images [n, h, w, 3] uint8 as a representation [n, d] float32.

    A channel's spectrum, all three together, or the tile in a corner, in the middle of a side, or of the whole image.
    """
    if name not in VIEWS:
        raise BadRequest(f"a view must be one of {list(VIEWS)}, got {name!r}")
    what = name.removeprefix(PREFIX)
    if what.startswith(TILES):
        return _tile(what.removeprefix(TILES), images)
    if what == "colours":
        return np.concatenate([spectrum(images, one) for one in CHANNELS], axis=1)
    return spectrum(images, what)


def _tile(where: str, images: Images) -> Features:
    """The tile that words such as top-left, right or middle say, [n, d] of images [n, h, w, 3]."""
    height, width = _within(images.shape[1], images.shape[2], LARGEST)
    top = _placed(height, before="top" in where, after="bottom" in where)
    left = _placed(width, before="left" in where, after="right" in where)
    return View(name=where, place=(top, left, min(TILE, height), min(TILE, width))).of(images)


def _placed(side: int, *, before: bool, after: bool) -> int:
    """Where a tile begins along a side: with it, with its end, or in the middle."""
    room = max(0, side - TILE)
    return 0 if before else room if after else room // 2
