"""What screens, the command line and notebooks ask of the ledger.

Start is one INSERT, unique on what is asked; a second start joins the first. Times are unix seconds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from core.configuration import Sweep, grid, reading, stages
from core.jobs.ledger import RESUMABLE, Asked, Job, change, job_of, log, log_file, one, open_ledger
from core.jobs.workers import attended, end_hung_worker, settled
from core.store import Store
from core.types import BadRequest, Event, Watcher

KINDS: dict[str, tuple[Callable[[Any], str], str]] = {  # key and stage of the result
    "run": (stages.run_key, "run"),
    "benign": (stages.benign_key, "predictions"),
    "random": (partial(stages.reference_key, which="random"), "reference"),
    "perfect": (partial(stages.reference_key, which="perfect"), "reference"),
    "sweep": (grid.key, "sweep"),
}


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
    job = settled(one("kind = ? AND key = ?", kind, key))
    # Asked again: a job that ended between our first look and the row's has its result by now.
    _, stored = _result(kind, asked)
    if stored and job.status not in ("running", "done"):
        _mark_done(job)
    elif job.status in RESUMABLE or (job.status == "done" and not stored):
        _queue_again(job)
    elif job.cancelling:
        change(job.id, "cancelling = 0")
    return get(job.id, start=start)


def get(id: int, *, start: bool = True) -> Job:
    """A job by its number, as it stands; one that waits gets a worker. BadRequest for an unknown number."""
    return attended(settled(one("id = ?", id)), start)


def find(key: str, kind: str = "run", *, start: bool = True) -> Job | None:
    """The job of a run key (or of a benign key), if it was ever asked for."""
    with open_ledger() as ledger:
        row = ledger.execute("SELECT * FROM jobs WHERE kind = ? AND key = ?", (kind, key)).fetchone()
    return None if row is None else attended(settled(job_of(row)), start)


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
        return None if row is None else attended(settled(job_of(row)), start)
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
            found.append(settled(job_of(row)))
        except BadRequest as error:
            log.warning("%s", error)
    waiting = next((job for job in found if job.status == "queued"), None)
    if waiting is not None:
        attended(waiting, start)
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
        change(id, "cancelling = 0")
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
    """Give a job a name of one's own; None takes it away. BadRequest for one that cannot be shown in a line."""
    reading.check_name("a run's name", name or "")
    change(id, "name = ?", name)
    return get(id)


def pin(id: int, pinned: bool = True) -> Job:
    """Mark a job to be kept in sight, or no longer."""
    change(id, "pinned = ?", int(pinned))
    return get(id)


def log_tail(id: int, lines: int = 30) -> str:
    """The last lines of a job's log (of its last 64 KiB); empty where there is none."""
    try:
        with open(log_file(id), "rb") as file:
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
        end_hung_worker(job)
    with open_ledger(write=True) as ledger:
        moved = ledger.execute(
            "UPDATE jobs SET status = 'queued', queued = ?, stage = '', stage_fraction = 0, fraction = 0, message = '',"
            " eta = NULL, started = NULL, finished = NULL, heartbeat = NULL, pid = NULL, cancelling = 0, error = NULL"
            " WHERE id = ? AND attempts = ? AND status = ?",
            (time.time(), job.id, job.attempts, job.status),
        ).rowcount
        if moved and job.status == "done":  # it begins anew: nothing of it is left to go on from
            ledger.execute("DELETE FROM events WHERE job = ?", (job.id,))
