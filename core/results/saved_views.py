"""Views of a run's images, saved by a name: filters, order, size of the page and the cut, as the address has them.

They lie in the ledger beside the reviews, under the same key (core.reviews.desk), so that a link with a view's name
opens it in any browser, and as it was saved last.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from core.configuration import reading
from core.jobs import open_table
from core.types import BadRequest

NAME_LIMIT, VIEW_LIMIT, MOST = 40, 2_000, 200  # characters of a name, of a view as JSON; views of a run

_COLUMNS = """
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    view TEXT NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (run, name)"""


@dataclass(frozen=True)
class SavedView:
    """A view by its name: what the address holds, name -> text, and when it was saved (unix seconds)."""

    name: str
    view: Mapping[str, str]
    time: float


def save(run: str, name: str, view: Mapping[str, str], *, replace: bool = False) -> SavedView:
    """Keep a view of a run's images. BadRequest for a name that is none, or is taken, unless `replace` says so."""
    neat, written = view_name(name), json.dumps(dict(view), sort_keys=True)
    if len(written) > VIEW_LIMIT:
        raise BadRequest(f"a view has at most {VIEW_LIMIT:,} characters, got {len(written):,}")
    now = time.time()
    with _table(write=True) as table:
        names = {row["name"] for row in table.execute("SELECT name FROM views WHERE run = ?", (run,))}
        if neat in names and not replace:
            raise BadRequest(f"a view called {neat!r} is there already; take another name, or replace it")
        if neat not in names and len(names) >= MOST:
            raise BadRequest(f"a run has at most {MOST} saved views; delete one first")
        table.execute(
            "INSERT OR REPLACE INTO views (run, name, view, time) VALUES (?, ?, ?, ?)", (run, neat, written, now)
        )
    return SavedView(neat, dict(view), now)


def of(run: str) -> list[SavedView]:
    """A run's saved views by their names."""
    with _table() as table:
        rows = table.execute("SELECT name, view, time FROM views WHERE run = ? ORDER BY name", (run,)).fetchall()
    return [SavedView(row["name"], json.loads(row["view"]), row["time"]) for row in rows]


def forget(run: str, name: str) -> None:
    """Delete a view; nothing happens where there is none."""
    with _table(write=True) as table:
        table.execute("DELETE FROM views WHERE run = ? AND name = ?", (run, name))


def view_name(name: str) -> str:
    """A view's name without needless spaces; BadRequest where it is none."""
    reading.check_name("a view's name", name)
    neat = " ".join(name.split())
    if not neat or len(neat) > NAME_LIMIT:
        raise BadRequest(f"a view's name has 1 to {NAME_LIMIT} characters, got {reading.shown(name)}")
    return neat


def _table(write: bool = False) -> AbstractContextManager[sqlite3.Connection]:
    return open_table("views", _COLUMNS, write=write)
