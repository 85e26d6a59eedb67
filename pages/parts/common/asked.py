"""Whom a screen asks: the networks of a run, by name and mark, and the test images that they are shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from core.results import triggered_images
from pages.parts.around import colours, current

Rows = NDArray[np.int64]
Pixels = NDArray[np.uint8]

MEASURED = 200  # test images that an effect of the trigger is averaged over
BEST = 20  # test images with which the backdoor shows well


class Asked(NamedTuple):
    """A network as a screen names it: `which` is core's word for it."""

    which: str
    title: str
    mark: str
    colour: str
    hatched: bool = False

    @property
    def bar(self) -> str:
        """A bar's background, so that colour is not alone."""
        if self.hatched:
            return colours.HATCHED
        return self.colour


POISONED = Asked("poisoned", "Poisoned network", "✕", colours.POISONED, True)
CLEANED = Asked("clean", "Cleaned network", "●", colours.BENIGN)
BENIGN = Asked("benign", "Benign network", "◆", colours.REFERENCE)
UNPOISONED = BENIGN._replace(which="poisoned", title="The network (nothing was poisoned)")
BLIND = (
    Asked("poisoned", "Network before the filter", "1", colours.REFERENCE),
    Asked("clean", "Network after the filter", "2", colours.REFERENCE),
)


def networks(result: Result, truth: bool) -> list[Asked]:
    """The run's networks that are stored; what should be there and is not is said. The same one comes once."""
    wanted = list(BLIND) if not truth else [POISONED, CLEANED, BENIGN]
    if truth and not result.poisoned.truth.count:
        wanted = [UNPOISONED, CLEANED]
    keys = {one.which: result.model_key(one.which) for one in wanted}
    if keys["clean"] == keys["poisoned"]:
        st.caption("The filter removed nothing, so there is only one network: training again would give the same.")
        wanted = [one for one in wanted if one.which != "clean"]
    with st.spinner("Opening the networks …", show_time=False):
        there = [one for one in wanted if core.insight.stored(result, one.which)]
    lost = [one for one in wanted if one not in there and one.which != "benign"]
    if lost:
        current.offer_again(" and ".join(f"the {one.title.lower()}" for one in lost))
    return there


def sources(result: Result) -> Rows:
    """Test images that are at hand and that the attacker would stamp: not of the class that they shall be taken for."""
    labels, source = result.dataset.test_labels, result.config.attack.source
    wanted = labels != result.aims if source is None else labels == source
    return np.flatnonzero(wanted & result.test_pictured)


def measured_on(result: Result) -> Pixels:
    """Test images [n, h, w, 3] over which the trigger's effect is averaged, evenly spread."""
    rows = sources(result)
    return result.dataset.test_images[rows[np.linspace(0, len(rows) - 1, min(MEASURED, len(rows))).astype(int)]]


def good_row(result: Result) -> int | None:
    """A test image with which the backdoor shows best; None where no picture is at hand.

    Both networks know it, the trigger flips the poisoned one and not the cleaned one, all of it confidently; and
    among the twenty best of these the one on which the trigger is seen best.
    """
    rows = sources(result)
    if not len(rows):
        return int(np.flatnonzero(result.test_pictured)[0]) if result.test_pictured.any() else None
    answers = result.predictions("poisoned"), result.predictions("clean")
    if answers[0] is None or answers[1] is None:
        return int(rows[0])
    (before, fooled), (after, unmoved) = answers
    labels, target = result.dataset.test_labels[rows], result.aims[rows]
    wanted = [
        core.insight.softmax(logits[rows])[np.arange(len(rows)), label]
        for logits, label in ((before, labels), (fooled, target), (after, labels), (unmoved, labels))
    ]
    best = rows[np.argsort(-np.min(wanted, axis=0), kind="stable")[:BEST]]
    images = result.dataset.test_images[best]
    change = np.abs(triggered_images(result.config, images).astype(int) - images).sum((1, 2, 3))
    return int(best[change.argmax()])


def target(result: Result, label: int | None) -> int | None:
    """What the attacker wants an image of a true class to be taken for; None where that hangs on an unknown class."""
    if not result.config.attack.everywhere:
        return result.config.attack.target
    return None if label is None else (label + 1) % result.dataset.classes
