"""A page of thumbnails as one piece of HTML, and one image in detail. Enlarged without smoothing."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import colours
from .plots import figure_text

Pixels = NDArray[np.uint8]

DETAIL = 224  # pixels, the side of an image in detail

_STYLE = f"""<style>
.ps-grid {{display: flex; flex-wrap: wrap; gap: .7rem;}}
.ps-thumb {{margin: 0; padding: .3rem; border: 2px solid rgba(128,128,128,.35); border-radius: .5rem;}}
.ps-thumb img {{display: block; image-rendering: pixelated; border-radius: .2rem;}}
.ps-thumb figcaption {{font-size: .78rem; line-height: 1.35; margin-top: .3rem; overflow-wrap: anywhere;}}
.ps-thumb.ps-poisoned {{border: 3px dashed {colours.POISONED};}}
.ps-thumb.ps-benign {{border: 3px solid {colours.BENIGN};}}
.ps-mark {{display: inline-block; padding: 0 .35rem; border-radius: .3rem; color: #fff; font-weight: 600;}}
</style>"""


class Thumbnail(NamedTuple):
    """What stands below an image. poisoned, id and made_from are None in blind review: they would tell."""

    pixels: Pixels
    rank: int
    score: float
    label: str
    flagged: bool
    id: int | None = None
    made_from: str | None = None
    poisoned: bool | None = None

    @property
    def alt(self) -> str:
        name = "an image" if self.id is None else f"image {self.id}"
        text = f"{name}, labelled {self.label}, rank {self.rank}, score {figure_text(self.score)}"
        return text if self.poisoned is None else f"{text}, {'poisoned' if self.poisoned else 'benign'}"


def grid(thumbnails: list[Thumbnail], size: int) -> str:
    """Thumbnails side by side, as many in a row as fit."""
    return f"{_STYLE}<div class='ps-grid'>{''.join(_figure(thumbnail, size) for thumbnail in thumbnails)}</div>"


def _figure(thumbnail: Thumbnail, size: int) -> str:
    kind = "" if thumbnail.poisoned is None else " ps-poisoned" if thumbnail.poisoned else " ps-benign"
    lines = [f"<b>#{thumbnail.rank}</b> · {figure_text(thumbnail.score)}", f"label <b>{escape(thumbnail.label)}</b>"]
    if thumbnail.made_from is not None:
        lines.append(f"from {escape(thumbnail.made_from)}")
    if thumbnail.id is not None:
        lines.append(f"id {thumbnail.id}")
    if thumbnail.poisoned is not None:
        lines.append(_mark(thumbnail.poisoned))
    if not thumbnail.flagged:
        lines.append("not flagged")
    return (
        f"<figure class='ps-thumb{kind}' style='width:{size + 16}px'>"
        f"<img src='data:image/png;base64,{_png(thumbnail.pixels)}' alt='{escape(thumbnail.alt, quote=True)}' "
        f"width='{size}' height='{size}'><figcaption>{'<br>'.join(lines)}</figcaption></figure>"
    )


def _mark(poisoned: bool) -> str:
    colour, text = (colours.POISONED, "✕ poisoned") if poisoned else (colours.BENIGN, "● benign")
    return f"<span class='ps-mark' style='background:{colour}'>{text}</span>"


def _png(pixels: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode()


def enlarged(pixels: Pixels) -> Pixels:
    """An image as large as the detail view wants it, every pixel a square."""
    factor = max(1, DETAIL // pixels.shape[0])
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def difference(before: Pixels, after: Pixels) -> tuple[Pixels, float]:
    """What changed, as bright as the picture allows, and how many times it was amplified."""
    change = np.abs(after.astype(np.int64) - before.astype(np.int64))
    top = int(change.max())
    if not top:
        return change.astype(np.uint8), 1.0
    return np.rint(change * (255 / top)).astype(np.uint8), 255 / top
