"""One class's histogram in large, with the cut's line to drag and a range of scores to brush.

    histogram.show(picture, ..., on=Hands(drag=…, cut=…, budget=…, brush=…))

Drawn by histogram.js. Places are shares of the picture's width, from the left. While the line is dragged `drag`
is called as fast as the answers come; `cut` once, when it is let go; `budget` by the line's arrow keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from pages.parts.around import components

KEY = "large histogram"

_HTML = """<div class="histogram">
<div class="legend"></div>
<div class="frame">
<div class="lines" aria-hidden="true"></div>
<div class="plot">
<div class="bars" role="img"></div>
<div class="gone" hidden></div>
<div class="brush" hidden></div>
<div class="cut" role="slider" tabindex="0" aria-label="Cut: images removed per class" aria-valuemin="0" hidden>
<b></b></div>
</div>
<div class="ticks" aria-hidden="true"></div>
</div>
<div class="foot"><span class="readout" aria-hidden="true"></span><span class="title"></span></div>
</div>"""
_draw = components.beside(__file__, _HTML)


class Hands(NamedTuple):
    """What is done when the picture is touched."""

    drag: Callable[[float], None]
    cut: Callable[[float], None]
    budget: Callable[[int], None]
    brush: Callable[[tuple[float, float] | None], None]


def moved() -> bool:
    """Whether the line's own move is what is being answered.

    Slider and numbers follow the line; the browser may still hold older ones, which then look changed by hand.
    """
    hands = st.session_state.get(KEY) or {}
    return any(hands.get(name) is not None for name in ("drag", "cut"))


def show(data: dict[str, Any], hands: Hands) -> None:
    """Draws `data` (plots.picture and what moves over it) and answers to hands."""

    def touched(name: str) -> Any:
        return st.session_state[KEY][name]

    def brushed() -> None:
        ends = touched("brush")["range"]
        hands.brush(None if ends is None else (float(ends[0]), float(ends[1])))

    _draw(
        key=KEY,
        data=data,
        on_drag_change=lambda: hands.drag(float(touched("drag"))),
        on_cut_change=lambda: hands.cut(float(touched("cut"))),
        on_budget_change=lambda: hands.budget(int(touched("budget"))),
        on_brush_change=brushed,
    )
