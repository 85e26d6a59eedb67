"""Pictures of a network's inside as HTML: its first filters, what they answer, the trigger's path."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly.colors import hex_to_rgb, sequential

from core.results import REACTS, Filters, Layer
from pages.parts.around.pixels import Pixels, png
from pages.parts.around.templates import Markup, render
from pages.parts.common.asked import Asked

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
_COLOURS = np.array([hex_to_rgb(colour) for colour in sequential.Cividis])


def excited(asked: Asked, filters: Filters, large: int, top: float) -> Markup:
    """A network's filters, the most excited first: `large` of them with a bar, full at `top`, and the rest small."""
    shown = [_filter(filters, int(number), top) for number in filters.order]
    return render(
        "common/excited.html.jinja", asked=asked, large=shown[:large], small=shown[large:], shape=shape_words(filters)
    )


def _filter(filters: Filters, number: int, top: float) -> dict[str, Any]:
    rise = filters.excitation[number]
    return dict(
        number=number, rise=rise, error=filters.error[number], backdoor=bool(filters.backdoor[number]),
        width=100 * max(rise, 0) / top, png=png(picture(filters.pixels[number])),
    )  # fmt: skip


def shape_words(filters: Filters) -> str:
    height, width = filters.pixels.shape[1:3]
    return f"{height} by {width} pixels in colour"


def picture(filter: Floats) -> Pixels:
    """A filter [kh, kw, 3] as a picture: grey is 0, its strongest weight 0 or 255."""
    strongest = max(float(np.abs(filter).max()), 1e-12)
    return np.rint(127.5 + 127.5 * filter / strongest).astype(np.uint8)


def pair(images: Pixels, answers: Floats, top: float, what: str) -> Markup:
    """An image without and with the trigger, [2, h, w, 3], and a filter's answers to them, [2, h', w'].

    An answer of 0 or less is dark, one of `top` is yellow.
    """
    shown = [
        dict(state=state, image=png(image), answer=png(coloured(answer / top)), most=f"{answer.max():.1f}")
        for image, answer, state in zip(images, answers, ("clean", "stamped"), strict=True)
    ]
    return render("common/pair.html.jinja", what=what, shown=shown)


def path(found: dict[Asked, list[Layer]]) -> Markup:
    """One row a layer, one column a network: every channel's reaction as a strip, the strongest at the left."""
    rows = [
        (LAYER_NAMES[layers[0].name], [_strip(asked, layer) for asked, layer in zip(found, layers, strict=True)])
        for layers in zip(*found.values(), strict=True)
    ]
    ramp = png(coloured(np.linspace(0, 1, 64))[None])
    ends = [f"{LOWEST:g}", f"{REACTS:g} = reacts", "10", f"{HIGHEST:g} SD"]
    return render("common/path.html.jinja", networks=list(found), rows=rows, ramp=ramp, ends=ends)


def _strip(asked: Asked, layer: Layer) -> dict[str, str]:
    sizes = np.sort(np.abs(layer.change))[::-1]
    says = f"{int(layer.reacts.sum())} of {len(sizes)} react"
    alt = f"{asked.title}, {LAYER_NAMES[layer.name]}: {says}, the strongest by {sizes[0]:.1f} standard deviations"
    return dict(png=png(coloured(_log(sizes))[None]), alt=alt, says=says, strongest=f"{sizes[0]:.1f}")


def _log(sizes: Floats) -> Floats:
    low, high = np.log10(LOWEST), np.log10(HIGHEST)
    return (np.log10(np.clip(sizes, LOWEST, HIGHEST)) - low) / (high - low)


def coloured(shares: Floats) -> Pixels:
    """Shares in [0, 1] as colours [..., 3] from dark blue to yellow (Cividis, safe for colour-blind readers)."""
    places = np.clip(shares, 0, 1) * (len(_COLOURS) - 1)
    channels = [np.interp(places, np.arange(len(_COLOURS)), _COLOURS[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
