"""The worker: one process a home that takes jobs from the ledger and carries them out, one after the other.

`core.jobs.ledger` starts it, in a session of its own. It holds `worker.lock` while it lives and a lock for the
job it is at; the system frees both when it dies, however it dies. Nothing here imports torch until a job
begins.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from core.configuration import Sweep, reading
from core.jobs import (
    INHERITED,
    Asked,
    Job,
    LedgerUnavailable,
    Reporter,
    Yielded,
    anything_queued,
    job_lock,
    job_log,
    job_of,
    open_ledger,
    worker_lock,
)
from core.store import FileLock, Store, home, no_space
from core.types import BadRequest, Cancelled, DeviceLost, PoisonscopeError, Watcher

Execute = Callable[[str, Asked, Store, Watcher], None]
MOST_DESCRIPTOR = 2**31 - 1  # an int of C
INSISTENCE = 60.0  # seconds that a job's outcome is tried to be written
log = logging.getLogger(__name__)


def work(idle_seconds: float = 60.0, execute: Execute | None = None) -> int:
    """Be the home's worker until the queue was empty for so long; returns how many jobs were taken up.

    Returns 0 at once where another worker lives. `execute` stands in for core.pipeline.execute.
    """
    if not 0 <= idle_seconds < float("inf"):
        raise BadRequest(f"idle_seconds must be a number from 0 on, got {idle_seconds}")
    lock = worker_lock()
    descriptor = os.environ.pop(INHERITED, "")
    handed = reading.whole(descriptor, 0, MOST_DESCRIPTOR)
    if (handed is None or not lock.adopt(handed)) and not lock.try_acquire():
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
                if stopping.is_set() or not intact or not anything_queued() or not lock.try_acquire():
                    return taken
    finally:
        lock.release()


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
    """How a job ended. spoiled: with a device that nothing in this process can use any more."""

    status: str
    error: str | None = None
    spoiled: bool = False


def _perform(job: Job, lock: FileLock, execute: Execute, stopping: threading.Event) -> None:
    """Carry out one job and write down how it ended."""
    reporter = Reporter(job, stopping)
    try:
        with job_log(job):
            log.info(
                "job %d (%s %s), attempt %d, process %d", job.id, job.kind, job.key[:12], job.attempts, os.getpid()
            )
            with reporter:
                outcome = _outcome(job, execute, reporter)
            log.info("job %d is %s", job.id, outcome.status)
            _finish(job, outcome, reporter)
            if outcome.spoiled:
                log.warning("this process ends: its GPU is lost to it, and another process may use it")
                stopping.set()
    finally:
        lock.release(remove=True)


def _outcome(job: Job, execute: Execute, reporter: Reporter) -> _Outcome:
    try:
        execute(job.kind, job.asked, Store(), reporter)
    except Yielded:
        return _Outcome("queued")
    except Cancelled:
        if reporter.stopping.is_set() and not reporter.cancelled.is_set():
            return _Outcome("lost", "the worker was told to stop; resume goes on from the last checkpoint")
        return _Outcome("cancelled")
    except PoisonscopeError as error:
        log.exception("the job failed")
        return _Outcome("failed", str(error), spoiled=isinstance(error, DeviceLost))
    except Exception as error:
        log.exception("the job failed")
        # torch's own class is known by its name, so that nothing here imports torch.
        return _Outcome("failed", _advice(error), spoiled=type(error).__name__ == "AcceleratorError")
    return _Outcome("done")


def _advice(error: Exception) -> str:
    """An unforeseen error as a message; where a person can do something about it, what."""
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or code == errno.ENOMEM or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory ({error}); choose a smaller batch_size, fewer images per class or a smaller model"
    if isinstance(error, OSError) and code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return no_space(home.home(), error)
    return f"{type(error).__name__}: {error}"


def _finish(job: Job, outcome: _Outcome, reporter: Reporter) -> None:
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
