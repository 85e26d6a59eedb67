"""What stands on a screen as a reader sees it: figures by their plain names, with the rounding that is shown."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pandas as pd
from streamlit.testing.v1 import AppTest

from core.evaluation.figures import ARROWS, NONE, rounded

_TAG = re.compile(r"<[^>]*>")
_ARROW = re.compile(f" [{''.join(ARROWS.values())}]$")


def plain(markup: str) -> str:
    """Markup without its tags, and a name without the arrow behind it."""
    return _ARROW.sub("", unescape(_TAG.sub("", markup)).strip())


def bodies(app: AppTest) -> str:
    """All HTML of a screen."""
    return "\n".join(element.proto.body for element in app.get("html"))


def definitions(markup: str) -> dict[str, str]:
    """Each <dt> and the <dd> behind it."""
    return {plain(name): plain(value) for name, value in re.findall(r"<dt>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>", markup)}


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def rows(app: AppTest, first: str) -> list[dict[str, str]]:
    """The rows of the table that begins with this column, as its columns' formats write them: {head: cell}."""
    (found,) = [frame for frame in app.dataframe if frame.value.columns[0] == first]
    configured = json.loads(found.proto.columns or "{}")
    return [
        {_head(configured, name): _cell(configured, name, row[name]) for name in found.value.columns}
        for _, row in found.value.iterrows()
    ]


def table(app: AppTest, first: str) -> dict[str, dict[str, str]]:
    """The same by the cells of the first column, no two of them alike."""
    return {row[first]: row for row in rows(app, first)}


def _head(configured: dict[str, Any], name: str) -> str:
    return plain(configured.get(name, {}).get("label") or name)


def _cell(configured: dict[str, Any], name: str, value: Any) -> str:
    if pd.isna(value):
        return NONE
    form = configured.get(name, {}).get("type_config", {}).get("format")
    if form == "localized":
        return f"{value:,.0f}"
    if form and (digits := re.fullmatch(r"%\.(\d)f(%%)?", form)):
        return f"{rounded(float(value), int(digits[1]))}{'%' if digits[2] else ''}"
    return str(value)


def report(page: str) -> dict[str, tuple[str, str]]:
    """The HTML report's table of figures: name -> before and after, one of them empty where it is one figure."""
    rows = re.findall(r"<th scope='row'>(.*?)</th><td>(.*?)</td><td>(.*?)</td>", page)
    return {plain(name): (plain(before), plain(after)) for name, before, after in rows}
