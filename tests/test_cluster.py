"""A sweep on a Ray cluster: what is sent when, and on two real nodes, of which one dies, that nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks._nodes import ROOT, Nodes, two_nodes
from core import datasets, jobs
from core.cli import sweep as cli_sweep
from core.clusters import connection
from core.clusters.places import Place, place
from core.configuration import RunConfig, grid, stages
from core.configuration.grid import Sweep, cell_key, cells
from core.results.result import Result
from core.store.shared import Share, SharedStore
from core.store.stores import Store
from core.sweeps import cluster, execution, node, planning
from core.types import BadRequest, Cancelled, DataUnavailable, Event

DEADLINE = 240


def sweep(**changes: Any) -> Sweep:
    """Four cells, two of each poisoned network."""
    base = {
        **dict(dataset="digits", trigger="pattern", target="three", ratio=0.3, assumed_ratio=0.3),
        "training": {"per_class": 10, "epochs": 2, "batch_size": 20},
    }
    axes = {"detector": ["spectral", "whitened-spectral"]}
    return Sweep.model_validate({"base": base, "axes": axes, "seeds": [0, 1], "cluster": "auto", **changes})


# --- where and how ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("auto", Place()),
        ("10.0.0.1:6379?cpus=4&gpus=0.5", Place("10.0.0.1:6379", cpus=4, gpus=0.5)),
        ("auto?share=s3://bucket/a/folder&retries=0", Place("auto", retries=0, share="s3://bucket/a/folder")),
        ("ray://head:10001?gpus=0", Place("ray://head:10001", gpus=0)),
        ("auto?share=s3://b/a+b%20c", Place("auto", share="s3://b/a+b c")),
    ],
)
def test_an_address_with_options(text, found):
    assert place(text) == found
    assert place(str(found)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("?cpus=1", "needs an address"),
        ("auto?cores=2", "options are cpus, gpus, retries, share, got 'cores'"),
        ("auto?cpus=many", "cpus of a cluster must be a number, got 'many'"),
        ("auto?cpus=0", "cpus must be at least 0.0001 and below 10,000, got 0"),
        ("auto?gpus=1.5", "gpus must be 0, a fraction of one .*, or a whole number below 100, got 1.5"),
        ("auto?gpus=nan", "gpus of a cluster must be a number, got 'nan'"),
        ("auto?gpus=0.00001", "a fraction of one of at least 0.0001, .* got 1e-05"),
        ("auto?retries=1.5", "retries of a cluster must be a whole number, got '1.5'"),
        ("auto?retries=-1", r"retries must lie in \[0, 1000\], got -1"),
        ("auto?share=", "a share is a URL, .* got ''"),
        ("auto?share=folder", "a share is a URL, .* got 'folder'"),
    ],
)
def test_an_address_that_cannot_be_meant(text, said):
    with pytest.raises(BadRequest, match=said):
        place(text)
    with pytest.raises(BadRequest, match=said):  # before anything starts
        planning.submit(sweep(cluster=text), start=False)


def test_the_command_line_puts_its_options_into_the_address():
    assert cli_sweep._where("auto", share="s3://bucket", cpus=2.0, gpus=None) == "auto?cpus=2.0&share=s3://bucket"
    assert cli_sweep._where("auto?cpus=4", share=None, cpus=None, gpus=0.25) == "auto?cpus=4.0&gpus=0.25"
    assert cli_sweep._where(None, share=None, cpus=None, gpus=None) is None
    with pytest.raises(BadRequest, match="need --cluster"):
        cli_sweep._where(None, share=None, cpus=1.0, gpus=None)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadRequest, match=r"-r requirements-cluster\.txt"):
        execution.carry_out(sweep(), Store())


def test_the_same_sweep_asked_for_elsewhere_is_carried_out_there(own_home):
    first = planning.submit(sweep(cluster=None), start=False)
    again = planning.submit(sweep(cluster="10.0.0.1:6379"), start=False)
    assert first.id == again.id
    assert again.sweep is not None
    assert again.sweep.cluster == "10.0.0.1:6379"


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "127.0.0.1:99999"])
def test_where_nobody_listens_is_said_at_once(address):
    with pytest.raises(BadRequest, match=f"no Ray cluster can be used at '{address}'"):
        connection._reachable(address)


# --- a node's side ---------------------------------------------------------------------------------------


def on_a_node(own_home: Path, token: Path) -> None:
    here = {"home": str(own_home), "store": str(own_home / "store"), "token": str(token), "device": "cpu"}
    node._measure_here(cells(sweep())[0].config, sweep(), here, lambda event: None)  # type: ignore[arg-type]


def test_a_node_that_does_not_see_the_folder_computes_nothing(own_home, tmp_path):
    with pytest.raises(BadRequest, match=r"does not see the folder .* give the cluster a share=URL"):
        on_a_node(own_home, tmp_path / "missing")
    assert not list(own_home.glob("store/*"))


def test_a_node_without_the_data_set_says_so(own_home, tmp_path, monkeypatch):
    def unavailable(name: str) -> None:
        raise DataUnavailable("no network")

    monkeypatch.setattr(datasets, "available", lambda name: False)
    monkeypatch.setattr(datasets, "prepare", unavailable)
    with pytest.raises(DataUnavailable, match=r"this node has no digits .* python -m core data digits \(no network\)"):
        on_a_node(own_home, tmp_path)


# --- what is sent when, by a Ray that is a list ----------------------------------------------------------


class LostNode(Exception):
    """As Ray tells it."""


class FakeRay:
    """Tasks end in the order in which they were sent, one a look; `outcome` says how by the cell's key."""

    exceptions = SimpleNamespace(RayError=LostNode, RayTaskError=ImportError)

    def __init__(self, outcome: Callable[[str], str | None]) -> None:
        self.outcome = outcome
        self.sent: list[tuple[str, str]] = []  # the cell and its poisoned network
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.options: dict[str, Any] = {}

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 1.0}}]

    def remote(self, _: object) -> Any:
        def send(config: str, asked: str, node: str, board: object) -> str:
            run = RunConfig.model_validate_json(config)
            self.sent.append((cell_key(run, Sweep.model_validate_json(asked)), stages.model_key(run)))
            return self.sent[-1][0]

        def options(**chosen: Any) -> Any:
            self.options = chosen
            return SimpleNamespace(remote=send)

        return SimpleNamespace(options=options)

    def wait(self, tasks: list[str], timeout: float, num_returns: int = 1) -> tuple[list[str], list[str]]:
        if set(tasks) <= set(self.cancelled):
            return tasks, []
        self.told()
        return tasks[:1], tasks[1:]

    def told(self) -> None:
        """A look without news, before each end."""

    def get(self, task: Any, timeout: float = 0.0) -> Any:
        if task == "news":
            return {key: (0.5, "training") for key, _ in self.sent[:1]}
        self.ended.append(task)
        return self.outcome(task)

    def cancel(self, task: str, force: bool) -> None:
        self.cancelled.append(task)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeRay]:
    def install(outcome: Callable[[str], str | None]) -> FakeRay:
        ray = FakeRay(outcome)

        @contextmanager
        def connected(_: Place) -> Iterator[FakeRay]:
            yield ray

        monkeypatch.setattr(cluster, "connected", connected)
        board = SimpleNamespace(read=SimpleNamespace(remote=lambda: "news"))
        monkeypatch.setattr(cluster, "_board", lambda _: board)
        return ray

    return install


def stores(key: str) -> None:
    """What a task does that ends well."""
    Store().write("cell", key, document={"nat1": 0.5})


def test_cells_of_one_network_follow_the_first(fake):
    ray = fake(stores)
    execution.carry_out(sweep(), Store())
    models = [model for _, model in ray.sent]
    assert len(ray.sent) == len(ray.ended) == 4
    assert len(set(models[:2])) == 2  # one of each network first
    assert ray.sent[2][1] == models[0]  # and a second one when the first has ended
    assert all(row == "done" for row in planning.table(sweep())["status"])
    assert ray.options == {"num_cpus": 1.0, "num_gpus": 0.0, "max_retries": 5}


def test_cells_whose_network_is_stored_go_at_once(fake):
    asked = sweep(seeds=[0])
    for cell in cells(asked):
        Store().write("model", stages.model_key(cell.config), document={})
    ray = fake(stores)
    seen: list[int] = []
    ray.told = lambda: seen.append(len(ray.sent))
    execution.carry_out(asked, Store())
    assert seen[0] == 2


def test_what_is_stored_is_not_sent(fake):
    stored = cells(sweep())[1]
    stores(cell_key(stored.config, sweep()))
    ray = fake(stores)
    execution.carry_out(sweep(), Store())
    assert len(ray.sent) == 3
    assert cell_key(stored.config, sweep()) not in dict(ray.sent)


def test_a_cell_that_fails_ends_nothing_and_another_leads(fake):
    bad = {cell_key(cell.config, sweep()): cell.name for cell in cells(sweep()) if cell.seed == 0}

    def outcome(key: str) -> str | None:
        if key not in bad:
            return stores(key)
        if list(bad).index(key) == 0:
            return "no memory (on 10.0.0.2)"
        raise LostNode("the node died\nmore about it")

    ray = fake(outcome)
    events: list[Event] = []
    with pytest.raises(execution.CellsFailed, match="2 of 4 runs failed") as failed:
        execution.carry_out(sweep(), Store(), events.append)
    assert len(ray.ended) == 4
    said = ["no memory (on 10.0.0.2)", "the cluster could not do it: the node died"]
    assert list(failed.value.errors.values()) == said
    assert [event.data["error"] for event in events if "failed" in event.data] == said
    assert [event.data["failed"] for event in events if "failed" in event.data] == list(bad.values())


def test_a_result_that_does_not_appear_is_told(fake, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.0)
    fake(lambda key: None)
    with pytest.raises(execution.CellsFailed, match="does not appear in"):
        execution.carry_out(sweep(), Store())


def test_a_cancelled_sweep_stops_every_task(fake):
    ray = fake(stores)

    def watch(event: Event) -> None:
        if event.stage == "cluster":
            raise Cancelled("stop")

    ray.wait = lambda tasks, timeout, num_returns=1: (tasks, []) if ray.cancelled else ([], tasks)
    with pytest.raises(Cancelled):
        execution.carry_out(sweep(), Store(), watch)
    assert sorted(ray.cancelled) == sorted(key for key, _ in ray.sent)
    assert len(ray.sent) == 2  # and nothing more was begun


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "waiting for a place on the cluster"),
        ("?cpus=4", "waiting for a node with 4 CPU; the cluster has none"),
        ("?gpus=0.5", "waiting for a node with 1 CPU and 0.5 GPU; the cluster has none"),
    ],
)
def test_what_a_sweep_waits_for_is_said(fake, options, said):
    ray = fake(stores)
    ray.wait = lambda tasks, timeout, num_returns=1: (tasks, []) if ray.cancelled else ([], tasks)
    ray.get = lambda task, timeout=0.0: {}

    def watch(event: Event) -> None:
        raise Cancelled(event.message)

    with pytest.raises(Cancelled, match=said):
        execution.carry_out(sweep(cluster=f"auto{options}"), Store(), watch)


def test_between_two_cells_what_is_under_way_is_finished(fake):
    asked = sweep(axes={}, seeds=[0, 1, 2])
    ray = fake(stores)
    news = [cell_key(cell.config, asked) for cell in cells(asked)[:2]]  # the third has not begun
    get = ray.get
    ray.get = lambda task, timeout=0.0: dict.fromkeys(news, (0.5, "")) if task == "news" else get(task)

    def watch(event: Event) -> None:
        if event.data.get("between"):
            raise Cancelled("another job waits")

    with pytest.raises(Cancelled, match="another job waits"):
        execution.carry_out(asked, Store(), watch)
    assert ray.ended == news
    assert set(ray.cancelled) == {cell_key(cells(asked)[2].config, asked)}
    assert [Store().has("cell", key) for key in news] == [True, True]


def test_progress_counts_all_that_is_under_way():
    events: list[Event] = []
    told = execution.Told(events.append, 4, 1)
    told.at_once([0.5, 1.0], "2 under way")
    assert events[-1].data["overall"] == pytest.approx((1 + 1.5) / 4)
    assert events[-1].message == "1 of 4 are done, 2 under way"


# --- through a share -------------------------------------------------------------------------------------


def finished(share: Share, folder: Path, key: str) -> None:
    """What a node leaves in the share."""
    store = SharedStore(share, folder, own=("cell",))
    for stage in ("model", "run"):
        store.write(stage, key, document={"of": stage})
    store.write(node.PARTS, key, document={"parts": sorted(store.touched)})
    share.send(store.write("cell", key, document={"nat1": 0.5}), "cell", key)


def test_what_an_earlier_attempt_left_in_the_share_is_brought_home_and_not_sent(fake, tmp_path):
    url = (tmp_path / "share").as_uri()
    asked = sweep(axes={}, seeds=[0], cluster=f"auto?share={url}")
    key = cell_key(cells(asked)[0].config, asked)
    finished(Share(url), tmp_path / "node", key)
    ray = fake(stores)
    execution.carry_out(asked, Store())
    assert ray.sent == []
    assert all(Store().has(stage, key) for stage in ("cell", "model", "run"))


def test_a_share_that_does_not_answer_is_said_before_anything_is_sent(fake, tmp_path, monkeypatch):
    ray = fake(stores)

    def broken(self: Share) -> None:
        raise BadRequest("cannot be reached")

    monkeypatch.setattr(Share, "check", broken)
    with pytest.raises(BadRequest, match="cannot be reached"):
        execution.carry_out(sweep(cluster=f"auto?share={(tmp_path / 'share').as_uri()}"), Store())
    assert ray.sent == []


def test_a_part_that_is_damaged_makes_the_cell_be_computed_again(fake, tmp_path):
    share = Share((tmp_path / "share").as_uri())
    asked = sweep(axes={}, seeds=[0], cluster=f"auto?share={share.url}")
    key = cell_key(cells(asked)[0].config, asked)
    finished(share, tmp_path / "node", key)
    (path,) = (tmp_path / "share" / "run" / key).glob("*/document.json")
    path.write_text("{}")

    def computes(key: str) -> None:
        assert not share.holds("cell", key)
        finished(share, tmp_path / "another node", key)

    ray = fake(computes)
    execution.carry_out(asked, Store())
    assert ray.ended == [key]
    assert Store().has("run", key)


def test_a_share_that_fails_once_costs_one_cell(fake, tmp_path, monkeypatch):
    share = Share((tmp_path / "share").as_uri())
    ray = fake(lambda key: finished(share, tmp_path / "node", key))
    bring_home, asked = cluster.bring_home, sweep(cluster=f"auto?share={share.url}")

    def broken(key: str, *rest: Any) -> None:
        if len(ray.ended) == 1:
            raise TimeoutError("the bucket does not answer")
        bring_home(key, *rest)

    monkeypatch.setattr(cluster, "bring_home", broken)
    with pytest.raises(execution.CellsFailed, match=r"1 of 4 runs failed, .*TimeoutError: the bucket does not answer"):
        execution.carry_out(asked, Store())
    monkeypatch.setattr(cluster, "bring_home", bring_home)
    again = fake(stores)
    execution.carry_out(asked, Store())
    assert again.sent == []  # it was in the share


# --- two real nodes --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Two nodes with one core each, on loopback addresses."""
    if not sys.platform.startswith("linux"):
        pytest.skip("Ray has clusters of several nodes on Linux only")
    if find_spec("ray") is None:
        if os.environ.get("CI"):
            pytest.fail("Ray is not installed; requirements-cluster.txt has it")
        pytest.skip("needs Ray: requirements-cluster.txt")
    with two_nodes() as started:
        yield started


@pytest.mark.slow
def test_the_worker_as_driver_and_nodes_without_a_common_folder(nodes, own_home, tmp_path, monkeypatch):
    """As the page does it: a job of the ledger; the artefacts go through a share."""
    for name, value in nodes.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("POISONSCOPE_HOME", str(own_home))
    share = (tmp_path / "share").as_uri()
    asked = sweep(seeds=[7], cluster=f"{nodes.address}?share={share}")
    try:
        job = jobs.wait(planning.submit(asked).id)
        assert job.status == "done", jobs.log_tail(job.id)
    finally:
        jobs.worker_lock().path.unlink(missing_ok=True)  # the worker goes
    assert list(planning.table(asked)["status"]) == ["done", "done"]
    assert nodes.twice() == {}
    poisoned = {stages.model_key(cell.config) for cell in cells(asked)}
    cleaned = {Result(cell.config).model_key("clean") for cell in cells(asked)}
    assert {key for node in nodes.both for key in node.stored("model")} >= poisoned | cleaned
    for cell in cells(asked):  # whoever opens the run finds everything
        result = Result(cell.config)
        assert result.summary is not None
        assert result.has_scores()
        assert result.features is not None
        for which in ("poisoned", "clean"):
            assert result.quality(which) is not None
            assert result.network(which) is not None
    computed = {path.parent.name for node in nodes.both for path in node.home.glob("store/run/*/DONE")}
    assert computed == {stages.run_key(cell.config) for cell in cells(asked)}  # there, and not here


@pytest.mark.slow
def test_a_node_killed_then_interrupted_and_resumed_nothing_is_lost_or_done_twice(nodes, own_home, tmp_path):
    """From the command line; all nodes share the home's folder."""
    asked = sweep(seeds=[0, 1, 2])  # enough that it is not over before anybody can interrupt it
    file = tmp_path / "sweep.yaml"
    file.write_text(grid.text(asked))
    keys = {cell_key(cell.config, asked) for cell in cells(asked)}
    store, networks = Store(own_home / "store"), len(nodes.other.stored("model"))

    def stored() -> int:
        return sum(store.has("cell", key) for key in keys)

    with command(nodes, own_home, file) as process:
        until(lambda: len(nodes.other.stored("model")) > networks, process)  # the fooled network is there, its cell not
        nodes.other.kill()
        until(lambda: stored() > 0, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=DEADLINE) == 130, output(process)
    assert 0 < stored() < len(keys)

    with command(nodes, own_home, file) as process:
        said, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, said
    assert [row["status"] for row in json.loads(said)] == ["done"] * len(keys)
    lost = set(nodes.other.begun()) - set(nodes.other.stored("cell"))
    assert lost  # the node died at work,
    assert lost <= set(nodes.head.stored("cell"))  # the other one took that over,
    assert nodes.twice() == {}  # and found the network that was stored


@contextmanager
def command(nodes: Nodes, home: Path, file: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m core sweep run`, from a shared folder."""
    words = ["-m", "core", "sweep", "run", str(file), "--cluster", nodes.address, "--here", "--json"]
    environment = {**nodes.environment, "POISONSCOPE_HOME": str(home)}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits deaf ears
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not reached():
        assert process.poll() is None, output(process)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def output(process: subprocess.Popen[str]) -> str:
    return process.communicate()[0]
