"""Keys of the keyboard that work whatever has the focus (keys.js says how)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

_COMPONENT = st.components.v2.component("poisonscope_keys", js=Path(__file__).with_suffix(".js").read_text("utf-8"))


def bind(name: str, buttons: Mapping[str, str], deck: tuple[int, int] | None = None) -> int | None:
    """Let keys press buttons: `buttons` names by key of the keyboard the `key` of a button that stands on the screen.

    A letter is left to whoever writes in a field; Escape, to what is open. deck: where one is among how many pages,
    (at, count), which Page Up and Page Down turn; returns the page that was just asked for, or None.
    """
    data = {
        "name": name,
        "buttons": {key: button.replace(" ", "-") for key, button in buttons.items()},
        "deck": None if deck is None else {"at": deck[0], "last": deck[1] - 1},
    }
    with st.container(key=f"unseen keys {name}"):  # it shows nothing: parts/around/shell.py takes its place away
        turned = _COMPONENT(key=f"keys {name}", data=data, on_turned_change=lambda: None).turned
    return None if turned is None or deck is None else min(max(int(turned), 0), deck[1] - 1)
