"""Jobs: the ledger of runs (SQLite), and starting the worker process that carries them out (core.worker).

Start is one INSERT, unique on what is asked; a second start joins the first. The worker lives in a
session of its own and outlives the screen, the server and the terminal that started it. Locks that the
system frees with their holder tell who lives: `worker.lock` the worker, `locks/job-<id>.lock` each
running job. A job whose worker is gone is *lost*: every reader sees that, and it can be resumed from
its last checkpoint. Times are unix seconds, durations seconds. Nothing here imports torch.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.configuration import RunConfig, Sweep, grid, stages
from core.store import FileLock, Store, home, no_space
from core.types import BadRequest, Event, PoisonscopeError, Watcher

SCHEMA = 1
Asked = RunConfig | Sweep
KINDS: dict[str, tuple[Callable[[Any], str], str]] = {  # key and stage of the result
    "run": (stages.run_key, "run"),
    "benign": (stages.benign_key, "predictions"),
    "random": (partial(stages.reference_key, which="random"), "reference"),
    "perfect": (partial(stages.reference_key, which="perfect"), "reference"),
    "sweep": (grid.key, "sweep"),
}
ACTIVE = ("queued", "running")
RESUMABLE = ("failed", "cancelled", "lost")

HEARTBEAT_LIMIT = 60.0
START_PAUSE = 5.0

# How a worker is started, behind the interpreter; tests put another in its place.
WORKER_ARGUMENTS = ("-m", "core", "worker")
INHERITED = "POISONSCOPE_WORKER_LOCK"

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
        return _log_file(self.id)

    @property
    def active(self) -> bool:
        """Whether it is worth asking again."""
        return self.status in ACTIVE


# --- what screens, the command line and notebooks call ---------------------------------------------------


def submit(asked: Asked, kind: str = "run", *, start: bool = True) -> Job:
    """Ask for a run, for one of its references (KINDS), or for a sweep; the same request again joins the first.

    What failed, was cancelled or got lost is queued again, and so is what is done but no longer stored.
    What is stored already is done at once. `start` False leaves the queue to a worker that lives.
    """
    key, stored = _result(kind, asked)
    now = time.time()
    with open_ledger(write=True) as ledger:
        ledger.execute(
            "INSERT INTO jobs (kind, key, config, status, created, queued, started, finished, fraction)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET config = excluded.config"
            " WHERE kind = 'sweep'",  # where it is carried out may have changed
            (
                *(kind, key, asked.model_dump_json(), "done" if stored else "queued", now, now),
                *((now, now, 1.0) if stored else (None, None, 0.0)),
            ),
        )
    job = _settled(_one("kind = ? AND key = ?", kind, key))
    # Asked again: a job that ended between our first look and the row's has its result by now.
    _, stored = _result(kind, asked)
    if stored and job.status not in ("running", "done"):
        _mark_done(job)
    elif job.status in RESUMABLE or (job.status == "done" and not stored):
        _queue_again(job)
    elif job.cancelling:
        _change(job.id, "cancelling = 0")
    return get(job.id, start=start)


def get(id: int, *, start: bool = True) -> Job:
    """A job by its number, as it stands; one that waits gets a worker. BadRequest for an unknown number."""
    return _attended(_settled(_one("id = ?", id)), start)


def find(key: str, kind: str = "run", *, start: bool = True) -> Job | None:
    """The job of a run key (or of a benign key), if it was ever asked for."""
    with open_ledger() as ledger:
        row = ledger.execute("SELECT * FROM jobs WHERE kind = ? AND key = ?", (kind, key)).fetchone()
    return None if row is None else _attended(_settled(job_of(row)), start)


def named(start_of_key: str, kind: str = "run", *, start: bool = True) -> Job | None:
    """The newest job whose key begins so; None for an unknown or an empty beginning."""
    if not start_of_key:
        return None
    with open_ledger() as ledger:
        row = ledger.execute(
            "SELECT * FROM jobs WHERE kind = ? AND substr(key, 1, ?) = ? ORDER BY created DESC, id DESC LIMIT 1",
            (kind, len(start_of_key), start_of_key),
        ).fetchone()
    try:
        return None if row is None else _attended(_settled(job_of(row)), start)
    except BadRequest as error:  # a row that an older version wrote and this one cannot read
        log.warning("%s", error)
        return None


def listing(limit: int = 100, *, sweeps: bool = False, start: bool = True) -> list[Job]:
    """The newest jobs first, but for sweeps, or the sweeps alone.

    Rows that an older version wrote and this one cannot read are left out.
    """
    with open_ledger() as ledger:
        rows = ledger.execute(
            "SELECT * FROM jobs WHERE (kind = 'sweep') = ? ORDER BY created DESC, id DESC LIMIT ?", (sweeps, limit)
        ).fetchall()
    found = []
    for row in rows:
        try:
            found.append(_settled(job_of(row)))
        except BadRequest as error:
            log.warning("%s", error)
    waiting = next((job for job in found if job.status == "queued"), None)
    if waiting is not None:
        _attended(waiting, start)
    return found


def events(id: int, after: int = 0) -> list[tuple[int, Event]]:
    """A job's events with their numbers, in order; `after` leaves out those up to that number.

    Only events that carried data or began a stage are kept; how far a job is stands in the job.
    """
    with open_ledger() as ledger:
        rows = ledger.execute("SELECT * FROM events WHERE job = ? AND seq > ? ORDER BY seq", (id, after)).fetchall()
    return [(row["seq"], Event(row["stage"], row["fraction"], row["message"], json.loads(row["data"]))) for row in rows]


def cancel(id: int) -> Job:
    """Stop a job: at once where it waits, at the next word from it where it runs. One that ended stays as it is."""
    job = get(id, start=False)
    with open_ledger(write=True) as ledger:
        ledger.execute(
            "UPDATE jobs SET status = 'cancelled', finished = ? WHERE id = ? AND status = 'queued'", (time.time(), id)
        )
        # A lost job's worker may only have been asleep.
        ledger.execute("UPDATE jobs SET cancelling = 1 WHERE id = ? AND status IN ('running', 'lost')", (id,))
    return get(job.id, start=False)


def resume(id: int, *, start: bool = True) -> Job:
    """Queue a failed, cancelled or lost job again; it goes on from its last checkpoint. Others stay as they are."""
    job = get(id, start=False)
    if job.status in RESUMABLE:
        _queue_again(job)
    elif job.cancelling:
        _change(id, "cancelling = 0")
    return get(id, start=start)


def delete(id: int) -> None:
    """Strike a job, its events and its log; what it computed stays in the store, as other runs may share it.

    BadRequest while it runs.
    """
    job = get(id, start=False)
    with open_ledger(write=True) as ledger:
        gone = ledger.execute("DELETE FROM jobs WHERE id = ? AND status != 'running'", (id,)).rowcount
    if not gone:
        raise BadRequest(f"job {id} is running; cancel it first")
    with suppress(OSError):
        job.log.unlink(missing_ok=True)


def rename(id: int, name: str | None) -> Job:
    """Give a job a name of one's own; None takes it away."""
    _change(id, "name = ?", name)
    return get(id)


def pin(id: int, pinned: bool = True) -> Job:
    """Mark a job to be kept in sight, or no longer."""
    _change(id, "pinned = ?", int(pinned))
    return get(id)


def log_tail(id: int, lines: int = 30) -> str:
    """The last lines of a job's log (of its last 64 KiB); empty where there is none."""
    try:
        with open(_log_file(id), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2**16))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def wait(id: int, watch: Watcher | None = None, poll: float = 0.1, *, start: bool = True) -> Job:
    """Wait until a job has ended, handing its events to `watch`; looks every `poll` seconds.

    Progress between the kept events is told too, as an Event whose data holds only the job's "overall".
    """
    seen, told = 0, (-1.0, "")
    while True:
        job = get(id, start=start)
        if watch is not None:
            for number, event in events(id, seen):
                seen = number
                watch(event)
            if job.stage and told != (job.stage_fraction, job.stage):
                told = (job.stage_fraction, job.stage)
                watch(Event(job.stage, job.stage_fraction, job.message, {"overall": job.fraction}))
        if not job.active:
            return job
        time.sleep(poll)


# --- the ledger ------------------------------------------------------------------------------------------

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


def _trouble(path: Path, error: sqlite3.Error, patience: float) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"the ledger {path} was in use by another program for {patience:g} seconds; try again"
    if primary == sqlite3.SQLITE_FULL:
        return no_space(path.parent, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return f"the ledger {path} is damaged ({error}); move it away and start again, stored results remain"
    return f"the ledger {path} cannot be used: {error}"


def _connect(path: Path, patience: float) -> sqlite3.Connection:
    if path not in _prepared or not path.exists():
        try:
            _prepare(path)
        except OSError as error:
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


def _one(where: str, *values: Any) -> Job:
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


def _change(id: int, assignment: str, *values: Any) -> None:
    with open_ledger(write=True) as ledger:
        if not ledger.execute(f"UPDATE jobs SET {assignment} WHERE id = ?", (*values, id)).rowcount:
            raise BadRequest(f"no job with id = {id}")


def _result(kind: str, asked: Asked) -> tuple[str, bool]:
    """The key of a request, and whether its result is in the store."""
    if kind not in KINDS:
        raise BadRequest(f"a job's kind is one of {sorted(KINDS)}, got {kind!r}")
    if (kind == "sweep") != isinstance(asked, Sweep):
        raise BadRequest(f"a job of kind {kind!r} does not ask for a {type(asked).__name__}")
    key_of, stage = KINDS[kind]
    key, store = key_of(asked), Store()
    stored = store.has(stage, key)
    if stored and isinstance(asked, Sweep):  # which is whole while all of its cells are there
        stored = all(store.has("cell", cell) for _, cell in grid.keyed(asked))
    return key, stored


def _mark_done(job: Job) -> None:
    """The result is there, whoever made it; only unless the job has moved on meanwhile."""
    with open_ledger(write=True) as ledger:
        ledger.execute(
            "UPDATE jobs SET status = 'done', fraction = 1, stage_fraction = 1, eta = NULL, error = NULL, message = '',"
            " cancelling = 0, finished = ? WHERE id = ? AND attempts = ? AND status = ?",
            (time.time(), job.id, job.attempts, job.status),
        )


def _queue_again(job: Job) -> None:
    """Put a job at the end of the queue, unless it has moved on since we read it."""
    if job.status == "lost":
        _end_hung_worker(job)
    with open_ledger(write=True) as ledger:
        moved = ledger.execute(
            "UPDATE jobs SET status = 'queued', queued = ?, stage = '', stage_fraction = 0, fraction = 0, message = '',"
            " eta = NULL, started = NULL, finished = NULL, heartbeat = NULL, pid = NULL, cancelling = 0, error = NULL"
            " WHERE id = ? AND attempts = ? AND status = ?",
            (time.time(), job.id, job.attempts, job.status),
        ).rowcount
        if moved and job.status == "done":  # it begins anew: nothing of it is left to go on from
            ledger.execute("DELETE FROM events WHERE job = ?", (job.id,))


# --- who lives -------------------------------------------------------------------------------------------


def _log_file(id: int) -> Path:
    return home.log_folder() / f"job-{id}.log"


def job_lock(id: int) -> FileLock:
    """What the worker holds while it is at a job."""
    return FileLock(home.home() / "locks" / f"job-{id}.lock")


def _held(id: int) -> bool:
    """Whether a living worker holds the job."""
    lock = job_lock(id)
    if not lock.path.exists():
        return False
    if lock.try_acquire():
        lock.release(remove=True)
        return False
    return True


def _settled(job: Job) -> Job:
    """The job as it stands: one that says it runs, but whose worker is gone or silent, is lost."""
    if job.status != "running":
        return job
    silence = time.time() - (job.heartbeat or 0.0)
    if _held(job.id):
        if silence <= HEARTBEAT_LIMIT:
            return job
        error = f"the worker (process {job.pid}) has not been heard of for {silence:.0f} seconds"
    else:
        error = f"the worker (process {job.pid}) ended in the middle of the job"
    error += "; resume goes on from the last checkpoint"
    try:
        with open_ledger(write=True) as ledger:
            # Only the very state that we judged: it may have ended, or started again, since we read it.
            ledger.execute(
                "UPDATE jobs SET status = 'lost', finished = heartbeat, eta = NULL, error = ?"
                " WHERE id = ? AND attempts = ? AND status = 'running' AND heartbeat IS ?",
                (error, job.id, job.attempts, job.heartbeat),
            )
        return _one("id = ?", job.id)
    except LedgerUnavailable:
        return replace(job, status="lost", finished=job.heartbeat, eta=None, error=error)


def _end_hung_worker(job: Job) -> None:
    """A lost job that is still held has a worker that does not answer; it must go before another can start."""
    if job.pid is not None and job.pid != os.getpid() and _held(job.id):
        log.warning("ending the worker %s, which does not answer", job.pid)
        with suppress(OSError):
            os.kill(job.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _attended(job: Job, start: bool) -> Job:
    """A job that waits needs a worker; where that does not start, the job's message says so."""
    if not start or job.status != "queued":
        return job
    try:
        ensure_worker()
    except (PoisonscopeError, OSError) as error:
        return replace(job, message=str(error))
    return job


# --- starting the worker ---------------------------------------------------------------------------------


class _Detached(subprocess.Popen[bytes]):
    """A process that is meant to outlive us, and so no leak when we end first."""

    def __del__(self) -> None:
        """Say nothing."""


@dataclass
class _Child:
    process: _Detached
    started: float


_children: dict[Path, _Child] = {}
_starting = threading.Lock()


def worker_lock() -> FileLock:
    """What the home's one worker holds while it lives."""
    return FileLock(home.home() / "worker.lock")


def ensure_worker() -> None:
    """Start the home's worker unless it lives. PoisonscopeError where it ends as soon as it starts."""
    with _starting:
        child = _children.get(home.home())
        status = None if child is None else child.process.poll()
        pausing = child is not None and time.monotonic() - child.started < START_PAUSE
        lock = worker_lock()
        if not (status and pausing) and lock.try_acquire():
            try:
                _children[home.home()] = _Child(_start_worker(lock), time.monotonic())
            finally:
                lock.release()
    if status is not None and status > 0:
        raise PoisonscopeError(
            f"the worker process ended with status {status}; the end of {_worker_log()} says why. It is tried again"
        )


def _worker_log() -> Path:
    return home.log_folder() / "worker.log"


def _start_worker(lock: FileLock) -> _Detached:
    """A worker in a session of its own. It inherits our hold of its lock, so that at no time two could start."""
    root = Path(__file__).resolve().parents[2]
    environment = dict(os.environ)
    environment[home.VARIABLE] = str(home.home())  # ours may be relative to another working folder
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    inherited: tuple[int, ...] = ()
    if sys.platform == "win32":
        lock.release()  # Windows gives no lock on; a second worker ends by itself
    elif lock.descriptor is not None:
        environment[INHERITED] = str(lock.descriptor)
        inherited = (lock.descriptor,)
    try:
        home.log_folder().mkdir(parents=True, exist_ok=True)
        with open(_worker_log(), "ab") as output:
            process = _Detached(
                [sys.executable, *WORKER_ARGUMENTS],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),  # the same for Windows
                pass_fds=inherited,
            )
    except OSError as error:
        raise PoisonscopeError(f"the worker process could not be started: {error}") from error
    threading.Thread(target=process.wait, name="reaper of the worker", daemon=True).start()
    return process
