"""Jobs: one row a request, one worker a home, and nothing is left hanging, whoever is killed and when."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core import jobs, worker
from core.configuration import stages
from core.configuration.config import AttackConfig, DefenceConfig, RunConfig
from core.configuration.recipes import resolve
from core.jobs import ledger, workers
from core.jobs.ledger import LedgerUnavailable
from core.jobs.reporter import Reporter
from core.store.locks import FileLock
from core.store.stores import Store
from core.types import BadRequest, Event, PoisonscopeError

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 60.0

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

# A worker whose pipeline is a play: what a run does stands in the home, under its seed.
WORKER = """
import os, sys, time
from core import worker
from core.store.home import home
from core.types import Event

def execute(kind, config, store, watch):
    order = home() / "orders" / str(config.seed)
    script = order.read_text() if order.exists() else "finish"
    with open(home() / "trace", "a") as trace:
        trace.write(f"{config.seed} begins\\n")
    watch(Event("train", 0.0, "", {"overall": 0.0}))
    if script == "exit":
        os._exit(9)
    while script == "hang" and order.exists():
        watch(Event("train", 0.5, "hanging", {"overall": 0.25}))
        time.sleep(0.01)
    with open(home() / "trace", "a") as trace:
        trace.write(f"{config.seed} ends\\n")

worker.work(idle_seconds=float(os.environ.get("FAKE_IDLE", "5")), execute=execute)
"""


def config(seed: int = 0, **attack: Any) -> RunConfig:
    dataset, training = resolve("quick", "digits")
    return RunConfig(
        dataset=dataset,
        attack=AttackConfig(target=1, **attack),
        training=training,
        defence=DefenceConfig(),
        seed=seed,
    )


def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true in {DEADLINE:g} seconds"
        time.sleep(0.02)
    return found


def nothing(kind: str, config: RunConfig, store: Store, watch: Any) -> None:
    """A pipeline that has nothing to do."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    (folder / "orders").mkdir(parents=True)
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    monkeypatch.setenv("POISONSCOPE_HOME", str(folder))
    monkeypatch.setattr(workers, "WORKER_ARGUMENTS", (str(script),))
    monkeypatch.setattr(workers, "START_PAUSE", 0.5)
    yield folder
    shutil.rmtree(folder / "orders", ignore_errors=True)  # nobody hangs on
    child = workers._children.pop(folder.resolve(), None)
    if child is not None:
        child.process.kill()
        child.process.wait(DEADLINE)


def order(home: Path, seed: int, what: str) -> None:
    (home / "orders" / str(seed)).write_text(what)


def script(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def status(id: int) -> str:
    return jobs.get(id, start=False).status


@contextlib.contextmanager
def working(execute: worker.Execute, idle_seconds: float = 30.0) -> Iterator[threading.Thread]:
    """A worker in a thread of this process; it ends with the block, when its lock file is gone."""
    thread = threading.Thread(target=worker.work, args=(idle_seconds, execute))
    thread.start()
    try:
        yield thread
    finally:
        jobs.worker_lock().path.unlink(missing_ok=True)
        thread.join(DEADLINE)
        assert not thread.is_alive()


# --- asking -----------------------------------------------------------------------------------------------


def test_a_second_request_joins_the_first(home: Path) -> None:
    first = jobs.submit(config(), start=False)
    assert (first.status, first.kind, first.attempts, first.key) == ("queued", "run", 0, stages.run_key(config()))
    assert first.config == config()
    assert jobs.submit(config(), start=False) == first
    assert jobs.submit(config(1), start=False).id != first.id
    benign = jobs.submit(config(), "benign", start=False)
    assert (benign.kind, benign.key) == ("benign", stages.benign_key(config()))
    other = config(ratio=0.2)
    assert jobs.submit(other, "benign", start=False).id == benign.id  # one reference for all ratios
    assert len(jobs.listing(start=False)) == 3
    assert jobs.find(first.key, start=False) == first
    assert jobs.find(first.key, "benign", start=False) is None
    assert jobs.named(first.key[:16], start=False) == first
    assert jobs.named("", start=False) is None
    assert jobs.named("%", start=False) is None


def test_a_configuration_survives_the_ledger(home: Path) -> None:
    asked = config(3, trigger="pattern", parameters={"size": 4, "opacity": 1}, ratio=0.05, source=2)
    job = jobs.submit(asked, start=False)
    assert job.config == asked
    assert stages.run_key(job.config) == job.key


@pytest.mark.parametrize(("kind", "stage"), [("run", "run"), ("benign", "predictions")])
def test_what_is_stored_is_done_at_once(home: Path, kind: str, stage: str) -> None:
    key = (stages.run_key if kind == "run" else stages.benign_key)(config())
    Store().write(stage, key, document={})
    job = jobs.submit(config(), kind)
    assert (job.status, job.fraction, job.attempts) == ("done", 1.0, 0)
    assert not jobs.worker_lock().path.exists()  # no worker was needed


def test_what_was_computed_elsewhere_meanwhile_is_done(home: Path) -> None:
    job = jobs.submit(config(), start=False)
    jobs.cancel(job.id)
    Store().write("run", job.key, document={})
    assert jobs.submit(config()).status == "done"


def test_what_is_done_but_no_longer_stored_is_queued_again(home: Path) -> None:
    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        watch(Event("train", 1.0))
        store.write("run", stages.run_key(asked), document={})

    job = jobs.submit(config(), start=False)
    worker.work(0, execute)
    assert jobs.submit(config(), start=False).status == "done"
    assert len(jobs.events(job.id)) == 1
    Store().delete("run", job.key)
    assert jobs.submit(config(), start=False).status == "queued"
    assert jobs.events(job.id) == []


ASKER = """
    import sys
    from core import jobs
    from core.configuration.config import RunConfig
    asked = RunConfig.model_validate_json(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    print(jobs.submit(asked, start=sys.argv[2] == "start").id)
"""


def test_two_processes_ask_at_the_same_moment(home: Path) -> None:
    askers = [script(ASKER, config().model_dump_json(), "no") for _ in range(3)]
    for asker in askers:
        assert asker.stdout is not None
        assert asker.stdout.readline() == "ready\n"
    for asker in askers:  # the ledger itself is made in this moment, too
        assert asker.stdin is not None
        asker.stdin.write("go\n")
        asker.stdin.flush()
    answers = [asker.communicate(timeout=DEADLINE) for asker in askers]
    assert [error for _, error in answers] == ["", "", ""]
    assert len({int(out) for out, _ in answers}) == 1
    assert len(jobs.listing(start=False)) == 1


def test_unknown_things_are_refused(home: Path) -> None:
    with pytest.raises(BadRequest, match=r"one of \['benign', 'perfect', 'random', 'run', 'sweep'\], got 'walk'"):
        jobs.submit(config(), "walk")
    with pytest.raises(BadRequest, match="a job of kind 'sweep' does not ask for a RunConfig"):
        jobs.submit(config(), "sweep")
    for use in (jobs.get, jobs.cancel, jobs.resume, jobs.delete, jobs.wait, jobs.pin):
        with pytest.raises(BadRequest, match="no job with id = 99"):
            use(99)
    assert jobs.events(99) == []
    assert jobs.log_tail(99) == ""


def test_names_pins_and_deletion(home: Path) -> None:
    job = jobs.submit(config(), start=False)
    ledger.change(job.id, "status = 'failed'")
    assert jobs.rename(job.id, "the tall one").name == "the tall one"
    assert jobs.pin(job.id).pinned is True
    assert jobs.pin(job.id, False).pinned is False
    Store().write("features", job.key, document={})
    job.log.parent.mkdir()
    job.log.write_text("words")
    jobs.delete(job.id)
    assert jobs.listing() == []
    assert not job.log.exists()
    assert Store().has("features", job.key)
    assert jobs.submit(config(), start=False).id > job.id  # a number is not used twice


def test_the_end_of_a_log(home: Path) -> None:
    job = jobs.submit(config(), start=False)
    job.log.parent.mkdir()
    job.log.write_bytes(b"\xff" * 10**6 + b"\n" + b"".join(b"line %d\n" % n for n in range(100)))
    assert jobs.log_tail(job.id, lines=2) == "line 98\nline 99"
    assert len(jobs.log_tail(job.id, lines=1000)) < 2**17


# --- the ledger itself ------------------------------------------------------------------------------------


def test_a_newer_ledger_is_refused(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "ledger.sqlite")) as other, other:
        other.execute("CREATE TABLE schema_version (version INTEGER)")
        other.execute("INSERT INTO schema_version VALUES (99)")
    with pytest.raises(LedgerUnavailable, match="has version 99, this program knows version 1; update"):
        jobs.listing()


def test_an_old_ledger_is_opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.submit(config(), start=False)
    monkeypatch.setattr(ledger, "_prepared", set())
    assert jobs.get(job.id, start=False) == job


def test_a_damaged_ledger_says_what_to_do(home: Path) -> None:
    (home / "ledger.sqlite").write_bytes(b"no ledger" * 1000)
    with pytest.raises(LedgerUnavailable, match=r"is damaged .*move it away"):
        jobs.submit(config())


CROWDED = """
    import resource, sys
    from core import jobs
    from core.configuration.settings import configure
    from core.jobs.ledger import LedgerUnavailable
    asked, other = (configure(dataset="digits", target=target) for target in (3, 4))
    if sys.argv[1] == "used":
        jobs.submit(asked, start=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file can grow, as on a full disk or beyond a quota
    said = []
    for door in (
        lambda: jobs.listing(start=False), lambda: jobs.submit(other, start=False), lambda: jobs.named("a"),
        lambda: jobs.get(1, start=False), lambda: jobs.cancel(1), lambda: jobs.pin(1),
    ):
        try:
            door()
        except LedgerUnavailable as error:
            said.append(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    print(*said, sep="\\n")
    jobs.submit(other, start=False)
    print(len(jobs.listing(start=False)), "kept")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize(("state", "kept"), [("new", 1), ("used", 2)])
def test_a_ledger_on_a_full_disk_says_so_at_every_door(home: Path, state: str, kept: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CROWDED), state],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *said, last = done.stdout.splitlines()
    assert len(said) == 6
    assert all(re.match(r"no room to write in .* free some space, or set POISONSCOPE_HOME", line) for line in said)
    assert last == f"{kept} kept"


def test_a_number_that_the_ledger_cannot_have_is_refused(home: Path) -> None:
    for id in (2**63, -(2**64), 10**30):
        with pytest.raises(BadRequest, match="no number of more than 64 bits"):
            jobs.get(id, start=False)
    with pytest.raises(BadRequest, match="no number of more than 64 bits"):
        jobs.listing(10**30)


@pytest.mark.parametrize("name", ["a\0", "two\nlines", "\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(home: Path, name: str) -> None:
    job = jobs.submit(config(), start=False)
    with pytest.raises(BadRequest, match="a run's name must be printable text in one line"):
        jobs.rename(job.id, name)


def test_a_busy_ledger_says_so(home: Path) -> None:
    jobs.submit(config(), start=False)
    busy = pytest.raises(LedgerUnavailable, match=r"in use by another program for 0\.05 seconds")
    with contextlib.closing(sqlite3.connect(home / "ledger.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with busy, jobs.open_ledger(write=True, patience=0.05):
            raise AssertionError("two wrote at once")


def test_a_ledger_that_was_removed_begins_anew(home: Path) -> None:
    jobs.submit(config(), start=False)
    for path in home.glob("ledger.sqlite*"):
        path.unlink()
    assert jobs.listing() == []


def test_rows_of_another_version_do_no_harm(home: Path) -> None:
    strange, plain = jobs.submit(config(), start=False), jobs.submit(config(1), start=False)
    ledger.change(strange.id, "config = ?", '{"seed": 0, "colour": "blue"}')
    assert [job.id for job in jobs.listing(start=False)] == [plain.id]
    assert worker.work(0, nothing) == 1
    with jobs.open_ledger() as connection:
        row = connection.execute("SELECT * FROM jobs WHERE id = ?", (strange.id,)).fetchone()
    assert row["status"] == "failed"
    assert "does not know" in row["error"]
    assert status(plain.id) == "done"


# --- working ----------------------------------------------------------------------------------------------


def test_a_job_from_beginning_to_end(home: Path) -> None:
    seen: list[jobs.Job] = []

    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        watch(Event("train", 0.0, "begins", {"overall": 0.0}))
        watch(Event("train", 0.5, "", {"overall": 0.2}))
        watch(Event("train", 0.5, "epoch 1", {"overall": 0.25, "loss": 0.7, "path": home, "odd": {1: {2}}}))
        seen.append(until(lambda: (now := jobs.get(1)).stage and now, "progress in the ledger"))
        watch(Event("evaluate", 1.0))
        logging.getLogger("elsewhere").info("a word to the log")
        os.write(2, b"a word to stderr\n")

    job = jobs.submit(config(), start=False)
    assert worker.work(0, execute) == 1
    (during,) = seen
    assert (during.status, during.stage, during.stage_fraction, during.fraction) == ("running", "train", 0.5, 0.25)
    assert during.message == "epoch 1"
    assert during.eta is None  # a quarter within a moment tells nothing of the rest
    assert during.pid == os.getpid()
    job = jobs.get(job.id)
    assert (job.status, job.fraction, job.attempts, job.error, job.eta) == ("done", 1.0, 1, None, None)
    assert job.created <= (job.started or 0) <= (job.finished or 0)
    kept = [event for _, event in jobs.events(job.id)]
    assert [(event.stage, event.message) for event in kept] == [
        ("train", "begins"),
        ("train", "epoch 1"),
        ("evaluate", ""),
    ]
    assert kept[1].data["loss"] == 0.7
    assert kept[1].data["path"] == str(home)
    first = jobs.events(job.id)[0][0]
    assert len(jobs.events(job.id, after=first)) == 2
    for words in ("attempt 1", "a word to the log", "a word to stderr", "is done"):
        assert words in jobs.log_tail(job.id)
    assert list((home / "locks").iterdir()) == []


def test_one_at_a_time_in_order_of_asking(home: Path) -> None:
    trace: list[int] = []

    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        assert [job.config.seed for job in jobs.listing() if job.status == "running"] == [asked.seed]
        trace.append(asked.seed)

    ids = [jobs.submit(config(seed), start=False).id for seed in (4, 2, 9)]
    jobs.cancel(ids[0])
    jobs.resume(ids[0], start=False)  # goes to the end of the queue
    assert worker.work(0, execute) == 3
    assert trace == [2, 9, 4]
    assert [job.id for job in jobs.listing()] == ids[::-1]
    assert all(job.status == "done" for job in jobs.listing())


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (BadRequest("the ratio must lie in [0, 1], got 2"), "the ratio must lie in [0, 1], got 2"),
        (ZeroDivisionError("by nought"), "ZeroDivisionError: by nought"),
        (MemoryError("so much"), "out of memory (so much); choose a smaller batch_size"),
        (OutOfMemoryError("CUDA"), "out of memory (CUDA); choose a smaller batch_size"),
        (OSError(errno.ENOSPC, "No space left on device"), "no room to write in"),
    ],
)
def test_a_failure_keeps_its_message_and_the_end_of_its_log(home: Path, raised: Exception, said: str) -> None:
    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        watch(Event("train", 0.5, "", {"overall": 0.4}))
        raise raised

    job = jobs.submit(config(), start=False)
    worker.work(0, execute)
    job = jobs.get(job.id)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.startswith(said)
    assert (job.stage, job.fraction) == ("train", 0.4)
    assert "Traceback" in jobs.log_tail(job.id)
    assert type(raised).__name__ in jobs.log_tail(job.id)
    again = jobs.submit(config(), start=False)
    assert (again.id, again.status, again.error) == (job.id, "queued", None)
    worker.work(0, nothing)
    assert (status(job.id), jobs.get(job.id).attempts) == ("done", 2)


def test_waiting_for_a_job_tells_its_events(home: Path) -> None:
    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        watch(Event("train", 0.0, "begins"))
        watch(Event("train", 1.0, "ends", {"loss": 0.5}))

    job = jobs.submit(config(), start=False)
    heard: list[Event] = []
    with working(execute):
        job = jobs.wait(job.id, heard.append, poll=0.01, start=False)
    assert job.status == "done"
    assert [event.message for event in heard if "overall" not in event.data] == ["begins", "ends"]
    assert heard[-1].data == {"overall": 1.0}
    assert jobs.wait(job.id) == job


def test_a_second_worker_ends_at_once(home: Path) -> None:
    lock = jobs.worker_lock()
    assert lock.try_acquire()
    jobs.submit(config(), start=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "_drain", lambda *_: pytest.fail("it looked at the queue"))
        assert worker.work(30.0, nothing) == 0
    lock.release()
    assert worker.work(0, nothing) == 1


def test_a_job_that_comes_as_the_worker_decides_to_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for after the worker's last look at the queue, while it still holds its lock: nobody starts another."""
    late: list[int] = []
    drain = worker._drain

    def drain_and_be_late(*arguments: Any) -> int:
        taken = drain(*arguments)
        if not late:
            late.append(jobs.submit(config()).id)
            assert home.resolve() not in workers._children  # the lock is held: no process was started
        return taken

    monkeypatch.setattr(worker, "_drain", drain_and_be_late)
    assert worker.work(0, nothing) == 1
    assert status(late[0]) == "done"


def test_a_worker_ends_when_its_home_is_gone(home: Path) -> None:
    with working(nothing) as thread:
        until(lambda: (home / "worker.lock").exists())
        while home.exists():  # the worker may write into it while it goes
            shutil.rmtree(home, ignore_errors=True)
        thread.join(DEADLINE)
        assert not thread.is_alive()


# --- stopping ---------------------------------------------------------------------------------------------


def hang_until(finished: threading.Event, begun: threading.Event | None = None) -> worker.Execute:
    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        while not finished.is_set():
            watch(Event("train", 0.5, "", {"overall": 0.5}))
            if begun is not None:
                begun.set()
            time.sleep(0.01)

    return execute


def test_cancel_what_waits(home: Path) -> None:
    job = jobs.submit(config(), start=False)
    cancelled = jobs.cancel(job.id)
    assert cancelled.status == "cancelled"
    assert cancelled.finished is not None
    assert worker.work(0, nothing) == 0
    assert jobs.cancel(job.id) == cancelled  # no harm in asking twice
    assert jobs.resume(job.id, start=False).status == "queued"


def test_cancel_what_runs(home: Path) -> None:
    finished = threading.Event()
    job = jobs.submit(config(), start=False)
    with working(hang_until(finished)):
        until(lambda: status(job.id) == "running")
        with pytest.raises(BadRequest, match="is running; cancel it first"):
            jobs.delete(job.id)
        assert jobs.cancel(job.id).cancelling or status(job.id) == "cancelled"
        assert jobs.wait(job.id).status == "cancelled"
        finished.set()
        jobs.resume(job.id, start=False)
        job = jobs.wait(job.id)
        assert (job.status, job.attempts, job.cancelling) == ("done", 2, False)


def test_who_asks_again_after_a_cancel_is_served(home: Path) -> None:
    """Whether the worker has obeyed by then or not."""
    finished, begun = threading.Event(), threading.Event()
    job = jobs.submit(config(), start=False)
    with working(hang_until(finished, begun)):
        assert begun.wait(DEADLINE)
        for _ in range(5):
            jobs.cancel(job.id)
            assert jobs.submit(config(), start=False).status in ("running", "queued")
        finished.set()
        assert jobs.wait(job.id).status == "done"


def test_asked_again_after_the_worker_obeyed(home: Path) -> None:
    """The cancellation was seen, the job's end not yet written, and somebody asks for it again."""
    calls: list[int] = []

    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        calls.append(1)
        if len(calls) > 1:
            return
        jobs.cancel(1)
        try:
            while True:
                watch(Event("train", 0.5))
                time.sleep(0.01)
        finally:
            jobs.submit(asked, start=False)

    job = jobs.submit(config(), start=False)
    worker.work(0, execute)
    assert (status(job.id), len(calls)) == ("done", 2)


def test_a_worker_that_was_silent_takes_its_job_back(home: Path) -> None:
    """A laptop slept: the job looks lost until the worker's next heartbeat."""
    finished, begun, paused = threading.Event(), threading.Event(), threading.Event()
    job = jobs.submit(config(), start=False)

    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        begun.set()
        paused.wait(DEADLINE)
        hang_until(finished)(kind, asked, store, watch)

    with working(execute):
        assert begun.wait(DEADLINE)
        ledger.change(job.id, "heartbeat = heartbeat - 100")
        lost = jobs.get(job.id)
        assert lost.status == "lost"
        assert lost.error is not None
        assert "has not been heard of for 1" in lost.error
        paused.set()
        until(lambda: status(job.id) == "running")
        assert jobs.get(job.id).error is None
        finished.set()
        assert jobs.wait(job.id).status == "done"


def test_a_ledger_that_cannot_be_written_does_not_stop_a_training(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
        with contextlib.closing(sqlite3.connect(home / "ledger.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for step in range(10):
                watch(Event("train", step / 10, "", {"step": step}))
            until(lambda: "progress could not be written" in caplog.text, "the warning")
            other.execute("ROLLBACK")

    job = jobs.submit(config(), start=False)
    worker.work(0, execute)
    assert status(job.id) == "done"
    assert [event.data["step"] for _, event in jobs.events(job.id)] == list(range(10))


def test_a_full_disk_does_not_stop_a_training(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)]
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        monkeypatch.setenv("POISONSCOPE_HOME", str(disk))
        failures: list[str] = []
        tick = Reporter._tick

        def counted(reporter: Reporter) -> None:
            try:
                tick(reporter)
            except PoisonscopeError as error:
                failures.append(str(error))
                raise

        monkeypatch.setattr(Reporter, "_tick", counted)

        def execute(kind: str, asked: RunConfig, store: Store, watch: Any) -> None:
            with contextlib.suppress(OSError), open(disk / "ballast", "wb", buffering=0) as ballast:
                while True:
                    ballast.write(bytes(4096))
            for step in range(20):
                watch(Event("train", step / 20, "x" * 10_000, {"step": step}))
            until(lambda: failures, "a failure to write")
            (disk / "ballast").unlink()

        job = jobs.submit(config(), start=False)
        worker.work(0, execute)
        assert status(job.id) == "done"
        assert len(jobs.events(job.id)) == 20
        assert "no room" in failures[0] or "cannot be used" in failures[0]
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


# --- the process ------------------------------------------------------------------------------------------


@posix
def test_a_killed_worker_leaves_a_lost_job_that_can_be_resumed(home: Path) -> None:
    order(home, 0, "hang")
    job = jobs.submit(config())
    waiting = jobs.submit(config(1))
    job = until(lambda: (now := jobs.get(job.id)).stage and now, "the job's first words")
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    lost = until(lambda: (now := jobs.get(job.id)).status == "lost" and now, "the loss")
    assert lost.error is not None
    assert "ended in the middle of the job" in lost.error
    assert lost.eta is None
    # Who waits behind it gets another worker by being looked at; nobody takes up the lost one unasked.
    assert jobs.wait(waiting.id).status == "done"
    assert status(job.id) == "lost"
    (home / "orders" / "0").unlink()
    assert jobs.resume(job.id).status in ("queued", "running", "done")
    job = jobs.wait(job.id)
    assert (job.status, job.attempts, job.error) == ("done", 2, None)
    assert (home / "trace").read_text().split("\n")[:-1] == ["0 begins", "1 begins", "1 ends", "0 begins", "0 ends"]


@posix
def test_a_worker_that_ends_itself_is_noticed(home: Path) -> None:
    order(home, 0, "exit")
    job = jobs.submit(config())
    assert jobs.wait(job.id).status == "lost"
    assert jobs.submit(config(), start=False).status == "queued"


@posix
def test_a_terminated_worker_leaves_its_job_resumable(home: Path) -> None:
    order(home, 0, "hang")
    job = jobs.submit(config())
    job = until(lambda: (now := jobs.get(job.id)).stage and now)
    assert job.pid is not None
    os.kill(job.pid, signal.SIGTERM)
    job = jobs.wait(job.id)
    assert job.status == "lost"
    assert job.error == "the worker was told to stop; resume goes on from the last checkpoint"
    child = workers._children[home.resolve()]
    assert child.process.wait(DEADLINE) == 0


@posix
def test_a_hung_worker_is_ended_when_its_job_is_resumed(home: Path) -> None:
    order(home, 0, "hang")
    job = jobs.submit(config())
    job = until(lambda: (now := jobs.get(job.id)).stage and now)
    assert job.pid is not None
    os.kill(job.pid, signal.SIGSTOP)
    try:
        # It may have beaten between the signal and its effect: age it until it is lost.
        until(lambda: ledger.change(job.id, "heartbeat = 1") or status(job.id) == "lost")
        (home / "orders" / "0").unlink()
        jobs.resume(job.id)
        again = jobs.wait(job.id)
        assert (again.status, again.attempts) == ("done", 2)
        assert again.pid != job.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(job.pid, signal.SIGKILL)


@posix
def test_a_worker_outlives_who_started_it(home: Path) -> None:
    order(home, 0, "hang")
    code = (
        f"from core.jobs import workers; workers.WORKER_ARGUMENTS = {workers.WORKER_ARGUMENTS!r}\n"
        + textwrap.dedent(ASKER)
        + "import time; sys.stdout.flush(); time.sleep(600)"
    )
    asker = script(code, config().model_dump_json(), "start", start_new_session=True)
    try:
        assert asker.stdin is not None
        assert asker.stdout is not None
        asker.stdin.write("go\n")
        asker.stdin.flush()
        assert asker.stdout.readline() == "ready\n"
        id = int(asker.stdout.readline())
        job = until(lambda: (now := jobs.get(id, start=False)).stage and now)
        assert job.pid is not None
        assert os.getsid(job.pid) == job.pid
    finally:
        os.killpg(asker.pid, signal.SIGKILL)
        asker.communicate(timeout=DEADLINE)
    (home / "orders" / "0").unlink()
    assert jobs.wait(id, start=False).status == "done"
    assert jobs.get(id).attempts == 1


@posix
def test_no_job_is_left_behind_by_workers_that_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that leave as soon as the queue is empty, and requests that come just then; nobody looks twice."""
    monkeypatch.setenv("FAKE_IDLE", "0")
    for seed in range(12):
        id = jobs.submit(config(seed)).id
        until(lambda id=id: status(id) == "done", f"job {id}")


@posix
def test_many_requests_start_one_worker(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order(home, 0, "hang")
    started: list[int] = []
    start = workers._start_worker

    def counted(lock: FileLock) -> Any:
        started.append(1)
        return start(lock)

    monkeypatch.setattr(workers, "_start_worker", counted)
    ids = [jobs.submit(config(seed)).id for seed in range(5)]
    until(lambda: status(ids[0]) == "running")
    (home / "orders" / "0").unlink()
    assert [jobs.wait(id).status for id in ids] == ["done"] * 5
    assert len(started) == 1
    assert len({jobs.get(id).pid for id in ids}) == 1


def test_a_worker_that_does_not_start_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WORKER_ARGUMENTS", ("-c", "import sys; print('no torch here'); sys.exit(3)"))
    job = jobs.submit(config())
    assert job.status == "queued"
    job = until(lambda: (now := jobs.get(job.id)).message and now)
    assert job.status == "queued"
    assert "the worker process ended with status 3" in job.message
    assert "no torch here" in (home / "logs" / "worker.log").read_text()


def test_no_interpreter_to_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(home / "nothing"))
    job = jobs.submit(config())
    assert job.status == "queued"
    assert "could not be started" in job.message
