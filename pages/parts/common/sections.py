"""A screen's tabs: the open one stands in the address, and it alone is computed and sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from pages.parts.around import link


def opened(address: str) -> str:
    """The title of the tab that is asked for, before the tabs are drawn; empty where it is the first."""
    named = st.query_params.get(link.OPEN) or st.session_state.get(address) or st.query_params.get(address)
    return str(named or "")


def show(sections: Mapping[str, Callable[[], None]], address: str) -> None:
    """A tab for each section, by its title; `address` is the open one's name in the address.

    A link from another screen names it as `open`: where that screen has a control of the same name, `address` would be
    taken out of the link with it.
    """
    named = st.query_params.pop(link.OPEN, None)
    if named in sections:
        st.session_state[address] = named
    for tab, fill in zip(st.tabs(list(sections), key=address, bind="query-params"), sections.values(), strict=True):
        if tab.open:
            with tab:
                fill()
