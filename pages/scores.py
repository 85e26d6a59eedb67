"""Scores: how suspicious every image looks, and what a budget would remove. Nothing here trains.

Read from the run: its stored features. Kept for this tab: the cut (pages/parts/cuts.py).
Moving the budget redraws only `explore`, a fragment.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

import core
from core import PoisonscopeError, Result
from pages.parts import current, cuts, plots, words
from pages.parts.cuts import Scored

HARDLY_LEARNED = 0.5  # ASR1 below which low recall says little about the detector


def page() -> None:
    result = current.need_run()
    st.title("Scores")
    st.markdown("How far each training image stands out from the others of its label, and what a cut would remove.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        truth = cuts.truth_switch()
        choose_detector(result)
        log_scores = "log" in st.segmented_control(
            "Scores", ["log", "linear"], default="log", required=True, key="score scale",
            help="Scores are squared and span orders of magnitude: log spreads the tail out.",
        )  # fmt: skip
        log_counts = "log" in st.segmented_control(
            "Counts", ["linear", "log"], default="linear", required=True, key="counts scale",
            help="log makes bars of one or two images visible beside bars of thousands.",
        )  # fmt: skip
    found = score(result)
    axis = plots.axis(found.scores, log_scores)
    if truth:
        figures_without_budget(result, found)
    explore(result, found, axis, log_counts, truth)
    every_class(result, found, axis, log_counts, truth)
    explain()


def choose_detector(result: Result) -> None:
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


def score(result: Result) -> Scored:
    """The scores of the chosen detector; ends the page where they cannot be had."""
    detector = cuts.chosen(result).detector
    try:
        found = cuts.scored(result, detector)
    except PoisonscopeError as error:
        st.error(f"The detector {detector} cannot score this run: {error}", icon=":material/error:")
        st.stop()
    if found is None:
        current.offer_again("this run's representations")
    return found


def figures_without_budget(result: Result, found: Scored) -> None:
    """What no budget touches: was the backdoor learned, and how well do the scores rank it."""
    summary, attack = result.summary or {}, result.config.attack
    ranking = core.metrics.ranking(found.scores, found.labels, result.poisoned.truth.poisoned, attack.target)
    target = words.class_name(result.config, attack.target)
    st.subheader(f"The ranking, whatever the budget (target class: {target})")
    with st.container(horizontal=True):
        st.metric("ASR1", words.share(summary.get("asr1")), help=words.COLUMNS["ASR"], width=150)
        st.metric("Nat1", words.share(summary.get("nat1")), help=words.COLUMNS["Nat"], width=150)
        st.metric("AUROC", words.share(ranking.auroc), help=words.COLUMNS["AUROC"], width=150)
        st.metric("Average precision", words.share(ranking.average_precision), help=words.COLUMNS["AP"], width=190)
    if summary.get("asr1", 1.0) < HARDLY_LEARNED and result.poisoned.truth.count:
        st.warning(
            f"The network hardly learned this backdoor (ASR1 {words.share(summary['asr1'])}). A backdoor that was "
            "not learned leaves no signature: low recall here is no failure of the detector."
        )


@st.fragment
def explore(result: Result, found: Scored, axis: plots.Axis, log_counts: bool, truth: bool) -> None:
    """One class in large, and the budget; reruns alone when either is changed."""
    st.subheader("One class, and the cut")
    label = choose_class(result, found, truth)
    choose_budget(result, found)
    cut = cuts.chosen(result)
    flagged = cuts.flag(found, cut)
    poisoned = result.poisoned.truth.poisoned if truth else None
    show_decision(result, found, flagged, truth)
    name = words.class_name(result.config, label)
    figure = plots.large(found, label, name, poisoned, axis, log_counts)
    removed = int((flagged & (found.labels == label)).sum())
    plots.draw_cut(figure, axis, plots.cut_place(found, label, flagged, axis), removed)
    st.plotly_chart(
        figure,
        key="large histogram",
        alt=f"Histogram of the outlier scores of the images labelled {name}; the cut removes {removed:,} of them.",
        config={"displaylogo": False},
    )
    if not removed:
        spared = cut.scope == "suspicious_class" and label not in found.suspects
        st.caption(f"The cut removes nothing from {name}" + (": it is not among the classes named." if spared else "."))
    if truth:
        compare_filters(result, flagged)
    st.page_link("pages/flagged.py", label="Look at the flagged images", icon=":material/photo_library:")


def choose_class(result: Result, found: Scored, truth: bool) -> int:
    """The class in large: at first the target, or in blind review the one that looks most suspicious."""
    present = [int(label) for label in np.flatnonzero(found.sizes)]
    first = result.config.attack.target if truth else found.most_suspicious
    return st.selectbox(
        "Class in large",
        present,
        index=present.index(first) if first in present else 0,
        format_func=lambda label: words.class_name(result.config, label) + (" ⚠" if label in found.suspects else ""),
        key=f"class in large {core.run_key(result.config)[:8]} {truth} {cuts.chosen(result).detector}",
        help="⚠ marks what the detector names, or the widest spectral gap.",
        width=280,
    )


def choose_budget(result: Result, found: Scored) -> None:
    """Slider and number in step, a mark at 1.5·ε, and the scope where the detector names classes."""
    cut, standard, most = cuts.chosen(result), cuts.usual(result, cuts.chosen(result).detector), cuts.limit(result)
    st.session_state["budget slider"] = st.session_state["budget number"] = cut.budget
    st.session_state["scope picker"] = cut.scope

    def move(widget: str) -> None:
        value = st.session_state[widget]
        cuts.choose(result, replace(cut, budget=min(max(int(value or 0), 0), most)))

    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        st.slider("Images removed per class", 0, most, key="budget slider", on_change=move, args=("budget slider",))
    right.number_input(
        "Budget", 0, most, key="budget number", on_change=move, args=("budget number",), label_visibility="collapsed"
    )
    defence = cuts.defence_of(result, cut.detector)
    epsilon = core.filter.epsilon(found.labels, defence.assumed_ratio)
    left.html(budget_mark(standard.budget, most, f"{defence.multiplier:g}·ε = {standard.budget:,}"))
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


def budget_mark(at: int, most: int, text: str) -> str:
    """A mark below the slider; the slider's own track begins and ends half a handle inside."""
    share = 100 * at / max(most, 1)
    shift = "0" if share < 15 else "-100%" if share > 85 else "-50%"
    words_ = f"▲ {text}" if share <= 85 else f"{text} ▲"
    return (
        "<div style='position:relative;height:1.3rem;margin:-.9rem .5rem 0;font-size:.85rem' aria-hidden='true'>"
        f"<span style='position:absolute;left:{share:.1f}%;transform:translateX({shift});white-space:nowrap;"
        f"margin-left:{'-.35rem' if share < 15 else '0'}'>{words_}</span></div>"
    )


def show_decision(result: Result, found: Scored, flagged: NDArray[np.bool_], truth: bool) -> None:
    """What the cut does: with the truth, how right it is; without, only how much goes."""
    with st.container(horizontal=True):
        if not truth:
            st.metric("Flagged", f"{int(flagged.sum()):,}", width=150)
            st.metric("Of all images", words.share(float(flagged.mean())), width=150)
            st.metric("Classes cut", f"{len(np.unique(found.labels[flagged])):,}", width=150)
            return
        decision = core.metrics.found(flagged, result.poisoned.truth.poisoned)
        for name, value, help in (
            ("TPR (recall)", words.share(decision.tpr), words.COLUMNS["TPR"]),
            ("FPR", words.share(decision.fpr), words.COLUMNS["FPR"]),
            ("Precision", words.share(decision.precision), "share of the flagged images that are poisoned"),
            ("#Pois left", f"{decision.poisons_left:,} of {decision.poisons:,}", words.COLUMNS["#Pois left"]),
            ("Flagged", f"{decision.flagged:,}", "images that the cut removes"),
            ("Clean removed", f"{decision.clean_removed:,}", words.COLUMNS["Clean removed"]),
        ):
            st.metric(name, value, help=help, width=145)


def compare_filters(result: Result, flagged: NDArray[np.bool_]) -> None:
    """The cut beside two filters of the same budget: one guesses, one knows."""
    poisoned, labels = result.poisoned.truth.poisoned, result.poisoned.labels
    filters = {
        "this cut": flagged,
        "random": ~core.filter.random_keep(labels, flagged, result.config.seed),
        "perfect": ~core.filter.perfect_keep(flagged, poisoned),
    }
    rows = []
    for name, mask in filters.items():
        decision = core.metrics.found(mask, poisoned)
        shares = {"TPR": decision.tpr, "FPR": decision.fpr, "Precision": decision.precision}
        counts = {"#Pois left": decision.poisons_left, "Flagged": decision.flagged}
        row = {**{key: words.share(value) for key, value in shares.items()}, **counts}
        rows.append({"Filter": name, **row, "Clean removed": decision.clean_removed})
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="filters")
    st.caption(
        "*random* removes as many of each class by lot; *perfect* knows the truth and spends the same budget on "
        "poisoned images only. A good cut stands near the second."
    )


def every_class(result: Result, found: Scored, axis: plots.Axis, log_counts: bool, truth: bool) -> None:
    st.subheader("Every class")
    st.markdown(class_words(result, found))
    poisoned = result.poisoned.truth.poisoned if truth else None
    names = core.class_names(result.config.dataset.name)
    st.html(plots.small_multiples(found, names, poisoned, axis, log_counts))


def class_words(result: Result, found: Scored) -> str:
    """What the detector says of the classes."""
    suspects = ", ".join(f"**{words.class_name(result.config, label)}**" for label in found.suspects)
    if found.names_classes:
        return f"The detector names {suspects} (⚠)." if suspects else "The detector names no class: nothing found."
    if found.suspicion is None:
        return "This detector gives no opinion on classes."
    return (
        "This detector names no class. A hint is the spectral gap, the leading singular value against the next: "
        f"it is widest in {suspects} (⚠). Benign classes have gaps too."
    )


def explain() -> None:
    with st.expander("What happens here, in plain words", icon=":material/help:"):
        st.markdown(EXPLANATION)


EXPLANATION = """
**Where does the SVD take place?** Not in the pictures. Every training image is shown to the trained network,
and its *representation* is read off inside it (by default the pooled layer before the last one). For each
label, these rows form a matrix; their mean is subtracted, and the singular value decomposition of that matrix
gives the one direction in which the images of this label differ most.

**Why does it help?** To a network that learned the backdoor, the trigger is the strongest evidence of all for
the target class. Images that carry it get a part in their representation that the others lack. If there are
enough of them, that part is the direction in which the class differs most: the *spectral signature*. In the
pixels it could not be seen.

**What is an outlier here?** An image that lies far along that direction. The score is its squared distance
along it from the mean of its label. It is no proof: odd but honest images score high too, and where a class
has two kinds of pictures, the top direction may be theirs.

**What does removing do?** The highest scores of each label are left out, and a new network is trained from
scratch on the rest. Where few poisoned images remain, it does not learn the trigger. The clean images that
went with them are the price.
"""

page()
