"""Pictures of a network's inside as HTML: its first filters, what they answer, the trigger's path."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import hex_to_rgb, sequential

from core.results import REACTS, Filters, Layer
from pages.parts.common.asked import Asked

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

LAYER_NAMES = {
    "first layer": "first layer",
    "block1": "block 1",
    "block2": "block 2",
    "block3": "block 3",
    "penultimate": "penultimate",
    "logits": "logits",
}
LOWEST, HIGHEST = 0.1, 100.0  # standard deviations, the ends of the path's colours
STYLE = """<style>
.ps-net {font-size: 1.05rem; font-weight: 600; margin: 0 0 .4rem;}
.ps-net span {display: inline-block; color: #fff; border-radius: .3rem; padding: 0 .4rem; margin-right: .3rem;}
.ps-filter {display: grid; grid-template-columns: 3.6rem 1fr; gap: .6rem; align-items: center; margin: 0 0 .35rem;
  padding: 3px; border: 3px solid transparent; border-radius: .5rem; font-size: .86rem; line-height: 1.25;}
.ps-filter.ps-back {border-color: currentColor;}
.ps-filter img, .ps-rest img, .ps-pair img {image-rendering: pixelated; display: block; border-radius: .2rem;}
.ps-filter img {width: 3.6rem; height: 3.6rem;}
.ps-filter i {display: block; height: .7rem; border-radius: .2rem; margin-bottom: .2rem; min-width: 2px;}
.ps-rest {display: flex; flex-wrap: wrap; gap: .3rem; margin-top: .5rem;}
.ps-rest img {width: 1.9rem; height: 1.9rem;}
.ps-pair {display: grid; grid-template-columns: repeat(2, minmax(0, 8.5rem)); gap: .5rem .7rem; font-size: .82rem;}
.ps-pair img {width: 100%;}
.ps-pair div {line-height: 1.25;}
.ps-path {display: grid; gap: .35rem .9rem; align-items: center; font-size: .9rem;
  grid-template-columns: auto repeat(var(--networks), minmax(0, 1fr));}
.ps-path img {width: 100%; height: 1.7rem; image-rendering: pixelated; display: block; border-radius: .2rem;}
.ps-path b {white-space: nowrap;}
.ps-strip {line-height: 1.2;}
@media (max-width: 40rem) {
  .ps-path {grid-template-columns: repeat(var(--networks), minmax(0, 1fr));}
  .ps-path > b {grid-column: 1 / -1; margin-top: .4rem;}
  .ps-path > span {display: none;}
}
.ps-strip small {font-size: .8rem;}
.ps-legend {display: grid; grid-template-columns: minmax(0, 22rem); font-size: .8rem; margin-top: .6rem;}
.ps-legend img {width: 100%; height: .7rem; border-radius: .2rem;}
.ps-legend div {display: flex; justify-content: space-between;}
</style>"""
_COLOURS = np.array([hex_to_rgb(colour) for colour in sequential.Cividis])


def heading(asked: Asked) -> str:
    return (
        f"<p class='ps-net'><span style='background:{asked.colour}' aria-hidden='true'>{asked.mark}</span>"
        f"{escape(asked.title)}</p>"
    )


def excited(asked: Asked, filters: Filters, large: int, top: float) -> str:
    """A network's filters, the most excited first: `large` of them with a bar, full at `top`, and the rest small."""
    order = filters.order
    rows = "".join(_row(asked, filters, int(number), top) for number in order[:large])
    rest = "".join(_small(filters, int(number)) for number in order[large:])
    return f"{heading(asked)}{rows}<div class='ps-rest'>{rest}</div>"


def _small(filters: Filters, number: int) -> str:
    alt = f"Filter {number}, excitation {filters.excitation[number]:.1f}"
    return f"<img src='{png(picture(filters.pixels[number]))}' alt='{alt}' title='{alt}'>"


def _row(asked: Asked, filters: Filters, number: int, top: float) -> str:
    rise, error = filters.excitation[number], filters.error[number]
    marked = bool(filters.backdoor[number])
    words = " · <b>backdoor filter</b>" if marked else ""
    width = 100 * max(rise, 0) / top
    return (
        f"<div class='ps-filter{' ps-back' if marked else ''}'>"
        f"<img src='{png(picture(filters.pixels[number]))}' alt='Filter {number}: {shape_words(filters)}'>"
        f"<div><i style='width:{width:.1f}%;background:{asked.bar}'></i>"
        f"<b>{rise:+.1f}</b> ± {error:.1f} · filter {number}{words}</div></div>"
    )


def shape_words(filters: Filters) -> str:
    height, width = filters.pixels.shape[1:3]
    return f"{height} by {width} pixels in colour"


def picture(filter: Floats) -> Pixels:
    """A filter [kh, kw, 3] as a picture: grey is 0, its strongest weight 0 or 255."""
    strongest = max(float(np.abs(filter).max()), 1e-12)
    return np.rint(127.5 + 127.5 * filter / strongest).astype(np.uint8)


def pair(images: Pixels, answers: Floats, top: float, what: str) -> str:
    """An image without and with the trigger, [2, h, w, 3], and a filter's answers to them, [2, h', w'].

    An answer of 0 or less is dark, one of `top` is yellow.
    """
    cells = []
    for image, answer, state in zip(images, answers, ("clean", "stamped"), strict=True):
        alt = f"The filter answers to the {state} image with at most {answer.max():.1f}"
        cells.append(
            f"<div><img src='{png(image)}' alt='{escape(what)}, {state}'>{state}</div>"
            f"<div><img src='{png(coloured(answer / top))}' alt='{alt}'>answer, at most <b>{answer.max():.1f}</b></div>"
        )
    return f"<div class='ps-pair'>{''.join(cells)}</div>"


def path(found: dict[Asked, list[Layer]]) -> str:
    """One row a layer, one column a network: every channel's reaction as a strip, the strongest at the left."""
    cells = ["<span></span>", *(heading(asked) for asked in found)]
    for number, layers in enumerate(zip(*found.values(), strict=True)):
        cells.append(f"<b>{number + 1}. {LAYER_NAMES[layers[0].name]}</b>")
        cells += [_strip(asked, layer) for asked, layer in zip(found, layers, strict=True)]
    return f"<div class='ps-path' style='--networks:{len(found)}'>{''.join(cells)}</div>{_legend()}"


def _strip(asked: Asked, layer: Layer) -> str:
    sizes = np.sort(np.abs(layer.change))[::-1]
    says = f"{int(layer.reacts.sum())} of {len(sizes)} react"
    alt = f"{asked.title}, {LAYER_NAMES[layer.name]}: {says}, the strongest by {sizes[0]:.1f} standard deviations"
    return (
        f"<div class='ps-strip'><img src='{png(coloured(_log(sizes))[None])}' alt='{escape(alt)}'>"
        f"<b>{says}</b><br><small>strongest {sizes[0]:.1f} SD</small></div>"
    )


def _legend() -> str:
    ramp = png(coloured(np.linspace(0, 1, 64))[None])
    ends = f"<span>{LOWEST:g}</span><span>{REACTS:g} = reacts</span><span>10</span><span>{HIGHEST:g} SD</span>"
    alt = "Colours from dark blue, hardly any reaction, to yellow"
    return f"<div class='ps-legend'><img src='{ramp}' alt='{alt}'><div>{ends}</div></div>"


def _log(sizes: Floats) -> Floats:
    low, high = np.log10(LOWEST), np.log10(HIGHEST)
    return (np.log10(np.clip(sizes, LOWEST, HIGHEST)) - low) / (high - low)


def coloured(shares: Floats) -> Pixels:
    """Shares in [0, 1] as colours [..., 3] from dark blue to yellow (Cividis, safe for colour-blind readers)."""
    places = np.clip(shares, 0, 1) * (len(_COLOURS) - 1)
    channels = [np.interp(places, np.arange(len(_COLOURS)), _COLOURS[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def png(pixels: Pixels) -> str:
    """An image as a data address."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
