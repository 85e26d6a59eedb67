"""What the cut does, in figures: of all classes together, within the poisoned one; what the detector says of them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import Result
from pages.parts.around import cuts, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.images import picked
from pages.parts.scores import ranking


def show(result: Result, found: Scored, cut: Cut, truth: bool) -> None:
    """What the cut does: with the truth, how right it is; without, only how much goes."""
    gone = ranking.removed(found, cut)
    if not truth:
        figures = [
            ("Flagged", f"{gone.sum():,}", "images that the cut removes, from all classes together"),
            ("Of all images", words.share(gone.sum() / len(found.labels)), "share of the training set that goes"),
            ("Classes cut", f"{np.count_nonzero(gone):,}", "classes that lose images"),
        ]
    else:
        figures = with_truth(result, found, cut)
    st.markdown(
        f"**All classes together**: {words.count(int(gone.sum()), 'image')} flagged, {picked.taken(cut)} of "
        f"{picked.in_scope(result, found, cut)}.{within(result) if truth else ''}"
    )
    with st.container(horizontal=True, gap="small", key="figures"):
        for name, value, help in figures:
            st.metric(name, value, help=help, width="stretch")


def within(result: Result) -> str:
    """Among which images the scores are judged without a budget."""
    holding = np.unique(result.poisoned.labels[result.poisoned.truth.poisoned])
    if not len(holding):
        return ""
    name = words.class_name(result.config, int(holding[0]))
    where = f"among the images labelled {name}" if len(holding) == 1 else f"the mean over the {len(holding)} classes"
    return f" AUROC and AP: {where}, as the curves below."


def with_truth(result: Result, found: Scored, cut: Cut) -> list[tuple[str, str, str]]:
    """Name, value and explanation of what can be measured where the poisoned images are known."""
    decision = ranking.counts(result, found, cut)
    quality = ranking.quality(result, found, cut.detector)
    covers = result.poisoned.truth.covers
    told = []
    if covers.any():
        gone = int((cuts.flag(found, cut) & covers).sum())
        told = [("Covers removed", f"{gone:,} of {int(covers.sum()):,}", words.COLUMNS["Covers removed"])]
    return [
        ("TPR (recall)", words.share(decision.tpr), words.COLUMNS["TPR"]),
        ("FPR", words.share(decision.fpr), words.COLUMNS["FPR"]),
        ("Precision", words.share(decision.precision), words.COLUMNS["Precision"]),
        ("#Pois left", f"{decision.poisons_left:,} of {decision.poisons:,}", words.COLUMNS["#Pois left"]),
        ("Flagged", f"{decision.flagged:,}", "images that the cut removes, from all classes together"),
        ("Clean removed", f"{decision.clean_removed:,}", words.COLUMNS["Clean removed"]),
        *told,
        ("AUROC", words.score(quality.auroc), words.COLUMNS["AUROC"]),
        ("AP", words.score(quality.average_precision), words.COLUMNS["AP"]),
    ]


def class_words(result: Result, found: Scored) -> str:
    """What the detector says of the classes."""
    suspects = ", ".join(f"**{words.class_name(result.config, label)}**" for label in found.suspects)
    if found.names_classes:
        return f"The detector names {suspects} (⚠)." if suspects else "The detector names no class: nothing found."
    if found.suspicion is None:
        return "This detector gives no opinion on classes."
    return (
        "This detector names no class. A hint is the spectral gap, the leading singular value against the next: "
        f"it is widest in {suspects} (⚠). Benign classes have gaps too."
    )
