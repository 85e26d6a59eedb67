"""What the report's tables say in a few words: names of rows, states of runs, figures, and the command for them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from html import escape
from typing import NamedTuple

import core
from core import Job
from core.reproduction import Entry, TableRow
from pages.parts.around import words

STATES = {
    "queued": ("◷", "waits in the queue"),
    "running": ("▶", "running"),
    "failed": ("✕", "failed"),
    "cancelled": ("■", "cancelled"),
    "lost": ("?", "lost: its worker is gone"),
    "": ("", "not run yet"),
}


class Column(NamedTuple):
    """A column: of which figure, and what stands in it."""

    figure: str
    kind: str  # report, ours, or the figure of the outcomes that stands beside them
    head: str


def name_of(row: TableRow) -> str:
    """A row's name in the address."""
    return f"{row.row.trigger}-{row.row.target}-{100 * row.row.ratio:g}"


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
    """A figure as the report's tables write it, with two decimals; ours, a mean, with one."""
    if figure == "poisons_left":
        return f"{core.figures.rounded(value, int(measured)):,}"
    return words.share(value, 1 if measured else 2).removesuffix("%")


def command(entry: Entry, row: bool = False) -> str:
    """The command line that makes the runs of an entry's tables, or of its row alone."""
    given = {"recipe": entry.config.training.recipe, "detector": entry.detector, "reading": entry.reading}
    if row:
        given |= {"trigger": entry.row.trigger, "target": entry.row.target, "ratio": str(entry.row.ratio)}
    return shlex.join(
        ["python", "-m", "core", "reproduce", *(part for name in given for part in (f"--{name}", given[name]))]
    )


def edge(place: int) -> str:
    """The first column of a figure has a line before it."""
    return " data-edge='1'" if place == 0 else ""


def quoted(text: str) -> str:
    return escape(text, quote=True)
