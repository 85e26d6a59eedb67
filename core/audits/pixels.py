"""From a picture's bytes to what a network is shown: uint8 RGB at one working size.

As torchvision's ImageFolder and most loaders do it, by `convert("RGB")`: transparency is dropped and what lies under it
is seen. A viewer lays the picture on white or on a pattern instead, so something can hide there; where the two differ
clearly the image is named as doubtful. Otherwise than these loaders, which turn nearly all of a 16-bit grey picture
white, more bits than 8 are scaled; and pictures stand upright as their EXIF says.
"""

from __future__ import annotations

from contextlib import suppress
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.configuration import pictures
from core.types import BadRequest, Images

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "AVIF")  # none that runs a program, as EPS does
VISIBLE = 32  # levels of 255 by which a pixel looks different
SHARE = 0.001  # of an image's pixels from which on it does
STRIP = 2**20  # pixels that are looked at together, of up to 40 million
CUT = 4  # times as long as wide, from which on the middle says little of the whole
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap height and width


class Seen(NamedTuple):
    """Pixels [h, w, 3] uint8 at the working size; height, width and mode before that; doubts, in words."""

    pixels: NDArray[np.uint8]
    height: int
    width: int
    mode: str
    doubts: tuple[str, ...] = ()


def size_of(file: IO[bytes]) -> tuple[int, int]:
    """Height and width of a picture as it stands upright, from its head; BadRequest where it is none or too large."""
    from PIL import Image

    with pictures.opened(file, FORMATS) as image:
        sideways = False
        with suppress(Exception):  # damaged EXIF; not image.getexif(), which unpacks the pixels of a PNG
            sideways = Image.Image.getexif(image).get(0x0112) in _SIDEWAYS
        return (image.width, image.height) if sideways else (image.height, image.width)


def seen(data: bytes, shape: tuple[int, int]) -> Seen:
    """A picture's file as a network is shown it, at the working size (height, width); BadRequest says what is wrong."""
    with pictures.opened(data, FORMATS) as image:
        mode, doubts = image.mode, _frames(image)
        _turn(image)
        rgb, hidden = _as_rgb(image)
        height, width = image.height, image.width
        return Seen(_fitted(rgb, shape), height, width, mode, (*doubts, *hidden, *_cut(height, width, shape)))


def shown(pixels: Images, shape: tuple[int, int], mode: str) -> Seen:
    """One image of an array, [h, w], [h, w, 3] or [h, w, 4] uint8, at the working size."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if pixels.shape == (*shape, 3):
        return Seen(pixels, height, width, mode)
    rgb, hidden = _as_rgb(Image.fromarray(pixels))
    return Seen(_fitted(rgb, shape), height, width, mode, (*hidden, *_cut(height, width, shape)))


def _turn(image: Any) -> None:
    """Upright as its EXIF says, unless that is damaged: a loader that does not look at it reads such a picture, too."""
    from PIL import ImageOps

    image.load()
    with suppress(Exception):  # Pillow raises many kinds
        ImageOps.exif_transpose(image, in_place=True)


def _frames(image: Any) -> tuple[str, ...]:
    """A phone's JPEG carries a preview as a second frame; that is no animation."""
    several = False
    with suppress(Exception):  # a second frame that is damaged
        several = image.format != "MPO" and bool(getattr(image, "is_animated", False))
    return () if not several else ("has more than one frame; the first is taken",)


def _as_rgb(image: Any) -> tuple[Any, tuple[str, ...]]:
    """The image in mode RGB, and a doubt where its transparency hides something."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # Pillow's own conversion cuts off what is above 255
        return Image.fromarray(pictures.in_eight_bits(np.asarray(image))).convert("RGB"), ()
    if ("A" in image.mode.upper() and image.mode != "LAB") or "transparency" in image.info:
        whole = image if image.mode == "RGBA" else image.convert("RGBA")
        return whole.convert("RGB"), _hidden(whole)
    return (image if image.mode == "RGB" else image.convert("RGB")), ()


def _hidden(image: Any) -> tuple[str, ...]:
    """Whether an RGBA image looks clearly different with its transparency dropped and laid on white."""
    differ, lowest, highest = 0, np.full(3, 255, np.uint8), np.zeros(3, np.uint8)
    height = max(1, STRIP // image.width)
    for top in range(0, image.height, height):
        strip = np.asarray(image.crop((0, top, image.width, min(image.height, top + height))))
        lost, dark = 255 - strip[..., 3].astype(np.uint16), 255 - strip[..., :3].min(2).astype(np.uint16)
        differ += int(np.count_nonzero(lost * dark > VISIBLE * 255))  # at most 65,025
        under = strip[..., :3][strip[..., 3] == 0]
        lowest, highest = under.min(0, initial=255).clip(max=lowest), under.max(0, initial=0).clip(min=highest)
    share = differ / (image.width * image.height)
    if share < SHARE:
        return ()
    several = bool((highest.astype(np.int16) - lowest > VISIBLE).any())
    what = "; a picture of its own lies under what is fully transparent" if several else ""
    return (
        f"{share:.1%} of its pixels look otherwise on white than to a network, which is shown no transparency{what}",
    )


def _cut(height: int, width: int, shape: tuple[int, int]) -> tuple[str, ...]:
    """A doubt where the middle that is cut out is less than a quarter of the picture."""
    scale = max(shape[0] / height, shape[1] / width)
    if shape[0] * shape[1] * CUT >= height * width * scale**2:
        return ()
    return (f"is {height:,} by {width:,} pixels, of which only the middle is looked at",)


def _fitted(image: Any, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle of an RGB image that has the shape's form, averaged over areas to it; a smaller one is magnified."""
    from PIL import Image

    height, width = shape
    if (image.height, image.width) == shape:
        return np.asarray(image)
    scale = max(height / image.height, width / image.width)
    tall, wide = min(image.height, height / scale), min(image.width, width / scale)
    top, left = (image.height - tall) // 2, (image.width - wide) // 2
    how = Image.Resampling.BOX if scale <= 1 else Image.Resampling.BILINEAR
    return np.asarray(image.resize((width, height), how, (left, top, left + wide, top + tall)))


def check_side(side: int | None) -> None:
    """BadRequest for a working size that is none."""
    if side is not None and not (isinstance(side, int) and not isinstance(side, bool) and 8 <= side <= 1024):
        raise BadRequest(f"side must be a whole number of pixels from 8 to 1,024, got {side!r}")
