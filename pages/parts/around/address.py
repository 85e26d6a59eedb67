"""The browser's history in order: Back is one step back, to the view that was there (address.js says how)."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from pages.parts.around import components

Changes = dict[str, tuple[frozenset[str | None], str | None]]  # by name: what was said before, and what is said since

CHANGED = "address changed"  # in session state: a screen, and its changes
RESTORED = "restored"  # in the address: somebody came back to it, so that what it lacks is as usual

_COMPONENT = components.beside(__file__)


def tidy() -> None:
    """Mounted once on every screen; it shows nothing (parts/around/shell.css takes its place away)."""
    with st.container(key="address"):
        _COMPONENT(key="address of the tab")


def restored() -> bool:
    """Whether the browser's history led here, by Back or Forward; asked once, since it takes the mark away."""
    restored = st.query_params.pop(RESTORED, None) is not None
    if restored:
        _changes().clear()  # what it says now is meant, older or not
    return restored


def screen() -> str:
    """The path of the screen that the address names."""
    return urlsplit(st.context.url or "").path


def get(name: str) -> str | None:
    """What the address says by a name, None for nothing.

    Who is quick sends a second change before the answer to the first has reached the browser, with an address that does
    not have the first yet. So what was said before the last change here, and was not come back to, is not meant.
    """
    said = st.query_params.get(name)
    before, last = _changes().get(name, (frozenset(), said))
    return last if said in before else said


def put(name: str, value: str | None) -> None:
    """Have the address say this by a name; None takes it away."""
    said = st.query_params.get(name)
    changes = _changes()
    before, last = changes.get(name, (frozenset(), said))
    if value != said or name in changes:
        changes[name] = (before | {said, last}) - {value}, value
    if value is None:
        st.query_params.pop(name, None)
    elif value != said:
        st.query_params[name] = value


def forget(*names: str) -> None:
    """Let go of what was changed by these names."""
    for name in names:
        _changes().pop(name, None)


def _changes() -> Changes:
    """Those on this screen: with another one, Streamlit empties the address."""
    path = screen()
    where, changes = st.session_state.get(CHANGED, (path, {}))
    if where != path:
        changes = {}
    st.session_state[CHANGED] = path, changes
    return changes
