"""What is around every screen: the list of screens, the run picker, the run in the address, presenter mode."""

from __future__ import annotations

import streamlit as st

from pages.parts.around import address, current, cuts, presenter, trouble, warm

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
ASK_NETWORKS = ("Flagged", "Inside the network", "Try it")
ICON = "assets/icon.svg"
# The width and height that Streamlit leaves empty belong to the pictures. Beside an open sidebar columns are given up
# before their words are.
# A menu is as wide as its box: the runs' is wider, and what is longer than a menu takes two lines, but for a long menu,
# of which Streamlit draws only the part in sight, at places that it has counted out.
# The sections of st.navigation nest lists as axe forbids it; headings before the items of one list are spoken, too.
# A figure is never cut off: where its tile is too narrow, it wraps.
# React Aria keeps every element that leaves the page in the middle of a CSS transition, and all below it, until some
# menu closes; an expander has one as it appears.
_ROOM = """<style>
[data-testid="stMainBlockContainer"] {padding: 2.6rem 2rem 4rem;}
[data-testid="stMainBlockContainer"] h1 {font-size: 2rem; padding: 0 0 .4rem;}
@media (max-width: 1100px) {
  [data-testid="stColumn"] {min-width: min(100%, 18rem);}
  [data-testid="stColumn"] [data-testid="stColumn"] {min-width: min(100%, 8.5rem);}
}
@media (max-width: 640px) {[data-testid="stMainBlockContainer"] {padding: 4.2rem 1rem 4rem;}}
.st-key-address, [data-testid="stLayoutWrapper"]:has(> [class*="st-key-unseen-"]) {display: none;}
[data-testid="stBaseButton-primary"], [data-testid="stMultiSelect"] [data-tag],
[data-testid="stMultiSelect"] [data-tag] :is(span, button) {color: light-dark(#FFFFFF, #0F1116);}
[data-testid="stExpander"] details {transition: none;}
[data-testid="stSelectbox"] input {text-overflow: ellipsis;}
[data-testid="stSelectboxVirtualDropdown"]:has([aria-label="Run"]) {width: min(38rem, calc(100vw - 4rem)) !important;}
[data-testid="stSelectboxVirtualDropdown"] [role=option]:not([style*="absolute"]) {height: auto; max-height: none;}
[data-testid="stSelectboxVirtualDropdown"] [role=option]:not([style*="absolute"]) div {white-space: normal;
  height: auto; max-height: none; overflow: visible;}
[data-testid="stMetric"], [data-testid="stMetric"] :is(label, div, p) {overflow: visible; white-space: normal;
  text-overflow: clip;}
[data-testid="stSidebarNav"] li::before {display: block; font-size: .75rem; font-weight: 600; opacity: .75;
  padding: .35rem .5rem 0;}
[data-testid="stSidebarUserContent"] {padding-bottom: 1rem;}
[data-testid="stSidebarNavLink"] {min-height: 1.75rem; margin-block: 0;}
[data-testid="stSidebarHeader"] {height: auto; padding-block: .75rem 0; margin-bottom: .25rem;}
$sections
</style>"""
_OPENED = "app.py has run"


def open_screen() -> None:
    """Page configuration, navigation, and the screen that the address asks for. Called by app.py."""
    st.session_state[_OPENED] = True
    screen = _navigation()
    st.html(_style())
    address.tidy()
    warm.up()
    with trouble.said():
        current.prepare()
        if address.restored():
            for part in (cuts, current, presenter):
                part.come_back()
        current.keep_address()
        presenter.keep()
        if presenter.on():
            presenter.bar([(path, title) for path, title, _ in SCREENS], screen.title)
        else:
            st.logo(ICON, size="large")
            current.picker()
            presenter.switch()
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
    """The page's room, and the headings of the navigation's sections."""
    titles = [title for _, title, _ in SCREENS]
    headings = (
        f'[data-testid="stSidebarNav"] li:nth-of-type({titles.index(first) + 1})::before {{content: "{section}";}}'
        for first, section in SECTIONS.items()
    )
    return _ROOM.replace("$sections", "\n".join(headings))


def _navigation() -> st.Page:
    st.set_page_config(page_icon=ICON, layout="wide")
    pages = [st.Page(path, title=title, icon=icon, default=path == SCREENS[0][0]) for path, title, icon in SCREENS]
    screen = st.navigation(pages, position="hidden" if presenter.on() else "sidebar")
    st.set_page_config(f"{screen.title} · Poisonscope")  # so that tabs and the browser's history tell them apart
    return screen
