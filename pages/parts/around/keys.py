"""Keys of the keyboard that work whatever has the focus (keys.js says how)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.parts.around import components

_COMPONENT = components.beside(__file__)


def bind(name: str, buttons: Mapping[str, str], passed: Sequence[str] = ()) -> None:
    """Let keys press buttons: `buttons` names by key of the keyboard the `key` of a button that stands on the screen.

    A letter is left to whoever writes in a field, an arrow to whatever moves by it; Escape, to what is open. `passed`
    are keys that are handed on to the page's own script as an event "poisonscope:key".
    """
    data = {
        "name": name,
        "buttons": {key: button.replace(" ", "-") for key, button in buttons.items()},
        "passed": list(passed),
    }
    with st.container(key=f"unseen keys {name}"):  # it shows nothing: parts/around/shell.css takes its place away
        _COMPONENT(key=f"keys {name}", data=data)
