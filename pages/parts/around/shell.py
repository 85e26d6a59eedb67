"""What is around every screen: the list of screens, the run picker, the run in the address, presenter mode."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from pages.parts.around import address, colours, current, cuts, header, lit, presenter, trouble, warm

SCREENS = (
    ("pages/story.py", "Story", ":material/auto_stories:"),
    ("pages/attack.py", "Attack", ":material/coronavirus:"),
    ("pages/scores.py", "Scores", ":material/bar_chart:"),
    ("pages/flagged.py", "Flagged", ":material/flag:"),
    ("pages/compare.py", "Compare", ":material/compare_arrows:"),
    ("pages/sensitivity.py", "Sensitivity", ":material/tune:"),
    ("pages/network.py", "Inside the network", ":material/hub:"),
    ("pages/try_it.py", "Try it", ":material/touch_app:"),
    ("pages/tables.py", "Tables", ":material/table_chart:"),
    ("pages/audit.py", "Audit", ":material/troubleshoot:"),
    ("pages/how.py", "How it works", ":material/schema:"),
)
SECTIONS = {  # by the screen that each begins with
    "Story": "Start",
    "Attack": "Simulate",
    "Scores": "This run",
    "Tables": "All runs",
    "Audit": "Your own data",
    "How it works": "Learn",
}
NO_RUN = ("Audit",)  # screens that show nothing of a run
OF_A_RUN = ("Attack", "Scores", "Flagged", "Compare", "Sensitivity", "Inside the network", "Try it")
ASK_NETWORKS = ("Flagged", "Inside the network", "Try it")
ICON = "assets/icon.svg"
SIDEBAR = 236  # pixels, its width: eleven names and the box of runs
STREAMLITS = 281.25  # pixels, its width as Streamlit has it: 18.75 rem of 15 pixels
_LOOKS = re.sub(r"/\*.*?\*/", "", Path(__file__).with_suffix(".css").read_text("utf-8"), flags=re.DOTALL)
_OPENED = "app.py has run"


def open_screen() -> None:
    """Page configuration, navigation, and the screen that the address asks for. Called by app.py."""
    st.session_state[_OPENED] = True
    screen = _navigation()
    st.html(_style())
    address.tidy()
    lit.follow()
    warm.up()
    with trouble.said():
        current.prepare()
        if address.restored():
            for part in (cuts, current, presenter):
                part.come_back()
        current.keep_address()
        presenter.keep()
        if presenter.alone():
            presenter.frame(next(path for path, title, _ in SCREENS if title == screen.title))
        else:
            st.logo(ICON, size="large")
            current.picker()
            presenter.switch()
            if screen.title in OF_A_RUN:
                header.show(current.current_job())
        if screen.title in ASK_NETWORKS:
            warm.wait()
        screen.run()


def ensure() -> None:
    """Every screen's first line: see that it stands inside app.py.

    Until `st.navigation` was called once, a server that finds a folder `pages/` runs a linked screen as a
    page of its own, without app.py. Calling it ends that; the rerun then comes by app.py.
    """
    if not st.session_state.get(_OPENED):
        _navigation()
        st.rerun()


def _style() -> str:
    """Colours, the page's room, and the headings of the navigation's sections."""
    titles = [title for _, title, _ in SCREENS]
    headings = [
        f'[data-testid="stSidebarNav"] li:nth-of-type({titles.index(first) + 1})::before {{content: "{section}";}}'
        for first, section in SECTIONS.items()
    ]
    # A server's first page has its sidebar before it is told how wide; dragged, a sidebar has another width.
    first = f'[data-testid="stSidebar"][style*="width: {STREAMLITS}px"] {{width: {SIDEBAR}px !important;}}'
    wide = f"@media (min-width: 769px) {{{first}}}"
    return "\n".join(["<style>", colours.VARIABLES, _LOOKS, *headings, wide, "</style>"])


def _navigation() -> st.Page:
    st.set_page_config(page_icon=ICON, layout="wide", initial_sidebar_state=SIDEBAR)
    pages = [st.Page(path, title=title, icon=icon, default=path == SCREENS[0][0]) for path, title, icon in SCREENS]
    screen = st.navigation(pages, position="hidden" if presenter.alone() else "sidebar")
    st.set_page_config(f"{screen.title} · Poisonscope")  # so that tabs and the browser's history tell them apart
    return screen
