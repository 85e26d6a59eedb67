"""Test images as a sprite, of which a person chooses one by click or arrow keys. Drawn by chooser.js."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import Result
from pages.parts.around import components, pixels, words

KEY = "test images"
COLUMNS = 12  # tiles in a row of the sprite

_draw = components.beside(__file__, '<div class="chooser" role="radiogroup" aria-label="Test image"></div>')


def show(result: Result, rows: list[int], current: int, choose: Callable[[int], None]) -> None:
    """Draws the test images of these rows, marks the current one, and calls `choose` with the row of another."""
    images, labels = result.dataset.test_images, result.dataset.test_labels
    shown = {row: f"{words.class_name(result.config, int(labels[row]))}, test image {row}" for row in rows}

    def picked() -> None:
        row = st.session_state[KEY]["picked"]
        if row in shown:
            choose(int(row))

    data = {
        "sprite": pixels.sprite(images[rows], COLUMNS),
        "side": int(images.shape[1]),
        "columns": COLUMNS,
        "current": current,
        "tiles": [{"row": row, "alt": alt} for row, alt in shown.items()],
    }
    _draw(key=KEY, data=data, on_picked_change=picked)
