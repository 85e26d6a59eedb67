"""The benign reference: the rate to which ASR should fall."""

from __future__ import annotations

import streamlit as st

import core
from core import Result
from pages.parts.around import words
from pages.parts.common import live
from pages.parts.compare import kept


def beside(result: Result, asr2: float) -> None:
    """The rate of a network that never met poison, beside ASR after the defence; or the offer to train one."""
    found = kept.quality(result, "benign")
    if found is None:
        _offer(result)
        return
    gap = abs(asr2 - found.asr)
    nearness = "as good as a network that never met poison" if gap <= 0.03 else "not the same: the backdoor still acts"
    if asr2 < found.asr - 0.03:
        nearness = "even fewer"
    st.markdown(
        f"A **benign network**, trained with the same recipe on the same data without poison, takes "
        f"**{words.share(found.asr)}** of the same triggered images for {words.aimed(result.config)}. After the "
        f"defence it is **{words.share(asr2)}**: {nearness}."
    )


def _offer(result: Result) -> None:
    job = core.jobs.find(core.benign_key(result.config), "benign")
    if job is not None and job.status != "done":
        st.markdown("**The benign reference**")
        live.show(job)
        return
    st.markdown(
        "To what rate should ASR fall? A network trained **without any poison** tells: it takes some triggered "
        f"images for {words.aimed(result.config)} by mistake alone. One serves all runs on this data with this recipe "
        "and seed."
    )
    if st.button(
        f"Train the benign reference ({_time(result)})",
        icon=":material/eco:",
    ):
        core.submit(result.config, kind="benign")
        st.rerun()


def _time(result: Result) -> str:
    """How long one training like the run's own takes."""
    seconds = core.jobs.estimates.BESIDE + sum(record["seconds"] for record in result.history("poisoned"))
    return words.between(*core.jobs.estimates.span(seconds, measured=True))
