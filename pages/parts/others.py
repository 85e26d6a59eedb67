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


def detectors(result: Result) -> None:
    """Every registered detector on this network's representations, at the same assumed ratio."""
    if result.features is None:
        current.offer_again("the representations")
        return
    rows = []
    with st.spinner("Asking the other detectors …"):
        for name in core.DETECTORS:
            try:
                rows.append(_row(str(core.home.home()), core.run_key(result.config), name, result))
            except PoisonscopeError as error:
                st.warning(f"{name}: {words.sentence(str(error))}")
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=words.columns(), alt="Each detector's figures")


@st.cache_data(max_entries=200, show_spinner=False)
def _row(home: str, run: str, detector: str, _result: Result) -> dict[str, Any]:
    own = _result.config.defence
    defence = own if detector == own.detector else DefenceConfig.model_validate(
        own.model_dump(include={"representation", "assumed_ratio", "multiplier"}) | {"detector": detector}
    )  # fmt: skip
    found = _result.detection(defence)
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
    }
