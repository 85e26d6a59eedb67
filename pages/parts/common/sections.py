"""A screen's tabs: the open one stands in the address, and it alone is computed and sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st


def show(sections: Mapping[str, Callable[[], None]], address: str) -> None:
    """A tab for each section, by its title; `address` is the open one's name in the address."""
    for tab, fill in zip(st.tabs(list(sections), key=address, bind="query-params"), sections.values(), strict=True):
        if tab.open:
            with tab:
                fill()
