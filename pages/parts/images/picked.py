"""The detector that a person picks, and its scores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import streamlit as st

import core
from core import PoisonscopeError, Result
from pages.parts.around import current, cuts, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.images import brush


def need_scores(result: Result) -> Scored:
    """The scores of the chosen detector; ends the page where they cannot be had."""
    detector = cuts.chosen(result).detector
    stored = result.has_scores(cuts.defence_of(result, detector))
    if not stored and (why := result.lacks(cuts.defence_of(result, detector))) is not None:
        st.info(f"{words.sentence(why)} Choose another detector to see its scores.", icon=":material/search_off:")
        back_to_own(result, detector)
        st.stop()
    try:
        with nullcontext() if stored else scoring(result, detector):
            found = cuts.scored(result, detector)
    except PoisonscopeError as error:
        st.error(f"The detector {detector} cannot score this run: {error}", icon=":material/error:")
        st.stop()
    if found is None:
        current.offer_again("this run's representations")
        st.stop()
    return found


def back_to_own(result: Result, detector: str) -> None:
    """A button for the run's own detector, where another is chosen."""
    own = cuts.usual(result, result.config.defence.detector)
    if detector != own.detector:
        st.button(f"Back to {own.detector}", key="own detector", on_click=lambda: cuts.choose(result, own))


def scoring(result: Result, detector: str) -> AbstractContextManager[Any]:
    """Says that a detector is at work, where its scores are not stored yet."""
    if result.has_scores(cuts.defence_of(result, detector)):
        return nullcontext()
    return st.spinner(f"Scoring with {detector}: once for this network, then it is stored …", show_time=True)


def detector(result: Result) -> None:
    """The detector, at first the run's own."""
    cut = cuts.chosen(result)
    st.session_state["detector picker"] = cut.detector
    own = result.config.defence.detector

    def change() -> None:
        brush.clear()  # its scores were another detector's
        cuts.choose(result, cuts.usual(result, st.session_state["detector picker"]))

    st.selectbox(
        "Detector",
        list(core.DETECTORS),
        key="detector picker",
        format_func=lambda name: f"{name} (this run's)" if name == own else words.detector(name),
        on_change=change,
        help=core.DETECTORS[cut.detector].summary
        + ". Any detector scores the stored features: at once, or in some seconds the first time. Some need more: the "
        "losses of the training, or the network itself.",
        width=280,
    )


def taken(cut: Cut) -> str:
    """What the cut takes of a class, in words."""
    return "what lies beyond the **gap**" if cut.at == cuts.GAP else f"the **{cut.budget:,}** highest scores"


def in_scope(result: Result, found: Scored, cut: Cut) -> str:
    """The classes that the cut looks at, in words."""
    if cut.scope == "every_class":
        return "every class"
    named = words.some([words.class_name(result.config, label) for label in found.suspects])
    if len(named) < 2:
        return f"{named[0]}, the class that the detector names" if named else "the classes that the detector names"
    return f"each of {', '.join(named[:-1])} and {named[-1]}, the classes that the detector names"


def choice(label: str, name: str, options: list[str], *, usual: str | None = None, help: str | None = None,
           then: Callable[[], None] | None = None) -> str:  # fmt: skip
    """One of a few ways to look, the first of them if no usual one is named; kept in the address under `name`.

    then: what else a change comes with.
    """
    key, usual = f"{name} picker", usual or options[0]
    st.session_state[key] = cuts.option(name, usual, options)

    def change() -> None:
        cuts.set_option(name, st.session_state[key], usual)
        if then is not None:
            then()

    return st.segmented_control(label, options, key=key, required=True, help=help, on_change=change)
