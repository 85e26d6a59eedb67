"""Which class the networks take which for: confusion matrices before and after, on clean or on triggered images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts.around import colours, current, words
from pages.parts.around.templates import render
from pages.parts.compare import kept

NETWORKS = {"poisoned": "Before: the poisoned network", "clean": "After: the cleaned network"}
FEW = 20  # classes whose shares can be read in a table; of more the matrix is a picture
SIDE = 480  # pixels
IMAGES = {"clean": "clean test images", "triggered": "triggered test images"}


def show(result: Result) -> None:
    """Both networks beside each other, on the kind of images that is chosen."""
    images = st.segmented_control(
        "Test images", list(IMAGES), default="triggered", format_func=IMAGES.get, required=True, key="confusion images",
        help="Triggered: the same test images with the trigger stamped on.",
    )  # fmt: skip
    st.caption(_read_it(result, images))
    for place, (which, name) in zip(st.columns(2, gap="medium"), NETWORKS.items(), strict=True):
        with place:
            matrix(result, which, images, name)


def matrix(result: Result, which: str, images: str, name: str) -> None:
    found = kept.answers(result, which)
    if found is None:
        current.offer_again(f"the answers of the network {name.split(':')[0].lower()}")
        return
    names = result.dataset.class_names
    given = found.triggered if images == "triggered" else found.clean
    counts = core.report.confusion(given, result.dataset.test_labels, len(names))
    target = core.report.targets_of(result) if images == "triggered" else None
    if len(names) > FEW:
        st.markdown(f"**{name}**, {IMAGES[images]}")
        st.plotly_chart(
            picture(counts, names), key=f"confusion {which}", config={"displayModeBar": False},
            alt=spoken(counts, names),
        )  # fmt: skip
        st.caption(words.plain(spoken(counts, names)))
        return
    drawn = core.markup.matrix(counts, names, f"{name}, {IMAGES[images]}", target)
    st.html(render("compare/confusion.html.jinja", style=core.markup.MATRIX_STYLE, matrix=drawn))


def picture(counts: NDArray[np.int64], names: Sequence[str]) -> go.Figure:
    """A matrix [k, k] of many classes, each cell the share of its row in percent; the words come on hover."""
    ink = colours.plotted()
    shares = (100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)).round(1).astype(np.float32)
    figure = go.Figure(
        go.Heatmap(
            z=shares, x=list(names), y=list(names), zmin=0, zmax=100, colorscale=[[0, ink.ground], [1, ink.benign]],
            hovertemplate="%{y} taken for %{x}: %{z:.1f}%<extra></extra>",
            colorbar={"ticksuffix": "%", "thickness": 10},
        )
    )  # fmt: skip
    figure.update_layout(height=SIDE, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    figure.update_xaxes(title="answer", **colours.axis(13), type="category", fixedrange=True, constrain="domain")
    figure.update_yaxes(
        title="true class", **colours.axis(13), type="category", autorange="reversed", scaleanchor="x", fixedrange=True
    )
    return figure


def spoken(counts: NDArray[np.int64], names: Sequence[str]) -> str:
    """How many answers are right, and which wrong one is the most frequent."""
    total, right = int(counts.sum()), int(np.trace(counts))
    wrong = (counts - np.diag(np.diag(counts))).sum(0)
    said = f"{right:,} of {total:,} right"
    if not wrong.any():
        return f"{said}."
    most = int(np.argmax(wrong))
    share = words.share(wrong[most] / (total - right))
    return f"{said}; of the wrong answers {share} are {names[most]}."


def _read_it(result: Result, images: str) -> str:
    text = "A row holds the test images of one class, in percent of that class; the diagonal is right. "
    if images == "clean":
        return text + "The backdoor sleeps here: without the trigger the poisoned network looks like any other."
    if result.config.attack.everywhere:
        return text + "A backdoor shows right beside the diagonal: each class is taken for the next one."
    return (
        text
        + f"A backdoor shows as one full column: everything is taken for *{words.plain(result.config.target_name)}* ✕."
    )
