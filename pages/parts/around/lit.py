"""When a tab's theme turns from light to dark or back, its charts are drawn anew (lit.js says why)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.parts.around import colours

_COMPONENT = st.components.v2.component("poisonscope_lit", js=Path(__file__).with_suffix(".js").read_text("utf-8"))


def follow() -> None:
    """Mounted once on every screen; it shows nothing."""
    with st.container(key="unseen-lit"):
        _COMPONENT(key="theme of the tab", data={"dark": colours.dark()}, on_turned_change=lambda: None)
