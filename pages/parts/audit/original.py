"""One flagged image in detail: as a network is handed it, the file itself as it lies there, and what is known of it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import streamlit as st
from markupsafe import Markup
from PIL import Image

import core
from core import audits
from core.audits import Audit
from pages.parts.around.templates import render
from pages.parts.audit import plainly
from pages.parts.audit.kept import Kept

CHOSEN = "audit image"
LARGEST = 640  # pixels a side that a file is shown with, at most
SHARP = 128  # up to this side every pixel is a square


def choose(found: Kept, rows: Sequence[int]) -> None:
    """A menu of flagged images, and the chosen one."""
    names = found.told.brought.names
    row = st.selectbox(
        "In detail", rows, format_func=lambda row: audits.plain(names[row]), key=f"{CHOSEN} {found.number}", width=420,
        help="Beside what a network sees: the file itself, where transparency and what was cut off can be seen.",
    )  # fmt: skip
    if row is not None:
        with plainly.trouble():
            st.html(_drawn(found.number, row, found.told))


@st.cache_data(max_entries=32, show_spinner="Opening the file …")
def _drawn(number: int, row: int, _told: Audit) -> Markup:
    """Of audit `number`; the file is opened, which in an archive takes a while, and is checked to be what was read."""
    brought, data = _told.brought, audits.original(_told.brought, row)
    height, width = brought.images.shape[1:3]
    whole = core.pictures.read(data, audits.FORMATS)
    seen = dict(
        address=_address(Image.fromarray(brought.images[row])), alt="The image as a network sees it",
        caption=f"What a network sees, {height} x {width} pixels", sharp=max(height, width) <= SHARP,
    )  # fmt: skip
    itself = dict(
        address=_address(Image.fromarray(whole)), alt="The file itself",
        caption=f"The file, {whole.shape[0]} x {whole.shape[1]} pixels", sharp=max(whole.shape[:2]) <= SHARP,
    )  # fmt: skip
    return render("audit/original.html.jinja", pictures=[seen, itself], facts=facts(_told, row, len(data)))


def facts(told: Audit, row: int, size: int) -> list[str]:
    """What is known of an image whose file has so many bytes, in lines."""
    brought = told.brought
    label = brought.labels[row]
    lines = [brought.names[row], f"class {brought.classes[label]}" if label >= 0 else "no class"]
    if split := brought.split_names[brought.splits[row]]:
        lines.append(f"split {split}")
    if told.judged is not None:
        lines.append(f"score {told.judged.scores(len(brought))[row]:.2f}")
    lines.append(told.reasons.get(row, ""))
    lines.append(f"{brought.modes[row]}, {size:,} bytes")
    lines += [one.why for one in brought.doubtful if one.name == brought.names[row]]
    return [audits.plain(line, 400) for line in lines if line]


def _address(picture: Image.Image) -> str:
    """A picture as a data address; what is small exactly, with its transparency."""
    if max(picture.size) > LARGEST:
        picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
