"""What Compare reads from the store once and then keeps: runs' figures, and what their networks answer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Job, Result, metrics

Labels = NDArray[np.int64]


class Answers(NamedTuple):
    """Predicted classes [m] for the clean and for the triggered test images."""

    clean: Labels
    triggered: Labels


def answers(result: Result, which: str) -> Answers | None:
    """The answers of the "poisoned", "clean" or "benign" network; None where they are missing or damaged."""
    known = str(result.store.folder), core.run_key(result.config), which
    found = _answers(*known, result)
    if found is None:
        _answers.clear(*known)  # it may come: a benign reference that is being trained, say
    return found


def quality(result: Result, which: str) -> metrics.Quality | None:
    """Nat and ASR of a network; None where it is not evaluated."""
    found = answers(result, which)
    if found is None:
        return None
    return metrics.quality(*found, result.dataset.test_labels, result.aims, result.config.attack.source)


@st.cache_resource(max_entries=24, show_spinner=False)
def _answers(store: str, run: str, which: str, _result: Result) -> Answers | None:
    logits = _result.predictions(which)
    return None if logits is None else Answers(*(part.argmax(1) for part in logits))


def summary(job: Job) -> dict[str, Any]:
    """A finished run's figures, not to be changed; empty, and read again, where they are damaged or missing."""
    try:
        return _summary(str(core.home.home()), job.key, job.finished)
    except LookupError:
        return {}


@lru_cache(maxsize=1000)  # a list asks for hundreds at once: st.cache_data would take longer than the reading
def _summary(home: str, key: str, finished: float | None) -> dict[str, Any]:
    artefact = core.Store().read("run", key)
    if artefact is None:
        raise LookupError(key)
    return {name: value for name, value in artefact.document.items() if name != "config"}
