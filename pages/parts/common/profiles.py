"""Every stored detector's scores against the truth, prepared once (core.sensitivity) and kept for this server."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

import core
from core import DefenceConfig, PoisonscopeError, Result
from core.evaluation import Profile
from pages.parts.around import cuts, words
from pages.parts.images import picked

ASKED = "detectors asked"  # in session state: the run's key and what a person asked to have scored

# Seconds on two cores for 50,000 images (benchmarks/detectors.py), and the power of their number that they grow by.
_SECONDS = {
    "spectral": (0.3, 1),
    "spectral-released": (0.3, 1),
    "spectral-top-k": (0.6, 1),
    "whitened-spectral": (2.5, 1),
    "spectre": (7, 1),
    "activation-clustering": (4, 1),
    "scan": (5, 1),
    "mahalanobis": (11, 1),
    "knn": (8, 2),
    "lof": (8, 2),
    "isolation-forest": (2, 1),
    "loss-isolation": (0.1, 1),
    "mirror": (8, 1),
    "repeats": (3, 1),
    "image-spectral": (45, 1),
    "split-spectral": (2, 1),
    "panel": (57, 1),
    "strip": (100, 1),  # by `quick`'s network, which it asks six times an image
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
    return core.sensitivity.profile(detection, poisoned.labels, poisoned.truth.poisoned, classes, config.seed)


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


def score(result: Result, detector: str) -> None:
    """Have a detector score the run's images; what keeps it from that is said."""
    try:
        with picked.scoring(result, detector):
            result.detection(cuts.defence_of(result, detector))
    except PoisonscopeError as error:
        st.warning(f"{detector}: {words.sentence(str(error))}", icon=":material/warning:")


def offer(result: Result, missing: Sequence[str], key: str) -> None:
    """A button for every detector that has not scored this network and can, and one for all; the others say why not."""
    lacks = {name: result.lacks(cuts.defence_of(result, name)) for name in missing}
    able = {name: seconds(name, len(result.poisoned)) for name in missing if not lacks[name]}
    if able:
        st.caption("A dash: not scored yet. Nothing is trained for it, and the scores are kept. Roughly, on two cores:")
    with st.container(horizontal=True):
        for name, time in able.items():
            st.button(
                f"{name} ({words.duration(time)})", key=f"{key} {name}", on_click=ask, args=(result, name),
                icon=":material/play_arrow:",
            )  # fmt: skip
        if len(able) > 1:
            st.button(
                f"All {len(able)} ({words.duration(sum(able.values()))})", key=f"{key} all", on_click=ask,
                args=(result, *able), icon=":material/playlist_play:",
            )  # fmt: skip
    for why in filter(None, lacks.values()):
        st.caption(words.sentence(why))


def named(result: Result, found: Profile) -> str:
    """The classes that a detector calls poisoned, and whether it is right."""
    if not found.names_classes:
        return "names none"
    classes = [int(label) for label in found.scopes["suspicious_class"]]
    if not classes:
        return "nothing found"
    right = bool(found.poisons) and classes == found.poisoned_classes
    return f"{'✓' if right else '✗'} " + ", ".join(words.class_name(result.config, label) for label in classes)
