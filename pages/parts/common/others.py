"""Other filters on the same network: no training needed.

What is stored is shown at once. A detector that has not scored this network yet does so when a person asks: some
take a second, some a minute.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import core
from core import PoisonscopeError, Result
from pages.parts.around import current, cuts, trouble, words
from pages.parts.common import profiles

WHOLE = {"#Pois left": "Int64", "Clean removed": "Int64", "AUROC": "Float64", "AP": "Float64"}  # or missing


def same_budget(summary: dict[str, Any]) -> pd.DataFrame:
    """The run's filter between one that guesses and one that knows the truth."""
    found = {"this filter": summary, **{f"{name} filter": one for name, one in summary["references"].items()}}
    return pd.DataFrame(
        [
            {
                "Filter": name,
                "#Pois left": one["poisons_left"],
                "Clean removed": one["clean_removed"],
                "TPR": words.percent(one["tpr"]),
                "FPR": words.percent(one["fpr"]),
                "Precision": words.percent(one["precision"]),
            }
            for name, one in found.items()
        ]
    )


def assumed(result: Result) -> str:
    """How much each detector of the table removes, in a sentence."""
    defence = result.config.defence
    ratio = words.exact(defence.assumed_ratio)
    if defence.cut == "gap":
        return f"This run is cut at the gap, the others at {defence.multiplier:g}·ε for an assumed ratio of {ratio}."
    return f"All at {defence.multiplier:g}·ε for the same assumed ratio, {ratio}."


@st.fragment
@trouble.said()
def detectors(result: Result) -> None:
    """The registered detectors on this network's representations; see `assumed`."""
    for name in profiles.asked(result):
        profiles.score(result, name)
    missing = [name for name in core.DETECTORS if not result.has_scores(cuts.defence_of(result, name))]
    rows = [_blank(name, result) if name in missing else _known(name, result) for name in core.DETECTORS]
    table = pd.DataFrame(rows).astype(WHOLE)
    st.dataframe(
        table, hide_index=True, column_config=words.columns(), height="content", placeholder="—",
        alt="Each detector's figures",
    )  # fmt: skip
    if not result.store.has("features", result.features_key):
        current.offer_again("the representations")
    elif missing:
        profiles.offer(result, missing, "score")


def _known(detector: str, result: Result) -> dict[str, Any]:
    """A detector's row, kept; an empty one, and not kept, where its scores turn out to be damaged for good."""
    key = str(result.store.folder), core.run_key(result.config), detector
    try:
        row = _row(*key, result)
    except PoisonscopeError as error:
        st.warning(f"{detector}: {words.sentence(str(error))}")
        return _blank(detector, result)
    if row is None:
        _row.clear(*key)
    return row or _blank(detector, result)


def _blank(detector: str, result: Result) -> dict[str, Any]:
    """A detector's row before it has scored."""
    defence = cuts.defence_of(result, detector)
    return {
        "Detector": f"{detector} (this run)" if detector == result.config.defence.detector else detector,
        "AUROC": None,
        "AP": None,
        "#Pois left": None,
        "Clean removed": None,
        "Removed from": "every class" if defence.scope == "every_class" else "named classes",
        "Cut": "at the gap" if defence.cut == "gap" else f"{defence.multiplier:g}·ε",
    }


@st.cache_data(max_entries=200, show_spinner=False)
def _row(store: str, run: str, detector: str, _result: Result) -> dict[str, Any] | None:
    defence = cuts.defence_of(_result, detector)
    found = _result.detection(defence)
    if found is None:
        return None
    labels, truth = _result.poisoned.labels, _result.poisoned.truth.poisoned
    keep = core.filter.keep_mask(found, labels, defence)
    decision = core.metrics.found(~keep, truth)
    ranking = core.metrics.ranking(found.scores, labels, truth)
    return _blank(detector, _result) | {
        "AUROC": ranking.auroc,
        "AP": ranking.average_precision,
        "#Pois left": decision.poisons_left,
        "Clean removed": decision.clean_removed,
    }
