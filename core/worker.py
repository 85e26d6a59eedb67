"""The worker: one process a home that takes jobs from the ledger and carries them out, one after the other.

`core.jobs.ledger` starts it, in a session of its own. It holds `worker.lock` while it lives and a lock for the
job it is at; the system frees both when it dies, however it dies. Nothing here imports torch until a job
begins.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import IO, Any

import numpy as np

from core.configuration import Sweep
from core.jobs import (
    ACTIVE,
    INHERITED,
    Asked,
    Forecast,
    Job,
    LedgerUnavailable,
    job_lock,
    job_of,
    open_ledger,
    worker_lock,
)
from core.store import FileLock, Store, home, no_space
from core.types import BadRequest, Cancelled, Event, PoisonscopeError, Watcher

Execute = Callable[[str, Asked, Store, Watcher], None]

HEARTBEAT = 2.0  # seconds between heartbeats
TICK = 0.25  # seconds between looks at the cancel flag
INSISTENCE = 60.0  # seconds that a job's outcome is tried to be written

log = logging.getLogger(__name__)


def work(idle_seconds: float = 60.0, execute: Execute | None = None) -> int:
    """Be the home's worker until the queue was empty for so long; returns how many jobs were taken up.

    Returns 0 at once where another worker lives. `execute` stands in for core.pipeline.execute.
    """
    lock = worker_lock()
    descriptor = os.environ.pop(INHERITED, "")
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


class _Yielded(Cancelled):
    """A job that can wait lets another go first."""


def _pipeline(kind: str, asked: Asked, store: Store, watch: Watcher) -> None:
    if isinstance(asked, Sweep):
        from core.sweeps import carry_out

        carry_out(asked, store, watch)
        return
    from core.pipeline import execute

    execute(kind, asked, store, watch)


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
        with open_ledger() as ledger:
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
        with open_ledger() as ledger:
            row = ledger.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY queued, id LIMIT 1").fetchone()
        if row is None:
            return None
        lock = job_lock(row["id"])
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
    with open_ledger(write=True) as ledger:
        moved = ledger.execute(
            "UPDATE jobs SET status = 'running', started = ?, heartbeat = ?, pid = ?, attempts = attempts + 1"
            " WHERE id = ? AND status = 'queued'",
            (now, now, os.getpid(), id),
        ).rowcount
        if not moved:
            return None
        try:
            return job_of(ledger.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone())
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
        execute(job.kind, job.asked, Store(), reporter)
    except _Yielded:
        return _Outcome("queued")
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
            with open_ledger(write=True) as ledger:
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
    elif outcome.status == "queued" and row["cancelling"]:  # it let another go first, and somebody does not want it
        outcome = _Outcome("cancelled")
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
        self._forecast = Forecast()
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
        if event.data.get("between") and _anything_queued():
            raise _Yielded("another job waits")

    def _estimate(self, event: Event) -> None:
        """The whole job's fraction, and the seconds left at this attempt's pace so far, where that can be told."""
        given = event.data.get("overall")
        if given is None:
            return
        self._overall = min(1.0, max(0.0, float(given)))
        self._eta = self._forecast(time.monotonic(), self._overall)

    def _run(self) -> None:
        while not self._closing.wait(TICK):
            try:
                self._tick()
            except Exception as error:  # whatever it is, it must not end the heartbeat
                log.warning("progress could not be written: %s", error)

    def _tick(self) -> None:
        with open_ledger(patience=1.0) as ledger:
            row = ledger.execute(
                "SELECT status, attempts, cancelling FROM jobs WHERE id = ?", (self._job.id,)
            ).fetchone()
        ours = row is not None and row["attempts"] == self._job.attempts and row["status"] in (*ACTIVE, "lost")
        if not ours or row["cancelling"]:
            self.cancelled.set()
        if self._changed or time.monotonic() - self._beaten >= HEARTBEAT:
            with open_ledger(write=True, patience=1.0) as ledger:
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
