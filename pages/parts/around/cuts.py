"""The cut that this tab tries on: detector, where it cuts, scope, and whether the truth is shown.

Nothing here trains: a detector scores the stored features, a cut is a look at those scores. It is made at a
budget, or at the detector's own gap in each class (`budget=gap`). The choice is kept in session state under
"cut detector", "cut budget", "cut scope" and "truth", and in the address as
`?detector=…&budget=…&scope=…&truth=0` where it differs from the run's own, so that the Scores and Flagged
screens agree and a link reopens both. It belongs to one run ("cut run") and ends with it. How the Scores
screen looks at it (class, scales, plot, brush) is kept likewise, by `option` and `set_option`.

Streamlit empties the address when the page changes, and fills it from its history when one goes back. So a
name that the address lacks means what the session last knew only when a page is entered; later it means
the usual.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import DefenceConfig, Detection, Result
from pages.parts.around import address

NAMES = ("detector", "budget", "scope", "class", "brush", "assumed", "times", "lines", "by")  # belong to a run
GAP = "gap"
SETTLED, LIVE, SCREEN, CAME_BACK = "cut settled", "cut dragged", "cut screen", "cut came back"  # in session state
WHOLE = "the whole address"  # among what is settled: nothing is recalled
ORDERS = 10  # times the median, beyond which scores are spread out by log
KEPT = 100  # of what is made of scores: pictures of classes, pages of small ones, curves
SCOPES = {"every_class": "every class", "suspicious_class": "suspicious class"}

Made = TypeVar("Made")


@dataclass(frozen=True)
class Cut:
    """A detector and how many of its highest scores go: from every class, or from those that it names.

    `at` is "budget", or "gap": then each class is cut where the detector says, and the budget is idle.
    """

    detector: str
    budget: int
    scope: str
    at: str = "budget"

    @property
    def address(self) -> str:
        """How many go, as the address says it."""
        return GAP if self.at == GAP else str(self.budget)


class Scored:
    """A training set's scores by one detector. Labels are what the defender sees; the truth is not here."""

    def __init__(self, detection: Detection, labels: NDArray[np.int64], classes: int) -> None:
        self.detection = detection
        self.scores = detection.scores
        self.labels = labels
        self.sizes = np.bincount(labels, minlength=classes)
        self._in_scope: dict[str, NDArray[np.int64]] = {}
        self._made: dict[tuple[Hashable, ...], tuple[Any]] = {}

    def once(self, what: tuple[Hashable, ...], make: Callable[[], Made]) -> Made:
        """What is made of these scores under a name: kept with them, of much the last KEPT.

        A cut that moves asks for half a dozen; a cache of Streamlit's would spend more time on their keys than on all
        that is drawn. The truth may have a part in it, since runs with the same scores have the same (`key`).
        """
        known = self._made.get(what)
        if known is None:
            known = self._made[what] = (make(),)
            if len(self._made) > KEPT:
                self._made.pop(next(iter(self._made)), None)
        made: Made = known[0]
        return made

    @cached_property
    def ranked(self) -> list[core.views.Ranked]:
        """Each class's images in order of score."""
        return core.views.rank(self.scores, self.labels, len(self.sizes))

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Each image's place among those of its label, 1 = most suspicious; ties go to the lower id. [n]"""
        ranks = np.empty(len(self.labels), np.int64)
        for one in self.ranked:
            ranks[one.ids] = np.arange(1, len(one.ids) + 1)
        return ranks

    @cached_property
    def signed(self) -> bool:
        """Whether scores fall on both sides of zero, rather than being squared."""
        return bool(self.scores.min() < 0)

    @cached_property
    def spans_orders(self) -> bool:
        """Whether the high scores are orders of magnitude above the usual ones, as squares are; then log shows more."""
        usual, high = np.quantile(self.scores, [0.5, 0.99])
        return not self.signed and bool(high > ORDERS * usual)

    def in_scope(self, scope: str) -> NDArray[np.int64]:
        """The classes from which a cut of this scope removes."""
        if scope not in self._in_scope:
            self._in_scope[scope] = core.filter.suspicious_classes(self.labels, self.detection, scope)
        return self._in_scope[scope]

    @cached_property
    def beyond_gap(self) -> NDArray[np.int64] | None:
        """How many images of each class score above its gap, [k]; None where the detector finds none."""
        gaps = self.detection.cut
        if gaps is None:
            return None
        return np.bincount(self.labels[self.scores > gaps[self.labels]], minlength=len(self.sizes))

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
    known = key(result, detector)
    found = _scored(*known, result, defence_of(result, detector))
    if found is None:
        _scored.clear(*known)
    return found


def key(result: Result, detector: str) -> tuple[str, str, str, str]:
    """What a run's scores by a detector are known by; the truth of a run with the same features is the same."""
    parameters = json.dumps(dict(defence_of(result, detector).parameters))
    return str(result.store.folder), result.features_key, detector, parameters


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


def offers_gap(detector: str) -> bool:
    """Whether a detector says where to cut each class."""
    return GAP in core.DETECTORS[detector].facts.get("cuts", ())


def usual(result: Result, detector: str) -> Cut:
    """The cut that the run's assumptions give: 1.5·ε images, or what lies beyond the gap, in the usual scope."""
    defence = defence_of(result, detector)
    return Cut(detector, core.filter.budget(result.poisoned.labels, defence), defence.scope, defence.cut)


def at_budget(cut: Cut, budget: int) -> Cut:
    """The same cut with so many images removed from a class; a gap is left for it."""
    return replace(cut, budget=budget, at="budget")


def limit(result: Result) -> int:
    """The largest budget that means anything: the size of the largest class."""
    return int(np.bincount(result.poisoned.labels).max())


def flag(found: Scored, cut: Cut) -> NDArray[np.bool_]:
    """Which images the cut removes, [n]."""
    classes = found.in_scope(cut.scope)
    if cut.at == GAP:
        return core.filter.beyond_gap(found.detection, found.labels, classes)
    most = np.zeros(len(found.sizes), np.int64)
    most[classes] = cut.budget
    return found.ranks <= most[found.labels]  # as core.filter.flag, whose order the ranks are


def budgets(found: Scored, cut: Cut) -> NDArray[np.int64]:
    """How many of each class's highest scores the cut takes where the class is in scope, [k]."""
    if cut.at == GAP and found.beyond_gap is not None:
        return found.beyond_gap
    return np.full(len(found.sizes), cut.budget)


def threshold(found: Scored, cut: Cut, label: int) -> float | None:
    """The score at which the cut goes through a class; None where it takes nothing."""
    if cut.at == GAP and found.detection.cut is not None:
        return float(found.detection.cut[label]) if budgets(found, cut)[label] else None
    return found.ranked[label].threshold(cut.budget)


def chosen(result: Result) -> Cut:
    """The tab's cut; what the address or an earlier run left that does not fit here is passed over."""
    forget_other_runs(result)
    budget = str(st.session_state.get(LIVE, "")) or _recall("budget")
    cut = written(result, _recall("detector"), budget, _recall("scope"))
    if LIVE not in st.session_state:
        choose(result, cut)
    return cut


def written(result: Result, detector: str, budget: str, scope: str) -> Cut:
    """The cut that an address, or a saved view, writes so; what does not fit this run is as usual."""
    if detector not in core.DETECTORS:
        detector = result.config.defence.detector
    standard = usual(result, detector)
    asked = core.reading.whole(budget, 0, limit(result), held=True)
    cut = replace(standard, scope=scope if scope in scopes(detector) else standard.scope)
    if asked is not None:
        return at_budget(cut, asked)
    return replace(cut, at=GAP) if budget == GAP and offers_gap(detector) else cut


def try_on(budget: int) -> None:
    """A budget while the cut is being dragged: not in the address, or each pixel would be a step back."""
    st.session_state[LIVE] = budget


def choose(result: Result, cut: Cut) -> None:
    """Make this the tab's cut, in session and address; the address names only what differs from the usual."""
    standard = usual(result, cut.detector)
    st.session_state.pop(LIVE, None)
    _remember("detector", cut.detector, result.config.defence.detector)
    _remember("budget", cut.address, standard.address)
    _remember("scope", cut.scope, standard.scope)


def truth_shown() -> bool:
    """Whether this tab may see which images are poisoned; the address says `truth=0` where not."""
    _enter_screen()
    named = address.get("truth")
    shown = st.session_state.get("truth", True) if named is None and fresh("truth") else named != "0"
    show_truth(shown)
    return bool(shown)


def show_truth(shown: bool) -> None:
    settle("truth")
    st.session_state["truth"] = shown
    address.put("truth", None if shown else "0")


def truth_switch() -> bool:
    """The switch between looking with the truth and blind review."""
    st.session_state["truth switch"] = truth_shown()
    return st.toggle(
        "Show the truth",
        key="truth switch",
        on_change=lambda: show_truth(st.session_state["truth switch"]),
        help="Off: blind review. The screen shows what a defender sees, and nothing that only the attacker knows.",
    )


def forget_other_runs(result: Result) -> None:
    """Let go of what belongs to the run that the tab looked at before."""
    key = core.run_key(result.config)
    came_back = st.session_state.pop(CAME_BACK, False)  # then the address is that of the run which it names
    if st.session_state.get("cut run", key) != key:
        address.forget(*NAMES)
        for name in NAMES:
            if not came_back:
                st.query_params.pop(name, None)
            st.session_state.pop(f"cut {name}", None)
        st.session_state.pop(LIVE, None)
    st.session_state["cut run"] = key


def option(name: str, usual: str, allowed: Sequence[str] | None = None) -> str:
    """How this tab looks at the cut in one respect, if the address or the session says so, else the usual."""
    value = _recall(name)
    value = value if value and (allowed is None or value in allowed) else usual
    set_option(name, value, usual)
    return value


def set_option(name: str, value: str, usual: str) -> None:
    _remember(name, value, usual)


def _enter_screen() -> None:
    """Notes when the tab comes to another screen: there the address may lack what the session knows."""
    if st.session_state.get(SCREEN) != address.screen():
        _begin()


def come_back() -> None:
    """The browser's history led here: the address says all of the view, and what it lacks is as usual."""
    _begin()
    st.session_state[SETTLED].add(WHOLE)
    st.session_state[CAME_BACK] = True


def _begin() -> None:
    st.session_state[SCREEN] = address.screen()
    st.session_state.pop(LIVE, None)
    st.session_state.pop(CAME_BACK, None)
    st.session_state[SETTLED] = set()


def fresh(name: str) -> bool:
    """Whether the address may lack what the session knows under a name: nobody has settled it on this screen."""
    return not {name, WHOLE} & st.session_state.get(SETTLED, set())


def by_history(name: str) -> bool:
    """Whether the browser's history has led here and nobody has settled a name since: the address says all of it."""
    settled: set[str] = st.session_state.get(SETTLED, set())
    return WHOLE in settled and name not in settled


def settle(name: str) -> None:
    """From now on this screen's address says all of what goes by that name."""
    st.session_state.setdefault(SETTLED, set()).add(name)


def _recall(name: str) -> str:
    return str(address.get(name) or (st.session_state.get(f"cut {name}", "") if fresh(name) else ""))


def _remember(name: str, value: Any, usual: Any) -> None:
    settle(name)
    st.session_state[f"cut {name}"] = value
    address.put(name, None if value == usual else str(value))
