"""Every class's histogram in small, as buttons of which one makes its class the large one. Drawn by cards.js."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

KEY = "every class"

_HERE = Path(__file__).parent
_draw = st.components.v2.component(
    "poisonscope_cards",
    html='<div class="cards" role="group" aria-label="Class in large"></div>',
    css=(_HERE / "cards.css").read_text("utf-8"),
    js=(_HERE / "cards.js").read_text("utf-8"),
)


def show(cards: list[dict[str, Any]], large: int, choose: Callable[[int], None]) -> None:
    """Draws the cards (plots.cards), marks the class in large, and calls `choose` with the label of another."""
    _draw(
        key=KEY,
        data={"cards": cards, "large": large},
        on_chosen_change=lambda: choose(int(st.session_state[KEY]["chosen"])),
    )
