"""Presenter mode on the screen: eight slides, one at a time, turned by keys in the browser (deck.js).

All slides are on the page, so that turning asks nobody. Which one is seen stands in the address (`&step=3`).
"""

from __future__ import annotations

from pathlib import Path
from string import Template

import streamlit as st

import core
from core import Result
from pages.parts.around import colours, components, current, keys, presenter
from pages.parts.around.templates import render
from pages.parts.stage import live, told

PASSED = (
    *("PageUp", "PageDown", "ArrowLeft", "ArrowRight", "Home", "End"),
    *("b", ".", "l", "n", "?", *(str(number) for number in range(1, presenter.SLIDES + 1))),
)
ASKS = {"start": live.start, "again": lambda result: live.again(), "cancel": lambda result: live.cancel()}
KEYS = (  # for people
    ("Page Down, →", "next slide"), ("Page Up, ←", "slide before"), ("Home, End", "first, last"),
    (f"1 to {presenter.SLIDES}", "that slide"), ("B", "black, and back"), ("N", "speaker's notes"),
    ("L", "start the live run, on its slide"), ("?", "this list"), ("Esc", "close, then leave"),
)  # fmt: skip

_HERE = Path(__file__).parent
_HTML = "<nav class='ps-deck' aria-label='Slides'></nav><div class='ps-keys' hidden></div>"
_deck = components.beside(__file__, _HTML, isolate_styles=False)


def show(result: Result) -> None:
    """The slides of a finished run."""
    slides = told.tell(result)
    names = [*(slide.name for slide in slides), told.LIVE]
    with st.container(key="stage-bar"):
        asked = _deck(
            key="deck", data={
                "names": names, "keys": KEYS, "present": presenter.PARAMETER, "notes": presenter.NOTES,
                "step": presenter.STEP, "run": core.run_key(result.config),
            },
            on_asked_change=lambda: None,
        ).asked  # fmt: skip
    keys.bind("deck", {}, PASSED)
    if asked in ASKS:
        ASKS[asked](result)
    st.html("\n".join(["<style>", style(), "</style>"]))
    st.html(render("stage/slide.html.jinja", slides=slides))
    live.show(result)
    for number, slide in enumerate(slides, 1):
        if slide.screen is not None:
            _link(number, *slide.screen)


def _link(number: int, path: str, title: str) -> None:
    """From a slide to the screen that has more of it, out of presenter mode."""
    with st.container(key=f"stage-link-{number}"):
        named = {current.PARAMETER: current.named()} if current.named() else {}
        if presenter.LIVE in st.query_params:
            named[presenter.LIVE] = st.query_params[presenter.LIVE]
        st.page_link(path, label=title, icon=":material/open_in_new:", query_params={**named, **presenter.out()})


def style() -> str:
    """How the slides look; the first that is seen is the address's, until deck.js has it."""
    numbers = range(1, presenter.SLIDES + 1)
    seen = ",".join(f'html[data-slide="{n}"] [data-slide="{n}"]' for n in numbers)
    linked = ",".join(f'html[data-slide="{n}"] .st-key-stage-link-{n}' for n in numbers)
    return Template((_HERE / "stage.css").read_text("utf-8")).substitute(
        benign=colours.BENIGN, poisoned=colours.POISONED, reference=colours.REFERENCE,
        hatched=colours.HATCHED, seen=seen, linked=linked,
        first=f'html:not([data-slide]) .ps-slide[data-slide="{presenter.step()}"]',
    )  # fmt: skip
