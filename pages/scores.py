"""Scores: how suspicious every image looks, and what a budget would remove. Nothing here trains.

Read from the run: its stored features. Kept for this tab and in the address: the cut and how it is looked at
(pages/parts/around/cuts.py). All but the title's row is one fragment; of the plots below only the visible one is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts.around import current, cuts, plots, shell, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.how import explained
from pages.parts.images import brush, gallery, histogram, picked, ranking
from pages.parts.scores import cards, directions, panels

Ids = NDArray[np.int64]

HARDLY_LEARNED = 0.5  # ASR1 below which low recall says little about the detector
CURVES, SPECTRUM, SCATTER, FILTERS = "ROC and precision", "singular values", "scatter", "reference filters"


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
    asr = (result.summary or {}).get("asr1", 1.0)
    if asr < HARDLY_LEARNED and result.poisoned.truth.count:
        st.warning(
            f"The network hardly learned this backdoor (ASR1 {words.share(asr)}). A backdoor that was not learned "
            "leaves no signature: low recall here is no failure of the detector."
        )


@st.fragment
def explore(result: Result, found: Scored, truth: bool) -> None:
    """Everything that follows the cut, the class or the brush; reruns alone."""
    cut = cuts.chosen(result)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        label = picked.large_class(result, found, truth)
        stacked = truth and picked.choice("Bars", "bars", ["overlaid", "stacked"]) == "stacked"
        log_scores = picked.choice(
            "Scores", "scores", ["linear", "log"], usual="log" if found.spans_orders else "linear",
            help="log spreads out scores that span orders of magnitude, as squares do; linear shows them as they are.",
        ) == "log"  # fmt: skip
        log_counts = picked.choice(
            "Counts", "counts", ["linear", "log"],
            help="log makes bars of one or two images visible beside bars of thousands.",
        ) == "log"  # fmt: skip
    show_decision(result, found, cut, truth)
    scales = Scales(result, found, cut.detector, log_scores, log_counts, truth)
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        draw(result, found, cut, label, scales, stacked, truth)
        picked.budget(result, found, label, scales.axis)
        panels.show("histogram")
    with right:
        cards.show(scales.cards(), label, lambda chosen: picked.enlarge(result, found, truth, chosen))
        st.caption(class_words(result, found))
    below(result, found, cut, label, truth)
    show_picked(result, found, label, truth)


class Scales:
    """The score axis that all pictures share, and what is drawn on it; made once for a detector and its options."""

    def __init__(
        self, result: Result, found: Scored, detector: str, log_scores: bool, log_counts: bool, truth: bool
    ) -> None:
        self._known = *cuts.key(result, detector), log_scores
        self._counts, self._truth, self._result, self._found = log_counts, truth, result, found
        self.axis = _axis(*self._known, found)

    def cards(self) -> list[dict[str, Any]]:
        return _cards(*self._known, self._counts, self._truth, self._result, self._found, self.axis)

    def picture(self, label: int, stacked: bool) -> dict[str, Any]:
        options = label, self._counts, stacked, self._truth
        return _picture(*self._known, *options, self._result, self._found, self.axis)


@st.cache_resource(max_entries=12, show_spinner=False)
def _axis(store: str, features_key: str, detector: str, parameters: str, log: bool, _found: Scored) -> plots.Axis:
    return plots.axis(_found.scores, log)


@st.cache_resource(max_entries=24, show_spinner=False)
def _cards(
    store: str, features_key: str, detector: str, parameters: str, log: bool, log_counts: bool, truth: bool,
    _result: Result, _found: Scored, _axis: plots.Axis,
) -> list[dict[str, Any]]:  # fmt: skip
    poisoned = _result.poisoned.truth.poisoned if truth else None
    names = core.class_names(_result.config.dataset.name)
    return plots.cards(_found, names, poisoned, _axis, log_counts=log_counts)


@st.cache_resource(max_entries=96, show_spinner=False)
def _picture(
    store: str, features_key: str, detector: str, parameters: str, log: bool, label: int, log_counts: bool,
    stacked: bool, truth: bool, _result: Result, _found: Scored, _axis: plots.Axis,
) -> dict[str, Any]:  # fmt: skip
    poisoned = _result.poisoned.truth.poisoned if truth else None
    return plots.picture(_found, label, poisoned, _axis, log_counts=log_counts, stacked=stacked)


def draw(result: Result, found: Scored, cut: Cut, label: int, scales: Scales, stacked: bool, truth: bool) -> None:
    """The class in large, with the cut through it and the brush on it."""
    axis, one = scales.axis, found.ranked[label]
    picture = scales.picture(label, stacked)
    name = words.class_name(result.config, label)
    gone = int(ranking.removed(found, cut)[label])
    spared = label not in found.in_scope(cut.scope)
    chosen = brush.read(label)
    scale = "log" if axis.log else "linear"

    def at(share: float) -> int:
        return one.budget(axis.at(share)) if share < 1 else 0

    def choose(budget: int) -> None:
        cuts.choose(result, cuts.at_budget(cuts.chosen(result), min(max(budget, 0), cuts.limit(result))))

    def take(ends: tuple[float, float] | None) -> None:
        if ends is None:
            brush.clear()
        else:
            brush.keep(brush.rounded(label, axis.at(ends[0]), axis.at(ends[1])))

    data = {
        "picture": picture,
        "legend": legend(result, found, picture, name, chosen, truth),
        "title": f"outlier score ({scale}) →",
        "alt": f"Histogram of the outlier scores of the images labelled {name}; the cut removes {gone:,} of them.",
        "cut": None if spared else plots.cut_place(found, label, cut, axis),
        "removed": f"{gone:,}",
        "budget": picked.count(found, cut, label),
        "most": cuts.limit(result),
        "says": f"{gone:,} images labelled {name} removed",
        "brush": None if chosen is None else [float(np.clip(axis.share(end), 0, 1)) for end in chosen[1:]],
    }
    histogram.show(data, histogram.Hands(lambda share: cuts.try_on(at(share)), lambda s: choose(at(s)), choose, take))
    if spared:
        st.caption(f"The cut removes nothing from {name}: it is not among the classes that the detector names.")


def legend(
    result: Result, found: Scored, picture: dict[str, Any], name: str, chosen: brush.Brush | None, truth: bool
) -> list[list[str]]:
    """The kinds of bars, and what the brush holds: [kind, words]."""
    kinds = {bar[0] for bar in picture["bars"]}
    marks = {"benign": "● benign", "poisoned": "✕ poisoned", "images": "images"}
    entries = [[kind, f"{text} labelled {name}"] for kind, text in marks.items() if kind in kinds]
    if chosen is not None:
        ids = brush.brushed(found, chosen)
        hits = f", {int(result.poisoned.truth.poisoned[ids].sum()):,} ✕ poisoned" if truth else ""
        entries.append(["brushed", f"{len(ids):,} brushed{hits}: see below ↓"])
    return entries


def show_decision(result: Result, found: Scored, cut: Cut, truth: bool) -> None:
    """What the cut does: with the truth, how right it is; without, only how much goes."""
    gone = ranking.removed(found, cut)
    if not truth:
        figures = [
            ("Flagged", f"{gone.sum():,}", "images that the cut removes"),
            ("Of all images", words.share(gone.sum() / len(found.labels)), "share of the training set that goes"),
            ("Classes cut", f"{np.count_nonzero(gone):,}", "classes that lose images"),
        ]
    else:
        figures = figures_with_truth(result, found, cut)
    with st.container(horizontal=True, gap="small", key="figures"):
        for name, value, help in figures:
            st.metric(name, value, help=help, width="stretch")


def figures_with_truth(result: Result, found: Scored, cut: Cut) -> list[tuple[str, str, str]]:
    """Name, value and explanation of what can be measured where the poisoned images are known."""
    decision = ranking.counts(result, found, cut)
    quality = ranking.quality(result, found, cut.detector)
    covers = result.poisoned.truth.covers
    told = []
    if covers.any():
        gone = int((cuts.flag(found, cut) & covers).sum())
        told = [("Covers removed", f"{gone:,} of {int(covers.sum()):,}", words.COLUMNS["Covers removed"])]
    return [
        ("TPR (recall)", words.share(decision.tpr), words.COLUMNS["TPR"]),
        ("FPR", words.share(decision.fpr), words.COLUMNS["FPR"]),
        ("Precision", words.share(decision.precision), words.COLUMNS["Precision"]),
        ("#Pois left", f"{decision.poisons_left:,} of {decision.poisons:,}", words.COLUMNS["#Pois left"]),
        ("Flagged", f"{decision.flagged:,}", "images that the cut removes"),
        ("Clean removed", f"{decision.clean_removed:,}", words.COLUMNS["Clean removed"]),
        *told,
        ("AUROC", words.score(quality.auroc), words.COLUMNS["AUROC"]),
        ("AP", words.score(quality.average_precision), words.COLUMNS["AP"]),
    ]


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


# --- one plot more ---------------------------------------------------------------------------------------


def below(result: Result, found: Scored, cut: Cut, label: int, truth: bool) -> None:
    """The plot that is chosen, and only that one, with what it shows in words."""
    plot = picked.choice("Look closer", "plot", [CURVES, SPECTRUM, SCATTER, FILTERS] if truth else [SPECTRUM, SCATTER])
    name = words.class_name(result.config, label)
    if plot == CURVES:
        show_curves(result, found, cut, label, name, truth)
        return
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        if plot == SPECTRUM:
            show_spectrum(found, label, name)
        elif plot == SCATTER:
            if not directions.draw(result, found, label, truth, name):
                current.offer_again("this run's representations")
        else:
            compare_filters(result, found, cut)
    with right:
        panels.show({SPECTRUM: "spectrum", SCATTER: "scatter", FILTERS: "filters"}[plot])


def show_curves(result: Result, found: Scored, cut: Cut, label: int, name: str, truth: bool) -> None:
    curves = ranking.curves(result, found, cut.detector, label)
    if curves is None:
        st.info(f"The images labelled {name} are all of one kind: there is nothing to tell apart.")
        target = result.config.attack.target
        if result.poisoned.truth.count and label != target:
            st.button(
                f"Show {words.class_name(result.config, target)}, the target class",
                on_click=lambda: picked.enlarge(result, found, truth, target),
            )
        return
    hits = ranking.poisons(result, found, cut.detector, label)
    gone = int(ranking.removed(found, cut)[label])
    point = int(hits[gone]), gone, int(hits[-1]), int(found.sizes[label])
    left, middle, right = st.columns(3, gap="medium")
    left.html(ranking.roc(curves, *point, name))
    middle.html(ranking.precision_recall(curves, *point, name))
    with right:
        panels.show("curves")


def show_spectrum(found: Scored, label: int, name: str) -> None:
    figure = directions.spectrum(found, label, name)
    if figure is None:
        st.info("This detector computes no singular values.")
        return
    gap = directions.gap(found, label)
    st.plotly_chart(
        figure, key="spectrum", config={"displayModeBar": False},
        alt=f"Singular values of {name}" + ("." if gap is None else f"; the first is {gap:.2f} times the second."),
    )  # fmt: skip


def compare_filters(result: Result, found: Scored, cut: Cut) -> None:
    """The cut beside two filters of the same budget: one guesses, one knows."""
    poisoned, labels = result.poisoned.truth.poisoned, result.poisoned.labels
    flagged = cuts.flag(found, cut)
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


# --- what was brushed or encircled -----------------------------------------------------------------------


def show_picked(result: Result, found: Scored, label: int, truth: bool) -> None:
    """The images that a brush or a lasso picked out, and a range to write where one cannot drag."""
    name = words.class_name(result.config, label)
    st.subheader("Images picked out")
    lasso, chosen = brush.lasso(result.features_key, label), brush.read(label)
    write_range(label, chosen, lasso is not None)
    if lasso is None and chosen is None:
        st.caption(panels.PICKED)
        return
    ids = lasso.ids if lasso is not None else brush.brushed(found, chosen)
    how = "encircled" if lasso is not None else "brushed"
    said = f"**{words.count(len(ids), 'image')}** labelled {name} {how}"
    if truth and len(ids):
        hits = int(result.poisoned.truth.poisoned[ids].sum())
        said += f", of which **{hits:,} ✕ poisoned** ({words.share(hits / len(ids))})"
    st.markdown(f"{said}. The most suspicious first.")
    show_gallery(result, found, ids, truth)


def write_range(label: int, chosen: brush.Brush | None, lasso: bool) -> None:
    """The brush as two numbers, and what clears it."""
    st.session_state["brush low"], st.session_state["brush high"] = (None, None) if chosen is None else chosen[1:]

    def change() -> None:
        low, high = st.session_state["brush low"], st.session_state["brush high"]
        if low is not None and high is not None:
            brush.keep(brush.Brush(label, min(low, high), max(low, high)))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        for end in ("low", "high"):
            st.number_input(
                f"{'From' if end == 'low' else 'To'} score", value=None, format="%.4g", key=f"brush {end}",
                on_change=change, width=150, placeholder="any",
            )  # fmt: skip
        st.button("Clear", icon=":material/backspace:", on_click=brush.clear, disabled=chosen is None and not lasso)


@st.fragment
def show_gallery(result: Result, found: Scored, ids: Ids, truth: bool) -> None:
    """The gallery alone: choosing an image in it draws nothing else anew."""
    gallery.show(result, found, ids, truth, key="brushed")


shell.ensure()
page()
