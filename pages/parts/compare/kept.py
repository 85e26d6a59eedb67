"""What Compare reads from the store once and then keeps: what runs' networks answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result, metrics

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
