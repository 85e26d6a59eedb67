"""What hides images from view: a chip for every filter that is on, by which it goes, and one to clear them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from pages.parts.around import words


def show(active: Mapping[str, str], shown: int, flagged: int, clear: Callable[..., None]) -> None:
    """`active` has the filters' keys and words; `clear` takes the keys of those to go."""
    if not active:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="chips"):
        st.markdown(
            f"**{words.count(shown, 'image')}** of {flagged:,} flagged, by {words.count(len(active), 'filter')}:"
            if not {"show", "part"} & set(active)
            else f"**{words.count(shown, 'image')}** by {words.count(len(active), 'filter')}:",
            width="content",
        )
        for key, says in active.items():
            st.button(
                words.plain(says), icon=":material/close:", key=f"chip {key}", on_click=clear, args=(key,),
                help="Take this filter away.",
            )  # fmt: skip
        st.button("Clear all", type="tertiary", key="clear filters", on_click=clear, args=tuple(active))
