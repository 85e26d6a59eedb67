"""Audit: a training set that somebody else made; is something planted in it, in which class, which images?

A set is brought, said what it is by its outside, audited when asked, and kept for the tab with what was found. Nothing
here needs a run. Names in it were written by anybody, so they go to the screen by templates, never as Markdown.
"""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core import audits
from core.audits import Audit, Listing
from core.types import Mask
from pages.parts.around import presenter, shell, words
from pages.parts.audit import bring, cards, cleaning, kept, mine, plainly
from pages.parts.audit.kept import Kept, Looked, Wish
from pages.parts.common import planted

PLANTING, NETWORK = "audit control", "audit network"  # the toggles
FEW = 12  # classes that the sentences name all
FILES = {
    "audit.csv": ("Table of all images", "text/csv"),
    "keep.txt": ("What to keep", "text/plain"),
    "report.html": ("Report", "text/html"),
    "audit.parquet": ("Table as Parquet", "application/vnd.apache.parquet"),
    "issues.csv": ("Issues, as cleanlab has them", "text/csv"),
    "labels.json": ("Labels, as FiftyOne has them", "application/json"),
    "audit.json": ("All as JSON", "application/json"),
}
TRAINED = (
    "One is trained on the set, as its user would, and kept. It shows triggers that images do not, says of each mark "
    "whether it answers to it, and is what a clean copy is compared with."
)
CONTROL = (
    "*Nothing planted was found* says little without what would have been found: known triggers are planted into one "
    "class after the other, and the audit is asked again. It takes longer than the audit itself."
)


def main() -> None:
    st.title("Audit")
    if not presenter.on():
        st.markdown(
            "A training set that somebody else labelled, sold or scraped: is something planted in it, in which class, "
            "which images? Nothing is trained unless you ask for it, and nothing that you bring is changed."
        )
    with plainly.trouble():
        asked = bring.choose()
        if asked is None:
            return
        looked = kept.look(asked.key, asked.look)
        what_it_is(looked.listing)
        found = audit(looked)
        if found is not None:
            what_was_found(found)
            keep = ~found.told.flagged
            if not keep.all():
                keep = cleaning.review(found)
                cleaning.anew(found, keep)
                cleaning.copy(found, keep)
            take_away(found.told, keep)


# --- before ----------------------------------------------------------------------------------------------


def what_it_is(listing: Listing) -> None:
    """What it is taken for, before a pixel is decoded."""
    st.subheader("What it is")
    sizes = list(listing.classes.values())
    figures = {"Images": f"{listing.images:,}", "Classes": f"{len(sizes):,}"}
    if sizes:
        least, most = min(sizes), max(sizes)
        figures["Class size"] = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    with st.container(horizontal=True, gap="medium"):
        for label, value in figures.items():
            st.metric(label, value, width="content")
    plainly.listed(listing.sentences)
    if len(sizes) > FEW:
        with st.expander(f"All {len(sizes):,} classes"):
            st.dataframe(
                pd.DataFrame({"class": [audits.plain(name) for name in listing.classes], "images": sizes}),
                hide_index=True,
            )


def audit(looked: Looked) -> Kept | None:
    """The audit that is kept; the button that asks for one, or for one with more."""
    found = kept.audited(looked)
    wish = Wish(*(bool(st.session_state.get(name)) for name in (PLANTING, NETWORK)), mine.wished())
    wanting = wish.without(found.told if found else None)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        pressed = st.button(
            "Audit", type="primary", icon=":material/troubleshoot:", key="audit now", disabled=not wanting
        )
        st.toggle("Also say what would have been found", key=PLANTING, help=CONTROL)
        seconds = audits.expected_seconds(looked.listing.images)
        st.toggle(f"Also train a network ({words.duration(seconds)} or more)", key=NETWORK, help=TRAINED)
    mine.fields()
    if wanting and pressed:
        kept.keep(looked, run(looked, wish))
        st.rerun()  # so that the button above knows
    return found


def run(looked: Looked, wish: Wish) -> Audit:
    """The audit, with a bar while it lasts."""
    bar = st.progress(0.0, "Reading …")
    said = ""

    def tell(done: float, of: str) -> None:
        nonlocal said
        now = f"{of[:1].upper()}{of[1:]} …"
        if (step := f"{done:.2f} {now}") != said:  # each costs the browser a redrawing
            said = step
            bar.progress(min(max(done, 0.0), 1.0), now)

    try:
        return looked.audit(wish, tell)
    finally:
        bar.empty()


# --- after -----------------------------------------------------------------------------------------------


def what_was_found(found: Kept) -> None:
    """The verdict, then the findings, the gravest first."""
    told = found.told
    st.subheader("What was found")
    causes = {one.cause for one in told.findings}
    kind = "planted" if told.named else "marked" if "mark" in causes or told.judged is None else "nothing"
    plainly.notice(told.verdict, kind)
    st.caption(counts(told))
    cards.show(found)
    if told.network is not None:
        plainly.listed([told.network.sentence])
    if told.control is not None:
        would_have_been_found(told)
    details(told, found.listing)


def counts(told: Audit) -> str:
    """How much was looked at, and how much of it is flagged."""
    height, width = told.brought.images.shape[1:3]
    broken = len(told.brought.unreadable)
    return " · ".join(
        [
            f"{int(told.flagged.sum()):,} of {words.count(len(told.brought), 'image')} flagged",
            *([f"{words.count(broken, 'file')} could not be read"] if broken else []),
            f"looked at as {height} x {width} pixels",
            f"in {words.duration(told.seconds)}",
        ]
    )


def would_have_been_found(told: Audit) -> None:
    """The positive control."""
    st.subheader("What would have been found")
    if not told.control:
        st.info("No class is left that could be tried: all are named, or too small to judge.")
        return
    st.dataframe(planted.reached(told.control), hide_index=True)
    tried = len({row.label for row in told.control})
    st.caption(
        f"In how many of {words.count(tried, 'class', 'classes')} the class was named, and what share of the planted "
        "images was flagged. Each trigger is put on images of one class, which keep their own label."
    )


def details(told: Audit, listing: Listing) -> None:
    """What came to light while it was read, and what was not looked at."""
    late = [one for one in told.brought.sentences if one not in listing.sentences]
    late += [f"{one.name}: {one.why}" for one in told.brought.doubtful[:FEW]]
    if len(told.brought.doubtful) > FEW:
        late.append(f"{len(told.brought.doubtful) - FEW:,} more images may not be what they seem; audit.json has all")
    if late or told.notes:
        with st.expander("How it was read, and notes"):
            plainly.listed([*late, *told.notes])


def take_away(told: Audit, keep: Mask) -> None:
    """All of it as files; made when they are asked for. keep [n]: the images that a reviewer keeps."""
    files = {**audits.FILES, "keep.txt": partial(audits.keep_list, keep=keep)}
    st.subheader("Take away")
    with st.container(horizontal=True):
        for name, (label, mime) in FILES.items():
            st.download_button(
                label, partial(files[name], told), name, mime, icon=":material/download:", on_click="ignore",
                key=f"take {name}", help=name,
            )  # fmt: skip


shell.ensure()
main()
