"""Sensitivity: how a detector's figures hang on what is assumed, on the detector, on the layer, and on the attack.

The answer comes first, from what is stored and recorded: five small multiples, each with where it breaks. The next
three need no training either; what they lack is computed when asked. The open tab stands in the address. The truth is
compared with everywhere, so in blind review the screen stays closed.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import Result
from pages.parts.around import current, cuts, shell, words
from pages.parts.common import sections
from pages.parts.sensitivity import answer, assumed, layers, questions, rivals, sweep_form, sweep_list

ANSWER, ASSUMED, DETECTORS, LAYERS = "Answer", "Assumed ε", "Detectors", answer.LAYERS


def main() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Sensitivity", width="content")
        if cuts.truth_shown():
            cuts.truth_switch()
    if not cuts.truth_shown():
        blind()
        return
    result = current.need_run()
    cuts.forget_other_runs(result)
    if not result.poisoned.truth.count:
        st.info("Nothing was poisoned: this is the clean control. AUROC, AP and TPR are not defined for it.")
    tabs = {
        ANSWER: lambda: of_the_run(result, answer.show),
        ASSUMED: lambda: of_the_run(result, assumed.show),
        DETECTORS: lambda: of_the_run(result, rivals.show),
        LAYERS: lambda: of_the_run(result, layers.show),
        sweep_form.TAB: lambda: sweeps(result),
    }
    sections.show(tabs, sweep_form.TABS)
    glossary()


def blind() -> None:
    """Every figure here is the attacker's knowledge."""
    st.info(
        "This screen compares with the truth: which images were poisoned, and towards which class. In blind review it "
        "stays closed.",
        icon=":material/visibility_off:",
    )
    cuts.truth_switch()


def of_the_run(result: Result, show: Callable[[Result], None]) -> None:
    """A tab about the current run, under its heading. Sweeps have their own: they are of other runs."""
    config = result.config
    st.markdown(f"**{words.heading(config)}** · {config.dataset.name} · {config.training.recipe} · {config.removed_by}")
    show(result)


def sweeps(result: Result) -> None:
    """What needs trainings: the questions that are ready, a sweep of one's own, and those that there are."""
    with st.expander("A new sweep", icon=":material/add:", key=questions.OPEN, on_change="rerun"):
        sweep_form.show(result)
    sweep_list.show()


def glossary() -> None:
    with st.expander("What every figure means"):
        st.markdown(words.glossary())


shell.ensure()
main()
