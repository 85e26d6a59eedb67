"""The process as a flow chart whose boxes lead to the screens, and the tables and the sketch beside it.

All is HTML with the page's own colours (`currentColor`, translucent greys), so that it follows the theme, and
lays itself out by the width that it has, not by the window's: boxes in a row, or one below the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from pages.parts.around import colours, link
from pages.parts.around.templates import Markup, render

COLOURS = f"--benign:{colours.BENIGN};--poisoned:{colours.POISONED}"


@dataclass(frozen=True)
class Step:
    """A box: what happens, in a few words, the screen that it leads to, and its figure in the current run."""

    title: str
    text: str
    screen: str  # its name in the address; empty for the first screen
    link: str
    figure: str = ""
    opens: str = ""  # the part of that screen which the link asks for


def style() -> None:
    """The looks of all that is drawn here; once on a page."""
    st.html(Path(__file__).with_suffix(".css"))


def chart(lanes: Sequence[tuple[str, str, Sequence[Step]]], query: str) -> Markup:
    """Lanes of (kind, heading, steps), one below the other; every link carries the query."""

    def address(step: Step) -> str:
        asked = "&".join(filter(None, (query, step.opens and urlencode({link.OPEN: step.opens}))))
        return f"{step.screen or './'}{'?' * bool(asked)}{asked}"

    drawn = [(kind, heading, [(step, address(step)) for step in steps]) for kind, heading, steps in lanes]
    return render("how/chart.html.jinja", colours=COLOURS, lanes=drawn)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table of words, its first column the rows' names; where it is narrow a row's cells stand below its name."""
    drawn = [(name, list(zip(heads, cells, strict=True))) for name, *cells in rows]
    return render("how/table.html.jinja", caption=caption, heads=heads, rows=drawn)


def sketch() -> Markup:
    """One label's representations as points in a plane: most in a cloud, the poisoned ones apart along v."""
    generator = np.random.default_rng(3)
    mean, along, across = np.array([58, 66]), np.array([0.93, -0.37]), np.array([0.37, 0.93])  # y runs downwards
    cloud = generator.normal(size=(70, 2)) * [13, 9]
    crowd = generator.normal(size=(14, 2)) * [5, 4] + [88, 0]
    dots = [
        (kind, *(mean + one * along + two * across))
        for points, kind in ((cloud, "benign"), (crowd, "poisoned"))
        for one, two in points
    ]
    return render("how/sketch.html.jinja", colours=COLOURS, dots=dots)
