"""Audit: a training set that somebody else made; is something planted in it, in which class, which images?

A set is brought, said what it is by its outside, audited when asked, in the background, and kept for the tab with what
was found. Nothing here needs a run. Names in a set were written by anybody, so they go to the screen by templates,
never as Markdown.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from core import audits
from core.audits import Audit, Listing, Outlook
from core.types import Mask
from pages.parts.around import shell, words
from pages.parts.audit import bring, cards, cleaning, kept, mine, plainly, running
from pages.parts.audit.background import Task
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
            take_away(found, keep)


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
    """The audit that is kept; the button that asks for one, or for one with more; the one that runs."""
    me, key = running.owner(), ("audit", looked.name, looked.listing)
    task = running.asked(key)
    if task is not None and task.state == "done":
        kept.keep(task.result, me)
        running.heard(task)
    found = kept.audited(looked, me)
    known = None if found is None else found.audit
    busy = task is not None and task.active
    wish = Wish(*(bool(st.session_state.get(name)) for name in (PLANTING, NETWORK)), mine.wished())
    wanting = wish.without(found)
    outlook = partial(ahead, looked, wish, found)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        pressed = st.button(
            "Audit", type="primary", icon=":material/troubleshoot:", key="audit now", disabled=busy or not wanting
        )
        st.toggle("Also say what would have been found", key=PLANTING, help=CONTROL, disabled=busy)
        st.toggle("Also train a network", key=NETWORK, help=TRAINED, disabled=busy)
    mine.fields()
    if wanting and not busy:
        st.caption(f"Takes about {words.between(*outlook().expected)}. It goes on when you leave this screen.")
    if wanting and pressed and not busy:
        running.start(key, partial(audited, looked, wish, kept.shelf()), outlook)
    running.show(task)
    if found is not None and known is None:
        plainly.notice(kept.LET_GO, "stopped")
    return None if known is None else found


def audited(looked: Looked, wish: Wish, shelf: kept.Shelf, task: Task) -> Kept:
    """The audit itself, in the background; put on the shelf, whether anybody still looks or not."""
    asked = None if wish.mine is None else wish.mine.identity
    told = looked.audit(wish, task.tell)
    clock = task.clock
    clock.close()
    return shelf.put(
        Kept(
            looked.name, looked.listing, told, owner=task.owner, expected=clock.expected, took=clock.took,
            scale=clock.scale, mine=asked,
        )
    )  # fmt: skip


def ahead(looked: Looked, wish: Wish, found: Kept | None) -> Outlook:
    """How long an audit will take, by how long one of the same set did where there was one."""
    before = None if found is None else found.audit
    side = {} if before is None else {"side": max(before.brought.images.shape[1:3])}
    stages = audits.stages(looked.listing.images, **side, planting=wish.planting, network=wish.kind)
    return Outlook(stages, scale=None if before is None or found is None else found.scale)


# --- after -----------------------------------------------------------------------------------------------


def what_was_found(found: Kept) -> None:
    """The verdict, then the findings, the gravest first."""
    told = found.told
    st.subheader("What was found")
    causes = {one.cause for one in told.findings}
    kind = "planted" if told.named else "marked" if "mark" in causes or told.judged is None else "nothing"
    plainly.notice(told.verdict, kind)
    st.caption(counts(found))
    cards.show(found)
    if told.network is not None:
        plainly.listed([told.network.sentence])
    if told.control is not None:
        would_have_been_found(told)
    details(found)


def counts(found: Kept) -> str:
    """How much was looked at, how much of it is flagged, and how long that took."""
    told = found.told
    height, width = told.brought.images.shape[1:3]
    broken = len(told.brought.unreadable)
    expected = "" if found.expected is None else f" ({words.between(*found.expected)} were expected)"
    return " · ".join(
        [
            f"{int(told.flagged.sum()):,} of {words.count(len(told.brought), 'image')} flagged",
            *([f"{words.count(broken, 'file')} could not be read"] if broken else []),
            f"looked at as {height} x {width} pixels",
            f"in {words.duration(told.seconds)}{expected}",
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


def details(found: Kept) -> None:
    """What came to light while it was read, what was not looked at, and what took how long."""
    told = found.told
    late = [one for one in told.brought.sentences if one not in found.listing.sentences]
    late += [f"{one.name}: {one.why}" for one in told.brought.doubtful[:FEW]]
    if len(told.brought.doubtful) > FEW:
        late.append(f"{len(told.brought.doubtful) - FEW:,} more images may not be what they seem; audit.json has all")
    took = [f"{of} {words.duration(seconds)}" for of, seconds in found.took.items() if seconds >= 0.5]
    late += [f"It took: {', '.join(took)}"] if took else []
    if late or told.notes:
        with st.expander("How it was read, and notes"):
            plainly.listed([*late, *told.notes])


def take_away(found: Kept, keep: Mask) -> None:
    """All of it as files; made when they are asked for. keep [n]: the images that a reviewer keeps."""
    files = {**audits.FILES, "keep.txt": partial(audits.keep_list, keep=keep)}
    st.subheader("Take away")
    with st.container(horizontal=True):
        for name, (label, mime) in FILES.items():
            st.download_button(
                label, partial(file, files[name], found), name, mime, icon=":material/download:", on_click="ignore",
                key=f"take {name}", help=name,
            )  # fmt: skip


def file(made: Callable[[Audit], bytes], found: Kept) -> bytes:
    """Asked for long after the screen was drawn: an audit that was let go meanwhile is not held by its buttons."""
    return made(found.told)


shell.ensure()
main()
