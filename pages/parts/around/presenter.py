"""Presenter mode: large type, next and back by keyboard, nothing that trains by accident.

By the switch in the sidebar or by a link (`?present=1`); it stays on while the tab changes screens. A
presenter's remote control sends Page Down and Page Up. The Story is told step by step.
"""

from __future__ import annotations

import streamlit as st

import core
from pages.parts.around import link

PARAMETER, STEP = "present", "step"
STEPS = 5  # of the Story
STORY = "pages/story.py"

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
    titles = [title for _, title in screens]
    place = titles.index(at)
    inside = step() if screens[place][0] == STORY else 0
    st.html(_LARGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center", key="presenter"):
        if st.button("Back", icon=":material/arrow_back:", shortcut="PageUp", disabled=place == 0 and inside < 2):
            _go(*((screens[0][0], inside - 1) if inside > 1 else (screens[place - 1][0], STEPS if place == 1 else 0)))
        st.markdown(f"**{at}**{f', step {inside} of {STEPS}' if inside else ''} · {place + 1} of {len(screens)}")
        last = place == len(screens) - 1
        if st.button("Next", icon=":material/arrow_forward:", shortcut="PageDown", type="primary", disabled=last):
            _go(*((STORY, inside + 1) if 0 < inside < STEPS else (screens[place + 1][0], 0)))
        st.button(
            "Leave",
            icon=":material/close:",
            help="End the presenter mode",
            shortcut="Esc",
            on_click=turn,
            args=(False,),
        )


def _go(path: str, step: int) -> None:
    address = {PARAMETER: "1"}
    if link.named():
        address[link.PARAMETER] = link.named()
    if step:
        address[STEP] = str(step)
    st.switch_page(path, query_params=address)
