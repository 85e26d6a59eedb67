"""Presenter mode: large type, next and back by keyboard, nothing that trains by accident.

By the switch in the sidebar or by a link (`?present=1`); it stays on while the tab changes screens. A
presenter's remote control sends Page Down and Page Up. The Story is told step by step.
"""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

import core
from pages.parts.around import keys, link

PARAMETER, STEP = "present", "step"
STEPS = 5  # of the Story
STORY = "pages/story.py"
LEAVE = "leave presenting"

_LARGE = """<style>
html {font-size: 21px !important;}
[data-testid="stMainBlockContainer"] {padding-top: 3.2rem; padding-bottom: 5rem;}
.st-key-presenter {position: fixed; left: 0; right: 0; bottom: 0; z-index: 99; padding: .4rem 1rem;
  background: var(--st-background-color, Canvas); border-top: 1px solid rgba(128,128,128,.4);}
</style>"""


def on() -> bool:
    """Whether this tab presents."""
    named = st.query_params.get(PARAMETER)
    return bool(st.session_state.get(PARAMETER, False)) if named is None else named == "1"


def keep() -> None:
    """Streamlit empties the address when the page changes: write the mode into it again."""
    turn(on())


def come_back() -> None:
    """The browser's history led here: the address says all of the mode."""
    st.session_state[PARAMETER] = st.query_params.get(PARAMETER) == "1"


def turn(wanted: bool) -> None:
    st.session_state[PARAMETER] = wanted
    if wanted:
        st.query_params[PARAMETER] = "1"
    else:
        st.query_params.pop(PARAMETER, None)


def switch() -> None:
    """The sidebar's way into presenter mode."""
    st.session_state["presenter switch"] = on()
    st.sidebar.toggle(
        "Presenter mode",
        key="presenter switch",
        on_change=lambda: turn(st.session_state["presenter switch"]),
        help="Large type, next and back with Page Down and Page Up, and nothing that trains.",
    )


def step() -> int:
    """Which step of the Story is told, 1 to 5."""
    named = str(st.query_params.get(STEP, "1"))
    return core.reading.whole(named, 1, STEPS, held=True) or 1


def bar(screens: list[tuple[str, str]], at: str) -> None:
    """The bar below the screen: back, where we are, next, leave. `screens` are (path, title), `at` a title."""
    pages = deck([path for path, _ in screens])
    number = [title for _, title in screens].index(at)
    path = screens[number][0]
    inside = step() if path == STORY else 0
    place = pages.index(Page(path, inside))
    st.html(_LARGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center", key="presenter"):
        back = st.button("Back", icon=":material/arrow_back:", help="Page Up", key="turn back", disabled=place == 0)
        told = f"**{at}**{f', step {inside} of {STEPS}' if inside else ''} · {number + 1} of {len(screens)}"
        st.markdown(f"{told} &ensp; :small[Page Up, Page Down; Esc leaves]")
        forth = st.button(
            "Next", icon=":material/arrow_forward:", type="primary", help="Page Down", key="turn forth",
            disabled=place == len(pages) - 1,
        )  # fmt: skip
        st.button(
            "Leave", icon=":material/close:", help="End the presenter mode: Esc", key=LEAVE, on_click=turn,
            args=(False,),
        )  # fmt: skip
    wanted = keys.bind("presenter", {"Escape": LEAVE}, (place, len(pages)))
    if wanted is None:
        wanted = place + forth - back
    if wanted != place:
        _go(pages[wanted])


class Page(NamedTuple):
    """What is shown at once: a screen, of the Story one step (1 to 5; 0 elsewhere)."""

    path: str
    step: int


def deck(paths: list[str]) -> list[Page]:
    """All that Page Down comes by, in its order."""
    return [Page(path, step) for path in paths for step in (range(1, STEPS + 1) if path == STORY else (0,))]


def _go(page: Page) -> None:
    address = {PARAMETER: "1"}
    if link.named():
        address[link.PARAMETER] = link.named()
    if page.step:
        address[STEP] = str(page.step)
    st.switch_page(page.path, query_params=address)
