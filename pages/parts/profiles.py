"""Every stored detector's scores against the truth, prepared once (core.sensitivity) and kept for this server."""

from __future__ import annotations

import streamlit as st

import core
from core import DefenceConfig, PoisonscopeError, Result
from core.sensitivity import Profile

from . import cuts, words

ASKED = "sensitivity asked"  # in session state: the run's key and what a person asked to have scored

# Seconds on two cores for 50,000 images, roughly, and the power of the number of images that they grow by.
_SECONDS = {
    "spectral": (0.7, 1),
    "spectral-released": (0.7, 1),
    "spectral-top-k": (1, 1),
    "whitened-spectral": (6, 1),
    "spectre": (12, 1),
    "activation-clustering": (60, 1),
    "scan": (15, 1),
    "mahalanobis": (25, 1),
    "knn": (30, 2),
    "lof": (30, 2),
    "isolation-forest": (4, 1),
}
_USUAL = (10, 1)


def stored(result: Result) -> list[str]:
    """The detectors whose scores of this run are stored, in the registry's order."""
    return [name for name in core.DETECTORS if result.has_scores(cuts.defence_of(result, name))]


def of(result: Result, detector: str) -> Profile | None:
    """A detector's profile; None, and said so, where its scores are missing or turn out to be damaged."""
    known = cuts.key(result, detector)
    try:
        found = _profile(*known, result, cuts.defence_of(result, detector))
    except PoisonscopeError as error:
        st.warning(f"{detector}: {words.sentence(str(error))}", icon=":material/build:")
        return None
    if found is None:
        _profile.clear(*known)
    return found


@st.cache_resource(max_entries=64, show_spinner=False)  # about 0.5 MB each for 50,000 scores
def _profile(
    store: str, features_key: str, detector: str, parameters: str, _result: Result, _defence: DefenceConfig
) -> Profile | None:
    detection = _result.detection(_defence)
    if detection is None:
        return None
    poisoned, config = _result.poisoned, _result.config
    classes = len(core.class_names(config.dataset.name))
    return core.sensitivity.profile(detection, poisoned.labels, poisoned.truth.poisoned, classes)


def seconds(detector: str, images: int) -> float:
    """About how long a detector takes to score so many images on two cores."""
    at_50000, power = _SECONDS.get(detector, _USUAL)
    return float(at_50000 * (images / 50_000) ** power)


def ask(result: Result, *wanted: str) -> None:
    """Note what a person asked to have scored, for the next run of the script."""
    st.session_state[ASKED] = core.run_key(result.config), wanted


def asked(result: Result) -> tuple[str, ...]:
    """What was asked of this run, once."""
    run, wanted = st.session_state.pop(ASKED, ("", ()))
    return wanted if run == core.run_key(result.config) else ()


def named(result: Result, found: Profile) -> str:
    """The classes that a detector calls poisoned, and whether it is right."""
    if not found.names_classes:
        return "names none"
    classes = [int(label) for label in found.scopes["suspicious_class"]]
    if not classes:
        return "nothing found"
    right = bool(found.poisons) and classes == found.poisoned_classes
    return f"{'✓' if right else '✗'} " + ", ".join(words.class_name(result.config, label) for label in classes)
