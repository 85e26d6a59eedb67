"""The widgets by which a person picks the cut: detector, budget, scope."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

import core
from core import PoisonscopeError, Result

from . import current, cuts, words
from .cuts import Scored


def need_scores(result: Result) -> Scored:
    """The scores of the chosen detector; ends the page where they cannot be had."""
    detector = cuts.chosen(result).detector
    try:
        found = cuts.scored(result, detector)
    except PoisonscopeError as error:
        st.error(f"The detector {detector} cannot score this run: {error}", icon=":material/error:")
        st.stop()
    if found is None:
        current.offer_again("this run's representations")
        st.stop()
    return found


def detector(result: Result) -> None:
    """The detector, at first the run's own."""
    cut = cuts.chosen(result)
    st.session_state["detector picker"] = cut.detector
    own = result.config.defence.detector
    st.selectbox(
        "Detector",
        list(core.DETECTORS),
        key="detector picker",
        format_func=lambda name: f"{name} (this run's)" if name == own else name,
        on_change=lambda: cuts.choose(result, cuts.usual(result, st.session_state["detector picker"])),
        help=core.DETECTORS[cut.detector].summary + ". Any detector scores the stored features at once.",
        width=280,
    )


def budget(result: Result, found: Scored) -> None:
    """Slider and number in step, a mark at 1.5·ε, and the scope where the detector names classes."""
    cut, standard, most = cuts.chosen(result), cuts.usual(result, cuts.chosen(result).detector), cuts.limit(result)
    st.session_state["budget slider"] = st.session_state["budget number"] = cut.budget
    st.session_state["scope picker"] = cut.scope

    def move(widget: str) -> None:
        value = st.session_state[widget]
        cuts.choose(result, replace(cut, budget=min(max(int(value or 0), 0), most)))

    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        st.slider("Images removed per class", 0, most, key="budget slider", on_change=move, args=("budget slider",))
    right.number_input(
        "Budget", 0, most, key="budget number", on_change=move, args=("budget number",), label_visibility="collapsed"
    )
    defence = cuts.defence_of(result, cut.detector)
    epsilon = core.filter.epsilon(found.labels, defence.assumed_ratio)
    left.html(mark(standard.budget, most, f"{defence.multiplier:g}·ε = {standard.budget:,}"))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Back to {defence.multiplier:g}·ε",
            on_click=lambda: cuts.choose(result, replace(cut, budget=standard.budget)),
            disabled=cut.budget == standard.budget,
        )
        if len(cuts.scopes(cut.detector)) > 1:
            st.segmented_control(
                "Remove from", list(cuts.SCOPES), format_func=cuts.SCOPES.get, key="scope picker", required=True,
                on_change=lambda: cuts.choose(result, replace(cut, scope=st.session_state["scope picker"])),
                label_visibility="collapsed",
            )  # fmt: skip
        st.caption(
            f"ε = {epsilon:,} is what the defender assumes: {words.share(defence.assumed_ratio, 0)} of the median "
            "class. It is not the attacker's true number."
        )


def mark(at: int, most: int, text: str) -> str:
    """A mark below the slider; the slider's own track begins and ends half a handle inside."""
    share = 100 * at / max(most, 1)
    shift = "0" if share < 15 else "-100%" if share > 85 else "-50%"
    words_ = f"▲ {text}" if share <= 85 else f"{text} ▲"
    return (
        "<div style='position:relative;height:1.3rem;margin:-.9rem .5rem 0;font-size:.85rem' aria-hidden='true'>"
        f"<span style='position:absolute;left:{share:.1f}%;transform:translateX({shift});white-space:nowrap;"
        f"margin-left:{'-.35rem' if share < 15 else '0'}'>{words_}</span></div>"
    )
