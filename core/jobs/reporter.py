"""What a running job tells: progress, heartbeat and events, written by a thread of their own.

Training never waits for the disk; the cancel flag is read by the same thread.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.jobs.ledger import ACTIVE, Job, anything_queued, open_ledger
from core.jobs.progress import Forecast
from core.types import Cancelled, Event

log = logging.getLogger(__name__)

HEARTBEAT = 2.0  # seconds between heartbeats
TICK = 0.25  # seconds between looks at the cancel flag


class Yielded(Cancelled):
    """A job that can wait lets another go first."""


class Reporter:
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

    def __enter__(self) -> Reporter:
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
        if event.data.get("between") and anything_queued():
            raise Yielded("another job waits")

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
