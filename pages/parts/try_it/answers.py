"""What networks answer to one picture, as HTML: the picture in large, and bars of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from pages.parts.around import words
from pages.parts.common import filters
from pages.parts.common.asked import Asked

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

SHOWN = 5  # classes with a bar of their own
RIGHT, TARGET = "✓ true class", "◎ the attacker's target"
STYLE = """<style>
.ps-large {margin: 0; max-width: 20rem;}
.ps-large img {display: block; width: 100%; image-rendering: pixelated; border-radius: .4rem;}
.ps-large figcaption {font-size: .9rem; margin-top: .35rem; line-height: 1.3;}
.ps-answer {font-size: 1.5rem; font-weight: 700; line-height: 1.2; margin: 0 0 .1rem;}
.ps-verdict {margin: 0 0 .6rem; font-size: .95rem; min-height: 1.4rem;}
.ps-line {display: grid; grid-template-columns: 1fr auto; gap: .05rem .5rem; font-size: .9rem; line-height: 1.25;
  margin-bottom: .4rem;}
.ps-line > div {grid-column: 1 / 3; height: .8rem; border-radius: .2rem; background: rgba(128,128,128,.16);}
.ps-line i {display: block; height: 100%; border-radius: .2rem; min-width: 2px;}
.ps-line span:nth-child(2) {font-variant-numeric: tabular-nums;}
.ps-line.ps-top {font-weight: 700;}
</style>"""


def large(pixels: Pixels, caption: str, alt: str) -> str:
    """A picture [h, w, 3] with crisp pixels and a caption."""
    return (
        f"{STYLE}<figure class='ps-large'><img src='{filters.png(pixels)}' alt='{escape(alt, quote=True)}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def bars(asked: Asked, found: Floats, names: Sequence[str], right: int | None, target: int | None) -> str:
    """A network's probabilities [k], the highest first; true class and target are shown and marked where known."""
    best = int(found.argmax())
    order = [int(label) for label in np.argsort(-found, kind="stable")]
    marked = [label for label in order if label in (right, target)]
    others = [label for label in order if label not in marked][: SHOWN - len(marked)]
    shown = sorted([*marked, *others], key=order.index)
    rows = "".join(
        _line(asked, f"{escape(names[label])}{_marks(label, right, target)}", float(found[label]), label == best)
        for label in shown
    )
    if len(shown) < len(names):
        rows += _line(asked, f"the other {len(names) - len(shown)}", float(np.delete(found, shown).sum()), False)
    return (
        f"{STYLE}{filters.STYLE}{filters.heading(asked)}<p class='ps-answer'>{escape(names[best])} "
        f"{words.share(float(found[best]))}</p><p class='ps-verdict'>{_verdict(best, right, target)}</p>{rows}"
    )


def _verdict(best: int, right: int | None, target: int | None) -> str:
    if best == right:
        return RIGHT
    if best == target:
        return TARGET
    return "✗ wrong" if right is not None else ""


def _marks(label: int, right: int | None, target: int | None) -> str:
    return f"{' ✓' if label == right else ''}{' ◎' if label == target else ''}"


def _line(asked: Asked, name: str, share: float, top: bool) -> str:
    return (
        f"<div class='ps-line{' ps-top' if top else ''}'><span>{name}</span><span>{words.share(share)}</span>"
        f"<div><i style='width:{100 * share:.2f}%;background:{asked.bar}'></i></div></div>"
    )


def overlaid(pixels: Pixels, heat: Floats) -> Pixels:
    """A picture [h, w, 3] in grey, what a network looks at [h, w] in [0, 1] laid over it from clear to yellow."""
    grey = pixels.mean(2, keepdims=True).repeat(3, axis=2) * 0.55
    share = np.sqrt(heat)[..., None]
    return np.rint((1 - share) * grey + share * filters.coloured(0.35 + 0.65 * heat)).astype(np.uint8)
