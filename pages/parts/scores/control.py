"""What the panel would have found in this very set: known triggers planted into one class after the other.

It takes a minute or so, so a person asks for it; what is stored is shown at once. It uses no truth.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

import core
from core import Control, PoisonscopeError, Result
from pages.parts.around import cuts, trouble, words
from pages.parts.around.cuts import Scored
from pages.parts.common import planted

WHAT = (
    "Each trigger is put on images of one class, which keep their own label, and the panel's image side judges that "
    "class anew. Whatever is found of a set says little without what would have been found."
)


@st.fragment
@trouble.said()
def show(result: Result, found: Scored, detector: str) -> None:
    """The control of a panel's verdict, or the button that asks for it; nothing for other detectors."""
    defence = cuts.defence_of(result, detector)
    if not core.controls.able(result, defence):
        return
    with st.expander("What would have been found?", expanded=not found.suspects):
        rows = core.controls.stored(result, defence) or _asked(result, found, detector)
        if rows is None:
            st.caption(WHAT)
            return
        if not rows:
            st.info("No class is left that could be tried: all are named, or too small to judge.")
            return
        st.dataframe(planted.reached(rows), hide_index=True)
        st.caption(
            f"In how many of {len({row.label for row in rows})} classes the class was named, and what share of the "
            f"planted images was flagged. {WHAT}"
        )
        with st.popover("Class by class", icon=":material/table_rows:"):
            st.dataframe(by_class(result, rows), hide_index=True)


def _asked(result: Result, found: Scored, detector: str) -> list[Control] | None:
    place = st.empty()
    if not place.button(
        "Plant known triggers", key="control plant", icon=":material/potted_plant:",
        help="Pixel, patch, blended and sinusoid on 5%, 2%, 1% and 0.5% of a class: a minute or two for 20,000 images.",
    ):  # fmt: skip
        return None
    bar = place.progress(0.0, "Planting …")
    try:
        rows = core.controls.plant(
            result, found.detection, cuts.defence_of(result, detector), lambda done: bar.progress(done, "Planting …")
        )
    except PoisonscopeError as error:
        st.warning(f"Nothing was planted: {words.sentence(str(error))}", icon=":material/warning:")
        return None
    finally:
        bar.empty()
    return rows


def by_class(result: Result, rows: Sequence[Control]) -> pd.DataFrame:
    """A row a class, trigger and share."""
    return pd.DataFrame(
        [
            {
                "class": words.class_name(result.config, row.label),
                "trigger": row.trigger,
                "share": f"{row.share:.1%}",
                "planted": row.planted,
                "named": "yes" if row.named else "no" if row.tried else "no (nor at a larger share)",
                "flagged": f"{row.found:.0%}",
            }
            for row in sorted(rows, key=lambda row: row.label)
        ]
    )
