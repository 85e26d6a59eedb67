"""A set read by a Ray cluster: what is sent, and on two real nodes, of which one dies, that nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import core
from benchmarks._nodes import ROOT, Node, Nodes, two_nodes
from core import audits
from core.audits import blocks, known, pixels, spread, stamps
from core.clusters.places import Place
from core.store import Store, home
from core.types import BadRequest, PoisonscopeError
from tests.audits.made import laid_out, picture, planted, zipped
from tests.audits.test_second_look import Enough, files, same

COUNT = 40
DEADLINE = 240.0


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "SETTLED", -1.0)


class FakeRay:
    """Tasks are carried out one a look, in this process; `lost` of them end as if their nodes had died too often."""

    exceptions = SimpleNamespace(RayError=OSError, RayTaskError=TimeoutError)

    def __init__(self, lost: int = 0) -> None:
        self.says: OSError = ConnectionError("the node died\nits last words")
        self.lost, self.sent, self.cancelled = lost, list[str](), list[str]()
        self.work: dict[str, Callable[[str], str]] = {}

    def remote(self, work: Callable[[str], str]) -> Any:
        def send(asked: str) -> str:
            self.sent.append(asked)
            self.work[asked] = work
            return asked

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=send))

    def wait(self, tasks: list[str], timeout: float, num_returns: int = 1) -> tuple[list[str], list[str]]:
        return (tasks, []) if self.cancelled else (tasks[:1], tasks[1:])

    def get(self, task: str) -> str:
        if self.lost:
            self.lost -= 1
            raise self.says
        return self.work[task](task)

    def cancel(self, task: str, force: bool) -> None:
        self.cancelled.append(task)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    ray = FakeRay()

    @contextmanager
    def connected(_: Place) -> Iterator[FakeRay]:
        yield ray

    monkeypatch.setattr(spread, "connected", connected)
    monkeypatch.setattr(blocks, "_here_is", lambda: "127.0.0.9")
    return ray


def sent(ray: FakeRay, what: str) -> list[dict[str, Any]]:
    return [asked for one in ray.sent if ((asked := json.loads(one)).get("shape") is not None) == (what == "blocks")]


@pytest.mark.parametrize("share", [False, True])
def test_what_nodes_read_is_what_would_be_read_here(
    share: bool, fake: FakeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = laid_out(tmp_path / "set", {**files(), "a/broken.png": b"\x89PNG and no more"})
    address = f"auto?share={(tmp_path / 'share').as_uri()}" if share else "auto"
    found = audits.read(path, cluster=address)
    asked = [name for one in sent(fake, "blocks") for name in one["files"]]
    assert sorted(asked) == sorted(str(file) for file in path.glob("*/*.png")), "each file once"
    assert len(sent(fake, "blocks")) > 8
    assert same(found, audits.read(path, store=Store(tmp_path / "elsewhere")))
    decoded: list[Any] = []
    seen = pixels.seen
    monkeypatch.setattr(pixels, "seen", lambda *given: (decoded.append(given), seen(*given))[1])
    fake.sent.clear()
    assert same(found, audits.read(path, cluster=address))
    assert (len(decoded), len(sent(fake, "blocks"))) == (2, 1), "the broken one, there and here"
    if share:  # and somebody else, who has the share alone
        fake.sent.clear()
        assert same(found, audits.read(path, cluster=address, store=Store(tmp_path / "another")))
        assert not sent(fake, "blocks"), "the block of the broken one has the others"


def test_nodes_are_told_where_files_lie_whatever_folder_one_is_in(
    fake: FakeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = laid_out(tmp_path / "set", files())
    monkeypatch.chdir(tmp_path)
    audits.read("set", cluster="auto")
    for what in ("heads", "blocks"):
        asked = [name for one in sent(fake, what) for name in one["files"]]
        assert sorted(asked) == sorted(str(file) for file in path.glob("*/*.png"))


def test_a_cancel_keeps_the_blocks_that_came(fake: FakeRay, tmp_path: Path) -> None:
    path = laid_out(tmp_path / "set", files())

    def tell(done: float) -> None:
        if len(fake.sent) > 20 and done > 0.6:
            raise Enough

    with pytest.raises(Enough):
        audits.read(path, cluster="auto", tell=tell)
    assert fake.cancelled
    before = len(sent(fake, "blocks"))
    fake.cancelled.clear()
    fake.sent.clear()
    assert len(audits.read(path, cluster="auto")) == COUNT
    assert 0 < len(sent(fake, "blocks")) < before
    assert not sent(fake, "heads")


def test_a_block_that_is_lost_for_good_is_told_and_the_others_are_kept(fake: FakeRay, tmp_path: Path) -> None:
    path = laid_out(tmp_path / "set", files())
    audits.read(path, store=Store(tmp_path / "heads"), cluster="auto")
    fake.sent.clear()
    fake.lost = 1
    with pytest.raises(PoisonscopeError, match="the cluster could not read it: the node died; what was read is kept"):
        audits.read(path, cluster="auto")
    assert len(audits.read(path, cluster="auto")) == COUNT


def test_what_a_node_raised_before_this_program_ran_there_is_told(fake: FakeRay, tmp_path: Path) -> None:
    path = laid_out(tmp_path / "set", files())
    fake.lost, fake.says = 1, TimeoutError("a task of Ray\nits traceback\nModuleNotFoundError: No module named 'PIL'")
    with pytest.raises(PoisonscopeError, match="could not read it: ModuleNotFoundError: No module named 'PIL'; what"):
        audits.read(path, cluster="auto")


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), MemoryError("20 GB")])
def test_whatever_goes_wrong_on_a_node_is_told_in_a_sentence(
    trouble: Exception, fake: FakeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(blocks.known, "put", put)
    with pytest.raises(BadRequest, match=f"the node 127.0.0.9 could not read it: {type(trouble).__name__}: "):
        audits.read(laid_out(tmp_path / "set", files()), cluster="auto")


def test_a_node_whose_pillow_is_another_one_reads_nothing(
    fake: FakeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = laid_out(tmp_path / "set", files())
    monkeypatch.setattr(blocks, "PIL", SimpleNamespace(__version__="1.1.7"))
    with pytest.raises(BadRequest, match=r"the node 127.0.0.9 has Pillow 1.1.7, .* both need the same"):
        audits.read(path, cluster="auto")


def test_a_node_that_does_not_see_the_set_or_the_folder_says_so(
    fake: FakeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = laid_out(tmp_path / "set", files())
    asked = {"key": "0", "files": [], "source": str(tmp_path / "nowhere")}
    assert "the node 127.0.0.9 does not see" in json.loads(blocks.sizes_of(json.dumps(asked)))["error"]
    real = spread.seen_by_all

    @contextmanager
    def apart(store: Store) -> Iterator[str]:
        with real(store):
            yield str(tmp_path / "another machine")

    monkeypatch.setattr(spread, "seen_by_all", apart)
    with pytest.raises(BadRequest, match=r"does not see the folder .* give the cluster a share=URL"):
        audits.read(path, cluster="auto")


def test_what_cannot_be_read_elsewhere(fake: FakeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = audits.read(zipped(tmp_path / "set.zip", files()), cluster="auto")
    assert "What lies in an archive or a table is read by this machine alone." in found.sentences
    assert not fake.sent
    path = laid_out(tmp_path / "set", files())
    with pytest.raises(BadRequest, match="these images are in memory already"):
        core.audit(np.zeros((4, 8, 8, 3), np.uint8), [0, 0, 1, 1], cluster="auto")
    with pytest.raises(BadRequest, match="options are cpus, gpus, retries, share"):
        audits.read(path, cluster="auto?cores=1")
    monkeypatch.setenv(known.VARIABLE, "0.000001")
    with pytest.raises(BadRequest, match=r"takes 0.0 GB of it; what is kept of sets may take 1e-06 GB, .*AUDIT_GB"):
        audits.read(path, cluster="auto")
    monkeypatch.setenv(known.VARIABLE, "0")
    with pytest.raises(BadRequest, match="POISONSCOPE_AUDIT_GB must not be 0 then"):
        audits.read(path, cluster="auto")


# --- two real nodes --------------------------------------------------------------------------------------


@pytest.fixture
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


def magnified(path: Path) -> Path:
    """The planted photographs as large files, so that a block takes a while."""
    for file in planted(path).glob("*/*.png"):
        if file.name != "broken.png":
            with Image.open(file) as image:
                large = image.resize((1000, 1000), Image.Resampling.NEAREST)
            file.write_bytes(picture(large, compress_level=1))
    return path


def held_at_work(node: Node) -> bool:
    """Freeze a node within a block; where it is between two it goes on."""
    node.freeze()
    if set(node.begun()) - set(node.stored("pixels")):
        return True
    node.thaw()
    return False


@pytest.mark.slow
def test_a_node_killed_half_way_changes_nothing_and_nothing_is_read_twice(nodes, own_home, tmp_path):
    path = magnified(tmp_path / "photos")
    time.sleep(2.5)  # files that were written just now have no stamp
    words = [*("-m", "core", "audit", str(path), "--side", "24", "--cluster", nodes.address, "--json")]
    environment = {**nodes.environment, home.VARIABLE: str(own_home)}
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + DEADLINE
        while not (nodes.other.stored("pixels") and held_at_work(nodes.other)):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        nodes.other.kill()
        said, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    there = json.loads(said)
    here = audits.document(core.audit(path, side=24, store=Store(tmp_path / "elsewhere")))
    assert there | {"seconds": 0} == json.loads(json.dumps(here)) | {"seconds": 0}
    assert there["named"] == ["cat"]
    lost = set(nodes.other.begun()) - set(nodes.other.stored("pixels"))
    assert lost  # the node died at work,
    assert lost <= set(nodes.head.stored("pixels"))  # the other one took that over,
    assert nodes.twice() == {}  # and nothing was read twice that was stored
