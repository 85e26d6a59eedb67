"""A clean copy: a reviewer's verdicts on what is flagged, the copy on the disk, a network trained on what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

import core
from core import audits
from core.types import Mask
from pages.parts.around import words
from pages.parts.audit import cards, original, plainly, running
from pages.parts.audit.background import Task
from pages.parts.audit.kept import Kept

MOST = 300  # flagged images that are shown; the others are removed as the panel has it
EDITOR = "audit verdicts"
FOLDER, LINKS = "audit copy to", "audit copy links"
REMOVE = "remove"


def review(found: Kept) -> Mask:
    """The flagged images with a tick each: what is unticked stays. Returns what is kept, [n]."""
    told = found.told
    rows = audits.chosen(told, np.flatnonzero(told.flagged), MOST)
    st.subheader("Verdicts")
    st.caption(
        "Untick what is no poison: *What to keep*, the clean copy and the network that is trained anew go by it."
        + (f" The {MOST} most suspicious are shown; the others are removed." if told.flagged.sum() > MOST else "")
    )
    key = f"{EDITOR} {found.number}"  # its ticks are places in a table, which another audit's table has, too
    if key not in st.session_state or found.verdicts is None:
        found.verdicts = _table(found, rows)
    edited = st.data_editor(
        found.verdicts, key=key, hide_index=True, row_height=56, height=360,
        disabled=[name for name in found.verdicts.columns if name != REMOVE],
        column_config={
            REMOVE: st.column_config.CheckboxColumn("Remove", width="small"),
            "image": st.column_config.ImageColumn("Image", width="small"),
            "path": "Path",
            "class": "Class",
            "score": st.column_config.NumberColumn("Score", format="%.2f"),
            "reason": "Reason",
        },
    )  # fmt: skip
    found.spared = frozenset(rows[~edited[REMOVE].to_numpy(bool)].tolist())
    original.choose(found, rows.tolist())
    return kept(found)


def kept(found: Kept) -> Mask:
    """What is not flagged, or was spared, [n]."""
    return core.filter.reviewed_keep(found.told.flagged, spared=found.spared)


def _table(found: Kept, rows: np.ndarray) -> pd.DataFrame:
    told = found.told
    names = np.array([*told.brought.classes, ""], object)
    scores = np.zeros(len(told.brought)) if told.judged is None else told.judged.scores(len(told.brought))
    return pd.DataFrame(
        {
            REMOVE: [row not in found.spared for row in rows.tolist()],
            "image": [cards.thumbnail(told, row)["address"] for row in rows.tolist()],
            "path": [audits.plain(told.brought.names[row]) for row in rows.tolist()],
            "class": [audits.plain(names[told.brought.labels[row]]) for row in rows.tolist()],
            "score": scores[rows],
            "reason": [audits.plain(told.reasons.get(row, ""), 200) for row in rows.tolist()],
        }
    )


# --- the copy --------------------------------------------------------------------------------------------


def copy(found: Kept, keep: Mask) -> None:
    """A folder for the clean copy, below those that are allowed; nothing of the set itself is touched."""
    if not audits.allowed_folders() or found.name[0] == "upload":
        return
    st.subheader("Clean copy")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        folder = st.text_input(
            "New folder on the server's machine", key=FOLDER, placeholder="photos-clean …",
            help="Below the folders that sets are read from. It gets clean/class/… and quarantine/class/….",
        )  # fmt: skip
        pressed = st.button("Write", icon=":material/content_copy:", disabled=not folder)
    links = found.told.brought.kind in audits.ON_DISK and st.toggle(
        "Link to the pictures instead of copying them", key=LINKS
    )
    if pressed:
        with plainly.trouble():
            with _bar("Copying …") as tell:
                done = audits.copy(found.told.brought, keep, audits.allowed(folder), links=links, tell=tell)
            plainly.listed([done.sentence])


@contextmanager
def _bar(said: str) -> Iterator[Callable[[float], None]]:
    """A bar that is told how far something is, 0 to 1."""
    bar = st.progress(0.0, said)

    def tell(done: float) -> None:
        bar.progress(min(max(done, 0.0), 1.0), said)

    try:
        yield tell
    finally:
        bar.empty()


# --- trained anew ----------------------------------------------------------------------------------------


def anew(found: Kept, keep: Mask) -> None:
    """A network trained on what is kept beside that of the whole set; where one was trained, and is believed."""
    told = found.told
    if told.network is None or not (told.network.believed and told.network.trained_here):
        return
    st.subheader("Trained on what is kept")
    asked = keep.tobytes()
    key = ("anew", found.number, asked)
    task = running.asked(key)
    busy = task is not None and task.active
    outlook = partial(_ahead, told, found.scale)
    pressed = st.button(
        "Train anew", icon=":material/model_training:", key="audit anew",
        disabled=busy or asked in found.anew or keep.all(),
        help=f"About {words.between(*outlook().expected)}. What was rebuilt is tried on both networks.",
    )  # fmt: skip
    if pressed and not busy:
        running.start(key, partial(_anew, found, keep), outlook)
    running.show(task)
    if asked in found.anew:
        _compared(found.anew[asked])


def _ahead(told: audits.Audit, scale: float | None) -> audits.Outlook:
    return audits.Outlook(audits.retraining_stages(told), scale=scale and 1.0)  # its times are of this machine


def _anew(found: Kept, keep: Mask, task: Task) -> None:
    found.anew[keep.tobytes()] = audits.retrained(found.told, task.tell, keep=keep)


def _compared(made: audits.Retrained) -> None:
    of = "held-out images" if made.held_out else "images that are kept"
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            f"Accuracy on {of}", f"{made.after:.1%}", f"{100 * (made.after - made.before):+.1f} points",
            delta_color="off", width="content",
        )  # fmt: skip
        for one in made.tried:
            st.metric(
                f"Answered {words.plain(audits.plain(one.classes[0], 24))} with its mark", f"{one.after:.1%}",
                f"{100 * (one.after - one.before):+.1f} points", delta_color="inverse", width="content",
            )  # fmt: skip
    plainly.listed(audits.compared(made))
