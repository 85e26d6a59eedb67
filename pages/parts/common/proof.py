"""What the flagged images of a class share: the trigger rebuilt, beside the attacker's own, and what it does.

Both take seconds, so a person asks for them; what is stored is shown at once. Without the truth nothing here tells the
attacker's trigger, nor how the network answers to it.
"""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import PoisonscopeError, Rebuilt, Result
from core.results import triggered_images
from pages.parts.around import cuts, pixels, trouble, words
from pages.parts.around.cuts import Scored
from pages.parts.around.templates import render

Mask = NDArray[np.bool_]


@st.fragment
@trouble.said()
def show(result: Result, found: Scored | None, flagged: Mask | None, truth: bool, key: str = "proof") -> None:
    """The rebuilt trigger of a class with flagged images [n]; nothing at all where there is none."""
    if found is None or flagged is None or not flagged.any():
        return
    st.subheader("What the flagged images share")
    label = _class(result, core.proofs.accused(result, found.detection, flagged), key)
    if not core.proofs.rebuilt_before(result, label, flagged) and not st.button(
        "Rebuild the trigger", key=f"{key} rebuild", icon=":material/build:",
        help="What the flagged images of the class have and all others lack: painted over, mixed in or added.",
    ):  # fmt: skip
        return
    with st.spinner("Rebuilding the trigger …"):
        rebuilt, why = core.proofs.trigger(result, label, flagged)
    if rebuilt is None:
        st.info(f"Nothing was rebuilt: {words.sentence(why)}", icon=":material/search_off:")
        return
    st.html(render("common/proof.html.jinja", pictures=pictures(result, rebuilt, truth)))
    st.markdown(" ".join(told(result, rebuilt, truth)))
    _proof(result, label, flagged, truth, key)


def own(result: Result, truth: bool) -> None:
    """The same for what the run itself removed."""
    show(result, cuts.scored(result, result.config.defence.detector), result.flagged, truth)


def _class(result: Result, accused: list[int], key: str) -> int:
    """The class that is asked about: by default the most suspicious one."""
    if len(accused) == 1:
        return accused[0]
    chosen = st.selectbox(
        "Class",
        accused,
        key=f"{key} class",
        format_func=lambda label: words.class_name(result.config, label),
        width=190,
    )
    return accused[0] if chosen is None else int(chosen)


def pictures(result: Result, rebuilt: Rebuilt, truth: bool) -> list[dict[str, str]]:
    """The rebuilt trigger on plain grey; with the truth the attacker's beside it; and one image that bears it."""
    sides = rebuilt.mask.shape
    shown = [("Rebuilt", "The rebuilt trigger on plain grey", core.proofs.looks(rebuilt.apply, sides))]
    if truth and result.poisoned.truth.count:
        true = core.proofs.looks(lambda images: triggered_images(result.config, images), sides)
        shown.append(("The attacker's", "The attacker's trigger on plain grey", true))
    rows = np.flatnonzero(result.test_pictured)[:1]
    laid = rebuilt.apply(result.dataset.test_images[rows])
    shown += [("Laid on a test image", "A test image that bears the rebuilt trigger", image) for image in laid]
    return [dict(caption=caption, alt=alt, address=pixels.png(image)) for caption, alt, image in shown]


def told(result: Result, rebuilt: Rebuilt, truth: bool) -> list[str]:
    """What was rebuilt and, with the truth, how like the attacker's it is."""
    agreement = core.proofs.agreement(result, rebuilt) if truth else None
    said = [core.proofs.described(rebuilt)]
    return said if agreement is None else [*said, core.proofs.agrees(agreement)]


def _proof(result: Result, label: int, flagged: Mask, truth: bool, key: str) -> None:
    """What the network answers to it, where it was asked; else the button that asks."""
    proof = core.proofs.stored(result, label, flagged)
    if proof is None and st.button(
        "Lay it on other images and ask the network", key=f"{key} ask", icon=":material/science:",
        help="A thousand test images of other classes, with it and with 19 patterns like it: about 20 seconds.",
    ):  # fmt: skip
        try:
            with st.spinner("Asking the network …"):
                proof = core.proofs.prove(result, label, flagged)
        except PoisonscopeError as error:
            st.warning(f"The network cannot be asked: {words.sentence(str(error))}", icon=":material/warning:")
    if proof is not None:
        st.markdown(core.proofs.answered(proof, f"*{words.class_name(result.config, label)}*", truth))
