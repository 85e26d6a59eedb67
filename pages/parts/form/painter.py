"""A picture of one's own: painted on a grid of pixels, or uploaded. It is kept as core.pictures writes it.

What the browser sends is checked here. Each stroke carries the whole grid and a number; what the painter is told
in answer carries the last number that was heard, so that an answer never undoes a stroke made meanwhile.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import streamlit as st

import core
from core import BadRequest
from pages.parts.around import components, words

SMALLEST, LARGEST, USUAL = 3, 12, 8  # cells a side of the grid
COLOURS = {
    "yellow": "#ffdd00",
    "white": "#ffffff",
    "black": "#000000",
    "red": "#e02020",
    "orange": "#ff8800",
    "green": "#20a020",
    "blue": "#2060ff",
    "pink": "#ff40c0",
}
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_HTML = """<div class="painter">
<div class="tools">
<div class="palette" role="group" aria-label="Colour to paint with"></div>
<div class="more">
<label>Other <input type="color" value="#8040ff"></label>
<label>Grid <select></select></label>
<button type="button" class="clear">Clear</button>
</div></div>
<div class="grid" role="grid"></div>
<p>Drag to paint. By keyboard: arrows move, Space paints, Delete erases.</p>
</div>"""
_painter = components.beside(__file__, _HTML)


def ask(key: str) -> str:
    """The painter and the upload; returns the picture's text, which is kept in session state under `key`."""
    grid = as_grid(st.session_state[key], st.session_state.get(f"{key} painted"))
    _painter(
        key=f"{key} painter",
        data={**grid, "palette": list(COLOURS.items()), "sizes": list(range(SMALLEST, LARGEST + 1))},
        on_painted_change=lambda: hear(key, st.session_state[f"{key} painter"].get("painted")),
    )
    if grid["finer"]:
        st.caption("The uploaded picture is finer than the painter's grid; what you paint takes its place.")
    st.file_uploader(
        "Or upload a PNG",
        type=["png"],
        max_upload_size=1,
        key=f"{key} upload",
        on_change=lambda: take(key, st.session_state[f"{key} upload"]),
        help=f"At most {core.pictures.SIDE} by {core.pictures.SIDE} pixels; where it is transparent, the image shows.",
    )
    if trouble := st.session_state.get(f"{key} trouble"):
        st.error(trouble, icon=":material/broken_image:")
    return str(st.session_state[key])


def as_grid(text: str, painted: Any = None) -> dict[str, Any]:
    """What the painter shows of a picture: its columns, its cells ("#rrggbb", or "" for none), whether it is finer.

    `painted` is what `hear` kept of the last stroke: where the picture is still that one, the answer names it.
    """
    if painted is not None and painted["picture"] == text:
        return {"columns": painted["columns"], "cells": painted["cells"], "heard": painted["heard"], "finer": False}
    pixels = core.pictures.decode(text)
    rows, columns = pixels.shape[:2]
    finer = max(rows, columns) > LARGEST or bool(((pixels[..., 3] > 0) & (pixels[..., 3] < 255)).any())
    if finer:
        return {"columns": USUAL, "cells": [""] * USUAL**2, "heard": None, "finer": True}
    cells = ["#%02x%02x%02x" % tuple(rgba[:3]) if rgba[3] else "" for rgba in pixels.reshape(-1, 4).tolist()]  # noqa: UP031
    return {"columns": columns, "cells": cells, "heard": None, "finer": False}


def hear(key: str, told: Any) -> None:
    """A stroke: the grid as it is now. An empty one is kept, and refused where the request is checked."""
    try:
        columns, cells, heard = checked(told)
    except (BadRequest, KeyError, TypeError) as error:
        st.session_state[f"{key} trouble"] = f"The painter sent what is no picture: {words.sentence(str(error))}"
        return
    picture = as_text(columns, cells) if any(cells) else ""
    st.session_state[key] = picture
    st.session_state[f"{key} painted"] = {"picture": picture, "columns": columns, "cells": cells, "heard": heard}
    st.session_state[f"{key} trouble"] = None


def checked(told: Any) -> tuple[int, list[str], list[Any]]:
    """Columns, cells and the stroke's name from what the browser sent; BadRequest, KeyError, TypeError if not those."""
    columns, cells, heard = int(told["columns"]), list(told["cells"]), [str(told["name"]), int(told["number"])]
    if not (1 <= columns <= LARGEST and 1 <= len(cells) / columns <= LARGEST and len(cells) % columns == 0):
        raise BadRequest(f"the grid must have 1 to {LARGEST} cells a side, got {len(cells)} in {columns} columns")
    wrong = next((cell for cell in cells if cell != "" and not _COLOUR.fullmatch(str(cell))), None)
    if wrong is not None:
        raise BadRequest(f"a cell must be a colour such as #ffdd00, or empty, got {str(wrong)[:20]!r}")
    return columns, [str(cell) for cell in cells], heard


def as_text(columns: int, cells: list[str]) -> str:
    """The picture that a grid shows."""
    pixels = [[int(cell[i : i + 2], 16) for i in (1, 3, 5)] + [255] if cell else [0] * 4 for cell in cells]
    return core.pictures.encode(np.array(pixels, np.uint8).reshape(-1, columns, 4))


def take(key: str, file: Any) -> None:
    """An uploaded file: the picture from now on, or what is wrong with it."""
    st.session_state[f"{key} trouble"] = None
    if file is None:
        return
    try:
        st.session_state[key] = core.pictures.encode(core.pictures.from_png(file.getvalue()))
    except BadRequest as error:
        st.session_state[f"{key} trouble"] = f"{words.sentence(str(error))} The picture stays as it was."
