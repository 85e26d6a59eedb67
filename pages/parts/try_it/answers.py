"""What networks answer to one picture, as HTML: the picture in large, and bars of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pages.parts.around import words
from pages.parts.around.pixels import Pixels, png
from pages.parts.around.templates import Markup, render
from pages.parts.common import filters
from pages.parts.common.asked import Asked

Floats = NDArray[np.float64]

SHOWN = 5  # classes with a bar of their own
RIGHT, TARGET = "✓ true class", "◎ the attacker's target"


def large(pixels: Pixels, caption: str, alt: str) -> Markup:
    """A picture [h, w, 3] with crisp pixels and a caption."""
    return render("try_it/large.html.jinja", png=png(pixels), caption=caption, alt=alt)


def bars(asked: Asked, found: Floats, names: Sequence[str], right: int | None, target: int | None) -> Markup:
    """A network's probabilities [k], the highest first; true class and target are shown and marked where known."""
    best = int(found.argmax())
    order = [int(label) for label in np.argsort(-found, kind="stable")]
    marked = [label for label in order if label in (right, target)]
    others = [label for label in order if label not in marked][: SHOWN - len(marked)]
    shown = sorted([*marked, *others], key=order.index)
    lines = [(f"{names[label]}{_marks(label, right, target)}", float(found[label]), label == best) for label in shown]
    if len(shown) < len(names):
        lines.append((f"the other {len(names) - len(shown)}", float(np.delete(found, shown).sum()), False))
    return render(
        "try_it/bars.html.jinja", asked=asked, best=names[best], share=words.share(float(found[best])),
        verdict=_verdict(best, right, target),
        lines=[dict(name=name, share=words.share(one), width=100 * one, top=top) for name, one, top in lines],
    )  # fmt: skip


def _verdict(best: int, right: int | None, target: int | None) -> str:
    if best == right:
        return RIGHT
    if best == target:
        return TARGET
    return "✗ wrong" if right is not None else ""


def _marks(label: int, right: int | None, target: int | None) -> str:
    return f"{' ✓' if label == right else ''}{' ◎' if label == target else ''}"


def overlaid(pixels: Pixels, heat: Floats) -> Pixels:
    """A picture [h, w, 3] in grey, what a network looks at [h, w] in [0, 1] laid over it from clear to yellow."""
    grey = pixels.mean(2, keepdims=True).repeat(3, axis=2) * 0.55
    share = np.sqrt(heat)[..., None]
    return np.rint((1 - share) * grey + share * filters.coloured(0.35 + 0.65 * heat)).astype(np.uint8)
