"""Arrays of images as people have them: which axis is what, and how their numbers become 0 to 255."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.audits.found import Fault, Raw, Row
from core.configuration import pictures
from core.types import BadRequest

CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}


class Form(NamedTuple):
    """How a row is to be read: height, width, channels (0: no axis of them), whether they come first; what to say."""

    height: int
    width: int
    channels: int
    first: bool
    note: str


class Scale(NamedTuple):
    """What a value is multiplied by to be 0 to 255, the mode of a picture that would hold it, and what to say."""

    factor: float
    mode: str
    note: str = ""


def form(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> Form:
    """The form of images [n, h, w], [n, h, w, 1, 3 or 4] or [n, 1, 3 or 4, h, w]; BadRequest for any other."""
    allowed = f"{where} must be images [n, h, w, 3], [n, h, w], [n, h, w, 1] or [n, 3, h, w]"
    if dtype.kind not in "buif":
        raise BadRequest(f"{allowed} of numbers, got {dtype}")
    found = None
    if len(shape) == 3:
        found = Form(shape[1], shape[2], 0, False, "Images have one channel and are read as grey.")
    elif len(shape) == 4 and shape[3] in CHANNELS:
        found = Form(shape[1], shape[2], shape[3], False, _told(shape[3]))
    elif len(shape) == 4 and shape[1] in CHANNELS:
        found = Form(shape[2], shape[3], shape[1], True, f"Images are read as [n, {shape[1]}, h, w], channels first.")
    if found is None or not shape[0]:
        hint = " (flat rows: reshape them to [n, h, w, 3])" if len(shape) == 2 else ""
        raise BadRequest(f"{allowed}, got shape {list(shape)}{hint}")
    if not 0 < found.height * found.width <= pictures.MOST_PIXELS:
        raise BadRequest(
            f"{where} must hold images of at most {pictures.MOST_PIXELS // 1_000_000} million pixels, got "
            f"{found.height:,} x {found.width:,}"
        )
    return found


def scale_of(rows: Iterable[NDArray[Any]], dtype: np.dtype[Any], where: str) -> Scale:
    """How the numbers of an array become 0 to 255, by the least and the largest; BadRequest where that is unclear.

    Fractions from 0 to 1 are shares of white, whole numbers to 255 are as they are, to 65,535 they are 16 bits.
    """
    if dtype == np.uint8:
        return Scale(1.0, "")
    if dtype.kind == "b":
        return Scale(255.0, "1")
    low, high = _range(rows)
    if low >= 0 and dtype.kind == "f" and high <= 1:
        return Scale(255.0, "F", "Images hold fractions from 0 to 1, which are multiplied by 255.")
    if low >= 0 and high <= 255:
        return Scale(1.0, "F" if dtype.kind == "f" else "I", f"Images hold {dtype} from 0 to 255, taken as they are.")
    if low >= 0 and dtype.kind != "f" and high <= 65_535:
        return Scale(255 / 65_535, "I;16", "Images hold 16 bits, which are scaled to 8.")
    raise BadRequest(
        f"{where} must hold numbers from 0 to 255, fractions from 0 to 1, or 16 bits from 0 to 65,535; got {low:g} to "
        f"{high:g}. Undo what normalised them"
    )


def row(values: NDArray[Any], form: Form, scale: Scale) -> Raw:
    """One image of an array, as pixels."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return Fault("holds numbers that are not finite")
    pixels = values if values.dtype == np.uint8 else np.rint(values * scale.factor).astype(np.uint8)
    if form.first:
        pixels = pixels.transpose(1, 2, 0)
    if form.channels == 1:
        pixels = pixels[..., 0]
    mode = scale.mode or CHANNELS[form.channels or 1]
    return Row(np.ascontiguousarray(pixels), mode, np.ascontiguousarray(values).tobytes())


def _told(channels: int) -> str:
    return {
        1: "Images have one channel and are read as grey.",
        4: "Images have four channels: the fourth is transparency and is dropped, as a network's loader does.",
    }.get(channels, "")


def _range(rows: Iterable[NDArray[Any]]) -> tuple[float, float]:
    """The least and the largest finite number; 0 and 0 where there is none."""
    low, high = np.inf, -np.inf
    for values in rows:
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)
