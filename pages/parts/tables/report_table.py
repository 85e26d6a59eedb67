"""The report's tables as HTML, ours beside them, and every row's seeds. Drawn by report_table.js.

A row is a <tbody>: its figures, and below them, when it is opened, a line for each seed whose figures lead to
that run. Only the rows that changed are drawn anew, so that a table can be read while its runs go on.
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import streamlit as st

import core
from core import Job
from core.reproduction import HEADS, Entry, Outcome, TableRow
from pages.parts.around import current, presenter, words

KEY = "report's tables"
OPENED = "rows"  # in the address: the opened rows
CAPTIONS = {"pixel": "Table 1: single pixel", "pattern": "Table 2: pattern of pixels"}
REACH = {"poisons_left": 40.0}  # how far from the report a bar's end is, in images; elsewhere in points
POINTS = 20.0
STATES = {
    "queued": ("◷", "waits in the queue"),
    "running": ("▶", "running"),
    "failed": ("✕", "failed"),
    "cancelled": ("■", "cancelled"),
    "lost": ("?", "lost: its worker is gone"),
    "": ("", "not run yet"),
}

_HERE = Path(__file__)
_draw = st.components.v2.component(
    "poisonscope_report_table",
    html="<div class='tables'></div>",
    css=_HERE.with_suffix(".css").read_text("utf-8"),
    js=_HERE.with_suffix(".js").read_text("utf-8"),
)


class Column(NamedTuple):
    """A column: of which figure, and what stands in it."""

    figure: str
    kind: str  # report, ours, or the figure of the outcomes that stands beside them
    head: str


def show(rows: Sequence[TableRow], jobs: Mapping[str, Job]) -> None:
    """Draws the tables; opens and closes their rows, and goes where a figure leads."""
    data = {
        "tables": [table(trigger, rows, jobs) for trigger in dict.fromkeys(row.row.trigger for row in rows)],
        "open": opened(rows),
    }
    drawn = _draw(key=KEY, data=data, on_opened_change=_keep_opened, on_visit_change=lambda: None)
    if drawn.visit:
        screen, key = drawn.visit
        st.switch_page(f"pages/{screen}.py", query_params=_address(key))


def table(trigger: str, rows: Sequence[TableRow], jobs: Mapping[str, Job]) -> dict[str, object]:
    """A table's head, and its rows by name."""
    mine = [row for row in rows if row.row.trigger == trigger]
    shown = columns(rows)
    return {
        "name": CAPTIONS.get(trigger, trigger),
        "head": _head(trigger, shown),
        "rows": {name_of(row): _row(row, shown, jobs) for row in mine},
    }


def name_of(row: TableRow) -> str:
    """A row's name in the address."""
    return f"{row.row.trigger}-{row.row.target}-{100 * row.row.ratio:g}"


def opened(rows: Sequence[TableRow]) -> list[str]:
    """The rows that the address names as open."""
    named = str(st.query_params.get(OPENED, "")).split()
    return [name for name in map(name_of, rows) if name in named]


def _keep_opened() -> None:
    names = st.session_state[KEY]["opened"]
    if names:
        st.query_params[OPENED] = " ".join(str(name) for name in names)
    else:
        st.query_params.pop(OPENED, None)


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
        f"<th scope='colgroup' colspan='{len(group)}' class='group' title='{_quoted(words.explain(HEADS[figure]))}'>"
        f"{escape(HEADS[figure])}{'' if figure == 'poisons_left' else ' <small>%</small>'}</th>"
        for figure, group in zip(HEADS, groups, strict=True)
    )
    second = "".join(
        f"<th scope='col'{_edge(place)}>{one.head}</th>" for group in groups for place, one in enumerate(group)
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
        cells.append(_cell(row, one, off, _edge(0 if one.figure != figure else 1)))
        figure = one.figure
    about = f"{row.row.target} {100 * row.row.ratio:g}%"
    button = (
        f"<button type='button' aria-expanded='false'><span class='mark' aria-hidden='true'></span>{escape(about)}"
        f"<small>{escape(standing(row, jobs))}</small></button>"
    )
    seeds = "".join(
        _seed(entry, outcome, shown, jobs) for entry, outcome in zip(row.entries, row.outcomes, strict=True)
    )
    notes = _notes(row, len(shown) + 1)
    return f"<tr class='whole'><th scope='row'>{button}</th>{''.join(cells)}</tr>{seeds}{notes}"


def _cell(row: TableRow, column: Column, off: Mapping[str, str], edge: str) -> str:
    figure, kind = column.figure, column.kind
    if kind == "report":
        return f"<td class='report'{edge}>{written(figure, getattr(row.row, figure))}</td>"
    if kind != "ours":
        mean = row.mean(kind)
        return f"<td class='beside'{edge}>{'—' if mean is None else written(figure, mean, True)}</td>"
    mean = row.mean(figure)
    if mean is None:
        return f"<td class='ours none'{edge}>—</td>"
    around = f"{_spread(row, figure)}{_of(row, figure)}"
    around = around and f"<small>{around}</small>"
    return f"<td class='ours'{edge}><b>{written(figure, mean, True)}</b>{around}{_gap(row, figure, mean, off)}</td>"


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


def standing(row: TableRow, jobs: Mapping[str, Job]) -> str:
    """How many of a row's seeds are there, and how the others stand."""
    done = sum(outcome is not None for outcome in row.outcomes)
    if done == len(row.outcomes):
        return f"✓ {words.count(done, 'seed')}"
    states = [
        state_of(entry, jobs) for entry, outcome in zip(row.entries, row.outcomes, strict=True) if outcome is None
    ]
    state = next((one for one in ("running", "queued", "failed", "lost", "cancelled") if one in states), "")
    if not done and not state:
        return "not run yet"
    if not state:
        return f"{done} of {words.count(len(row.outcomes), 'seed')}"
    return f"{STATES[state][0]} {done} of {len(row.outcomes)}, {state}"


def state_of(entry: Entry, jobs: Mapping[str, Job]) -> str:
    """How the ledger has a run that is not finished; empty where it was never asked for, or has lost its result."""
    job = jobs.get(entry.key)
    return "" if job is None or job.status == "done" else job.status


def written(figure: str, value: float, measured: bool = False) -> str:
    """A figure as the report's tables write it: shares in percent, ours with one decimal."""
    if figure == "poisons_left":
        return f"{value:,.1f}" if measured else f"{value:,.0f}"
    return f"{100 * value:.1f}" if measured else f"{100 * value:.2f}"


# --- the seeds of a row ----------------------------------------------------------------------------------


def _seed(entry: Entry, outcome: Outcome | None, shown: Sequence[Column], jobs: Mapping[str, Job]) -> str:
    name = f"seed {entry.seed}"
    if outcome is None:
        return _unfinished(entry, name, len(shown), jobs.get(entry.key))
    here = at_hand(entry, outcome)
    head = _link("compare", entry.key, name) if here else f"{name} <small>◌ not on this machine</small>"
    cells = []
    for figure in HEADS:
        value = _number(figure, outcome.figures.get(figure))
        if here and value != "—":
            screen = "scores" if figure == "poisons_left" else "compare"
            value = _link(screen, entry.key, value, f"{name}, {HEADS[figure]} {value}", screen == "scores")
        cells.append(f"<td colspan='2' data-edge='1'>{value}</td>")
        beside = [one.kind for one in shown if one.figure == figure and one.kind not in ("report", "ours")]
        cells += [f"<td class='beside'>{_number(figure, outcome.figures.get(kind))}</td>" for kind in beside]
    return f"<tr class='seed' hidden><th scope='row'>{head}</th>{''.join(cells)}</tr>"


def at_hand(entry: Entry, outcome: Outcome) -> bool:
    """Whether a run can be opened: it is stored here, or it ships with the program."""
    return outcome.stored or entry.key in core.recorded.run_keys(core.recorded.TABLES)


def _number(figure: str, value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:,.0f}" if figure == "poisons_left" else f"{100 * value:.1f}"


def _unfinished(entry: Entry, name: str, across: int, job: Job | None) -> str:
    sign, word = STATES[state_of(entry, {} if job is None else {job.key: job})]
    says = f"{sign} {word}".strip()
    if job is not None and job.status == "running":
        says += f", {words.share(job.fraction, 0)}, {words.left(job)}"
    if job is not None and job.status == "failed" and job.error:
        says += f". {words.sentence(job.error)}"
    more = (
        ""
        if job is None or job.status == "done"
        else f" {_link('attack', entry.key, 'Look at it', says=f'Look at {name}')}"
    )
    return (
        f"<tr class='seed' hidden><th scope='row'>{name}</th>"
        f"<td class='words' data-edge='1' colspan='{across}'>{escape(says)}{more}</td></tr>"
    )


def _notes(row: TableRow, across: int) -> str:
    """What the columns have no room for, of each seed."""
    finished = [
        (entry, outcome) for entry, outcome in zip(row.entries, row.outcomes, strict=True) if outcome is not None
    ]
    lines = [_note(entry, outcome) for entry, outcome in finished]
    if away := [entry for entry, outcome in finished if not at_hand(entry, outcome)]:
        lines.append(
            f"{words.count(len(away), 'run')} of this row {'was' if len(away) == 1 else 'were'} recorded on another "
            "machine: the figures are here, the images and networks are not. To have them here: "
            f"<code>{escape(command(row.entries[0], True))}</code>"
        )
    if emptied := row.emptied():
        lines.append(f"<b>Nothing is left</b> of {escape(', '.join(emptied))}: the second network is trained without.")
    if retrained := _retrained(row):
        lines.append(retrained)
    if not lines:
        return ""
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<tr class='notes' hidden><td class='words' colspan='{across}'><ul>{items}</ul></td></tr>"


def _note(entry: Entry, outcome: Outcome) -> str:
    figures = outcome.figures
    parts = []
    if outcome.named is not None:
        names = [words.class_name(entry.config, number) for number in outcome.named]
        parts.append(f"names {', '.join(names)}" if names else "names no class")
    if "clean_removed" in figures:
        parts.append(f"{words.count(round(figures['clean_removed']), 'clean image')} removed")
    if figures.get("auroc") is not None:
        parts.append(f"AUROC {figures['auroc']:.4f}")
    if "seconds" in figures:
        parts.append(f"{words.duration(figures['seconds'])} on {words.device(outcome.device)}")
    return f"<b>Seed {entry.seed}</b>: {escape(', '.join(parts))}."


def _retrained(row: TableRow) -> str:
    """What a network gives after the random and the perfect filter, where one was trained."""
    found = []
    for name in ("random", "perfect"):
        nat, asr = row.mean(f"{name}_nat2"), row.mean(f"{name}_asr2")
        if nat is not None and asr is not None:
            found.append(f"after the {name} filter Nat2 {words.share(nat)}, ASR2 {words.share(asr)}")
    return f"<b>Retrained, same budget</b>: {escape('; '.join(found))}." if found else ""


def command(entry: Entry, row: bool = False) -> str:
    """The command line that makes the runs of an entry's tables, or of its row alone."""
    given = {"recipe": entry.config.training.recipe, "detector": entry.detector, "reading": entry.reading}
    if row:
        given |= {"trigger": entry.row.trigger, "target": entry.row.target, "ratio": str(entry.row.ratio)}
    return shlex.join(
        ["python", "-m", "core", "reproduce", *(part for name in given for part in (f"--{name}", given[name]))]
    )


# --- addresses -------------------------------------------------------------------------------------------


def _address(key: str) -> dict[str, str]:
    return {current.PARAMETER: key[: current.SHORT]} | ({presenter.PARAMETER: "1"} if presenter.on() else {})


def _link(screen: str, key: str, text: str, says: str = "", tab: bool = True) -> str:
    """A link to a run's screen. A seed's figures lead where its name does: by keyboard, one of them is enough."""
    query = "&amp;".join(f"{name}={value}" for name, value in _address(key).items())
    label = f" aria-label='{_quoted(says)}'" if says else ""
    stop = "" if tab else " tabindex='-1'"
    return f"<a href='{screen}?{query}' data-screen='{screen}' data-run='{key}'{label}{stop}>{escape(text)}</a>"


def _edge(place: int) -> str:
    """The first column of a figure has a line before it."""
    return " data-edge='1'" if place == 0 else ""


def _quoted(text: str) -> str:
    return escape(text, quote=True)


# --- to take away ----------------------------------------------------------------------------------------


def as_csv(rows: Sequence[TableRow]) -> str:
    """One line a row: the report's figures, and the mean and spread of ours. Shares stay shares."""
    beside = ("random_left", "perfect_left", "poisons", "clean_removed", "auroc", "benign_asr")
    heads = ["trigger", "target", "ratio", "ratio_of", "detector", "recipe", "seeds"]
    for figure in HEADS:
        heads += [f"{figure}_report", f"{figure}_mean", f"{figure}_spread"]
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write([*heads, *beside])
    for row in rows:
        published = row.row
        done = sum(outcome is not None for outcome in row.outcomes)
        line = [published.trigger, published.target, published.ratio, row.reading, row.detector]
        line += [row.entries[0].config.training.recipe, done]
        for figure in HEADS:
            line += [getattr(published, figure), row.mean(figure), row.spread(figure)]
        write(["" if value is None else value for value in (*line, *map(row.mean, beside))])
    return text.getvalue()
