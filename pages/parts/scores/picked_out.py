"""The images that a brush or a lasso picked out, and a range to write where one cannot drag."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core import Result
from pages.parts.around import trouble, words
from pages.parts.around.cuts import Scored
from pages.parts.images import brush, gallery
from pages.parts.scores import panels

Ids = NDArray[np.int64]


def show(result: Result, found: Scored, label: int, truth: bool) -> None:
    """The images that a brush or a lasso picked out, and a range to write where one cannot drag."""
    name = words.class_name(result.config, label)
    st.subheader("Images picked out")
    lasso, chosen = brush.lasso(result.features_key, label), brush.read(label)
    write_range(label, chosen, lasso is not None)
    if lasso is None and chosen is None:
        st.caption(panels.PICKED)
        return
    ids = lasso.ids if lasso is not None else brush.brushed(found, chosen)
    how = "encircled" if lasso is not None else "brushed"
    said = f"**{words.count(len(ids), 'image')}** labelled {name} {how}"
    if truth and len(ids):
        hits = int(result.poisoned.truth.poisoned[ids].sum())
        said += f", of which **{hits:,} ✕ poisoned** ({words.share(hits / len(ids))})"
    st.markdown(f"{said}. The most suspicious first.")
    show_gallery(result, found, ids, truth)


def write_range(label: int, chosen: brush.Brush | None, lasso: bool) -> None:
    """The brush as two numbers, and what clears it."""
    st.session_state["brush low"], st.session_state["brush high"] = (None, None) if chosen is None else chosen[1:]

    def change() -> None:
        low, high = st.session_state["brush low"], st.session_state["brush high"]
        if low is not None and high is not None:
            brush.keep(brush.Brush(label, min(low, high), max(low, high)))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        for end in ("low", "high"):
            st.number_input(
                f"{'From' if end == 'low' else 'To'} score", value=None, format="%.4g", key=f"brush {end}",
                on_change=change, width=150, placeholder="any",
            )  # fmt: skip
        st.button("Clear", icon=":material/backspace:", on_click=brush.clear, disabled=chosen is None and not lasso)


@st.fragment
@trouble.said()
def show_gallery(result: Result, found: Scored, ids: Ids, truth: bool) -> None:
    """The gallery alone: choosing an image in it draws nothing else anew."""
    gallery.show(result, found, ids, truth, key="brushed")
