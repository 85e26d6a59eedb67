"""The ways to look at scores: what is chosen stands in the address."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import Result
from pages.parts.around import cuts, words
from pages.parts.around.cuts import Scored
from pages.parts.images import brush


def large_class(result: Result, found: Scored, truth: bool) -> int:
    """The class in large: at first the target, or in blind review the one that looks most suspicious."""
    present = [int(label) for label in np.flatnonzero(found.sizes)]
    usual = _usual_class(result, found, truth)
    label = int(cuts.option("class", str(usual), [str(label) for label in present]))
    st.session_state["class in large"] = label
    st.selectbox(
        "Class in large",
        present,
        format_func=lambda label: words.class_name(result.config, label) + (" ⚠" if label in found.suspects else ""),
        key="class in large",
        on_change=lambda: enlarge(result, found, truth, st.session_state["class in large"]),
        help="⚠ marks what the detector names, or the widest spectral gap.",
        width=190,
    )
    return label


def enlarge(result: Result, found: Scored, truth: bool, label: int) -> None:
    """Make this the class in large."""
    brush.clear()
    cuts.set_option("class", str(label), str(_usual_class(result, found, truth)))


def _usual_class(result: Result, found: Scored, truth: bool) -> int:
    target = result.config.attack.target
    return target if truth and found.sizes[target] else found.most_suspicious
