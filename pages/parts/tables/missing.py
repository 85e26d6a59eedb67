"""The runs of a table that are not there yet: what they cost, queueing them, and taking them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

import core
from core import Job, PoisonscopeError
from core.reproduction import Entry
from pages.parts.around import current, words

CIFAR10 = "cifar10"
LISTED = 1_000  # jobs of the ledger that are looked through, the newest first


def offer(entries: Sequence[Entry], jobs: Mapping[str, Job]) -> None:
    """Buttons for the entries that have no outcome: queue what nobody asked for, cancel what waits."""
    idle = [entry for entry in entries if (job := jobs.get(entry.key)) is None or not job.active]
    waiting = sum(job.status == "queued" for entry in entries if (job := jobs.get(entry.key)) is not None)
    with st.container(horizontal=True, vertical_alignment="center"):
        if idle:
            here = core.datasets.available(CIFAR10)
            if st.button(
                f"Queue the missing runs ({len(idle)}) …", icon=":material/playlist_add:", disabled=not here,
                help="Says first what they cost, and asks.",
            ):  # fmt: skip
                _ask(idle)
            if not here:
                st.page_link(
                    current.ATTACK, label="They need CIFAR-10: fetch it on the Attack screen",
                    icon=":material/cloud_download:",
                )  # fmt: skip
        if waiting and st.button(
            f"Cancel the queued runs ({waiting})", icon=":material/playlist_remove:",
            help="Those that wait. One that runs goes on to its end.",
        ):  # fmt: skip
            cancel(entries)
            st.rerun()


@st.dialog("Queue the missing runs?")
def _ask(entries: Sequence[Entry]) -> None:
    """What it costs, and then yes or no."""
    st.markdown(price(entries))
    st.caption("They wait in the queue and run one after the other, also when this tab is closed.")
    left, right = st.columns(2)
    if left.button(f"Queue {words.count(len(entries), 'run')}", type="primary", width="stretch"):
        try:
            queue(entries)
        except PoisonscopeError as error:
            st.error(words.sentence(str(error)), icon=":material/error:")
            return
        st.rerun()
    if right.button("Not now", width="stretch"):
        st.rerun()


def queue(entries: Sequence[Entry]) -> None:
    """Put them into the ledger in their order, the benign references of their triggers first; then wake a worker."""
    for entry in references(entries):
        core.submit(entry.config, "benign", start=False)
    *others, last = entries
    for entry in others:
        core.submit(entry.config, start=False)
    core.submit(last.config)


def cancel(entries: Sequence[Entry]) -> None:
    """Take back what waits of these runs, and what waits for them."""
    wanted = {("run", entry.key) for entry in entries}
    wanted |= {("benign", core.benign_key(entry.config)) for entry in references(entries)}
    for job in core.jobs.listing(limit=LISTED, start=False):
        if job.status == "queued" and (job.kind, job.key) in wanted:
            core.jobs.cancel(job.id)


def references(entries: Sequence[Entry]) -> list[Entry]:
    """One entry for each benign reference that they share and that is not stored."""
    store = core.Store()
    found = {core.benign_key(entry.config): entry for entry in reversed(entries)}
    return [entry for key, entry in reversed(found.items()) if not store.has("predictions", key)]


def price(entries: Sequence[Entry]) -> str:
    """How many trainings, and about how long; what is stored already counts as trained."""
    cost = core.reproduce.cost(entries)
    return (
        f"**{words.count(cost.runs, 'run')}, {words.count(cost.trainings, 'training')}**: a run trains on the poisoned "
        "set, unless that network is stored already, and once more on what the filter leaves; one benign network "
        f"serves all of a seed. In all **{words.expected(cost.seconds, cost.measured)}**."
    )
