"""Presenter mode: large type, next and back by keyboard, nothing that trains by accident.

By the switch in the sidebar or by a link (`?present=1`); it stays on while the tab changes screens.
"""

from __future__ import annotations

import streamlit as st

PARAMETER = "present"


def on() -> bool:
    """Whether this tab presents."""
    named = st.query_params.get(PARAMETER)
    return bool(st.session_state.get(PARAMETER, False)) if named is None else named == "1"
