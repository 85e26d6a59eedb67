"""Jobs: a ledger of runs (SQLite) and the worker process that carries them out, one after the other.

Start is one INSERT, unique on what is asked; a second start joins the first. The worker lives in a
session of its own and outlives the screen, the server and the terminal that started it. Locks that the
system frees with their holder tell who lives: `worker.lock` the worker, `locks/job-<id>.lock` each
running job. A job whose worker is gone is *lost*: every reader sees that, and it can be resumed from
its last checkpoint. Times are unix seconds, durations seconds.

Nothing here imports torch until the worker begins a job.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any

import numpy as np
from pydantic import ValidationError

from core import home, stages
from core.config import RunConfig
from core.store import FileLock, Store, no_space
from core.types import BadRequest, Cancelled, Event, PoisonscopeError, Watcher

Execute = Callable[[str, RunConfig, Store, Watcher], None]

SCHEMA = 1
KINDS = {"run": (stages.run_key, "run"), "benign": (stages.benign_key, "predictions")}  # key, stage of the result
ACTIVE = ("queued", "running")
RESUMABLE = ("failed", "cancelled", "lost")

HEARTBEAT = 2.0
HEARTBEAT_LIMIT = 60.0
TICK = 0.25
START_PAUSE = 5.0
INSISTENCE = 60.0

# How a worker is started, behind the interpreter; tests put another in its place.
WORKER_ARGUMENTS = ("-m", "core", "worker")
_INHERITED = "POISONSCOPE_WORKER_LOCK"

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
    """A row of the ledger. fraction is of the whole job, stage_fraction of its present stage (0 to 1)."""

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

    @property
    def log(self) -> Path:
        """The file that the job's log goes to; it may not exist yet."""
        return _log_file(self.id)

    @property
    def active(self) -> bool:
        """Whether it is worth asking again."""
        return self.status in ACTIVE


# --- what screens, the command line and notebooks call ---------------------------------------------------


def submit(config: RunConfig, kind: str = "run", *, start: bool = True) -> Job:
    """Ask for a run, or for its benign reference; the same request again joins the first.

    What failed, was cancelled or got lost is queued again, and so is what is done but no longer stored.
    What is stored already is done at once. `start` False leaves the queue to a worker that lives.
    """
    key, stored = _result(kind, config)
    now = time.time()
    with _ledger(write=True) as ledger:
        ledger.execute(
            "INSERT INTO jobs (kind, key, config, status, created, queued, started, finished, fraction)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, key) DO NOTHING",
            (
                *(kind, key, config.model_dump_json(), "done" if stored else "queued", now, now),
                *((now, now, 1.0) if stored else (None, None, 0.0)),
            ),
        )
    job = _settled(_one("kind = ? AND key = ?", kind, key))
    # Asked again: a job that ended between our first look and the row's has its result by now.
    _, stored = _result(kind, config)
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
    with _ledger() as ledger:
        row = ledger.execute("SELECT * FROM jobs WHERE kind = ? AND key = ?", (kind, key)).fetchone()
    return None if row is None else _attended(_settled(_job(row)), start)


def listing(limit: int = 100, *, start: bool = True) -> list[Job]:
    """The newest jobs first; rows that an older version wrote and this one cannot read are left out."""
    with _ledger() as ledger:
        rows = ledger.execute("SELECT * FROM jobs ORDER BY created DESC, id DESC LIMIT ?", (limit,)).fetchall()
    found = []
    for row in rows:
        try:
            found.append(_settled(_job(row)))
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
    with _ledger() as ledger:
        rows = ledger.execute("SELECT * FROM events WHERE job = ? AND seq > ? ORDER BY seq", (id, after)).fetchall()
    return [(row["seq"], Event(row["stage"], row["fraction"], row["message"], json.loads(row["data"]))) for row in rows]


def cancel(id: int) -> Job:
    """Stop a job: at once where it waits, at the next word from it where it runs. One that ended stays as it is."""
    job = get(id, start=False)
    with _ledger(write=True) as ledger:
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
    with _ledger(write=True) as ledger:
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
def _ledger(write: bool = False, patience: float = 10.0) -> Iterator[sqlite3.Connection]:
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
    with _ledger() as ledger:
        row = ledger.execute(f"SELECT * FROM jobs WHERE {where}", values).fetchone()
    if row is None:
        raise BadRequest(f"no job with {where.replace('?', '{}').format(*values)}")
    return _job(row)


def _job(row: sqlite3.Row) -> Job:
    try:
        config = RunConfig.model_validate_json(row["config"])
    except (ValidationError, BadRequest) as error:
        raise BadRequest(f"job {row['id']} was asked for in terms that this version does not know: {error}") from error
    fields = {name: row[name] for name in Job.__dataclass_fields__}
    fields |= {"config": config, "cancelling": bool(row["cancelling"]), "pinned": bool(row["pinned"])}
    return Job(**fields)


def _change(id: int, assignment: str, *values: Any) -> None:
    with _ledger(write=True) as ledger:
        if not ledger.execute(f"UPDATE jobs SET {assignment} WHERE id = ?", (*values, id)).rowcount:
            raise BadRequest(f"no job with id = {id}")


def _result(kind: str, config: RunConfig) -> tuple[str, bool]:
    """The key of a request, and whether its result is in the store."""
    if kind not in KINDS:
        raise BadRequest(f"a job's kind is one of {sorted(KINDS)}, got {kind!r}")
    key_of, stage = KINDS[kind]
    key = key_of(config)
    return key, Store().has(stage, key)


def _mark_done(job: Job) -> None:
    """The result is there, whoever made it; only unless the job has moved on meanwhile."""
    with _ledger(write=True) as ledger:
        ledger.execute(
            "UPDATE jobs SET status = 'done', fraction = 1, stage_fraction = 1, eta = NULL, error = NULL, message = '',"
            " cancelling = 0, finished = ? WHERE id = ? AND attempts = ? AND status = ?",
            (time.time(), job.id, job.attempts, job.status),
        )


def _queue_again(job: Job) -> None:
    """Put a job at the end of the queue, unless it has moved on since we read it."""
    if job.status == "lost":
        _end_hung_worker(job)
    with _ledger(write=True) as ledger:
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


def _job_lock(id: int) -> FileLock:
    return FileLock(home.home() / "locks" / f"job-{id}.lock")


def _held(id: int) -> bool:
    """Whether a living worker holds the job."""
    lock = _job_lock(id)
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
        with _ledger(write=True) as ledger:
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


def _worker_lock() -> FileLock:
    return FileLock(home.home() / "worker.lock")


def ensure_worker() -> None:
    """Start the home's worker unless it lives. PoisonscopeError where it ends as soon as it starts."""
    with _starting:
        child = _children.get(home.home())
        status = None if child is None else child.process.poll()
        pausing = child is not None and time.monotonic() - child.started < START_PAUSE
        lock = _worker_lock()
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
    root = Path(__file__).resolve().parent.parent
    environment = dict(os.environ)
    environment[home.VARIABLE] = str(home.home())  # ours may be relative to another working folder
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    inherited: tuple[int, ...] = ()
    if sys.platform == "win32":
        lock.release()  # Windows gives no lock on; a second worker ends by itself
    elif lock.descriptor is not None:
        environment[_INHERITED] = str(lock.descriptor)
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


# --- the worker ------------------------------------------------------------------------------------------


def work(idle_seconds: float = 60.0, execute: Execute | None = None) -> int:
    """Be the home's worker until the queue was empty for so long; returns how many jobs were taken up.

    Returns 0 at once where another worker lives. `execute` stands in for core.pipeline.execute.
    """
    lock = _worker_lock()
    descriptor = os.environ.pop(_INHERITED, "")
    if not (descriptor.isdecimal() and lock.adopt(int(descriptor))) and not lock.try_acquire():
        return 0
    stopping = threading.Event()
    taken = 0
    try:
        with _signals(stopping):
            with suppress(OSError):
                Store().sweep()
            while True:
                taken += _drain(lock, stopping, idle_seconds, execute or _pipeline)
                intact = lock.intact()
                lock.release()
                # Whoever queued a job while we held the lock has started no worker: look once more without it.
                if stopping.is_set() or not intact or not _anything_queued() or not lock.try_acquire():
                    return taken
    finally:
        lock.release()


def _pipeline(kind: str, config: RunConfig, store: Store, watch: Watcher) -> None:
    from core.pipeline import execute

    execute(kind, config, store, watch)


def _drain(lock: FileLock, stopping: threading.Event, idle_seconds: float, execute: Execute) -> int:
    """Carry out jobs until there was none for `idle_seconds`, the worker is told to stop, or its home is gone."""
    taken = 0
    deadline = time.monotonic() + idle_seconds
    while not stopping.is_set() and lock.intact():
        claimed = None
        try:
            claimed = _claim()
        except (LedgerUnavailable, OSError) as error:
            log.warning("no job could be taken up: %s", error)
        if claimed is not None:
            _perform(*claimed, execute, stopping)
            taken += 1
            deadline = time.monotonic() + idle_seconds
        elif time.monotonic() >= deadline:
            break
        else:
            stopping.wait(min(0.2, max(0.0, deadline - time.monotonic())))
    return taken


def _anything_queued() -> bool:
    try:
        with _ledger() as ledger:
            return ledger.execute("SELECT 1 FROM jobs WHERE status = 'queued'").fetchone() is not None
    except LedgerUnavailable:
        return False


@contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """The first SIGTERM or SIGINT stops the worker at the job's next word, a second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    earlier = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _claim() -> tuple[Job, FileLock] | None:
    """The longest waiting job, now running and held by us; None where none waits."""
    while True:
        with _ledger() as ledger:
            row = ledger.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY queued, id LIMIT 1").fetchone()
        if row is None:
            return None
        lock = _job_lock(row["id"])
        lock.acquire()  # before the row says "running", so that no reader takes the job for lost
        try:
            job = _start(row["id"])
        except BaseException:
            lock.release(remove=True)
            raise
        if job is not None:
            return job, lock
        lock.release(remove=True)


def _start(id: int) -> Job | None:
    """Make a queued job running; None where it is queued no more, or cannot be read (it has failed then)."""
    now = time.time()
    with _ledger(write=True) as ledger:
        moved = ledger.execute(
            "UPDATE jobs SET status = 'running', started = ?, heartbeat = ?, pid = ?, attempts = attempts + 1"
            " WHERE id = ? AND status = 'queued'",
            (now, now, os.getpid(), id),
        ).rowcount
        if not moved:
            return None
        try:
            return _job(ledger.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone())
        except BadRequest as error:
            ledger.execute(
                "UPDATE jobs SET status = 'failed', finished = ?, error = ? WHERE id = ?", (now, str(error), id)
            )
            return None


@dataclass(frozen=True)
class _Outcome:
    status: str
    error: str | None = None


def _perform(job: Job, lock: FileLock, execute: Execute, stopping: threading.Event) -> None:
    """Carry out one job and write down how it ended."""
    reporter = _Reporter(job, stopping)
    try:
        with _job_log(job):
            log.info(
                "job %d (%s %s), attempt %d, process %d", job.id, job.kind, job.key[:12], job.attempts, os.getpid()
            )
            with reporter:
                outcome = _outcome(job, execute, reporter)
            log.info("job %d is %s", job.id, outcome.status)
            _finish(job, outcome, reporter)
    finally:
        lock.release(remove=True)


def _outcome(job: Job, execute: Execute, reporter: _Reporter) -> _Outcome:
    try:
        execute(job.kind, job.config, Store(), reporter)
    except Cancelled:
        if reporter.stopping.is_set() and not reporter.cancelled.is_set():
            return _Outcome("lost", "the worker was told to stop; resume goes on from the last checkpoint")
        return _Outcome("cancelled")
    except PoisonscopeError as error:
        log.exception("the job failed")
        return _Outcome("failed", str(error))
    except Exception as error:
        log.exception("the job failed")
        return _Outcome("failed", _advice(error))
    return _Outcome("done")


def _advice(error: Exception) -> str:
    """An unforeseen error as a message; where a person can do something about it, what."""
    code = error.errno if isinstance(error, OSError) else None
    # torch's own class is known by its name, so that nothing here imports torch.
    if isinstance(error, MemoryError) or code == errno.ENOMEM or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory ({error}); choose a smaller batch_size, fewer images per class or a smaller model"
    if isinstance(error, OSError) and code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return no_space(home.home(), error)
    return f"{type(error).__name__}: {error}"


def _finish(job: Job, outcome: _Outcome, reporter: _Reporter) -> None:
    """Write the outcome down. This insists for a minute; after that the job is lost, and resumable."""
    deadline = time.monotonic() + INSISTENCE
    while True:
        try:
            with _ledger(write=True) as ledger:
                reporter.put(ledger)
                _conclude(ledger, job, outcome, reporter.cancelled.is_set())
            return
        except LedgerUnavailable as error:
            if time.monotonic() > deadline:
                raise
            log.warning("%s", error)
            time.sleep(0.5)


def _conclude(ledger: sqlite3.Connection, job: Job, outcome: _Outcome, obeyed: bool) -> None:
    row = ledger.execute("SELECT status, cancelling FROM jobs WHERE id = ?", (job.id,)).fetchone()
    if row is None:
        return
    if outcome.status == "cancelled" and obeyed and row["status"] == "running" and not row["cancelling"]:
        # Somebody asked for it again after we had obeyed.
        outcome = _Outcome("queued")
    now = time.time()
    ledger.execute(
        "UPDATE jobs SET status = ?, error = ?, finished = ?, queued = ?, eta = NULL, cancelling = 0 WHERE id = ?",
        (outcome.status, outcome.error, None if outcome.status == "queued" else now, now, job.id),
    )
    if outcome.status == "done":
        ledger.execute("UPDATE jobs SET fraction = 1, stage_fraction = 1, message = '' WHERE id = ?", (job.id,))


class _Reporter:
    """The worker's watcher: takes events at once, and a thread of its own writes them to the ledger.

    So training never waits for the disk, and a ledger that cannot be written costs progress, not the run.
    The same thread keeps the heartbeat and hears of cancellation.
    """

    def __init__(self, job: Job, stopping: threading.Event) -> None:
        self.stopping = stopping
        self.cancelled = threading.Event()
        self._job = job
        self._lock = threading.Lock()
        self._last = Event("", 0.0)
        self._overall = 0.0
        self._eta: float | None = None
        self._first: tuple[float, float] | None = None
        self._pending: list[tuple[Any, ...]] = []
        self._changed = False
        self._beaten = time.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat of job {job.id}", daemon=True)

    def __enter__(self) -> _Reporter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def __call__(self, event: Event) -> None:
        """Note an event. Raises Cancelled where the job or the worker is to stop."""
        with self._lock:
            begins = event.stage != self._last.stage
            self._last = event
            self._changed = True
            self._estimate(event)
            if begins or set(event.data) - {"overall"}:
                row = (self._job.id, time.time(), event.stage, float(event.fraction), event.message, _json(event.data))
                self._pending.append(row)
        if self.cancelled.is_set():
            raise Cancelled("the run was cancelled")
        if self.stopping.is_set():
            raise Cancelled("the worker was told to stop")

    def _estimate(self, event: Event) -> None:
        """The whole job's fraction, and the seconds left at this attempt's pace so far."""
        given = event.data.get("overall")
        if given is None:
            return
        self._overall = min(1.0, max(0.0, float(given)))
        now = time.monotonic()
        if self._first is None:
            self._first = (now, self._overall)
        begun, share = self._first
        if self._overall > share:
            self._eta = (now - begun) / (self._overall - share) * (1.0 - self._overall)

    def _run(self) -> None:
        while not self._closing.wait(TICK):
            try:
                self._tick()
            except Exception as error:  # whatever it is, it must not end the heartbeat
                log.warning("progress could not be written: %s", error)

    def _tick(self) -> None:
        with _ledger(patience=1.0) as ledger:
            row = ledger.execute(
                "SELECT status, attempts, cancelling FROM jobs WHERE id = ?", (self._job.id,)
            ).fetchone()
        ours = row is not None and row["attempts"] == self._job.attempts and row["status"] in (*ACTIVE, "lost")
        if not ours or row["cancelling"]:
            self.cancelled.set()
        if self._changed or time.monotonic() - self._beaten >= HEARTBEAT:
            with _ledger(write=True, patience=1.0) as ledger:
                written = self.put(ledger)
            with self._lock:
                del self._pending[:written]
            self._beaten = time.monotonic()

    def put(self, ledger: sqlite3.Connection) -> int:
        """Write progress and heartbeat in the caller's transaction; returns how many events that took.

        A job that was given up as lost while this process slept, or queued again, is ours again.
        """
        with self._lock:
            event, overall, eta, pending = self._last, self._overall, self._eta, list(self._pending)
            self._changed = False
        found = ledger.execute(
            "UPDATE jobs SET status = 'running', finished = NULL, error = NULL, heartbeat = ?, pid = ?, started = ?,"
            " stage = ?, stage_fraction = ?, fraction = ?, message = ?, eta = ?"
            " WHERE id = ? AND attempts = ? AND status IN ('running', 'lost', 'queued')",
            (
                *(time.time(), os.getpid(), self._job.started, event.stage, float(event.fraction)),
                *(overall, event.message, eta, self._job.id, self._job.attempts),
            ),
        ).rowcount
        if found:
            ledger.executemany(
                "INSERT INTO events (job, time, stage, fraction, message, data) VALUES (?, ?, ?, ?, ?, ?)", pending
            )
        return len(pending)


def _json(data: Mapping[str, Any]) -> str:
    """An event's figures; what JSON does not know is written as text, since progress must not end a run."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        return dict(value) if isinstance(value, Mapping) else str(value)

    return json.dumps(dict(data), default=plain, skipkeys=True)


@contextmanager
def _job_log(job: Job) -> Iterator[None]:
    """Python's logging, and what the process prints by any means, go to the job's log for a while.

    Where the log cannot be opened the job runs without.
    """
    with ExitStack() as stack:
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            file = open(job.log, "a", encoding="utf-8")  # noqa: SIM115 - closed by the stack
        except OSError as error:
            log.warning("no log for job %d: %s", job.id, error)
        else:
            stack.callback(_close, file)
            stack.enter_context(_logging(logging.StreamHandler(file)))
            stack.enter_context(_printing(file.fileno()))
        yield


def _close(file: IO[str]) -> None:
    with suppress(OSError):  # a full disk may keep the last lines, but must not end the worker
        file.close()


@contextmanager
def _logging(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO) if level else logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@contextmanager
def _printing(target: int) -> Iterator[None]:
    """Send this process's standard output and error to an open file; native code's too."""
    try:
        saved = [(standard, os.dup(standard)) for standard in (1, 2)]
    except OSError:  # a process without them
        yield
        return
    try:
        for standard, _ in saved:
            os.dup2(target, standard)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        for standard, copy in saved:
            os.dup2(copy, standard)
            os.close(copy)
