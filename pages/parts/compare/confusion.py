"""Which class the networks take which for: confusion matrices before and after, on clean or on triggered images."""

from __future__ import annotations

import streamlit as st

import core
from core import Result
from pages.parts.around import current
from pages.parts.around.templates import render
from pages.parts.compare import kept

NETWORKS = {"poisoned": "Before: the poisoned network", "clean": "After: the cleaned network"}
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
    drawn = core.markup.matrix(counts, names, f"{name}, {IMAGES[images]}", target)
    st.html(render("compare/confusion.html.jinja", style=core.markup.MATRIX_STYLE, matrix=drawn))


def _read_it(result: Result, images: str) -> str:
    text = "A row holds the test images of one class, in percent of that class; the diagonal is right. "
    if images == "clean":
        return text + "The backdoor sleeps here: without the trigger the poisoned network looks like any other."
    if result.config.attack.everywhere:
        return text + "A backdoor shows right beside the diagonal: each class is taken for the next one."
    return text + f"A backdoor shows as one full column: everything is taken for *{result.config.target_name}* ✕."
