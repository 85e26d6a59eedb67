"""The picture that moves: the images of a class, their representations in a plane, and one axis, the detector's score.

Every mark is one image, or one in so many, drawn evenly from the ranking. The motion is CSS (stage.css), begins when
the slide is shown, and is left out for who prefers none; what it ends in is the whole picture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts.around import cuts, pixels, plots
from pages.parts.around.templates import Markup, render
from pages.parts.common import sees
from pages.parts.story import histogram

DOTS = 420  # at most
ACROSS, DOWN = 24, 10  # of the images that it begins with
BINS = 110  # of the axis, in which marks lie upon each other
HIGHEST, STEP = 88.0, 3.4  # percent of the height: the highest pile at most, and from one mark to the next
EDGE = 0.01  # of the images on each side of the plane that may lie on its edge
TICKS = 6
NETWORK = "what the network makes of them"  # in a detector's words: it looks at representations

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


class Cloud(NamedTuple):
    """The picture, and for how many images one of its marks stands."""

    picture: Markup
    every: int


def cloud(result: Result, name: str) -> Cloud | None:
    """The images labelled `name`, the class whose scores are drawn; None where its scores are not stored."""
    known = str(result.store.folder), core.run_key(result.config), name
    drawn = _drawn(*known, result)
    if drawn is None:
        _drawn.clear(*known)
    return drawn


@st.cache_resource(max_entries=12, show_spinner=False)
def _drawn(store: str, run: str, name: str, _result: Result) -> Cloud | None:
    result = _result
    found = cuts.scored(result, result.config.defence.detector)
    if found is None:
        return None
    members = np.flatnonzero(found.labels == result.config.attack.target)
    poisoned = result.poisoned.truth.poisoned
    every = max(1, math.ceil(len(members) / DOTS))
    ids = sample(members, poisoned[members], found.scores[members], every)
    axis = plots.axis(found.scores, found.spans_orders)
    along = 100 * np.clip(axis.share(found.scores[ids]), 0, 1)
    plane = _plane(result, members, ids)
    gone = found.scores[members[histogram.removed(result, found)[members]]]
    where = sees.of(result.config.defence)
    picture = render(
        "stage/cloud.html.jinja",
        marks=_marks(poisoned[ids], plane, along), images=_mosaic(result, members), plane=plane is not None,
        every=every, steps=_steps(name, plane is not None, where), poisoned=poisoned[ids].any(),
        cut=100 * float(axis.share(gone.min())) if gone.size else None, ticks=histogram.ticks(axis, TICKS),
        scale="log" if axis.log else "linear",
        says=_spoken(name, len(members), int(poisoned[members].sum())), axis=result.config.defence.detector,
    )  # fmt: skip
    return Cloud(picture, every)


def sample(members: Ids, poisoned: NDArray[np.bool_], scores: Floats, every: int) -> Ids:
    """One in `every` of the poisoned and of the clean members, evenly along the ranking, and at least one of each."""
    kinds = [members[mask][np.argsort(scores[mask], kind="stable")] for mask in (~poisoned, poisoned)]
    return np.concatenate([kind[::-1][::every] for kind in kinds])


def _plane(result: Result, members: Ids, ids: Ids) -> Floats | None:
    """The sampled images' representations on their class's first two principal components, in percent, [n, 2].

    None where the detector looks elsewhere, or they are not stored.
    """
    if NETWORK not in sees.of(result.config.defence).where:
        return None
    features = result.features
    if features is None:
        return None
    places = core.views.plane(features[members]).astype(float)
    low, high = np.quantile(places, [EDGE, 1 - EDGE], axis=0)
    shares = np.clip((places - low) / np.where(high > low, high - low, 1.0), 0, 1)
    return 4 + 92 * shares[np.searchsorted(members, ids)]


def _marks(poisoned: NDArray[np.bool_], plane: Floats | None, along: Floats) -> list[tuple[str, str]]:
    """Each mark's kind and its places, as the variables that stage.css moves it by."""
    bins = np.minimum((along / 100 * BINS).astype(int), BINS - 1)
    piles, across = _piles(bins), 100 * (bins + 0.5) / BINS
    marks = []
    for at in range(len(along)):
        grid = (at * 7) % (ACROSS * DOWN)  # any cell: the images there are examples
        places = {
            "gx": 100 * (grid % ACROSS + 0.5) / ACROSS, "gy": 100 - 100 * (grid // ACROSS + 0.5) / DOWN,
            "px": along[at] if plane is None else plane[at, 0], "py": 0.0 if plane is None else plane[at, 1],
            "ax": along[at], "x": across[at], "y": piles[at],
        }  # fmt: skip
        marks.append(("pd" if poisoned[at] else "bd", ";".join(f"--{k}:{v:.1f}" for k, v in places.items())))
    return marks


def _piles(bins: NDArray[np.int64]) -> Floats:
    """How high each mark lies where marks in one bin lie upon each other, in percent, [n]."""
    place = np.zeros(len(bins))
    for bin in np.unique(bins):
        inside = np.flatnonzero(bins == bin)
        place[inside] = np.arange(len(inside))
    return place * min(STEP, HIGHEST / max(float(place.max()), 1.0))


def _mosaic(result: Result, members: Ids) -> str | None:
    """Images of the class side by side, as one picture; None where too few are at hand to fill it."""
    ids = members[result.pictured[members]][: ACROSS * DOWN]
    if len(ids) < ACROSS:
        return None
    rows = len(ids) // ACROSS
    tiles = result.poisoned.images[ids[: rows * ACROSS]]
    side = tiles.shape[1]
    sheet = tiles.reshape(rows, ACROSS, side, side, 3).swapaxes(1, 2).reshape(rows * side, ACROSS * side, 3)
    return pixels.lossy(sheet)


def _steps(name: str, plane: bool, seen: sees.Sees) -> list[str]:
    """What is shown one after the other."""
    middle = ["representations, in a plane"] if plane else [seen.looks.rstrip(".").lower()]
    return [f"the images labelled {name}", *middle, "one axis, the score", "the cut"]


def _spoken(name: str, count: int, poisons: int) -> str:
    says = f"The {count:,} images labelled {name}"
    return f"{says}, {poisons:,} of them poisoned, along the detector's score" if poisons else f"{says} along the score"
