"""How the pictures of the Sensitivity screen are drawn: colours, dashes and marks, and the button that saves one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
import streamlit as st

from pages.parts.around import colours

HEIGHT, SMALL = 460, 15  # pixels: a picture and its type
MOST_LINES = 6
MARKS = 10  # on a curve
APART = 17  # pixels between two names


class Style(NamedTuple):
    """A line that is told from the others without its colour."""

    colour: str
    dash: str
    symbol: str


# Blue and orange mean benign and poisoned: no line has them. The first is the colour of text.
_STYLES = (
    Style("", "solid", "circle"),
    Style("#009E73", "dash", "square"),
    Style("#B9629B", "dot", "triangle-up"),
    Style("#B57F00", "dashdot", "triangle-down"),
    Style("#3A93C9", "longdash", "pentagon"),
    Style("#8C6BB1", "longdashdot", "hexagram"),
)


def style(place: int) -> Style:
    """The look of the line at a place of the list."""
    found = _STYLES[place % len(_STYLES)]
    return found if found.colour else found._replace(colour=ink())


def ink() -> str:
    """The colour of text."""
    return colours.plotted().ink


def ground() -> str:
    """What a picture stands on: it must not be clear where it is saved."""
    return colours.plotted().ground


def figure(
    x: str, y: str, *, percent_x: bool = False, percent_y: bool = False, height: int = HEIGHT, rows: int = 1
) -> go.Figure:
    """An empty picture with its two axes named; the legend stands below, where a narrow window has room.

    rows: so many pictures above each other, over one x axis; each y axis is named by who fills it.
    """
    made = go.Figure()
    if rows > 1:
        made.set_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.18 / rows)
    made.update_layout(
        height=height, margin=dict(l=8, r=12, t=50, b=8), dragmode=False, font=dict(size=SMALL, color=ink()),
        paper_bgcolor=ground(), plot_bgcolor=ground(), hoverlabel=dict(font=dict(size=SMALL)),
        legend=dict(orientation="h", yref="container", y=0.01, yanchor="bottom", x=0, font=dict(size=SMALL)),
    )  # fmt: skip
    type = dict(fixedrange=True, tickfont=dict(size=SMALL, color=ink()), title_font=dict(size=SMALL, color=ink()))
    made.update_xaxes(ticksuffix="%" if percent_x else "", **type)
    made.update_xaxes(title_text=x, row=rows if rows > 1 else None, col=1 if rows > 1 else None)
    made.update_yaxes(title_text=y, ticksuffix="%" if percent_y else "", **type)
    return made


def line(
    made: go.Figure, x: Sequence[float], y: Sequence[float], name: str, look: Style, hover: str, **more: Any
) -> None:
    """A curve, with a few marks on it so that its colour is not needed."""
    made.add_scatter(
        x=list(x), y=list(y), name=name, mode="lines+markers", hovertemplate=f"{name}: {hover}<extra></extra>",
        line=dict(color=look.colour, dash=look.dash, width=3),
        marker=dict(symbol=look.symbol, size=9, color=look.colour, maxdisplayed=MARKS),
        **more,
    )  # fmt: skip


def reference(made: go.Figure, x: Sequence[float], y: Sequence[float], name: str, dash: str) -> None:
    """A line in grey: what guessing, or knowing, would do."""
    made.add_scatter(
        x=list(x), y=list(y), name=name, mode="lines", hoverinfo="skip",
        line=dict(color=colours.plotted().reference, dash=dash, width=2),
    )  # fmt: skip


def upright(
    made: go.Figure, x: float, says: str, dash: str = "dash", low: bool = False, layer: str = "below",
    anchor: str = "left",
) -> None:  # fmt: skip
    """A line from top to bottom with its words, at the top or, where those would meet others, a line lower."""
    made.add_shape(
        type="line", x0=x, x1=x, y0=0, y1=1, yref="paper", line=dict(color=ink(), width=1.5, dash=dash), layer=layer
    )
    made.add_annotation(
        x=x, y=1, yref="paper", text=says, showarrow=False, xanchor=anchor, yanchor="bottom" if not low else "top",
        xshift=3 if anchor == "left" else 0, font=dict(size=SMALL - 1, color=ink()), bgcolor=ground(), opacity=0.9,
    )  # fmt: skip


def plain(text: str) -> str:
    """A text as it is for Plotly, which else takes a `<b>` for bold, and a `%{x}` in a template for a value."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%&#123;")


def named(made: go.Figure, ends: Sequence[tuple[Any, float, str, str]], low: float, high: float, room: float,
          row: int) -> None:  # fmt: skip
    """Each line's name at its right end, as [x, y, name, colour]: moved apart where they would meet.

    low, high: the ends of the y axis; room: its height in pixels; row: which picture, from 1.
    """
    fall = math.fsum(y for _, y, _, _ in ends) / max(len(ends), 1) > (low + high) / 2  # a crowd above gives way below
    last = -math.inf
    for x, y, name, colour in sorted(ends, key=lambda end: end[1], reverse=fall):
        at = room * ((high - y) if fall else (y - low)) / max(high - low, 1e-12)  # pixels from the end it begins at
        shown = max(at, last + APART)
        last = shown
        made.add_annotation(
            x=x, y=y, xref=f"x{row if row > 1 else ''}", yref=f"y{row if row > 1 else ''}", text=plain(name),
            showarrow=False, xanchor="left", xshift=10, yshift=(at - shown) * (1 if fall else -1),
            font=dict(size=SMALL - 1, color=colour), align="left",
        )  # fmt: skip


def show(made: go.Figure, key: str, alt: str, file: str, on_select: Callable[[], None] | None = None) -> None:
    """The picture, with the one button that saves it as a PNG of twice its size."""
    config = {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "filename": file, "scale": 2},
    }
    select = {} if on_select is None else {"on_select": on_select, "selection_mode": "points"}
    st.plotly_chart(made, key=key, config=config, alt=alt, **select)


def finite(value: float | None) -> float | None:
    """A figure, or None where it is not defined."""
    return None if value is None or math.isnan(value) else value
