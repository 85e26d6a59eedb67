"""What the address says about the run: a link carries the beginning of its key (`?run=…`)."""

from __future__ import annotations

import streamlit as st

from pages.parts.around import address

PARAMETER = "run"
SHORT = 16  # hex digits of the key that a link carries


def named() -> str:
    """The key's beginning that the address names; after a change of page, what it named before."""
    return str(address.get(PARAMETER) or st.session_state.get(PARAMETER) or "")


OPEN = "open"  # a tab that a link from another screen opens
ALL_RUNS = "All runs"  # of Compare: the tab with the list
CURVES = "the curves"  # of Attack: where its trainings are drawn
WITH, ANOTHER_RUN = "with", "Another run"  # of Compare: the second run, and the tab that has both


def beside(one: str, other: str) -> dict[str, str]:
    """What Compare's address says where two runs, by their keys, stand beside each other."""
    return {PARAMETER: one[:SHORT], WITH: other[:SHORT], OPEN: ANOTHER_RUN}
