"""Pictures: lines from before to after, histograms, images. What stands where is computed, a template draws it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from core.evaluation.figures import share
from core.results.templates import render

BENIGN, POISONED, REFERENCE = "#0072B2", "#D55E00", "#7A7A7A"
COLOURS = {"benign": BENIGN, "poisoned": POISONED, "reference": REFERENCE}
ORANGE = tuple(bytes.fromhex(POISONED[1:]))
PAPER, FADED = 232, 0.45  # what an image pales to, and how much of it stays
BINS = 60
LETTER = 10  # pixels, the width of a letter of a name, about
LINE = 42  # pixels, the height of a line from before to after

# The hatching of histograms. Stands once in a page that has some: an id may not be given twice.
PATTERNS = render("markup/patterns.html.jinja", colours=COLOURS)


def picture(pixels: NDArray[np.uint8], alt: str, side: int) -> Markup:
    """An image [h, w, 3] as an inline PNG, drawn `side` pixels wide without smoothing."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return render("markup/picture.html.jinja", data=data, alt=alt, side=side)


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """What changed between two images [h, w, 3], laid over the first: it pales, the changed pixels are orange.

    The orange covers a pixel by how far its farthest channel moved, of the farthest in the image: also returns how many
    times that is more than the change itself, 1 to 255.
    """
    moved = np.abs(after.astype(float) - before.astype(float)).max(2, keepdims=True)
    top = float(moved.max())
    share, factor = (moved / top, 255 / top) if top else (moved, 1.0)
    pale = PAPER + FADED * (before.mean(2, keepdims=True) - PAPER)
    return np.rint(share * np.array(ORANGE) + (1 - share) * pale).astype(np.uint8), factor


# --- lines from before to after --------------------------------------------------------------------------


def dumbbells(
    rows: Mapping[str, tuple[float, float]], alt: str, marks: Mapping[str, float] | None = None, low: float = 0.0
) -> Markup:
    """A line a row from before (✕) to after (●), shares in [0, 1]; `marks` adds a diamond to a row."""
    left, right = max(150, 30 + LETTER * max(map(len, rows), default=0)), 560

    def x(part: float) -> float:
        return left + (right - left) * (part - low) / (1.0 - low)

    step = 0.25 if low < 0.5 else 0.1
    ticks = np.arange(np.ceil(low / step) * step, 1.0001, step)
    lines = [
        dict(
            name=name, y=LINE * number + 26, before=x(before), after=x(after),
            diamond=x(marks[name]) if marks and name in marks else None,
            says=f"{share(before)} → {share(after)}",
        )
        for number, (name, (before, after)) in enumerate(rows.items())
    ]  # fmt: skip
    return render(
        "markup/dumbbells.html.jinja", alt=alt, width=720, height=LINE * len(rows) + 34, colours=COLOURS,
        ticks=[(x(tick), f"{100 * tick:.0f}%") for tick in ticks], bottom=LINE * len(rows) + 8, lines=lines,
        words_at=right + 18,
    )  # fmt: skip


# --- histograms ------------------------------------------------------------------------------------------


class Scale:
    """Where a score stands on a picture: the inverse hyperbolic sine, logarithmic for all but small scores."""

    def __init__(self, scores: NDArray[np.float64]) -> None:
        sizes = np.abs(scores[scores != 0])
        self.unit = max(float(np.quantile(sizes, 0.1)), float(sizes.max()) * 1e-9, 1e-30) if len(sizes) else 1.0
        places = self.place(scores)
        self.low, self.high = float(min(places.min(), 0.0)), float(places.max())
        if self.high - self.low < 1e-9:
            self.high = self.low + 1.0

    def place(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Scores as places on the axis, the same shape."""
        return np.asarray(np.arcsinh(np.asarray(scores, float) / self.unit))

    def ticks(self, most: int) -> list[float]:
        """Round scores to write below the picture: zero and powers of ten."""
        top = float(np.sinh(max(abs(self.low), abs(self.high))) * self.unit)
        first, last = int(np.ceil(np.log10(self.unit))), int(np.floor(np.log10(top)))
        powers = [10.0**power for power in range(first, last + 1, max(1, (last - first) // most))]
        return [t for t in [-p for p in powers[::-1]] + [0.0] + powers if self.low <= self.place(t) <= self.high]


def histogram(
    scores: NDArray[np.float64],
    poisoned: NDArray[np.bool_] | None,
    scale: Scale,
    alt: str,
    cut: float | None = None,
    size: tuple[int, int] = (720, 230),
) -> Markup:
    """A class's scores [n] as bars; poisoned ones over the benign, one neutral kind where poisoned is None.

    `cut` draws the line from which on images are removed. The page needs PATTERNS for the hatching.
    """
    width, height = size
    large = width > 400
    bins = BINS if large else BINS // 2
    edges = np.linspace(scale.low, scale.high, bins + 1)
    places = np.clip(scale.place(scores), scale.low, scale.high)
    kinds = [(places, REFERENCE)] if poisoned is None else [
        (places[~poisoned], BENIGN), (places[poisoned], "url(#hatched)")
    ]  # fmt: skip
    counts = [np.histogram(found, edges)[0] for found, _ in kinds]
    top = max(1, max(int(found.max()) for found in counts))
    bottom = height - 24

    def x(place: float) -> float:
        return width * (place - scale.low) / (scale.high - scale.low)

    bars = [
        dict(x=x(edges[at]), height=max(2.0, (bottom - 16) * found[at] / top), fill=fill)
        for found, (_, fill) in zip(counts, kinds, strict=True)
        for at in np.flatnonzero(found)
    ]
    return render(
        "markup/histogram.html.jinja", alt=alt, width=width, height=height, bottom=bottom, bars=bars,
        bar_width=width / bins - 0.6,
        ticks=[_tick(x(float(scale.place(tick))), tick, width) for tick in scale.ticks(5 if large else 2)],
        top=f"{top:,}" if large else None,
        cut=None if cut is None else x(float(np.clip(scale.place(cut), scale.low, scale.high))),
    )  # fmt: skip


def _tick(at: float, score: float, width: int) -> dict[str, float | str]:
    """A score written below a histogram, inside of the picture where that ends."""
    return dict(at=at, anchor="start" if at < 12 else "end" if at > width - 12 else "middle", score=f"{score:g}")
