"""The widgets that move the cut: budget or gap, threshold, scope."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import streamlit as st

import core
from core import Result
from pages.parts.around import cuts, plots, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.around.plots import Axis
from pages.parts.around.templates import Markup, render
from pages.parts.scores import histogram, ranking

TYPED = "threshold typed"  # in session state


def show(result: Result, found: Scored, label: int, axis: Axis) -> None:
    """Slider, number and threshold in step, a mark at 1.5·ε, and what else the detector offers: the gap, the scope."""
    cut, most = cuts.chosen(result), cuts.limit(result)
    standard = cuts.usual(result, cut.detector)
    st.session_state["budget slider"] = st.session_state["budget number"] = count(found, cut, label)
    st.session_state["threshold number"] = threshold(found, cut, label)
    name = words.class_name(result.config, label)

    def move(widget: str) -> None:
        if histogram.moved():
            return
        value = st.session_state[widget]
        cuts.choose(result, cuts.at_budget(cut, min(max(int(value or 0), 0), most)))

    def set_threshold() -> None:
        if histogram.moved():
            return
        value = st.session_state["threshold number"]
        value = float("inf") if value is None else float(value)
        st.session_state[TYPED] = Typed(cut.detector, label, value)
        cuts.choose(result, cuts.at_budget(cut, found.ranked[label].budget(value)))

    left, middle, right = st.columns([3, 1.5, 1.8], vertical_alignment="bottom")
    with left:
        st.slider("Images removed per class", 0, most, key="budget slider", on_change=move, args=("budget slider",))
    middle.number_input("Budget", 0, most, key="budget number", on_change=move, args=("budget number",))
    right.number_input(
        "Threshold", value=None, step=plots.round_step((axis.high - axis.low) / 100), format="%.4g",
        key="threshold number", on_change=set_threshold, placeholder="none goes",
        help=f"What scores at least this much is removed, among the images labelled {name}. It sets the budget, "
        "which then holds for every class in scope.",
    )  # fmt: skip
    if standard.at == "budget":
        factor = cuts.defence_of(result, cut.detector).multiplier
        left.html(mark(standard.budget, most, f"{factor:g}·ε = {standard.budget:,}"))
    with st.container(horizontal=True, vertical_alignment="center"):
        back(result, found, cut, standard)
        if cuts.offers_gap(cut.detector) and standard.at != cuts.GAP:
            at_gap(result, cut, standard)
        if len(cuts.scopes(cut.detector)) > 1:
            scope(result, cut)
        st.caption(assumed(result, found, cut, standard), width="content")


GAP = "Each class is cut where its two groups of scores part, as the detector sees them. No ε is assumed."


def back(result: Result, found: Scored, cut: Cut, standard: Cut) -> None:
    """The way back to the usual cut, named by what it is: so many times ε, or the gap at which the run was cut."""
    defence = cuts.defence_of(result, cut.detector)
    epsilon = core.filter.epsilon(found.labels, defence.assumed_ratio)
    label, help = (
        ("Back to this run's cut", f"This run was cut at the gap. {GAP}")
        if standard.at == cuts.GAP
        else (
            f"Back to {defence.multiplier:g}·ε",
            f"ε = {epsilon:,} is what the defender assumes: {words.exact(defence.assumed_ratio)} of the median "
            "class. It is not the attacker's true number.",
        )
    )
    usual = replace(standard, scope=cut.scope)
    st.button(label, on_click=lambda: cuts.choose(result, usual), disabled=cut == usual, help=help)


def at_gap(result: Result, cut: Cut, standard: Cut) -> None:
    """The detector's own cut, where the run's is another."""
    there = cut.at == cuts.GAP
    gap = replace(cut, at=cuts.GAP, budget=standard.budget)
    st.button(
        "At the gap", on_click=lambda: cuts.choose(result, gap), disabled=there, help=GAP, key="at the gap",
        icon=":material/check:" if there else None,
    )  # fmt: skip


def scope(result: Result, cut: Cut) -> None:
    """From which classes the cut removes."""
    st.session_state["scope picker"] = cut.scope
    st.segmented_control(
        "Remove from", list(cuts.SCOPES), format_func=cuts.SCOPES.get, key="scope picker", required=True,
        on_change=lambda: cuts.choose(result, replace(cut, scope=st.session_state["scope picker"])),
        label_visibility="collapsed",
    )  # fmt: skip


def assumed(result: Result, found: Scored, cut: Cut, standard: Cut) -> str:
    """What the cut takes for granted."""
    if cut.at == cuts.GAP and cut.scope == "every_class":
        return "Cut at the gap. In a class that the detector does not name the two groups mean little"
    if cut.at == cuts.GAP:
        return "Cut at the gap, where a class's two groups part: no ε is assumed"
    if standard.at == cuts.GAP:
        return "A budget is tried on: this run assumed no ε"
    epsilon = core.filter.epsilon(found.labels, cuts.defence_of(result, cut.detector).assumed_ratio)
    return f"ε = {epsilon:,}: the defender's guess, not the true number"


def count(found: Scored, cut: Cut, label: int) -> int:
    """What slider and number say: the budget, or how many images of the class in large lie beyond the gap."""
    return int(ranking.removed(found, cut)[label]) if cut.at == cuts.GAP else cut.budget


class Typed(NamedTuple):
    """A threshold as a person wrote it, for a detector and a class."""

    detector: str
    label: int
    value: float


def threshold(found: Scored, cut: Cut, label: int) -> float | None:
    """The score at which the cut goes through a class: as it was typed while it means this budget, else computed."""
    if cut.at == cuts.GAP:
        return cuts.threshold(found, cut, label) if label in found.in_scope(cut.scope) else None
    one, typed = found.ranked[label], st.session_state.get(TYPED)
    fits = typed is not None and (typed.detector, typed.label) == (cut.detector, label)
    if fits and np.isfinite(typed.value) and one.budget(typed.value) == cut.budget:
        return typed.value
    return one.threshold(cut.budget)


def mark(at: int, most: int, text: str) -> Markup:
    """A mark below the slider; the slider's own track begins and ends half a handle inside."""
    return render("scores/mark.html.jinja", share=100 * at / max(most, 1), text=text)
