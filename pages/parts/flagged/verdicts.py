"""What people say of the images: the reviewer's name, verdicts by id, notes, the tally and how far they agree.

Kept by core.results.reviews, by run and reviewer; this tab's reviewer stands in the address (`?reviewer=…`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
import streamlit as st

import core
from core import PoisonscopeError, Result
from core.results import Agreement, Review
from pages.parts.around import words
from pages.parts.around.templates import render
from pages.parts.images import gallery

ANYONE = "reviewer"
ANY, NONE, NOTED = "any", "not judged", "with a note"
CHOICES = [ANY, NONE, *core.reviews.VERDICTS, NOTED]


@dataclass(frozen=True)
class Book:
    """A run's reviews: all of them, and this reviewer's own by id."""

    run: str
    reviewer: str
    everyone: list[Review]
    own: dict[int, Review]

    @property
    def verdicts(self) -> dict[int, str]:
        return {id: review.verdict for id, review in self.own.items() if review.verdict}

    def fits(self, id: int, wanted: str) -> bool:
        """Whether an image passes the filter on verdicts."""
        review = self.own.get(id)
        if wanted == NOTED:
            return review is not None and bool(review.note)
        verdict = None if review is None else review.verdict
        return wanted == ANY or verdict == (None if wanted == NONE else wanted)


def reviewer() -> str | None:
    """The field for the reviewer's name; None, with a message, where it is no name."""
    typed = st.text_input(
        "Reviewer", value=ANYONE, key="reviewer", bind="query-params", width=94,
        max_chars=core.reviews.NAME_LIMIT, help="Verdicts and notes are kept under this name.",
    )  # fmt: skip
    try:
        return core.reviews.reviewer_name(typed or "")
    except PoisonscopeError as error:
        st.error(f"{words.sentence(str(error))} No verdict can be given without one.", icon=":material/error:")
        return None


def book(result: Result, reviewer: str | None) -> Book | None:
    """The run's reviews as they stand; None, with a message, where the ledger cannot be read."""
    run = core.reviews.desk(result.config)
    try:
        everyone = core.reviews.of(run)
    except PoisonscopeError as error:
        st.error(f"The verdicts cannot be read: {words.sentence(str(error))}", icon=":material/error:")
        return None
    return Book(run, reviewer or "", everyone, {one.image: one for one in everyone if one.reviewer == reviewer})


def reviewing(book: Book | None) -> gallery.Reviewing | None:
    """What the grid needs to judge; None where nobody can."""
    if book is None or not book.reviewer:
        return None

    def judge(ids: list[int], verdict: str, over: bool) -> None:
        before = core.reviews.judge(book.run, ids, verdict or None, book.reviewer, overwrite=over)
        if before:
            _steps(book).append(Step(before, verdict or None))

    return gallery.Reviewing(book.reviewer, book.verdicts, judge, lambda: undo(book))


# --- taking verdicts back --------------------------------------------------------------------------------


class Step(NamedTuple):
    """Verdicts that were given at once: what the images had before, and what they got."""

    before: dict[int, str | None]
    verdict: str | None


def _steps(book: Book) -> list[Step]:
    """What this tab gave in this reviewer's name on this run, the last one last."""
    steps: list[Step] = st.session_state.setdefault(f"verdict steps {book.run} {book.reviewer}", [])
    return steps


def undo(book: Book) -> list[int]:
    """Take the last step back; returns the images that have their former verdict again.

    A step of which nothing is left, since another window has judged those images anew, is passed over.
    """
    steps = _steps(book)
    while steps:
        last = steps[-1]
        back = core.reviews.restore(book.run, last.before, last.verdict, book.reviewer)
        steps.pop()  # only now: where the ledger is busy, it can be tried again
        if back:
            return back
    return []


def undo_button(book: Book) -> None:
    """Takes the last step back; by its key, too, where the grid does not have the focus. It always has its place."""
    steps = _steps(book)

    def take_back() -> None:
        try:
            undo(book)
        except PoisonscopeError as error:
            st.session_state["undo trouble"] = words.sentence(str(error))

    says = "What this tab gives can be taken back, step by step."
    if steps:
        what, images = steps[-1].verdict or "no verdict", words.count(len(steps[-1].before), "image")
        says = f"Takes *{what}* for {images} back; {words.count(len(steps), 'step')} in all."
    st.button(
        "Undo", key="undo verdict", shortcut="Ctrl+Z", on_click=take_back, disabled=not steps,
        help=says,
    )  # fmt: skip
    trouble = st.session_state.pop("undo trouble", None)
    if trouble:
        st.error(f"Nothing was taken back: {trouble}", icon=":material/error:")


# --- notes -----------------------------------------------------------------------------------------------


def note(book: Book | None, id: int, handle: int) -> None:
    """The field for a note on an image, and what others said of it. A widget's key is told: it has the handle."""
    if book is None:
        return
    others = [one for one in book.everyone if one.image == id and one.reviewer != book.reviewer]
    if others:
        st.html(render("flagged/said.html.jinja", reviews=others))
    if not book.reviewer:
        return
    key, kept = f"note {book.run[:16]} {book.reviewer} {handle}", book.own[id].note if id in book.own else ""

    def keep() -> None:
        try:
            core.reviews.annotate(book.run, id, st.session_state[key] or "", book.reviewer)
        except PoisonscopeError as error:
            st.session_state["note trouble"] = words.sentence(str(error))

    st.text_input("Note", value=kept, key=key, on_change=keep, max_chars=core.reviews.NOTE_LIMIT)
    trouble = st.session_state.pop("note trouble", None)
    if trouble:
        st.error(f"The note was not kept: {trouble}", icon=":material/error:")


# --- the tally -------------------------------------------------------------------------------------------


def tally(result: Result, book: Book, truth: bool) -> None:
    """How many were judged and how; with the truth, how right; between reviewers, how much they agree."""
    given = Counter(book.verdicts.values())
    if not given and not any(one.verdict for one in book.everyone):
        st.caption("No verdicts yet. Choose an image and press P, C or U; 0 takes a verdict back.")
        return
    parts = [f"{given[verdict]:,} {verdict}" for verdict in core.reviews.VERDICTS if given[verdict]]
    line = f"**{words.count(given.total(), 'verdict')}** by {words.plain(book.reviewer)}" + (
        f": {', '.join(parts)}" if parts else ""
    )
    right = core.reviews.with_truth(book.own.values(), result.poisoned.truth.poisoned) if truth else None
    if right is not None and right.share is not None:
        line += f" · agreement with the truth **{words.share(right.share)}**{_kappa(right)}"
    st.markdown(line)
    pairs = others(book)
    if not pairs and (right is None or not given):
        return
    with st.expander("Agreement in detail"):
        if right is not None and given:
            st.dataframe(confusion(right), hide_index=True, key="verdicts against the truth")
            st.caption(
                "Agreement counts the verdicts *poisoned* and *clean* only. κ (Cohen's kappa) is agreement beyond "
                "what chance alone would give: 1 is full, 0 is chance."
            )
        if pairs:
            st.dataframe(pd.DataFrame(pairs), hide_index=True, key="verdicts between reviewers")


def confusion(right: Agreement) -> pd.DataFrame:
    """Verdicts against the truth, as a table."""
    return pd.DataFrame(
        [
            {"Verdict": verdict, "✕ poisoned": found["poisoned"], "● benign": found["benign"]}
            for verdict, found in right.counts.items()
        ]
    )


def others(book: Book) -> list[dict[str, object]]:
    """This reviewer beside each other one who judged some of the same images."""
    rows = []
    for name in sorted({one.reviewer for one in book.everyone} - {book.reviewer}):
        theirs = [one for one in book.everyone if one.reviewer == name]
        both = core.reviews.between(book.own.values(), theirs)
        if both.compared:
            kappa = "—" if both.kappa is None else f"{both.kappa:.2f}"
            rows.append(
                {"Reviewer": name, "Judged by both": both.compared, "Agreement": words.share(both.share), "κ": kappa}
            )
    return rows


def _kappa(found: Agreement) -> str:
    kappa = "" if found.kappa is None else f", κ {found.kappa:.2f}"
    return f" ({words.count(found.compared, 'image')}{kappa})"
