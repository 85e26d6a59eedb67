"""Classes in small, each a button that makes its class the large one; of many classes a page. Drawn by cards.js.

Up to PER_PAGE classes stand in the order of their numbers. More are turned through, the most suspicious first (those
that the detector names before the others), and searched by name; the browser is sent the page in sight and no other.
A class that comes in large by another way than its card brings its page along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import streamlit as st

import core
from core import Result
from pages.parts.around import components
from pages.parts.around.cuts import Scored
from pages.parts.scores.scales import Scales

KEY, TURNED = "every class", "page of classes"  # in session state
PER_PAGE = 20
LONGEST = 60  # characters that are searched for

_HTML = """<div class="classes">
<div class="pager" role="group" aria-label="Page of classes" hidden>
<input type="search" aria-label="Search a class" placeholder="Search a class" autocomplete="off" spellcheck="false">
<span class="turn">
<button type="button" data-step="-1" aria-label="Previous classes" title="Page Up">&lsaquo;</button>
<span class="range" role="status"></span>
<button type="button" data-step="1" aria-label="Next classes" title="Page Down">&rsaquo;</button>
</span>
</div>
<div class="cards" role="group" aria-label="Class in large"></div>
<div class="none" hidden>No class is called so.</div>
</div>"""
_draw = components.beside(__file__, _HTML)


@dataclass
class Turned:
    """Where a tab is among the classes in their order: the page, from 1, what is searched, and the class in large."""

    every: list[int]
    page: int = 1
    search: str = ""
    large: int | None = None


class Page(NamedTuple):
    """The classes of a page, its number from 1, and how many pages and classes there are."""

    labels: tuple[int, ...]
    number: int
    pages: int
    classes: int


def show(result: Result, found: Scored, scales: Scales, large: int, choose: Callable[[int], None]) -> None:
    """Draws a page of cards, marks the class in large, and calls `choose` with the label of another."""
    every = found.once(("order",), lambda: order(found))
    turned = st.session_state.get(TURNED)
    if turned is None or turned.every != every:  # another run, or another detector
        turned = st.session_state[TURNED] = Turned(every)
    shown = page(turned, core.class_names(result.config.dataset.name), large)

    def chosen() -> None:
        turned.large = int(st.session_state[KEY]["chosen"])  # its card is in sight
        choose(turned.large)

    def turn() -> None:
        asked = st.session_state[KEY]["turn"]
        search = str(asked["search"])[:LONGEST]
        turned.page = int(asked["page"]) if search == turned.search else 1
        turned.search = search

    first = (shown.number - 1) * PER_PAGE + 1
    _draw(
        key=KEY,
        data={
            "cards": scales.cards(shown.labels),
            "large": large,
            "paged": len(every) > PER_PAGE,
            "page": shown.number,
            "pages": shown.pages,
            "search": turned.search,
            "range": f"{first:,} to {first + len(shown.labels) - 1:,} of {shown.classes:,}" if shown.labels else "",
        },
        on_chosen_change=chosen,
        on_turn_change=turn,
    )


def order(found: Scored) -> list[int]:
    """The classes that there are: a few by number, many with the most suspicious first."""
    present = np.flatnonzero(found.sizes)
    if len(present) > PER_PAGE and found.suspicion is not None:
        named = np.isin(present, found.suspects)
        present = present[np.lexsort((-found.suspicion[present], ~named))]
    return [int(label) for label in present]


def page(turned: Turned, names: Sequence[str], large: int) -> Page:
    """The page to show, noted: of what is searched, and where a class is newly in large the one that it is on."""
    fits = searched(turned, names)
    if large != turned.large and large not in fits:
        turned.search = ""
        fits = searched(turned, names)
    if large != turned.large:
        turned.page = fits.index(large) // PER_PAGE + 1
    pages = max(1, -(-len(fits) // PER_PAGE))
    turned.page, turned.large = min(max(turned.page, 1), pages), large
    start = (turned.page - 1) * PER_PAGE
    return Page(tuple(fits[start : start + PER_PAGE]), turned.page, pages, len(fits))


def searched(turned: Turned, names: Sequence[str]) -> list[int]:
    """The classes whose names have every word that is searched."""
    wanted = turned.search.casefold().split()
    return [label for label in turned.every if all(word in names[label].casefold() for word in wanted)]
