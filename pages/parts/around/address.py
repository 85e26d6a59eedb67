"""The browser's history in order: Back is one step back, to the view that was there (address.js says how)."""

from __future__ import annotations

import streamlit as st

from pages.parts.around import components

RESTORED = "restored"  # in the address: somebody came back to it, so that what it lacks is as usual

_COMPONENT = components.beside(__file__)


def tidy() -> None:
    """Mounted once on every screen; it shows nothing (parts/around/shell.css takes its place away)."""
    with st.container(key="address"):
        _COMPONENT(key="address of the tab")


def restored() -> bool:
    """Whether the browser's history led here, by Back or Forward; asked once, since it takes the mark away."""
    return st.query_params.pop(RESTORED, None) is not None
