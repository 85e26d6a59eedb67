"""A card a finding: its cause as a word, the sentence, p, what the images share, and the images themselves."""

from __future__ import annotations

import numpy as np
import streamlit as st
from markupsafe import Markup
from numpy.typing import NDArray

import core
from core import Rebuilt, audits
from core.audits import Audit, Found
from pages.parts.around import pixels, words
from pages.parts.around.templates import render
from pages.parts.audit.kept import Kept
from pages.parts.common import findings

CARDS = 24  # findings that are drawn; all are in the report
REBUILT = 6  # of which so many have what their images share: each takes seconds
SIDE = 112  # pixels of a thumbnail, at most
SHARP = 64  # pixels a side up to which it is sent as it is


def show(kept: Kept) -> None:
    """The cards, drawn once and kept."""
    if kept.cards is None:
        with st.spinner("Drawing what was found …"):
            kept.cards = [card(kept.told, one, place < REBUILT) for place, one in enumerate(kept.told.findings[:CARDS])]
    for one in kept.cards:
        st.html(one)
    if len(kept.told.findings) > len(kept.cards):
        left = len(kept.told.findings) - len(kept.cards)
        st.caption(f"And {words.count(left, 'more finding')}: audit.json and report.html have all of them.")


def card(told: Audit, one: Found, rebuilding: bool = True) -> Markup:
    """One finding as HTML."""
    accused = one.cause in audits.ACCUSED
    rebuilt = told.trigger(one) if accused and rebuilding else None
    pictured = audits.pictured(told, one)
    images = words.count(len(one.ids), "image")
    return render(
        "audit/card.html.jinja",
        cause=one.cause,
        title=f"{one.cause}{f' · {_classes(one)}' if one.classes else ''}",
        meaning=audits.CAUSES[one.cause],
        sentence=audits.plain(one.sentence, 1_000),
        p=None if one.p is None else f"The panel's p = {findings.told(one.p)}.",
        shared=[] if rebuilt is None else shared(told, one, rebuilt),
        described="" if rebuilt is None else f"What they share, rebuilt. {core.proofs.described(rebuilt)}",
        summary=images if len(pictured) == len(one.ids) else f"{images}, the {len(pictured)} most suspicious",
        folded=not accused,
        thumbnails=[thumbnail(told, row, like) for row, like in pictured],
    )


def _classes(one: Found) -> str:
    """Its class or classes."""
    shown = ", ".join(audits.plain(name) for name in one.classes[:3])
    more = f" and {len(one.classes) - 3:,} more" if len(one.classes) > 3 else ""
    return f"{'class' if len(one.classes) == 1 else 'classes'} {shown}{more}"


def shared(told: Audit, one: Found, rebuilt: Rebuilt) -> list[dict[str, str]]:
    """What the images share, on plain grey, and laid on an image of another class that has nothing of it."""
    label = told.brought.classes.index(one.classes[0])
    on_grey = core.proofs.looks(rebuilt.apply, rebuilt.mask.shape)
    shown = [("Rebuilt", "What the images share, on plain grey", on_grey)]
    rows = np.flatnonzero((told.brought.labels != label) & ~told.flagged)[:1]
    laid = rebuilt.apply(told.brought.images[rows])
    shown += [("Laid on another image", "An image of another class that bears it", image) for image in laid]
    return [dict(caption=caption, alt=alt, address=pixels.png(image)) for caption, alt, image in shown]


def thumbnail(told: Audit, row: int, like: str | None = None) -> dict[str, str]:
    """An image, small, with its name, and the class that it looks like."""
    name = told.brought.names[row]
    if told.brought.kind == "arrays":
        name = f"image {name}"
    if like is not None:
        name = f"like {audits.plain(like, 24)}: {name}"
    return dict(name=audits.plain(name), whole=audits.plain(name, 400), address=_address(told.brought.images[row]))


def _address(image: NDArray[np.uint8]) -> str:
    """As a data address: small images exactly, since what is planted may be one pixel."""
    if max(image.shape[:2]) <= SHARP:
        return pixels.webp(image)
    return pixels.lossy(pixels.reduced(image, SIDE))
