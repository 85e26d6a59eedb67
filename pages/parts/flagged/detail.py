"""One image in detail: what was done to it, what the networks make of it, where they look, what is like it.

In blind review only what a defender has: the image as it stands in the training set, its score and rank, its
neighbours, and the network trained on that set. What is computed is kept by the keys of network and features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import PoisonscopeError, Result
from pages.parts.around import colours, pixels, words
from pages.parts.around.cuts import Scored
from pages.parts.around.pixels import Pixels
from pages.parts.around.plots import figure_text
from pages.parts.around.templates import render
from pages.parts.common import findings
from pages.parts.images import gallery

Floats = NDArray[np.float64]

NEIGHBOURS = 8
GLOW = np.array([255, 221, 0])  # the colour of what a network looks at


class Answers(NamedTuple):
    """One network's probabilities [k] for an image, with its name and how its bars are drawn."""

    name: str
    chances: Floats
    fill: str


def show(result: Result, found: Scored, id: int, truth: bool, flagged: bool) -> None:
    """All that is known of one image, narrow enough to stand beside the grid."""
    seen = gallery.thumbnail(result, found, id, truth)
    heat, answers, trouble = None, [], ""
    if seen.pictured:
        try:
            heat, answers = looks(result, id), ask(result, id, truth)
        except PoisonscopeError as error:
            trouble = f"The networks cannot be asked: {words.sentence(str(error))}"
    drawn = render(
        "flagged/detail.html.jinja",
        heading=f"{seen.label} #{seen.rank:,}",
        facts=facts(result, found, seen, flagged),
        reasons=findings.reasons(found, id),
        figures=figures(result, id, seen, truth, heat),
        label=seen.label,
        answers=answers,
        rows=bars(result, answers) if answers else [],
        trouble=trouble,
        near=near(result, found, id, truth),
    )
    st.html(drawn)  # one piece: each more that the app puts on the page costs the browser a millisecond or two


def facts(result: Result, found: Scored, seen: gallery.Thumbnail, flagged: bool) -> list[tuple[str, str]]:
    """What is known of an image, part by part: words, and behind them what counts."""
    others = int(found.sizes[core.class_names(result.config.dataset.name).index(seen.label)])
    parts = [("score", figure_text(seen.score)), (f"rank {seen.rank:,} of {others:,} labelled {seen.label}", "")]
    parts.append(("flagged" if flagged else "not flagged", ""))
    if seen.poisoned is not None:
        benign = "○ cover: stamped, true label" if seen.cover else "● benign"
        parts = [("", "✕ poisoned" if seen.poisoned else benign), *parts, (f"id {seen.id}", "")]
    return parts


# --- pictures --------------------------------------------------------------------------------------------


def figures(result: Result, id: int, seen: gallery.Thumbnail, truth: bool, heat: Floats | None) -> list[dict[str, str]]:
    """The image; with the truth, beside what it was made from; and where the network looks."""
    if not seen.pictured:
        return [_missing()]
    image = result.poisoned.images[id]
    shown = [figure(image, f"In the training set, labelled {seen.label}", seen.alt)]
    if truth:
        source = int(result.poisoned.source_ids[id])
        name = words.class_name(result.config, int(result.poisoned.source_labels[id]))
        original = result.dataset.train_images[source]
        change, factor = core.markup.changed(original, image)
        stamped = (original != image).any()
        says = f"Difference{gallery.amplified(factor)}" if stamped else "Difference: nothing was changed"
        shown.insert(0, figure(original, f"Original: {name}, id {source}", f"The original image, a {name}"))
        shown.append(figure(change, says, says))
    if heat is not None:
        who = "The fooled network" if truth and result.poisoned.truth.count else "The network"
        shown.append(
            figure(
                overlaid(image, heat),
                f"{who} looks here for {seen.label}",
                f"Map of what speaks for {seen.label}: brightest {hottest(heat)}",
            )
        )
    return shown


def overlaid(image: Pixels, heat: Floats) -> Pixels:
    """An image [h, w, 3] in dim grey, and the heat [h, w] in [0, 1] glowing on it."""
    dim = 0.55 * image.mean(2, keepdims=True) * np.ones(3)
    glow = heat[..., None]
    return np.rint(dim * (1 - glow) + GLOW * glow).astype(np.uint8)


def hottest(heat: Floats) -> str:
    """Where a map is brightest, in words."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    down = ("at the top", "in the middle", "at the bottom")[3 * int(row) // heat.shape[0]]
    across = ("left", "centre", "right")[3 * int(column) // heat.shape[1]]
    return f"{down}, {across}"


def figure(image: Pixels, caption: str, alt: str) -> dict[str, str]:
    return dict(address=pixels.png(image), caption=caption, alt=alt)


def _missing(caption: str = "") -> dict[str, str]:
    return dict(address="", caption=caption, alt=gallery.MISSING)


# --- what the networks say -------------------------------------------------------------------------------


def ask(result: Result, id: int, truth: bool) -> list[Answers]:
    """The networks' probabilities for the image as it stands in the training set."""
    kinds = [("poisoned", "Trained on this set", colours.REFERENCE)]
    if truth:
        before, after = "Before the defence ✕", "After the defence ●"
        kinds = [("poisoned", before, colours.HATCHED), ("clean", after, colours.BENIGN)]
    return [
        Answers(name, _chances(result.model_key(which), id, which, result), fill)
        for which, name, fill in kinds
        if core.insight.stored(result, which)
    ]


@st.cache_data(max_entries=512, show_spinner="Asking the networks …")
def _chances(model: str | None, id: int, which: str, _result: Result) -> Floats:
    return _answered(core.insight.classify(_result, which, _result.poisoned.images[id : id + 1]))[0]


def looks(result: Result, id: int) -> Floats | None:
    """Which pixels speak for the image's label, in the network trained on this set, [h, w]; None where it is gone."""
    stored = core.insight.stored(result, "poisoned")
    return _heat(result.model_key("poisoned"), id, result) if stored else None


@st.cache_data(max_entries=256, show_spinner="Asking the networks …")
def _heat(model: str | None, id: int, _result: Result) -> Floats:
    image, label = _result.poisoned.images[id], int(_result.poisoned.labels[id])
    # Five times as fast as occlusion, and as clear on triggers of single pixels.
    return _answered(core.insight.attention(_result, "poisoned", image, label, "gradient"))


def _answered(found: Floats | None) -> Floats:
    """What a network that is stored says; one that is removed at this moment must not be kept as saying nothing."""
    if found is None:
        raise PoisonscopeError("a network was removed while it was asked")
    return found


def bars(result: Result, answers: list[Answers]) -> list[tuple[str, list[tuple[float, str, str]]]]:
    """Each class with its probability by each network: a bar's length, what fills it, and the figure."""
    return [
        (name, [(60 * one.chances[number], one.fill, _percent(float(one.chances[number]))) for one in answers])
        for number, name in enumerate(core.class_names(result.config.dataset.name))
    ]


def _percent(chance: float) -> str:
    return "<1%" if chance < 0.005 else f"{100 * chance:.0f}%"


# --- what is like it -------------------------------------------------------------------------------------


def near(result: Result, found: Scored, id: int, truth: bool) -> list[dict[str, str]]:
    """The nearest images in feature space, where there are features: a poisoned one's are mostly poisoned too."""
    nearest = _nearest(result.features_key, id, result)
    if nearest is None:
        return []
    shown = []
    for other, distance in zip(*nearest, strict=True):
        seen = gallery.thumbnail(result, found, int(other), truth)
        mark = "" if seen.poisoned is None else "✕ " if seen.poisoned else "○ " if seen.cover else "● "
        caption = f"{mark}{seen.label}, {distance:.3g}"
        image = result.poisoned.images[other]
        shown.append(figure(image, caption, seen.alt) if seen.pictured else _missing(caption))
    return shown


@st.cache_data(max_entries=512, show_spinner=False)
def _nearest(features_key: str, id: int, _result: Result) -> tuple[NDArray[np.int64], Floats] | None:
    features = _result.features
    return None if features is None else core.insight.neighbours(features, id, NEIGHBOURS)
