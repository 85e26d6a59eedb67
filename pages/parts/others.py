"""Other filters on the same network: no training needed, so the answer is there at once."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import core
from core import DefenceConfig, PoisonscopeError, Result

from . import current, words


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
    ratio = words.share(defence.assumed_ratio, 0)
    if defence.cut == "gap":
        return f"This run is cut at the gap, the others at {defence.multiplier:g}·ε for an assumed ratio of {ratio}."
    return f"All at {defence.multiplier:g}·ε for the same assumed ratio, {ratio}."


def detectors(result: Result) -> None:
    """Every registered detector on this network's representations; see `assumed`."""
    rows = []
    with st.spinner("Asking the other detectors …"):
        for name in core.DETECTORS:
            try:
                row = _known(name, result)
            except PoisonscopeError as error:
                st.warning(f"{name}: {words.sentence(str(error))}")
                continue
            if row is None:
                current.offer_again("the representations")
                break
            rows.append(row)
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=words.columns(), alt="Each detector's figures")


def _known(detector: str, result: Result) -> dict[str, Any] | None:
    """A detector's row, kept; None, and not kept, where the representations are missing or damaged."""
    key = str(result.store.folder), core.run_key(result.config), detector
    row = _row(*key, result)
    if row is None:
        _row.clear(*key)
    return row


@st.cache_data(max_entries=200, show_spinner=False)
def _row(store: str, run: str, detector: str, _result: Result) -> dict[str, Any] | None:
    own = _result.config.defence
    defence = own if detector == own.detector else DefenceConfig.model_validate(
        own.model_dump(include={"representation", "assumed_ratio", "multiplier"}) | {"detector": detector}
    )  # fmt: skip
    found = _result.detection(defence)
    if found is None:
        return None
    labels, truth = _result.poisoned.labels, _result.poisoned.truth.poisoned
    keep = core.filter.keep_mask(found, labels, defence)
    decision = core.metrics.found(~keep, truth)
    ranking = core.metrics.ranking(found.scores, labels, truth, _result.config.attack.target)
    return {
        "Detector": f"{detector} (this run)" if detector == own.detector else detector,
        "AUROC": ranking.auroc,
        "AP": ranking.average_precision,
        "#Pois left": decision.poisons_left,
        "Clean removed": decision.clean_removed,
        "Removed from": "every class" if defence.scope == "every_class" else "named classes",
        "Cut": "at the gap" if defence.cut == "gap" else f"{defence.multiplier:g}·ε",
    }
