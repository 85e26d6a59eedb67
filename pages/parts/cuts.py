"""The cut that this tab tries on: detector, budget and scope, and whether the truth is shown.

Nothing here trains: a detector scores the stored features, a cut is a look at those scores. The choice is
kept in session state under "cut detector", "cut budget", "cut scope" and "truth", and in the address as
`?detector=…&budget=…&scope=…&truth=0` where it differs from the run's own, so that the Scores and Flagged
screens agree and a link reopens both. It belongs to one run ("cut run") and ends with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import DefenceConfig, Detection, Result

NAMES = ("detector", "budget", "scope")
SCOPES = {"every_class": "every class", "suspicious_class": "suspicious class"}


@dataclass(frozen=True)
class Cut:
    """A detector and how many of its highest scores go: from every class, or from those that it names."""

    detector: str
    budget: int
    scope: str


class Scored:
    """A training set's scores by one detector. Labels are what the defender sees; the truth is not here."""

    def __init__(self, detection: Detection, labels: NDArray[np.int64], classes: int) -> None:
        self.detection = detection
        self.scores = detection.scores
        self.labels = labels
        self.sizes = np.bincount(labels, minlength=classes)

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Each image's place among those of its label, 1 = most suspicious; ties go to the lower id. [n]"""
        order = np.lexsort((-self.scores, self.labels))
        starts = np.cumsum(self.sizes) - self.sizes
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(1, len(order) + 1) - starts[self.labels[order]]
        return ranks

    @cached_property
    def suspicion(self) -> NDArray[np.float64] | None:
        """How suspicious each class looks, [k]: the detector's statistic, else its spectral gap; None without."""
        found = self.detection
        if found.class_statistic is not None:
            return found.class_statistic
        if found.spectrum is None or found.spectrum.shape[1] < 2:
            return None
        first, second = found.spectrum[:, 0], found.spectrum[:, 1]
        return np.divide(first, second, out=np.zeros_like(first), where=second > 0)

    @property
    def names_classes(self) -> bool:
        """Whether the detector gives a verdict on each class, rather than a hint."""
        return self.detection.class_statistic is not None and self.detection.class_threshold is not None

    @cached_property
    def suspects(self) -> list[int]:
        """The classes that the detector names, or the one with the widest spectral gap."""
        if self.names_classes:
            return [int(n) for n in core.filter.suspicious_classes(self.labels, self.detection, "suspicious_class")]
        return [] if self.suspicion is None else [int(np.argmax(self.suspicion))]

    @property
    def most_suspicious(self) -> int:
        if self.suspicion is not None:
            return int(np.argmax(self.suspicion))
        return int(self.labels[np.argmax(self.scores)])


def scored(result: Result, detector: str) -> Scored | None:
    """The run's images scored by a detector, at once; None where the features are missing or damaged."""
    defence = defence_of(result, detector)
    known = str(result.store.folder), result.features_key, detector, json.dumps(dict(defence.parameters))
    found = _scored(*known, result, defence)
    if found is None:
        _scored.clear(*known)
    return found


@st.cache_resource(max_entries=12, show_spinner=False)
def _scored(
    store: str, features_key: str, detector: str, parameters: str, _result: Result, _defence: DefenceConfig
) -> Scored | None:
    detection = _result.detection(_defence)
    classes = len(core.class_names(_result.config.dataset.name))
    return None if detection is None else Scored(detection, _result.poisoned.labels, classes)


def defence_of(result: Result, detector: str) -> DefenceConfig:
    """The run's own defence, or the same assumptions with another detector at its defaults."""
    own = result.config.defence
    if detector == own.detector:
        return own
    shared = own.model_dump(include={"representation", "assumed_ratio", "multiplier"})
    return DefenceConfig.model_validate({"detector": detector, **shared})


def scopes(detector: str) -> list[str]:
    """What a detector's budget can be spent on."""
    names = core.DETECTORS[detector].facts.get("scope") == "suspicious_class"
    return list(SCOPES) if names else ["every_class"]


def usual(result: Result, detector: str) -> Cut:
    """The cut that the run's assumptions give: 1.5·ε images, in the detector's usual scope."""
    defence = defence_of(result, detector)
    return Cut(detector, core.filter.budget(result.poisoned.labels, defence), defence.scope)


def limit(result: Result) -> int:
    """The largest budget that means anything: the size of the largest class."""
    return int(np.bincount(result.poisoned.labels).max())


def flag(found: Scored, cut: Cut) -> NDArray[np.bool_]:
    """Which images the cut removes, [n]."""
    classes = core.filter.suspicious_classes(found.labels, found.detection, cut.scope)
    return core.filter.flag(found.scores, found.labels, cut.budget, classes)


def chosen(result: Result) -> Cut:
    """The tab's cut; what the address or an earlier run left that does not fit here is passed over."""
    _forget_other_runs(result)
    detector = _recall("detector")
    if detector not in core.DETECTORS:
        detector = result.config.defence.detector
    standard = usual(result, detector)
    scope = _recall("scope")
    budget = _recall("budget")
    cut = Cut(
        detector,
        min(int(budget), limit(result)) if budget.isdecimal() else standard.budget,
        scope if scope in scopes(detector) else standard.scope,
    )
    choose(result, cut)
    return cut


def choose(result: Result, cut: Cut) -> None:
    """Make this the tab's cut, in session and address; the address names only what differs from the usual."""
    standard = usual(result, cut.detector)
    _remember("detector", cut.detector, result.config.defence.detector)
    _remember("budget", cut.budget, standard.budget)
    _remember("scope", cut.scope, standard.scope)


def truth_shown() -> bool:
    """Whether this tab may see which images are poisoned; the address says `truth=0` where not."""
    named = st.query_params.get("truth")
    shown = st.session_state.get("truth", True) if named is None else named != "0"
    show_truth(shown)
    return bool(shown)


def show_truth(shown: bool) -> None:
    st.session_state["truth"] = shown
    if shown:
        st.query_params.pop("truth", None)
    elif st.query_params.get("truth") != "0":
        st.query_params["truth"] = "0"


def truth_switch() -> bool:
    """The switch between looking with the truth and blind review."""
    st.session_state["truth switch"] = truth_shown()
    return st.toggle(
        "Show the truth",
        key="truth switch",
        on_change=lambda: show_truth(st.session_state["truth switch"]),
        help="Off: blind review. The screen shows what a defender sees, and nothing that only the attacker knows.",
    )


def _forget_other_runs(result: Result) -> None:
    key = core.run_key(result.config)
    if st.session_state.get("cut run", key) != key:
        for name in NAMES:
            st.query_params.pop(name, None)
            st.session_state.pop(f"cut {name}", None)
    st.session_state["cut run"] = key


def _recall(name: str) -> str:
    return str(st.query_params.get(name) or st.session_state.get(f"cut {name}", ""))


def _remember(name: str, value: Any, usual: Any) -> None:
    st.session_state[f"cut {name}"] = value
    if value == usual:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != str(value):
        st.query_params[name] = str(value)
