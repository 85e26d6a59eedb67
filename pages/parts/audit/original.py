"""One flagged image in detail: as a network is handed it, the file itself as it lies there, and what is known of it.

The file of an upload is gone once it is read: of that, only what a network is handed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from markupsafe import Markup

import core
from core import audits
from core.audits import Audit
from pages.parts.around import pixels, words
from pages.parts.around.pixels import Pixels
from pages.parts.around.templates import render
from pages.parts.audit import plainly
from pages.parts.audit.kept import Kept

CHOSEN = "audit image"
LARGEST = 640  # pixels a side that a file is shown with, at most
SHARP = 128  # up to this side every pixel is a square


def choose(found: Kept, rows: Sequence[int]) -> None:
    """A menu of flagged images, and the chosen one; nothing is opened before one is."""
    names, here = found.told.brought.names, found.name[0] != "upload"
    # A menu knows its options by their words, and what is cut off may be all that tells two paths apart.
    says = words.apart({row: audits.plain(names[row]) for row in rows}, {row: row for row in rows})
    file = "Beside what a network sees: the file itself, where transparency and what was cut off can be seen."
    row = st.selectbox(
        "In detail", rows, index=None, format_func=says.__getitem__, key=f"{CHOSEN} {found.number}", width=420,
        placeholder="Choose an image", help=file if here else "What a network sees; of an upload no file is kept.",
    )  # fmt: skip
    if row is not None:
        with plainly.trouble():
            st.html(_drawn(found.number, row, here, found.told))


@st.cache_data(max_entries=32, show_spinner="Opening the file …")
def _drawn(number: int, row: int, here: bool, _told: Audit) -> Markup:
    """Of audit `number`; the file is opened, which in an archive takes a while, and is checked to be what was read."""
    brought = _told.brought
    pictures = [_figure(brought.images[row], "What a network sees", "The image as a network sees it")]
    size = None
    if here:
        data = audits.original(brought, row)
        pictures.append(_figure(core.pictures.read(data, audits.FORMATS), "The file", "The file itself"))
        size = len(data)
    return render("audit/original.html.jinja", pictures=pictures, facts=facts(_told, row, size))


def facts(told: Audit, row: int, size: int | None) -> list[str]:
    """What is known of an image in lines; size: the bytes of its file, where that is still there."""
    brought = told.brought
    label = brought.labels[row]
    lines = [brought.names[row], f"class {brought.classes[label]}" if label >= 0 else "no class"]
    if split := brought.split_names[brought.splits[row]]:
        lines.append(f"split {split}")
    if told.judged is not None:
        lines.append(f"score {told.judged.scores(len(brought))[row]:.2f}")
    lines.append(told.reasons.get(row, ""))
    lines.append(brought.modes[row] if size is None else f"{brought.modes[row]}, {size:,} bytes")
    lines += [one.why for one in brought.doubtful if one.name == brought.names[row]]
    return [audits.plain(line, 400) for line in lines if line]


def _figure(image: Pixels, what: str, alt: str) -> dict[str, Any]:
    """A picture, of which no more is sent than is shown; what is small is sent exactly, with its transparency."""
    height, width = image.shape[:2]
    return dict(
        address=pixels.png(pixels.reduced(image, LARGEST)), alt=alt, caption=f"{what}, {height} x {width} pixels",
        sharp=max(height, width) <= SHARP,
    )  # fmt: skip
