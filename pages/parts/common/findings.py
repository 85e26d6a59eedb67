"""What a detector's tests say against the classes that it names, and which of them means one image."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core import Finding, Result
from pages.parts.around import words
from pages.parts.around.cuts import Scored

SHOWN = 30


def show(result: Result, found: Scored) -> None:
    """A row a finding, the surest of each class first, and the detector's notes; nothing where there are none."""
    detection = found.detection
    if not detection.findings:
        return
    with st.expander(f"Why: {words.count(len(detection.findings), 'finding')}", expanded=len(detection.findings) <= 6):
        st.dataframe(
            pd.DataFrame([row(result, finding) for finding in detection.findings[:SHOWN]]),
            hide_index=True,
            column_config={"images": st.column_config.NumberColumn(format="localized")},
        )
        if len(detection.findings) > SHOWN:
            st.caption(f"The first {SHOWN} of {len(detection.findings):,}.")
        st.caption(
            "p is the chance of a benign class to look like this or worse, by the test's own null; "
            "a test of the panel speaks where that is small enough for all tests and classes together."
        )
        for note in detection.notes:
            st.caption(words.sentence(note))


def row(result: Result, finding: Finding) -> dict[str, object]:
    """A finding as a row of the table."""
    return {
        "class": words.class_name(result.config, finding.label),
        "test": finding.detector,
        "looked at": finding.view or result.config.defence.representation,
        "where": where(finding),
        "p": told(finding.p),
        "what": finding.words,
        "images": len(finding.ids),
    }


def told(p: float) -> str:
    """A p-value in words that fit a column."""
    return "under 1e-99" if p < 1e-99 else f"{p:.1g}"


def where(finding: Finding) -> str:
    """A finding's place in the image."""
    if finding.place is None:
        return "the whole image" if finding.view else "the network's layer"
    top, left, height, width = finding.place
    size = "1 pixel" if height * width == 1 else f"{height} x {width} pixels"
    return f"{size} at row {top}, column {left}"


def reasons(found: Scored, id: int) -> list[tuple[str, str, str]]:
    """Why an image is meant: of each test its name, what it looked at (or nothing), and its words."""
    return [
        (finding.detector, finding.view, f"{finding.words}, {where(finding)}")
        for finding in found.detection.findings
        if (finding.ids == id).any()
    ]
