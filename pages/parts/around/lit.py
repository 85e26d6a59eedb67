"""When a tab's theme turns from light to dark or back, its charts are drawn anew (lit.js says why)."""

from __future__ import annotations

import streamlit as st

from pages.parts.around import colours, components

_COMPONENT = components.beside(__file__)


def follow() -> None:
    """Mounted once on every screen; it shows nothing."""
    with st.container(key="unseen-lit"):
        _COMPONENT(key="theme of the tab", data={"dark": colours.dark()}, on_turned_change=lambda: None)
