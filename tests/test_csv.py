"""Tables that are opened in a spreadsheet: no cell begins a formula, and numbers stay numbers."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.store import as_csv, csv_cell

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\n=1", "\N{FULLWIDTH EQUALS SIGN}1", "-inf"]
)
def test_what_would_be_a_formula_gets_an_apostrophe(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


def test_a_line_does_not_begin_within_a_cell_unseen() -> None:
    assert [csv_cell(text) for text in ("a\r=1", "\r=1", "a\r\nb")] == ["a\n=1", "'\n=1", "a\nb"]
    rows = list(csv.reader(io.StringIO(as_csv(pd.DataFrame({"a": ["x\r=1"]})).decode(), newline="")))
    assert rows == [["a"], ["x\n=1"]]


@pytest.mark.parametrize("value", ["-5", "+1.5e-3", "-.5", "cat", "", "a=b", "it's", -5, 1.5, None, True])
def test_all_else_stays(value: object) -> None:
    assert csv_cell(value) is value


@given(st.lists(st.text(st.characters(codec="utf-8")) | st.sampled_from(["=1", "-1", "-x"]), min_size=1), st.booleans())
@settings(max_examples=60)
def test_no_cell_of_a_table_begins_a_formula(texts: list[str], categories: bool) -> None:
    texts = [text.replace("\0", "") for text in texts]
    column = pd.Categorical(texts) if categories else np.fromiter(texts, object, len(texts))
    written = as_csv(pd.DataFrame({"=text": column, "number": -1.5, "id": range(len(texts))})).decode()
    rows = list(csv.reader(io.StringIO(written, newline="")))
    assert rows[0] == ["'=text", "number", "id"]
    for (cell, number, _), text in zip(rows[1:], texts, strict=True):
        assert number == "-1.5"
        plain = text.replace("\r\n", "\n").replace("\r", "\n")
        assert cell in (plain, f"'{plain}")
        assert not re.match(r"[=@\t\r\n]|[+-](?![\d.])", cell)


def test_every_table_that_is_written_goes_that_way() -> None:
    written = [
        path.relative_to(ROOT).as_posix()
        for folder in ("core", "pages")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(r"\.to_csv\(", path.read_text(encoding="utf-8"))
    ]
    assert written == ["core/store/files.py"]
