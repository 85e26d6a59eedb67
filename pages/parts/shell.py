"""What is around every screen: the list of screens, the run picker, the run in the address."""

from __future__ import annotations

import streamlit as st

from . import current

SCREENS = (
    ("pages/story.py", "Story", ":material/auto_stories:"),
    ("pages/attack.py", "Attack", ":material/coronavirus:"),
    ("pages/scores.py", "Scores", ":material/bar_chart:"),
    ("pages/flagged.py", "Flagged", ":material/flag:"),
    ("pages/compare.py", "Compare", ":material/compare_arrows:"),
    ("pages/network.py", "Inside the network", ":material/hub:"),
    ("pages/try_it.py", "Try it", ":material/touch_app:"),
    ("pages/how.py", "How it works", ":material/schema:"),
)
ICON = "assets/icon.svg"
_OPENED = "app.py has run"


def open_screen() -> None:
    """Page configuration, navigation, and the screen that the address asks for. Called by app.py."""
    st.session_state[_OPENED] = True
    screen = _navigation()
    st.logo(ICON, size="large")
    current.keep_address()
    current.picker()
    screen.run()


def ensure() -> None:
    """Every screen's first line: see that it stands inside app.py.

    Until `st.navigation` was called once, a server that finds a folder `pages/` runs a linked screen as a
    page of its own, without app.py. Calling it ends that; the rerun then comes by app.py.
    """
    if not st.session_state.get(_OPENED):
        _navigation()
        st.rerun()


def _navigation() -> st.Page:
    st.set_page_config("Poisonscope", page_icon=ICON, layout="wide")
    pages = [st.Page(path, title=title, icon=icon, default=path == SCREENS[0][0]) for path, title, icon in SCREENS]
    return st.navigation(pages)
