"""What the cut does, in figures: of all classes together, within the poisoned one; what the detector says of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st

from core import Result
from pages.parts.around import cuts, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.around.templates import render
from pages.parts.images import picked
from pages.parts.scores import ranking


class Hero(NamedTuple):
    """A figure that leads: its name, its value, of how many, and what it says."""

    name: str
    value: str
    of: str
    says: str


class Beside(NamedTuple):
    """A figure of the line below: its name with the way that is good, its value, and what it means."""

    name: str
    value: str
    says: str


def show(result: Result, found: Scored, cut: Cut, truth: bool) -> None:
    """What the cut does: with the truth, how right it is; without, only how much goes."""
    gone = ranking.removed(found, cut)
    heroes, beside = with_truth(result, found, cut) if truth else without(found, cut)
    st.markdown(
        f"**All classes together**: {words.count(int(gone.sum()), 'image')} flagged, {picked.taken(cut)} of "
        f"{picked.in_scope(result, found, cut)}.{within(result) if truth else ''}{tried_on(result, cut)}"
    )
    st.html(render("scores/decision.html.jinja", heroes=heroes, beside=beside))


def tried_on(result: Result, cut: Cut) -> str:
    """Where the figures are not those of the run, whose own stand on Compare and in its report."""
    if cut == cuts.usual(result, result.config.defence.detector) and result.config.keep is None:
        return ""
    return f" This is tried on: the run itself was made with {result.config.removed_by}, as *Compare* shows it."


def within(result: Result) -> str:
    """Among which images the scores are judged without a budget."""
    holding = np.unique(result.poisoned.labels[result.poisoned.truth.poisoned])
    if not len(holding):
        return ""
    name = words.class_name(result.config, int(holding[0]))
    where = f"among the images labelled {name}" if len(holding) == 1 else f"the mean over the {len(holding)} classes"
    return f" AUROC and AP: {where}, as the curves below."


def without(found: Scored, cut: Cut) -> tuple[list[Hero], list[Beside]]:
    """What a defender sees."""
    gone = ranking.removed(found, cut)
    share = words.share(gone.sum() / len(found.labels))
    flagged = Hero("Flagged", f"{gone.sum():,}", f"of {len(found.labels):,}", "images that the cut removes")
    classes = Hero("Classes cut", f"{np.count_nonzero(gone):,}", f"of {np.count_nonzero(found.sizes)}", "lose images")
    return [flagged, classes], [Beside("Of all images", share, "share of the training set that goes")]


def with_truth(result: Result, found: Scored, cut: Cut) -> tuple[list[Hero], list[Beside]]:
    """What can be measured where the poisoned images are known: two figures that lead, and the others."""
    decision = ranking.counts(result, found, cut)
    quality = ranking.quality(result, found)
    left, lost = words.figure("#Pois left"), words.figure("Clean removed")
    clean = len(found.labels) - decision.poisons
    heroes = [
        Hero(left.name, left.write(decision.poisons_left), f"of {decision.poisons:,}",
             f"poisoned images stay in the training set; {left.better}"),
        Hero(lost.name, lost.write(decision.clean_removed), f"of {clean:,}",
             f"clean images go, the price of the defence; {lost.better}"),
    ]  # fmt: skip
    values = {
        "TPR": decision.tpr,
        "FPR": decision.fpr,
        "Precision": decision.precision,
        "Flagged": decision.flagged,
        "AUROC": quality.auroc,
        "AP": quality.average_precision,
    }
    beside = [
        Beside(one.label, one.write(value), one.says) for name, value in values.items() if (one := words.figure(name))
    ]
    covers = result.poisoned.truth.covers
    if covers.any():
        gone, one = int((cuts.flag(found, cut) & covers).sum()), words.figure("Covers removed")
        beside.append(Beside(one.label, f"{one.write(gone)} of {int(covers.sum()):,}", one.says))
    return heroes, beside


def class_words(result: Result, found: Scored) -> str:
    """What the detector says of the classes."""
    named = words.some([words.class_name(result.config, label) for label in found.suspects])
    suspects = ", ".join(f"**{name}**" for name in named)
    if found.names_classes:
        return f"The detector names {suspects} (⚠)." if suspects else "The detector names no class: nothing found."
    if found.suspicion is None:
        return "This detector gives no opinion on classes."
    return (
        "This detector names no class. A hint is the spectral gap, the leading singular value against the next: "
        f"it is widest in {suspects} (⚠). Benign classes have gaps too."
    )
