"""What a server does once, beside its first answer: load what is slow to load, and keep it out of the collector's way.

Streamlit runs a full garbage collection after every answer. With torch, plotly and pandas loaded that walks half
a million objects that will never go: a quarter of a second for each click. Freezing them takes it off every answer.
"""

from __future__ import annotations

import gc
import threading
from importlib import import_module

import streamlit as st

HEAVY = ("plotly.graph_objects", "sklearn.metrics", "core.insight", "core.models", "core.train", "core.represent")
AFTER = 1.5  # seconds: the first screen comes first


@st.cache_resource(max_entries=1, show_spinner=False)
def up() -> threading.Timer:
    """Begin, unless it was begun."""
    timer = threading.Timer(AFTER, _load)
    timer.daemon = True
    timer.start()
    return timer


def _load() -> None:
    for module in HEAVY:
        import_module(module)
    gc.collect()
    gc.freeze()
