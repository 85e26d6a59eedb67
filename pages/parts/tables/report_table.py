"""The report's tables as HTML, ours beside them, and every row's seeds. Drawn by report_table.js.

A row is a <tbody>: its figures, and below them, when it is opened, a line for each seed whose figures lead to
that run. Only the rows that changed are drawn anew, so that a table can be read while its runs go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from core import Job
from core.reproduction import HEADS, TableRow
from pages.parts.around import address, components, words
from pages.parts.tables import report_seeds
from pages.parts.tables.report_words import Column, edge, name_of, quoted, standing, written

KEY = "report's tables"
OPENED = "rows"  # in the address: the opened rows
CAPTIONS = {"pixel": "Table 1: single pixel", "pattern": "Table 2: pattern of pixels"}
REACH = {"poisons_left": 40.0}  # how far from the report a bar's end is, in images; elsewhere in points
POINTS = 20.0
_draw = components.beside(__file__, "<div class='tables'></div>")


def show(rows: Sequence[TableRow], jobs: Mapping[str, Job]) -> None:
    """Draws the tables; opens and closes their rows, and goes where a figure leads."""
    data = {
        "tables": [table(trigger, rows, jobs) for trigger in dict.fromkeys(row.row.trigger for row in rows)],
        "open": opened(rows),
        "address": OPENED,
    }
    drawn = _draw(key=KEY, data=data, on_opened_change=_keep_opened, on_visit_change=lambda: None)
    if drawn.visit:
        screen, key = drawn.visit
        st.switch_page(f"pages/{screen}.py", query_params=report_seeds.address(key))


def table(trigger: str, rows: Sequence[TableRow], jobs: Mapping[str, Job]) -> dict[str, object]:
    """A table's head, and its rows by name."""
    mine = [row for row in rows if row.row.trigger == trigger]
    shown = columns(rows)
    return {
        "name": CAPTIONS.get(trigger, trigger),
        "head": _head(trigger, shown),
        "rows": {name_of(row): _row(row, shown, jobs) for row in mine},
    }


def opened(rows: Sequence[TableRow]) -> list[str]:
    """The rows that the address names as open."""
    named = (address.get(OPENED) or "").split()
    return [name for name in map(name_of, rows) if name in named]


def _keep_opened() -> None:
    names = st.session_state[KEY]["opened"]
    address.put(OPENED, " ".join(str(name) for name in names) or None)


def columns(rows: Sequence[TableRow]) -> list[Column]:
    """The columns; the benign network's rate only where it was measured."""
    found = []
    for figure in HEADS:
        found += [Column(figure, "report", "report"), Column(figure, "ours", "ours")]
        if figure == "poisons_left":
            found += [Column(figure, "random_left", "random"), Column(figure, "perfect_left", "perfect")]
    if any(row.mean("benign_asr") is not None for row in rows):
        found.append(Column("asr2", "benign_asr", "benign"))
    return found


def _head(trigger: str, shown: Sequence[Column]) -> str:
    groups = [[one for one in shown if one.figure == figure] for figure in HEADS]
    first = "".join(
        f"<th scope='colgroup' colspan='{len(group)}' class='group' title='{quoted(words.explain(HEADS[figure]))}'>"
        f"{escape(words.figure(HEADS[figure]).label)}{'' if figure == 'poisons_left' else ' <small>%</small>'}</th>"
        for figure, group in zip(HEADS, groups, strict=True)
    )
    second = "".join(
        f"<th scope='col'{edge(place)}>{one.head}</th>" for group in groups for place, one in enumerate(group)
    )
    spans = "".join(f"<colgroup span='{len(group)}'></colgroup>" for group in groups)
    return (
        f"<caption>{escape(CAPTIONS.get(trigger, trigger))}</caption><colgroup></colgroup>{spans}<thead>"
        f"<tr><th scope='col' rowspan='2'>target, ratio</th>{first}</tr><tr>{second}</tr></thead>"
    )


# --- a row -----------------------------------------------------------------------------------------------


def _row(row: TableRow, shown: Sequence[Column], jobs: Mapping[str, Job]) -> str:
    """The row as the report has it, and its seeds, which are seen when it is opened."""
    off = row.differs()
    cells, figure = [], ""
    for one in shown:
        cells.append(_cell(row, one, off, edge(0 if one.figure != figure else 1)))
        figure = one.figure
    about = f"{row.row.target} {100 * row.row.ratio:g}%"
    button = (
        f"<button type='button' aria-expanded='false'><span class='mark' aria-hidden='true'></span>{escape(about)}"
        f"<small>{escape(standing(row, jobs))}</small></button>"
    )
    seeds = "".join(
        report_seeds.seed(entry, outcome, shown, jobs) for entry, outcome in zip(row.entries, row.outcomes, strict=True)
    )
    notes = report_seeds.notes(row, len(shown) + 1)
    return f"<tr class='whole'><th scope='row'>{button}</th>{''.join(cells)}</tr>{seeds}{notes}"


def _cell(row: TableRow, column: Column, off: Mapping[str, str], line: str) -> str:
    figure, kind = column.figure, column.kind
    if kind == "report":
        return f"<td class='report'{line}>{written(figure, getattr(row.row, figure))}</td>"
    if kind != "ours":
        mean = row.mean(kind)
        return f"<td class='beside'{line}>{'—' if mean is None else written(figure, mean, True)}</td>"
    mean = row.mean(figure)
    if mean is None:
        return f"<td class='ours none'{line}>—</td>"
    around = f"{_spread(row, figure)}{_of(row, figure)}"
    around = around and f"<small>{around}</small>"
    return f"<td class='ours'{line}><b>{written(figure, mean, True)}</b>{around}{_gap(row, figure, mean, off)}</td>"


def _spread(row: TableRow, figure: str) -> str:
    """The standard deviation over the seeds; one seed has none."""
    return f"±{written(figure, row.spread(figure) or 0.0, True)}" if len(row.values(figure)) > 1 else ""


def _of(row: TableRow, figure: str) -> str:
    """Of how many poisoned images those are that are left; every seed has as many."""
    poisons = row.mean("poisons") if figure == "poisons_left" else None
    return "" if poisons is None else f" of {poisons:,.0f}"


def _gap(row: TableRow, figure: str, mean: float, off: Mapping[str, str]) -> str:
    """How far ours is from the report's: by a bar, an arrow and a number, and in words for who cannot see them."""
    unit = 1.0 if figure == "poisons_left" else 100.0
    away = unit * (mean - getattr(row.row, figure))
    if figure not in off:
        return (
            "<span class='gap' aria-hidden='true'>≈</span><span class='spoken'> as the report, within the spread</span>"
        )
    side, arrow, word = ("right", "▲", "above") if away > 0 else ("left", "▼", "below")
    long = min(abs(away) / REACH.get(figure, POINTS), 1.0)
    what = "images" if figure == "poisons_left" else "points"
    return (
        f"<span class='gap' aria-hidden='true'><span class='scale'><i class='{side}' style='width:{50 * long:.1f}%'>"
        f"</i></span>{arrow} {abs(away):.1f}</span>"
        f"<span class='spoken'> {abs(away):.1f} {what} {word} the report</span>"
    )
