"""The run that a screen is about, in one line that stays in sight: its name, what was used, how it stands, a link."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import Job
from pages.parts.around import cuts, link, words
from pages.parts.around.templates import render

_JS, _CSS = (Path(__file__).with_name(name).read_text("utf-8") for name in ("copy.js", "copy.css"))
_COPY = st.components.v2.component("poisonscope_copy", js=_JS, css=_CSS)


def show(job: Job | None) -> None:
    """Drawn by the shell above every screen that shows a run; nothing where there is none."""
    if job is None:
        return
    blind = not cuts.truth_shown()
    with st.container(key="run-header", horizontal=True, vertical_alignment="center", gap="small"):
        # The line is drawn once, and what goes on below it more often: how far the run is would stand still here.
        name, facts = words.named(job, blind), words.facts(job, blind, "in progress" if job.active else "")
        st.html(render("around/header.html.jinja", name=name, facts=facts, blind=blind))
        _COPY(key="copy link", data={"run": job.key[: link.SHORT]}, height="content", width="content")
