"""What a server does once: load what is slow to load, and keep it out of the garbage collector's way.

Streamlit runs a full garbage collection after every answer. With torch, plotly and pandas loaded that walks half
a million objects that will never go: a quarter of a second for each click. Freezing them takes it off every answer.

torch comes in a thread, beside the first answers. Two threads that import one package at once can see it half
made, so a screen that asks the networks waits for that thread, and everything else is loaded before it begins.
"""

from __future__ import annotations

import gc
import threading
from importlib import import_module

import streamlit as st

import core

FIRST = ("pandas", "plotly.graph_objects", "sklearn.metrics")
LATER = ("core.results.insight", "core.training.models", "core.training.loop", "core.evidence.representations")


@st.cache_resource(max_entries=1, show_spinner=False)
def _loading() -> threading.Thread:
    core.share_cores()  # a training may go on beside us
    for module in FIRST:
        import_module(module)
    thread = threading.Thread(target=_load, name="loading torch", daemon=True)
    thread.start()
    return thread


def _load() -> None:
    for module in LATER:
        import_module(module)
    gc.collect()
    gc.freeze()


def up() -> None:
    """Begin, unless it was begun; nothing outside a server, where there are no further answers."""
    if st.runtime.exists():
        _loading()


def loading() -> threading.Thread | None:
    """What loads torch, or has loaded it; none outside a server."""
    return _loading() if st.runtime.exists() else None


def wait() -> None:
    """Until the networks can be asked."""
    if st.runtime.exists() and _loading().is_alive():
        with st.spinner("Loading what the networks run on …"):
            _loading().join()
