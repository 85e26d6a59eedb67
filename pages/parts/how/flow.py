"""The process as a flow chart whose boxes lead to the screens, and the tables and the sketch beside it.

All is HTML with the page's own colours (`currentColor`, translucent greys), so that it follows the theme, and
lays itself out by the width that it has, not by the window's: boxes in a row, or one below the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import streamlit as st

from pages.parts.around import colours

COLOURS = f"--benign:{colours.BENIGN};--poisoned:{colours.POISONED}"


@dataclass(frozen=True)
class Step:
    """A box: what happens, in a few words, the screen that it leads to, and its figure in the current run."""

    title: str
    text: str
    screen: str  # its name in the address; empty for the first screen
    link: str
    figure: str = ""


def style() -> None:
    """The looks of all that is drawn here; once on a page."""
    st.html(Path(__file__).with_suffix(".css"))


def chart(lanes: Sequence[tuple[str, str, Sequence[Step]]], query: str) -> str:
    """Lanes of (kind, heading, steps), one below the other; every link carries the query."""
    drawn, number = [], 0
    for kind, heading, steps in lanes:
        boxes = "".join(_box(number + place, step, query) for place, step in enumerate(steps, 1))
        number += len(steps)
        drawn.append(
            f"<section class='flow-lane flow-{kind}' aria-label='{escape(heading, quote=True)}'>"
            f"<p class='flow-lane-name'>{escape(heading)}</p><ol class='flow-steps'>{boxes}</ol></section>"
        )
    return f"<div class='flow' style='{COLOURS}'>{''.join(drawn)}</div>"


def _box(number: int, step: Step, query: str) -> str:
    address = f"{step.screen or './'}{'?' if query else ''}{query}"
    figure = f"<span class='flow-figure'>{escape(step.figure)}</span>" if step.figure else ""
    return (
        f"<li><a class='flow-box' href='{escape(address, quote=True)}'>"
        f"<span class='flow-title'>{number}. {escape(step.title)}</span>"
        f"<span class='flow-text'>{escape(step.text)}</span>{figure}"
        f"<span class='flow-link'>{escape(step.link)}</span></a></li>"
    )


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of words, its first column the rows' names; where it is narrow a row's cells stand below its name.

    The roles repeat what the tags say, since a browser may forget it of cells that are laid out as blocks.
    """
    head = "".join(f"<th role='columnheader' scope='col'>{escape(name)}</th>" for name in ("", *heads))
    head = head.replace("<th role='columnheader' scope='col'></th>", "<td role='cell'></td>", 1)
    body = "".join(
        f"<tr role='row'><th role='rowheader' scope='row'>{escape(name)}</th>"
        + "".join(
            f"<td role='cell' data-head='{escape(of, quote=True)}'>{escape(cell)}</td>"
            for of, cell in zip(heads, cells, strict=True)
        )
        + "</tr>"
        for name, *cells in rows
    )
    name = escape(caption, quote=True)
    return (
        f"<div class='words-frame'><table class='words-table' role='table' aria-label='{name}'>"
        f"<thead role='rowgroup'><tr role='row'>{head}</tr></thead><tbody role='rowgroup'>{body}</tbody></table></div>"
    )


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """Words and what they mean, in as many columns as fit."""
    terms = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(meaning)}</dd></div>" for term, meaning in entries)
    return f"<dl class='terms'>{terms}</dl>"


def sketch() -> str:
    """One label's representations as points in a plane: most in a cloud, the poisoned ones apart along v."""
    generator = np.random.default_rng(3)
    mean, along, across = np.array([58, 66]), np.array([0.93, -0.37]), np.array([0.37, 0.93])  # y runs downwards
    cloud = generator.normal(size=(70, 2)) * [13, 9]
    crowd = generator.normal(size=(14, 2)) * [5, 4] + [88, 0]
    dots = "".join(
        _dot(*(mean + one * along + two * across), kind)
        for points, kind in ((cloud, "benign"), (crowd, "poisoned"))
        for one, two in points
    )
    words = (
        "Sketch: a cloud of benign points, a small crowd of poisoned points to its right, and the direction v "
        "from the cloud through the crowd. An image's score is its squared distance along v."
    )
    legend = (
        "<span class='sketch-benign sketch-key'></span> benign &emsp; "
        "<span class='sketch-poisoned sketch-key'></span> poisoned &emsp; The line is <b>v</b>; an image's score is "
        "its squared distance from the mean along it. A sketch, not data."
    )
    return (
        f"<div style='{COLOURS}'><div class='sketch' role='img' aria-label='{escape(words, quote=True)}'>"
        f"<div class='sketch-line'></div>{dots}</div><p class='sketch-words'>{legend}</p></div>"
    )


def _dot(x: float, y: float, kind: str) -> str:
    """A point of the sketch, which is 200 wide and 100 high."""
    return f"<span class='sketch-{kind}' style='left:{x / 2:.1f}%;top:{y:.1f}%'></span>"
