"""Scores: how suspicious every image looks, and what a budget would remove. Nothing here trains.

Read from the run: its stored features. Kept for this tab and in the address: the cut and how it is looked at
(pages/parts/around/cuts.py). All but the title's row is one fragment; of the plots below only the visible one is made.
"""

from __future__ import annotations

import streamlit as st

from core import Result
from pages.parts.around import current, cuts, shell, trouble, words
from pages.parts.around.cuts import Scored
from pages.parts.common import findings
from pages.parts.how import explained
from pages.parts.images import picked
from pages.parts.scores import budget, cards, closer, control, decision, large, looks, panels, picked_out
from pages.parts.scores.scales import Scales

HARDLY_LEARNED = 0.5  # ASR1 below which low recall says little about the detector


def page() -> None:
    result = current.need_run("Scores")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.title("Scores", width="stretch")
        truth = cuts.truth_switch()
        picked.detector(result)
    found = picked.need_scores(result)
    if truth:
        warn_if_hardly_learned(result)
    if found.names_classes and not found.suspects:
        st.info("The detector names no class: **nothing found**.", icon=":material/search_off:")
    explore(result, found, truth)
    explained.signatures()


def warn_if_hardly_learned(result: Result) -> None:
    found = result.summary
    if found is not None and found["poisons"] and words.success(found, 1) < HARDLY_LEARNED:
        asr = f"{words.share(words.success(found, 1))}{words.plain(words.whose(result.config))}"
        st.warning(
            f"The network hardly learned this backdoor (ASR1 {asr}). A backdoor that was not learned "
            "leaves no signature: low recall here is no failure of the detector."
        )


@st.fragment
@trouble.said()
def explore(result: Result, found: Scored, truth: bool) -> None:
    """Everything that follows the cut, the class or the brush; reruns alone."""
    cut = cuts.chosen(result)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        label = looks.large_class(result, found, truth)
        stacked = truth and picked.choice("Bars", "bars", ["overlaid", "stacked"]) == "stacked"
        log_scores = picked.choice(
            "Scores", "scores", ["linear", "log"], usual="log" if found.spans_orders else "linear",
            help="log spreads out scores that span orders of magnitude, as squares do; linear shows them as they are.",
        ) == "log"  # fmt: skip
        log_counts = picked.choice(
            "Counts", "counts", ["linear", "log"],
            help="log makes bars of one or two images visible beside bars of thousands.",
        ) == "log"  # fmt: skip
    decision.show(result, found, cut, truth)
    scales = Scales(result, found, log_scores, log_counts, truth)
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        large.draw(result, found, cut, label, scales, stacked, truth)
        budget.show(result, found, label, scales.axis)
        panels.show("histogram")
    with right:
        cards.show(result, found, scales, label, lambda chosen: looks.enlarge(result, found, truth, chosen))
        st.caption(decision.class_words(result, found))
    findings.show(result, found)
    control.show(result, found, cut.detector)
    closer.show(result, found, cut, label, truth)
    picked_out.show(result, found, label, truth)


shell.ensure()
page()
