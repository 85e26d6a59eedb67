"""The browser's history in order: one press of Back is one step back (address.js says how)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_COMPONENT = st.components.v2.component("poisonscope_address", js=Path(__file__).with_suffix(".js").read_text())


def tidy() -> None:
    """Mounted once on every screen; it shows nothing (parts/around/shell.py takes its place away)."""
    with st.container(key="address"):
        _COMPONENT(key="address of the tab")
