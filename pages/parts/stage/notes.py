"""The speaker's second window (`?notes=1`): what to say to the slide that is shown, what comes next, and the time."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

import core
from core import Result
from pages.parts.around import keys
from pages.parts.around.templates import render
from pages.parts.stage import deck, told

LAST = (
    "Which run will start stands on the slide. L starts it, nothing else does.",
    "While it trains, go back to any slide: it goes on.",
)

_HERE = Path(__file__).parent
_notes = st.components.v2.component("poisonscope_notes", js=(_HERE / "notes.js").read_text("utf-8"))


def show(result: Result) -> None:
    """The notes of all slides; notes.js shows those of the one that the deck is at."""
    slides = [(slide.name, slide.claim, slide.notes) for slide in told.tell(result)]
    slides.append((told.LIVE, "A run before your eyes", LAST))
    st.html(_HERE / "notes.css")
    st.html(render("stage/notes.html.jinja", slides=slides))
    keys.bind("notes", {}, deck.PASSED)
    with st.container(key="unseen notes"):
        _notes(key="notes", data={"run": core.run_key(result.config)})
