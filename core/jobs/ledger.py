"""The ledger of jobs: an SQLite file, its tables and its rows. Times are unix seconds. Nothing here imports torch."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.configuration import RunConfig, Sweep, grid
from core.store import NO_SPACE, FileLock, home, lack_of_space, no_space
from core.types import BadRequest, PoisonscopeError

SCHEMA = 1
ACTIVE = ("queued", "running")
RESUMABLE = ("failed", "cancelled", "lost")
Asked = RunConfig | Sweep
_TABLES = (
    "CREATE TABLE schema_version (version INTEGER NOT NULL)",
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        config TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled', 'lost')),
        stage TEXT NOT NULL DEFAULT '',
        stage_fraction REAL NOT NULL DEFAULT 0,
        fraction REAL NOT NULL DEFAULT 0,
        message TEXT NOT NULL DEFAULT '',
        eta REAL,
        created REAL NOT NULL,
        queued REAL NOT NULL,
        started REAL,
        finished REAL,
        heartbeat REAL,
        pid INTEGER,
        attempts INTEGER NOT NULL DEFAULT 0,
        cancelling INTEGER NOT NULL DEFAULT 0,
        error TEXT,
        name TEXT,
        pinned INTEGER NOT NULL DEFAULT 0,
        UNIQUE (kind, key)
    )""",
    "CREATE INDEX jobs_by_status ON jobs (status, queued)",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        time REAL NOT NULL,
        stage TEXT NOT NULL,
        fraction REAL NOT NULL,
        message TEXT NOT NULL,
        data TEXT NOT NULL
    )""",
    "CREATE INDEX events_by_job ON events (job, seq)",
)
log = logging.getLogger(__name__)


class LedgerUnavailable(PoisonscopeError):
    """The ledger cannot be read or written just now, or at all; the message says which."""


@dataclass(frozen=True)
class Job:
    """A row of the ledger. fraction is of the whole job, stage_fraction of its present stage (0 to 1).

    config is what shall be run; of a sweep, its first cell's, and the whole is in `sweep`.
    """

    id: int
    kind: str
    key: str
    config: RunConfig
    status: str
    stage: str
    stage_fraction: float
    fraction: float
    message: str
    eta: float | None
    created: float
    started: float | None
    finished: float | None
    heartbeat: float | None
    pid: int | None
    attempts: int
    cancelling: bool
    error: str | None
    name: str | None
    pinned: bool
    sweep: Sweep | None = None

    @property
    def asked(self) -> Asked:
        """What was asked for."""
        return self.sweep or self.config

    @property
    def log(self) -> Path:
        """The file that the job's log goes to; it may not exist yet."""
        return log_file(self.id)

    @property
    def active(self) -> bool:
        """Whether it is worth asking again."""
        return self.status in ACTIVE


_prepared: set[Path] = set()


@contextmanager
def open_ledger(write: bool = False, patience: float = 10.0) -> Iterator[sqlite3.Connection]:
    """The ledger for one question, or with `write` for one transaction; waits `patience` seconds for others.

    Raises LedgerUnavailable with what to do about it.
    """
    path = home.ledger_file()
    try:
        with closing(_connect(path, patience)) as connection:
            if write:
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
    except sqlite3.Error as error:
        raise LedgerUnavailable(_trouble(path, error, patience)) from error
    except OverflowError as error:  # SQLite's whole numbers have 64 bits
        raise BadRequest(f"the ledger has no number of more than 64 bits: {error}") from None


@contextmanager
def open_table(
    name: str, definition: str, *, write: bool = False, patience: float = 10.0
) -> Iterator[sqlite3.Connection]:
    """The ledger with a table for what people say of runs, which is made where it is missing."""
    with open_ledger(write=write, patience=patience) as ledger:
        if ledger.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone():
            yield ledger
            return
    with open_ledger(write=True, patience=patience) as ledger:
        ledger.execute(f"CREATE TABLE IF NOT EXISTS {name} ({definition}) WITHOUT ROWID")
    with open_ledger(write=write, patience=patience) as ledger:
        yield ledger


def _trouble(path: Path, error: sqlite3.Error, patience: float) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"the ledger {path} was in use by another program for {patience:g} seconds; try again"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if primary == sqlite3.SQLITE_FULL else None
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):  # what a full disk is to its files for the log
        full = lack_of_space(path.parent)
    if full is not None:
        return no_space(path.parent, full)
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return f"the ledger {path} is damaged ({error}); move it away and start again, stored results remain"
    return f"the ledger {path} cannot be used: {error}"


def _connect(path: Path, patience: float) -> sqlite3.Connection:
    if path not in _prepared or not path.exists():
        try:
            _prepare(path)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise LedgerUnavailable(no_space(path.parent, error)) from error
            raise LedgerUnavailable(f"the ledger {path} cannot be made or opened: {error}") from error
        _prepared.add(path)
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _prepare(path: Path) -> None:
    """Make the tables of a new ledger, or check the version of an old one."""
    lock = FileLock(path.with_suffix(".lock"))  # because the change to WAL does not wait for others
    lock.acquire()
    try:
        with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone()
            if known is None:
                connection.execute("BEGIN IMMEDIATE")
                for table in _TABLES:
                    connection.execute(table)
                connection.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA,))
                connection.commit()
            (version,) = connection.execute("SELECT version FROM schema_version").fetchone() or (None,)
    finally:
        lock.release()
    if version != SCHEMA:
        raise LedgerUnavailable(
            f"the ledger {path} has version {version!r}, this program knows version {SCHEMA}; "
            f"update the program, or move the ledger away (stored results remain)"
        )


def one(where: str, *values: Any) -> Job:
    """The one job that a condition holds for, as its row stands; BadRequest where there is none."""
    with open_ledger() as ledger:
        row = ledger.execute(f"SELECT * FROM jobs WHERE {where}", values).fetchone()
    if row is None:
        raise BadRequest(f"no job with {where.replace('?', '{}').format(*values)}")
    return job_of(row)


@lru_cache(maxsize=2048)  # screens list hundreds of jobs at every turn, and configurations never change
def _asked(kind: str, text: str) -> tuple[RunConfig, Sweep | None]:
    if kind != "sweep":
        return RunConfig.model_validate_json(text), None
    asked = Sweep.model_validate_json(text)
    return grid.cells(asked)[0].config, asked


def job_of(row: sqlite3.Row) -> Job:
    """A row of the ledger as a Job. BadRequest where this version cannot read it."""
    try:
        config, asked = _asked(row["kind"], row["config"])
    except (ValidationError, BadRequest) as error:
        raise BadRequest(f"job {row['id']} was asked for in terms that this version does not know: {error}") from error
    fields = {name: row[name] for name in Job.__dataclass_fields__ if name != "sweep"}
    fields |= {"config": config, "sweep": asked, "cancelling": bool(row["cancelling"]), "pinned": bool(row["pinned"])}
    return Job(**fields)


def change(id: int, assignment: str, *values: Any) -> None:
    """Set columns of a job; BadRequest where there is no such job."""
    with open_ledger(write=True) as ledger:
        if not ledger.execute(f"UPDATE jobs SET {assignment} WHERE id = ?", (*values, id)).rowcount:
            raise BadRequest(f"no job with id = {id}")


def log_file(id: int) -> Path:
    """Where the log of a job goes; it may not exist yet."""
    return home.log_folder() / f"job-{id}.log"


def anything_queued() -> bool:
    """Whether a job waits; no where the ledger does not say."""
    try:
        with open_ledger() as ledger:
            return ledger.execute("SELECT 1 FROM jobs WHERE status = 'queued'").fetchone() is not None
    except LedgerUnavailable:
        return False
