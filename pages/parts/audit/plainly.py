"""Sentences in which anybody may have written names: as HTML by a template, so that nothing in them is Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import streamlit as st

from core import PoisonscopeError, audits
from pages.parts.around import words
from pages.parts.around.templates import render

LONGEST = 600  # characters of a sentence


def notice(sentence: str, kind: str = "wrong") -> None:
    """A sentence that is not to be missed. kind: wrong, stopped, planted, marked or nothing."""
    st.html(render("audit/notice.html.jinja", sentence=audits.plain(words.sentence(sentence), LONGEST), kind=kind))


def listed(sentences: Iterable[str]) -> None:
    """Sentences, one below the other."""
    st.html(
        render("audit/listed.html.jinja", sentences=[audits.plain(words.sentence(one), LONGEST) for one in sentences])
    )


@contextmanager
def trouble() -> Iterator[None]:
    """What a person can mend as a sentence, and the screen goes on below it."""
    try:
        yield
    except PoisonscopeError as error:
        notice(str(error))
