"""Story: what a backdoor is, what the SVD sees of it and what cleaning does, in five steps of a real run.

In presenter mode it is a deck of slides (pages/parts/stage).
"""

from __future__ import annotations

import streamlit as st

from core import Result
from pages.parts.around import current, cuts, presenter, shell, words
from pages.parts.common import noted, proof
from pages.parts.stage import deck, notes
from pages.parts.story import steps


def main() -> None:
    result = current.need_run("See a backdoor in a training set")
    if not cuts.truth_shown():
        st.title("See a backdoor in a training set")
        st.info("The story tells which images are poisoned, and this tab is in blind review.")
        cuts.truth_switch()
        return
    if presenter.notes():
        notes.show(result)
    elif presenter.on():
        deck.show(result)
    else:
        whole(result, steps.tell(result))


def whole(result: Result, told: list[steps.Step]) -> None:
    """All steps side by side, and where to go from here."""
    st.title("See a backdoor in a training set")
    st.html(steps.cards(told))
    begin, run = st.columns([1, 3], vertical_alignment="center")
    if begin.button(
        "Poison a training set", type="primary", icon=":material/coronavirus:", width="stretch",
        help="Choose a trigger, a target class and a ratio, and watch a network learn the backdoor.",
    ):  # fmt: skip
        st.switch_page("pages/attack.py", query_params=address())
    run.markdown(provenance(result))
    noted.show(noted.stored(result.summary))
    proof.own(result, truth=True)
    st.subheader("Look closer at this run")
    with st.container(horizontal=True, gap="small"):
        for path, title, icon in (screen for screen in shell.SCREENS[2:] if screen[1] not in shell.NO_RUN):
            st.page_link(path, label=title, icon=icon, query_params=address())


def address() -> dict[str, str]:
    return {current.PARAMETER: current.named()} if current.named() else {}


def provenance(result: Result) -> str:
    """Where the numbers come from."""
    found, config = result.summary or {}, result.config
    job = current.current_job()
    what = "A recorded run" if job is not None and current.is_recorded(job) else "A run made here"
    made = f"recipe *{config.training.recipe}*, detector *{config.removed_by}*"
    device = words.device(found.get("device", "a device without a name"))
    where = f"{words.duration(found['seconds'])} in all on {device}"
    return (
        f"{what}, every number measured: {words.heading(config)} ({config.dataset.name}, "
        f"{len(result.dataset.train_labels):,} images, {made}, {where})."
    )


shell.ensure()
main()
