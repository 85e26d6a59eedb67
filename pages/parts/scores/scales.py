"""The score axis that all pictures of the Scores screen share, and what is drawn on it, kept."""

from __future__ import annotations

from typing import Any

import streamlit as st

import core
from core import Result
from pages.parts.around import cuts, plots
from pages.parts.around.cuts import Scored


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
