"""The tour: six hints for who is new here, one on the screen that each is about.

Offered once, on the first screen; the browser remembers that it was taken or declined. It stands above the screen,
covers nothing and takes no focus. Drawn by tour.js, which knows how far it is; Python changes the screen.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import streamlit as st

from pages.parts.around import address, link

KEY = "tour"
ASKED = "wish for the tour"  # in session state: the last one, unlike any before it in this browser
_HERE = Path(__file__)


class Hint(NamedTuple):
    """What to look at on a screen, in two sentences."""

    screen: str
    title: str
    says: str


HINTS = (
    Hint(
        "story", "Story", "One recorded attack in five steps: an image, its trigger, the fooled network, what the "
        "detector sees, the cleaned network. Every figure on it was measured.",
    ),
    Hint(
        "attack", "Attack", "Poison a training set yourself: choose a card, look at the stamped images on the right, "
        "press Start. With the digits it takes seconds.",
    ),
    Hint(
        "scores", "Scores", "How suspicious every image looks. Drag the line: what lies right of it is removed. Two "
        "figures count: poison left, and clean images lost.",
    ),
    Hint(
        "flagged", "Flagged", "The images that the line removes. Judge them by keys, C for clean and P for poisoned, "
        "and retrain on what you decided.",
    ),
    Hint(
        "compare", "Compare", "Before and after: backdoor success should fall to nearly nothing, accuracy should stay. "
        "The arrow behind a name says which way is good.",
    ),
    Hint(
        "how", "How it works", "The questions that people ask, answered, with the glossary, which every screen has in "
        "its sidebar, too. This tour can be started again here.",
    ),
)  # fmt: skip


_WORDS = json.dumps([hint._asdict() for hint in HINTS])
_draw = st.components.v2.component(
    "poisonscope_tour",
    html="<div class='tour' role='region' aria-label='Tour' hidden></div>",
    css=_HERE.with_suffix(".css").read_text("utf-8"),
    js=f"const HINTS = {_WORDS};\n" + _HERE.with_suffix(".js").read_text("utf-8"),
)


def show() -> None:
    """Above a screen: the offer where nobody has answered it, the hint while the tour goes, else nothing."""
    data = {
        "screen": address.screen().rsplit("/", 1)[-1] or HINTS[0].screen,
        "asked": st.session_state.get(ASKED, ""),
    }
    with st.container(key="unseen-tour"):  # until there is something to say
        drawn = _draw(key=KEY, data=data, on_visit_change=lambda: None)
    if drawn.visit in {hint.screen for hint in HINTS}:
        run = link.named()
        st.switch_page(f"pages/{drawn.visit}.py", query_params={link.PARAMETER: run} if run else {})


def again() -> None:
    """The button that starts it anew."""
    if st.button("Take the tour: six hints", icon=":material/signpost:", type="tertiary", key="tour again"):
        st.session_state[ASKED] = uuid4().hex
        st.rerun()
