"""One plot more below the histogram: the one that is chosen, and only that one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

import core
from core import Result
from pages.parts.around import current, cuts, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.images import picked
from pages.parts.scores import directions, looks, panels, ranking

BESIDE = ("TPR", "FPR", "Precision", "#Pois left", "Flagged", "Clean removed")
CURVES, SPECTRUM, SCATTER, FILTERS = "ROC and precision", "singular values", "scatter", "reference filters"


def show(result: Result, found: Scored, cut: Cut, label: int, truth: bool) -> None:
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
    curves = ranking.curves(result, found, label)
    if curves is None:
        st.info(f"The images labelled {name} are all of one kind: there is nothing to tell apart.")
        target = result.config.attack.target
        if result.poisoned.truth.count and label != target:
            st.button(
                f"Show {words.class_name(result.config, target)}, the target class",
                on_click=lambda: looks.enlarge(result, found, truth, target),
            )
        return
    hits = ranking.poisons(result, found, label)
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
        rows.append({"Filter": name} | {figure: words.cell(figure, decision) for figure in BESIDE})
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="filters", column_config=words.columns())
