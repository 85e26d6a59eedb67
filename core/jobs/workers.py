"""Who lives: the locks that tell it, jobs whose worker is gone, and starting the worker process (core.worker).

Locks that the system frees with their holder tell who lives: `worker.lock` the worker, `locks/job-<id>.lock` each
running job. A job whose worker is gone is *lost*: every reader sees that, and it can be resumed from its last
checkpoint. The worker lives in a session of its own and outlives the screen, the server and the terminal that started
it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from core.jobs.ledger import Job, LedgerUnavailable, log, one, open_ledger
from core.store import FileLock, home
from core.types import PoisonscopeError

HEARTBEAT_LIMIT = 60.0
START_PAUSE = 5.0
# How a worker is started, behind the interpreter; tests put another in its place.
WORKER_ARGUMENTS = ("-m", "core", "worker")
INHERITED = "POISONSCOPE_WORKER_LOCK"


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


def settled(job: Job) -> Job:
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
        return one("id = ?", job.id)
    except LedgerUnavailable:
        return replace(job, status="lost", finished=job.heartbeat, eta=None, error=error)


def end_hung_worker(job: Job) -> None:
    """A lost job that is still held has a worker that does not answer; it must go before another can start."""
    if job.pid is not None and job.pid != os.getpid() and _held(job.id):
        log.warning("ending the worker %s, which does not answer", job.pid)
        with suppress(OSError):
            os.kill(job.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def attended(job: Job, start: bool) -> Job:
    """A job that waits needs a worker; where that does not start, the job's message says so."""
    if not start or job.status != "queued":
        return job
    try:
        ensure_worker()
    except (PoisonscopeError, OSError) as error:
        return replace(job, message=str(error))
    return job


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
