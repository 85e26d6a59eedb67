"""What a training could not do as wished, and did otherwise: graphs, memory, precision, the device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from core import Event
from pages.parts.around.templates import render


def show(notes: Iterable[str]) -> None:
    """Each of them once; nothing where there are none. They repeat what a driver said, so they are no Markdown."""
    told = list(dict.fromkeys(notes))
    if told:
        st.html(render("common/noted.html.jinja", notes=told))


def heard(events: Iterable[Event]) -> list[str]:
    """The notes among what a job told."""
    return [note for event in events for note in event.data.get("notes", ())]


def stored(summary: dict[str, Any] | None) -> list[str]:
    """Those of a finished run."""
    return list((summary or {}).get("notes", ()))
