"""Real runs that are killed, starved of disk, damaged and asked for twice: nothing is lost, the figures are the same.

The workers are real processes on real digits. A script around the worker can hold it still at a chosen
point, so that it is killed just there and not a moment later.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import core
from core import jobs, pipeline
from core.configuration import stages
from core.configuration.config import RunConfig
from core.jobs import workers
from core.jobs.ledger import Job
from core.results import result as results
from core.results.result import Result
from core.store.stores import Store
from core.types import Event, PoisonscopeError
from tests.trainings import WHOLE, trainings_made_lean

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 180.0

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
    pytest.mark.timeout(600),
]

# A worker that stands still where the home's file "halt" says: "<stage> checkpoint", after the stage's first
# checkpoint; "<stage> second", with the second one half written; "<stage> writing", its artefact being half
# written; "<stage> renaming", its artefact whole but not yet in its place. It says so in "halted".
WORKER = """
import os, resource, sys, time
from core import pipeline, worker
from core.jobs import reporter
from core.store import artefacts, stores
from core.training import loop
from core.store.home import home
from tests.trainings import WHOLE, trainings_made_lean

stage = ""

def halt(place):
    order = home() / "halt"
    if not order.exists() or order.read_text() != f"{stage} {place}":
        return
    (home() / "halted").write_text(str(os.getpid()))
    while order.exists():
        time.sleep(0.01)

def execute(kind, config, kept, watch):
    def listen(event):
        global stage
        stage = event.stage
        watch(event)
        if event.stage == "evaluate again" and event.fraction == 1.0:
            stage = "run"
    pipeline.execute(kind, config, kept, listen)

save, writing, renamed = stores.Checkpoint.save, artefacts._writing, stores._renamed

def save_and_halt(checkpoint, tensors, document):
    save(checkpoint, tensors, document)
    if len(document["history"]) == 1:
        halt("checkpoint")

def halt_and_write(folder, name, files):
    if name == "DONE":
        halt("second" if list((home() / "store" / "checkpoints").glob("*/00000001")) else "writing")
    return writing(folder, name, files)

def halt_and_rename(source, place):
    halt("renaming")
    return renamed(source, place)

stores.Checkpoint.save, artefacts._writing, stores._renamed = save_and_halt, halt_and_write, halt_and_rename

if (home() / "small-files-only").exists():
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))

loop.CHECKPOINT_SECONDS = 0.0  # after every epoch, however short
reporter.HEARTBEAT = 0.2
with trainings_made_lean(WHOLE):
    worker.work(idle_seconds=0.5, execute=execute)
"""


def config(seed: int = 0) -> RunConfig:
    return core.configure(
        dataset="digits",
        trigger="pattern",
        target=3,
        ratio=0.3,
        assumed_ratio=0.3,
        training={"per_class": 20, "epochs": 3, "batch_size": 20},
        seed=seed,
    )


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true in {DEADLINE:g} seconds"
        time.sleep(0.1)
    return found


def figures(summary: Any) -> dict[str, Any]:
    assert summary is not None
    return {name: value for name, value in summary.items() if name != "seconds"}


def histories(result: Result) -> list[dict[str, float]]:
    records = result.history("poisoned") + result.history("clean")
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def network(result: Result, which: str) -> bytes:
    key = result.model_key(which)
    assert key is not None
    return (result.store.folder / "model" / key / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The run as it is when nothing happens to it."""
    store = Store(tmp_path_factory.mktemp("undisturbed") / "store")
    with trainings_made_lean(WHOLE):
        return core.run(config(), store=store)


def agree(undisturbed: Result) -> None:
    """This home's run has the same figures, histories and weights, and left nothing lying about."""
    found = Result(config())
    assert figures(found.summary) == figures(undisturbed.summary)
    assert histories(found) == histories(undisturbed)
    for which in ("poisoned", "clean"):
        assert network(found, which) == network(undisturbed, which)
    assert tidy(found.store)


def tidy(store: Store) -> bool:
    store.sweep()
    left = [*store.folder.glob("checkpoints/*"), *store.folder.glob("tmp/*"), *store.folder.glob("quarantine/*")]
    left += [path for path in store.folder.glob("locks/*") if path.name != "moving.lock"]
    assert left == []
    return store.problems() == []


def whole(store: Store) -> bool:
    """Whatever can be seen is finished and intact."""
    for place in store.folder.glob("*/*/"):
        if place.parent.name not in ("checkpoints", "tmp", "locks", "quarantine"):
            assert (place / "DONE").exists(), place
            assert store.has(place.parent.name, place.name)
    return store.problems() == []


def checkpoints(store: Store) -> list[list[dict[str, float]]]:
    """The histories of the unfinished trainings."""
    found = [store.checkpoint("model", path.name[-64:]).load() for path in store.folder.glob("checkpoints/model-*")]
    assert None not in found
    return [saved[1]["history"] for saved in found if saved is not None]


@pytest.fixture
def home(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    monkeypatch.setattr(workers, "WORKER_ARGUMENTS", (str(script),))
    monkeypatch.setattr(workers, "START_PAUSE", 0.2)
    yield own_home
    end_worker(own_home)


def end_worker(home: Path) -> None:
    """Whoever stands still in this home goes, so that no process outlives its test."""
    (home / "halt").unlink(missing_ok=True)
    child = workers._children.pop(home.resolve(), None)
    if child is not None:
        child.process.kill()
        child.process.wait(DEADLINE)


def halted(home: Path) -> int:
    """Wait until the worker stands still; its process number."""

    def reached() -> str:
        jobs.listing()  # who looks, as a screen does, sees to it that there is a worker
        path = home / "halted"
        return path.read_text() if path.exists() else ""

    pid = int(until(reached, "the halt"))
    (home / "halted").unlink()
    return pid


def lost(job: Job) -> Job:
    return until(lambda: (now := jobs.get(job.id, start=False)).status == "lost" and now, "the loss")


# --- killed -----------------------------------------------------------------------------------------------

# Where the worker is killed, and the stage that the ledger names then.
DEATHS = (
    ("train second", "train"),
    ("evaluate writing", "evaluate"),
    ("represent renaming", "represent"),
    ("score writing", "score"),
    ("retrain renaming", "retrain"),
    ("run writing", "evaluate again"),
)
# How many artefacts of each stage there are when it dies there.
BEFORE = {
    "train": {},
    "evaluate": {"model": 1},
    "represent": {"model": 1, "predictions": 1},
    "score": {"model": 1, "predictions": 1, "features": 1},
    "retrain": {"model": 1, "predictions": 1, "features": 1, "scores": 1},
    "run": {"model": 2, "predictions": 2, "features": 1, "scores": 1},
}


@pytest.mark.slow
def test_killed_at_every_stage(home: Path, undisturbed: Result) -> None:
    """One job, whose worker is killed again and again, each time further on, and which is resumed each time."""
    job = jobs.submit(config(), start=False)
    for attempt, (place, stage) in enumerate(DEATHS, start=1):
        (home / "halt").write_text(place)
        jobs.resume(job.id)
        pid = halted(home)
        now = until(lambda stage=stage: (n := jobs.get(job.id)).stage == stage and n, f"{stage} in the ledger")
        assert (now.status, now.pid, now.attempts) == ("running", pid, attempt)
        os.kill(pid, signal.SIGKILL)
        dead = lost(job)
        assert "resume goes on from the last checkpoint" in (dead.error or "")
        store = Store()
        assert whole(store), place
        kept = Counter(listed.stage for listed in store.listing())
        assert kept == BEFORE[place.rpartition(" ")[0]], place
        assert not store.has("run", job.key)
        saved = [len(history) for history in checkpoints(store)]
        assert saved == {"train second": [1], "retrain renaming": [3]}.get(place, []), place
    (home / "halt").unlink()
    jobs.resume(job.id)
    job = jobs.wait(job.id)
    assert (job.status, job.error, job.attempts) == ("done", None, len(DEATHS) + 1)
    agree(undisturbed)
    # What was done was not done again: no epoch was told twice (the first one's word may have died with its worker).
    told = Counter((event.stage, event.data["epoch"]) for _, event in jobs.events(job.id) if "seconds" in event.data)
    assert max(told.values()) == 1
    assert told.keys() >= {("train", 2), ("train", 3)}


def test_terminated_in_the_middle_of_a_training(home: Path, undisturbed: Result) -> None:
    """SIGTERM, as a machine sends that shuts down: the worker ends in order, and the job can be resumed."""
    (home / "halt").write_text("train checkpoint")
    job = jobs.submit(config())
    pid = halted(home)
    os.kill(pid, signal.SIGTERM)
    (home / "halt").unlink()
    job = jobs.wait(job.id, start=False)
    assert job.status == "lost"
    assert job.error == "the worker was told to stop; resume goes on from the last checkpoint"
    assert jobs.wait(jobs.resume(job.id).id).status == "done"
    agree(undisturbed)


def test_cancelled_and_resumed(home: Path, undisturbed: Result) -> None:
    (home / "halt").write_text("train checkpoint")
    job = jobs.submit(config())
    halted(home)
    jobs.cancel(job.id)
    for _ in range(2):  # a heartbeat looks for a cancellation first; the second one began after ours
        beat = jobs.get(job.id, start=False).heartbeat
        until(lambda beat=beat: jobs.get(job.id, start=False).heartbeat != beat, "a heartbeat")
    (home / "halt").unlink()
    assert jobs.wait(job.id).status == "cancelled"
    assert not Store().has("model", stages.model_key(config()))
    assert jobs.wait(jobs.resume(job.id).id).status == "done"
    agree(undisturbed)
    epochs = [
        event.data["epoch"] for _, event in jobs.events(job.id) if event.stage == "train" and "seconds" in event.data
    ]
    assert epochs == [1, 2, 3]


# --- asked by others --------------------------------------------------------------------------------------

# A process that asks for a run, as a server does, and stays.
SERVER = """
    import sys, time
    import core
    from core.jobs import workers
    workers.WORKER_ARGUMENTS = (sys.argv[2],)
    asked = core.RunConfig.model_validate_json(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    print(core.submit(asked).id, flush=True)
    time.sleep(600)
"""


def server(worker: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER), config().model_dump_json(), worker],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_asked_for_by_two_servers_that_both_die(home: Path, undisturbed: Result) -> None:
    """Two starts at the same moment are one job; the servers are killed with their groups; the worker goes on."""
    (home / "halt").write_text("train checkpoint")
    servers = [server(workers.WORKER_ARGUMENTS[0]) for _ in range(2)]
    try:
        for each in servers:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in servers:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        ids = {int(each.stdout.readline()) for each in servers if each.stdout is not None}
        assert len(ids) == 1
        pid = halted(home)
        assert os.getsid(pid) == pid  # a session of its own
        assert not (home / "halted").exists()  # no second one stands there
    finally:
        for each in servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)
            each.communicate(timeout=DEADLINE)
    (home / "halt").unlink()
    (id,) = ids
    job = jobs.wait(id, start=False)
    assert (job.status, job.attempts, job.pid) == ("done", 1, pid)
    assert len(jobs.listing()) == 1
    agree(undisturbed)
    epochs = [(event.stage, event.data["epoch"]) for _, event in jobs.events(id) if "seconds" in event.data]
    assert epochs == [(stage, epoch) for stage in ("train", "retrain") for epoch in (1, 2, 3)]


# --- no room ----------------------------------------------------------------------------------------------


def starved(undisturbed: Result, relieve: Callable[[], object]) -> None:
    """A run in a home without room fails with advice; with room again it goes on to the same figures."""
    job = jobs.wait(jobs.submit(config()).id)
    assert job.status == "failed"
    assert job.error is not None
    assert "no room to write in" in job.error
    assert "free some space, or set POISONSCOPE_HOME to a folder on a larger disk" in job.error
    assert "Traceback" in jobs.log_tail(job.id, lines=500)
    assert whole(Store())
    assert list(Store().folder.glob("model/*")) == []
    relieve()
    jobs.resume(job.id)
    job = jobs.wait(job.id)
    assert (job.status, job.error, job.attempts) == ("done", None, 2)
    agree(undisturbed)


def test_files_that_may_not_grow(home: Path, undisturbed: Result) -> None:
    marker = home / "small-files-only"
    marker.touch()

    def relieve() -> None:
        marker.unlink()
        end_worker(home)  # the limit is the process's

    starved(undisturbed, relieve)


def test_a_full_disk(home: Path, tmp_path: Path, undisturbed: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "none", str(disk)]
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        monkeypatch.setenv("POISONSCOPE_HOME", str(disk))
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 2**19))  # room for the ledger, not for a network
        starved(undisturbed, ballast.unlink)
    finally:
        end_worker(disk)
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


# --- damaged ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run that learned little."""
    with trainings_made_lean():
        return core.run(config(), store=Store(tmp_path_factory.mktemp("finished") / "store"))


@pytest.fixture
def copied(own_home: Path, finished: Result, lean: None) -> Store:
    """This home with a copy of it."""
    shutil.copytree(finished.store.folder, own_home / "store")
    return Store()


def flip(path: Path) -> None:
    """One bit of one byte in the middle of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def folders(result: Result) -> dict[str, tuple[str, str]]:
    """Stage and key of every artefact of a finished run, by what it is."""
    poisoned, clean = result.model_key("poisoned"), result.model_key("clean")
    assert poisoned is not None
    assert clean is not None
    attack = result.config.attack
    return {
        "poisoned network": ("model", poisoned),
        "clean network": ("model", clean),
        "answers before": ("predictions", stages.predictions_key(poisoned, attack)),
        "answers after": ("predictions", stages.predictions_key(clean, attack)),
        "representations": ("features", result.features_key),
        "scores": ("scores", stages.scores_key(result.features_key, result.config.defence)),
    }


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What the pipeline computes."""
    done: Counter[str] = Counter()
    for module, name in ((pipeline, "train"), (pipeline, "represent"), (results, "detect")):
        real = getattr(module, name)

        def counted(*arguments: Any, name: str = name, real: Any = real, **options: Any) -> Any:
            done[options["stage"] if name == "train" else name] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, counted)
    predict = pipeline.Line._predict

    def evaluated(line: Any, key: str, model: str, stage: str) -> Any:
        done[stage] += 1
        return predict(line, key, model, stage)

    monkeypatch.setattr(pipeline.Line, "_predict", evaluated)
    return done


ALONE = {
    "poisoned network": "train",
    "clean network": "retrain",
    "answers before": "evaluate",
    "answers after": "evaluate again",
    "representations": "represent",
    "scores": "detect",
}


@pytest.mark.parametrize(
    ("what", "file"),
    [
        *((what, file) for what in ALONE for file in ("the largest", "DONE")),
        *((what, "document.json") for what in ("poisoned network", "clean network", "scores")),
    ],
)
def test_a_damaged_artefact_is_made_anew_and_nothing_else(
    copied: Store, finished: Result, work: Counter[str], what: str, file: str
) -> None:
    stage, key = folders(Result(config()))[what]
    place = copied.folder / stage / key
    path = max(place.iterdir(), key=lambda path: path.stat().st_size) if file == "the largest" else place / file
    flip(path)
    (problem,) = copied.problems()
    assert (problem.stage, problem.key) == (stage, key)
    copied.delete("run", core.run_key(config()))  # or nobody would look at what lies under it
    found = core.run(config())
    assert figures(found.summary) == figures(finished.summary)
    assert work == {ALONE[what]: 1}
    assert copied.problems() == []
    (aside,) = (copied.folder / "quarantine").iterdir()
    assert aside.name.startswith(f"{stage}-{key[:12]}")
    if stage == "model":
        which = what.split(maxsplit=1)[0]
        assert network(found, which) == network(finished, which)


@pytest.mark.parametrize("file", ["flagged.npy", "document.json", "DONE"])
def test_a_damaged_summary_is_put_together_again(
    copied: Store, finished: Result, work: Counter[str], file: str
) -> None:
    flip(copied.folder / "run" / core.run_key(config()) / file)
    assert figures(core.run(config()).summary) == figures(finished.summary)
    assert work == {}
    assert copied.problems() == []
    assert [path.name[:4] for path in (copied.folder / "quarantine").iterdir()] == ["run-"]


def test_everything_damaged(copied: Store, finished: Result, work: Counter[str]) -> None:
    for path in sorted(copied.folder.glob("*/*/*")):
        flip(path)
    assert len(copied.problems()) == 7
    assert figures(core.run(config()).summary) == figures(finished.summary)
    assert work == Counter(ALONE.values())
    assert copied.problems() == []
    assert len(list((copied.folder / "quarantine").iterdir())) == 7


def test_what_vanishes_under_a_run_is_said(copied: Store, work: Counter[str]) -> None:
    """Somebody empties the store while the run is between two stages."""
    copied.delete("run", core.run_key(config()))
    copied.delete("features", Result(config()).features_key)

    def watch(event: Event) -> None:
        if event.stage == "represent":
            copied.delete("model", stages.model_key(config()))

    with pytest.raises(PoisonscopeError, match="vanished while the run was using it"):
        core.run(config(), watch=watch)
    core.run(config())
    assert work["train"] == 1
