"""The two colours that mean something, and what stands beside them so that colour is never alone.

Blue and orange are data's alone; controls are ink (.streamlit/config.toml). In the dark both are lighter, so there is a
pair for each theme. HTML and CSS take the variables, which follow the theme by themselves; a chart takes `plotted()`.
"""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st


class Palette(NamedTuple):
    """What a picture is drawn with."""

    benign: str
    poisoned: str
    reference: str  # what is published or assumed
    ink: str  # words and axes
    ground: str
    grid: str


LIGHT = Palette("#0072B2", "#D55E00", "#6B7280", "#14181F", "#FFFFFF", "#E3E6EA")
DARK = Palette("#56B4E9", "#F28C3C", "#98A2B0", "#E6EAF0", "#0E1116", "#2B323C")

BENIGN, POISONED, REFERENCE = "var(--ps-benign)", "var(--ps-poisoned)", "var(--ps-reference)"
HATCHED = "var(--ps-hatched)"  # poisoned, told apart without colour: behind bars
VARIABLES = f""":root {{
{"".join(f"--ps-{name}: light-dark({getattr(LIGHT, name)}, {getattr(DARK, name)}); " for name in Palette._fields)}
--ps-hatched: repeating-linear-gradient(45deg, var(--ps-poisoned) 0 4px, var(--ps-ground) 4px 5px);
--ps-line: rgba(128, 136, 148, .35); --ps-tint: rgba(128, 136, 148, .12);}}"""

BENIGN_SYMBOL = "circle"
POISONED_SYMBOL = "x"
BENIGN_DASH = "solid"
POISONED_DASH = "dash"


def dark() -> bool:
    """Whether this tab's theme is the dark one."""
    return st.context.theme.type == "dark"


def axis(size: int) -> dict[str, dict[str, object]]:
    """The type of a chart's axis, in pixels: in the colour of text, since Streamlit's own grey is too faint to read."""
    font = dict(size=size, color=plotted().ink)
    return dict(tickfont=font, title_font=font)


def plotted() -> Palette:
    """The colours of this tab's theme as a chart needs them, which knows no variables."""
    return DARK if dark() else LIGHT
