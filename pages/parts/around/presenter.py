"""Presenter mode: the Story as a deck of slides for a room (pages/parts/stage), and nothing else on the screen.

By the switch in the sidebar or by a link (`?present=1`, with `&step=3` at the third slide). On another screen such a
link opens the slide that tells what the screen shows. `?notes=1` is the speaker's second window.
"""

from __future__ import annotations

import streamlit as st

import core
from pages.parts.around import keys, link

PARAMETER, STEP, NOTES, LIVE = "present", "step", "notes", "live"
KEPT = (link.PARAMETER, "truth", LIVE)  # of an address, on the way to a slide
SLIDES = 8
STORY = "pages/story.py"
LEAVE, INSTEAD = "leave presenting", "screen that a slide was shown instead of"
TOLD = {  # by screen: the slide that tells what it shows
    "attack": 2, "network": 3, "try_it": 3, "how": 4, "scores": 5, "flagged": 5, "compare": 6, "sensitivity": 7,
    "tables": 7,
}  # fmt: skip

# The slides are laid over an empty page (stage.css); a run that is not finished has its words on it.
_BARE = """<style>
[data-testid="stHeader"] {display: none;}
[data-testid="stMainBlockContainer"] {padding-top: 2rem; padding-bottom: 3rem;}
.st-key-presenter {position: fixed; right: 1rem; bottom: .9vh; height: 4.2vh; justify-content: center;
  width: auto !important; z-index: 99;}
</style>"""


def on() -> bool:
    """Whether this tab presents."""
    named = st.query_params.get(PARAMETER)
    return bool(st.session_state.get(PARAMETER, False)) if named is None else named == "1"


def notes() -> bool:
    """Whether this tab is the speaker's window, with the notes."""
    return st.query_params.get(NOTES) == "1"


def alone() -> bool:
    """Whether the screen stands without what is around it."""
    return on() or notes()


def out() -> dict[str, str]:
    """What a link's address says that leads out of presenter mode, where this tab is in it."""
    return {PARAMETER: "0"} if on() else {}


def keep() -> None:
    """Streamlit empties the address when the page changes: write the mode into it again."""
    turn(on() and not notes())


def come_back() -> None:
    """The browser's history led here: the address says all of the mode."""
    st.session_state[PARAMETER] = st.query_params.get(PARAMETER) == "1"


def turn(wanted: bool) -> None:
    st.session_state[PARAMETER] = wanted
    if wanted:
        st.query_params[PARAMETER] = "1"
    else:
        st.session_state.pop(INSTEAD, None)
        for name in (PARAMETER, STEP):
            st.query_params.pop(name, None)


def switch() -> None:
    """The sidebar's way into presenter mode."""
    st.session_state["presenter switch"] = on()
    st.sidebar.toggle(
        "Presenter mode",
        key="presenter switch",
        on_change=lambda: turn(st.session_state["presenter switch"]),
        help="The Story as slides for a room: Page Down and Page Up turn them, ? lists the keys, Esc leaves.",
    )


def step() -> int:
    """Which slide is told first, from 1."""
    named = str(st.query_params.get(STEP, "1"))
    return core.reading.whole(named, 1, SLIDES, held=True) or 1


def frame(path: str) -> None:
    """What is around a screen that stands alone: the way out. `path` is the screen's; any but the Story's ends here."""
    if notes():
        return
    if path != STORY:
        if st.session_state.get(INSTEAD) == path:  # Back, from the slide that stood here instead: to the screen itself
            turn(False)
            st.rerun()
        st.session_state[INSTEAD] = path
        kept = {name: st.query_params[name] for name in KEPT if name in st.query_params}
        name = path.removeprefix("pages/").removesuffix(".py")
        st.switch_page(STORY, query_params=kept | {PARAMETER: "1", STEP: str(TOLD.get(name, 1))})
    st.html(_BARE)
    with st.container(key="presenter"):
        st.button(
            "Leave", icon=":material/close:", type="tertiary", help="End the presenter mode: Esc", key=LEAVE,
            on_click=turn, args=(False,),
        )  # fmt: skip
    keys.bind("presenter", {"Escape": LEAVE})
