"""Sensitivity: how a detector's figures hang on what is assumed, on the detector, on the layer, and on the attack.

The first three need no training and are drawn from what is stored; what they lack is computed when asked. The open
tab stands in the address. The truth is compared with everywhere, so in blind review the screen stays closed.
"""

from __future__ import annotations

import streamlit as st

import core
from core import Result
from pages.parts.around import current, cuts, shell, words
from pages.parts.common import sections
from pages.parts.sensitivity import assumed, layers, rivals, sweep_form, sweep_list

ASSUMED, DETECTORS, LAYERS, SWEEPS = "Assumed ε", "Detectors", "Layers", "Sweeps"
TABS = "part"  # the open tab's name in the address


def main() -> None:
    st.title("Sensitivity")
    if not cuts.truth_shown():
        blind()
        return
    result = current.need_run()
    cuts.forget_other_runs(result)
    head(result)
    if not result.poisoned.truth.count:
        st.info("Nothing was poisoned: this is the clean control. AUROC, AP and TPR are not defined for it.")
    tabs = {
        ASSUMED: lambda: assumed.show(result),
        DETECTORS: lambda: rivals.show(result),
        LAYERS: lambda: layers.show(result),
        SWEEPS: lambda: sweeps(result),
    }
    sections.show(tabs, TABS)
    glossary()


def blind() -> None:
    """Every figure here is the attacker's knowledge."""
    st.info(
        "This screen compares with the truth: which images were poisoned, and towards which class. In blind review it "
        "stays closed.",
        icon=":material/visibility_off:",
    )
    cuts.truth_switch()


def head(result: Result) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{words.heading(result.config)}** · {result.config.removed_by}", width="content")
        cuts.truth_switch()


def sweeps(result: Result) -> None:
    """What needs trainings: put together, started, and looked at while it grows."""
    with st.expander("A new sweep", icon=":material/add:", expanded=not core.sweeps.listing(1)):
        sweep_form.show(result)
    sweep_list.show()


def glossary() -> None:
    with st.expander("What every figure means"):
        st.markdown(words.glossary())


shell.ensure()
main()
