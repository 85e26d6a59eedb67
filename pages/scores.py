"""Scores: how suspicious every image looks, and what a budget would remove. Nothing here trains.

Read from the run: its stored features. Kept for this tab: the cut (pages/parts/cuts.py).
Moving the budget redraws only `explore`, a fragment.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts import current, cuts, explained, picked, plots, shell, words
from pages.parts.cuts import Scored

Mask = NDArray[np.bool_]

HARDLY_LEARNED = 0.5  # ASR1 below which low recall says little about the detector


def page() -> None:
    result = current.need_run()
    st.title("Scores")
    st.markdown("How far each training image stands out from the others of its label, and what a cut would remove.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        truth = cuts.truth_switch()
        picked.detector(result)
        log_scores = "log" in st.segmented_control(
            "Scores", ["log", "linear"], default="log", required=True, key="score scale",
            help="Scores are squared and span orders of magnitude: log spreads the tail out.",
        )  # fmt: skip
        log_counts = "log" in st.segmented_control(
            "Counts", ["linear", "log"], default="linear", required=True, key="counts scale",
            help="log makes bars of one or two images visible beside bars of thousands.",
        )  # fmt: skip
    found = picked.need_scores(result)
    axis = plots.axis(found.scores, log_scores)
    if truth:
        warn_if_hardly_learned(result)
    explore(result, found, axis, log_counts, truth)
    every_class(result, found, axis, log_counts, truth)
    explained.signatures()


def warn_if_hardly_learned(result: Result) -> None:
    asr = (result.summary or {}).get("asr1", 1.0)
    if asr < HARDLY_LEARNED and result.poisoned.truth.count:
        st.warning(
            f"The network hardly learned this backdoor (ASR1 {words.share(asr)}). A backdoor that was not learned "
            "leaves no signature: low recall here is no failure of the detector."
        )


@st.fragment
def explore(result: Result, found: Scored, axis: plots.Axis, log_counts: bool, truth: bool) -> None:
    """One class in large, and the budget; reruns alone when either is changed."""
    left, right = st.columns([2, 1], gap="medium")
    with left:
        label = choose_class(result, found, truth)
        picked.budget(result, found)
        flagged = cuts.flag(found, cuts.chosen(result))
        draw(result, found, label, flagged, axis, log_counts, truth)
    with right:
        show_decision(result, found, flagged, truth)
    if truth:
        compare_filters(result, flagged)
    st.page_link("pages/flagged.py", label="Look at the flagged images", icon=":material/photo_library:")


def draw(
    result: Result, found: Scored, label: int, flagged: Mask, axis: plots.Axis, log_counts: bool, truth: bool
) -> None:
    """The class in large, with the cut through it."""
    name = words.class_name(result.config, label)
    poisoned = result.poisoned.truth.poisoned if truth else None
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
        spared = cuts.chosen(result).scope == "suspicious_class" and label not in found.suspects
        st.caption(f"The cut removes nothing from {name}" + (": it is not among the classes named." if spared else "."))


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


def show_decision(result: Result, found: Scored, flagged: Mask, truth: bool) -> None:
    """What the cut does: with the truth, how right it is; without, only how much goes."""
    if not truth:
        figures = [
            ("Flagged", f"{int(flagged.sum()):,}", "images that the cut removes"),
            ("Of all images", words.share(float(flagged.mean())), "share of the training set that the cut removes"),
            ("Classes cut", f"{len(np.unique(found.labels[flagged])):,}", "classes that lose images"),
        ]
    else:
        figures = figures_with_truth(result, found, flagged)
    with st.container(horizontal=True):
        for name, value, help in figures:
            st.metric(name, value, help=help, width=130)


def figures_with_truth(result: Result, found: Scored, flagged: Mask) -> list[tuple[str, str, str]]:
    """Name, value and explanation of what can be measured where the poisoned images are known."""
    truth = result.poisoned.truth.poisoned
    decision = core.metrics.found(flagged, truth)
    ranking = core.metrics.ranking(found.scores, found.labels, truth, result.config.attack.target)
    return [
        ("ASR1", words.share((result.summary or {}).get("asr1")), words.COLUMNS["ASR"]),
        ("TPR (recall)", words.share(decision.tpr), words.COLUMNS["TPR"]),
        ("FPR", words.share(decision.fpr), words.COLUMNS["FPR"]),
        ("Precision", words.share(decision.precision), "share of the flagged images that are poisoned"),
        ("#Pois left", f"{decision.poisons_left:,} of {decision.poisons:,}", words.COLUMNS["#Pois left"]),
        ("Flagged", f"{decision.flagged:,}", "images that the cut removes"),
        ("Clean removed", f"{decision.clean_removed:,}", words.COLUMNS["Clean removed"]),
        ("AUROC", words.share(ranking.auroc), words.COLUMNS["AUROC"]),
        ("Avg. precision", words.share(ranking.average_precision), words.COLUMNS["AP"]),
    ]


def compare_filters(result: Result, flagged: Mask) -> None:
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


shell.ensure()
page()
