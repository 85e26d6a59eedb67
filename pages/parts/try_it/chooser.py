"""Test images as a sprite, of which a person chooses one by click or arrow keys. Drawn by chooser.js."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from core import Result
from pages.parts.around import words

KEY = "test images"
COLUMNS = 12  # tiles in a row of the sprite

_HERE = Path(__file__).parent
_draw = st.components.v2.component(
    "poisonscope_chooser",
    html='<div class="chooser" role="radiogroup" aria-label="Test image"></div>',
    css=(_HERE / "chooser.css").read_text("utf-8"),
    js=(_HERE / "chooser.js").read_text("utf-8"),
)


def show(result: Result, rows: list[int], current: int, choose: Callable[[int], None]) -> None:
    """Draws the test images of these rows, marks the current one, and calls `choose` with the row of another."""
    images, labels = result.dataset.test_images, result.dataset.test_labels
    shown = {row: f"{words.class_name(result.config, int(labels[row]))}, test image {row}" for row in rows}

    def picked() -> None:
        row = st.session_state[KEY]["picked"]
        if row in shown:
            choose(int(row))

    data = {
        "sprite": sprite(images[rows]),
        "side": int(images.shape[1]),
        "columns": COLUMNS,
        "current": current,
        "tiles": [{"row": row, "alt": alt} for row, alt in shown.items()],
    }
    _draw(key=KEY, data=data, on_picked_change=picked)


def sprite(images: NDArray[np.uint8]) -> str:
    """Images [n, h, w, 3] as one picture, COLUMNS in a row, in a data address."""
    height, width = images.shape[1:3]
    lines = -(-len(images) // COLUMNS)
    sheet = np.zeros((lines * COLUMNS, height, width, 3), np.uint8)
    sheet[: len(images)] = images
    sheet = sheet.reshape(lines, COLUMNS, height, width, 3).swapaxes(1, 2).reshape(lines * height, COLUMNS * width, 3)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "WEBP", lossless=True, method=0, quality=0)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
