"""The store: what went in comes out, whole or not at all, whatever is killed, cut short, altered or full."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.store import artefacts as store_module
from core.store.locks import FileLock
from core.store.stores import CHECKPOINTS, Store
from core.types import BadRequest, Cancelled, DamagedArtefact, PoisonscopeError

ROOT = Path(__file__).resolve().parent.parent
KEY, OTHER = "ab" * 32, "cd" * 32
DEADLINE = 60.0

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
same_store = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

DTYPES = st.sampled_from(["u1", "<i8", "<f4", "<f8", "?", ">f4", ">i2"])
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,12}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("POISONSCOPE_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "store")


def leftovers(store: Store) -> list[Path]:
    """What must not be there when nobody is writing."""
    return [path for path in store.folder.rglob("*") if path.parent.name == "tmp"]


def script(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, error
    return out


# --- what goes in comes out -------------------------------------------------------------------------------


@same_store
@given(
    arrays=st.dictionaries(NAMES, ARRAYS, max_size=3),
    weights=st.none() | st.dictionaries(st.text(min_size=1, max_size=9), ARRAYS, max_size=3),
    document=st.none() | st.dictionaries(st.text(), JSON, max_size=3),
)
def test_round_trip(store: Store, arrays, weights, document) -> None:
    if len({name.lower() for name in arrays}) < len(arrays):
        arrays = {}  # a file system may not tell them apart
    store.delete("model", KEY)
    store.write("model", KEY, arrays=arrays, weights=weights, document=document)
    found = store.read("model", KEY)
    assert found is not None
    assert found.document == (document or {})
    for name, array in arrays.items():
        for mmap_mode in (None, "r"):
            got = found.array(name, mmap_mode=mmap_mode)
            np.testing.assert_array_equal(got, array, strict=True)
    if weights is not None:
        got_weights = found.weights()
        assert set(got_weights) == set(weights)
        for name, array in weights.items():
            np.testing.assert_array_equal(got_weights[name], array)
            assert got_weights[name].dtype == array.dtype.newbyteorder("=")
            assert got_weights[name].flags.writeable
    assert store.has("model", KEY)
    assert not leftovers(store)


def test_memory_that_does_not_lie_in_order(store: Store) -> None:
    matrix = np.arange(12.0).reshape(3, 4)
    store.write("model", KEY, arrays={"t": matrix.T}, weights={"t": matrix.T, "part": matrix[:, ::2]})
    found = store.read("model", KEY)
    assert found is not None
    np.testing.assert_array_equal(found.array("t"), matrix.T)
    np.testing.assert_array_equal(found.weights()["t"], matrix.T)
    np.testing.assert_array_equal(found.weights()["part"], matrix[:, ::2])


def test_documents_take_numpy_numbers(store: Store) -> None:
    given_document = {"loss": np.float32(0.5), "counts": np.arange(3), "path": Path("a")}
    assert store.write("run", KEY, document=given_document).document == {"loss": 0.5, "counts": [0, 1, 2], "path": "a"}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"arrays": {"objects": np.array([{}], dtype=object)}}, ValueError),  # it would have to be pickled
        ({"document": {"loss": float("nan")}}, ValueError),
        ({"document": {"what": object()}}, TypeError),
        ({"arrays": {"../up": np.zeros(1)}}, BadRequest),
        ({"arrays": {"": np.zeros(1)}}, BadRequest),
    ],
)
def test_what_cannot_be_stored_leaves_nothing(store: Store, content, error) -> None:
    with pytest.raises(error):
        store.write("run", KEY, **content)
    assert not store.has("run", KEY)
    assert not leftovers(store)


@pytest.mark.parametrize("stage", ["", "..", "a/b", "Model", "tmp", "quarantine", "checkpoints", "locks", "model\n"])
def test_a_stage_name_leads_nowhere_else(store: Store, stage: str) -> None:
    with pytest.raises(BadRequest, match="a stage is named by"):
        store.write(stage, KEY)


@pytest.mark.parametrize("key", ["", "..", "ab", "AB" * 32, KEY + "0", KEY + "\n", "../" + KEY])
def test_a_key_leads_nowhere_else(store: Store, key: str) -> None:
    for use in (store.has, store.read, store.write, store.delete, store.checkpoint):
        with pytest.raises(BadRequest, match="64 hexadecimal digits"):
            use("model", key)
    with pytest.raises(BadRequest), store.lock("model", key):
        pass


def test_names_that_an_artefact_does_not_have(store: Store) -> None:
    found = store.write("scores", KEY, arrays={"scores": np.zeros(2)})
    with pytest.raises(BadRequest, match=r"no array 'score'; it has \['scores'\]"):
        found.array("score")
    with pytest.raises(BadRequest, match="no weights"):
        found.weights()
    store.delete("scores", KEY)
    with pytest.raises(DamagedArtefact):
        found.array("scores")


def test_what_was_never_stored(store: Store) -> None:
    assert not store.has("model", KEY)
    assert store.read("model", KEY) is None
    store.delete("model", KEY)
    assert store.listing() == []
    assert store.problems() == []
    assert store.sweep() == 0


def test_the_first_artefact_stays(store: Store) -> None:
    store.write("run", KEY, document={"n": 1})
    assert store.write("run", KEY, document={"n": 2}).document == {"n": 1}
    assert not leftovers(store)


def test_listing_and_delete(store: Store) -> None:
    store.write("features", KEY, arrays={"features": np.zeros(100)})
    store.write("run", OTHER, document={})
    assert [(listed.stage, listed.key) for listed in store.listing()] == [("run", OTHER), ("features", KEY)]
    assert store.listing()[1].bytes == 128 + 800
    assert abs(store.listing()[0].time - time.time()) < 60
    store.delete("features", KEY)
    assert [listed.stage for listed in store.listing()] == ["run"]
    assert not leftovers(store)


def test_the_store_loads_no_torch() -> None:
    code = "import core.store.stores, core.jobs.ledger, sys; print('torch' in sys.modules)"
    assert finish(script(code)).strip() == "False"


# --- damage is noticed ------------------------------------------------------------------------------------


def filled(store: Store) -> list[Path]:
    artefact = store.write(
        "model",
        KEY,
        arrays={"a": np.arange(5), "b": np.zeros((2, 3), np.float32)},
        weights={"w": np.ones(4, np.float32)},
        document={"epochs": 3},
    )
    return sorted(artefact.folder.iterdir())


def assert_set_aside(store: Store) -> None:
    assert [problem.stage for problem in store.problems()] == ["model"]
    assert store.read("model", KEY) is None
    assert not store.has("model", KEY)
    assert store.problems() == []
    assert [path.name.startswith(f"model-{KEY[:12]}-") for path in (store.folder / "quarantine").iterdir()] == [True]
    filled(store)
    assert store.read("model", KEY) is not None


FILES = ("DONE", "a.npy", "b.npy", "document.json", "weights.safetensors")


def test_the_files_of_an_artefact(store: Store) -> None:
    assert tuple(path.name for path in filled(store)) == FILES


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["truncate", "empty", "lengthen", "remove", "folder"])
def test_a_harmed_file_is_set_aside(store: Store, name: str, harm: str) -> None:
    filled(store)
    path = store.folder / "model" / KEY / name
    content = path.read_bytes()
    if harm == "truncate":
        path.write_bytes(content[:-1])
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "lengthen":
        path.write_bytes(content + b" \x00")
    else:
        path.unlink()
        if harm == "folder":
            path.mkdir()
    assert not store.has("model", KEY) or harm == "folder"
    assert_set_aside(store)


@same_store
@given(name=st.sampled_from(FILES), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_altered_bit_is_noticed(store: Store, name: str, where: float, bit: int) -> None:
    filled(store)
    path = store.folder / "model" / KEY / name
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    path.write_bytes(content)
    assert len(store.problems()) == 1
    assert store.read("model", KEY) is None


def test_no_byte_of_the_marker_can_be_altered(store: Store) -> None:
    filled(store)
    path = store.folder / "model" / KEY / "DONE"
    whole = path.read_bytes()
    for where in range(len(whole)):
        path.write_bytes(whole[:where] + bytes([whole[where] ^ 1]) + whole[where + 1 :])
        assert not store.has("model", KEY), f"byte {where} of {whole!r}"
    path.write_bytes(whole)
    assert store.has("model", KEY)


def test_damage_keeps_every_quarantined_folder(store: Store) -> None:
    for _ in range(3):
        filled(store)
        (store.folder / "model" / KEY / "DONE").unlink()
        assert store.read("model", KEY) is None
    assert len(list((store.folder / "quarantine").iterdir())) == 3


def test_an_artefact_under_another_name_is_damage(store: Store) -> None:
    filled(store)
    (store.folder / "model" / KEY).rename(store.folder / "model" / OTHER)
    assert not store.has("model", OTHER)
    assert store.read("model", OTHER) is None


def test_writing_over_a_damaged_artefact(store: Store) -> None:
    filled(store)
    (store.folder / "model" / KEY / "a.npy").write_bytes(b"")
    assert store.write("model", KEY, document={"new": True}).document == {"new": True}
    assert store.read("model", KEY) is not None


def test_running_out_of_files_is_no_damage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store)

    def exhausted(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(store_module.hashlib, "file_digest", exhausted)
        with pytest.raises(OSError, match="Too many open files"):
            store.read("model", KEY)
    assert store.read("model", KEY) is not None


# --- killed, crowded, full --------------------------------------------------------------------------------

WRITER = """
    import sys, numpy as np
    from pathlib import Path
    from core.store.stores import Store
    store = Store(Path(sys.argv[1]))
    print("ready", flush=True)
    for n in range(10_000):
        store.write("model", f"{n:064x}", arrays={"a": np.full(200_000, n)}, document={"n": n})
"""


@posix
@pytest.mark.parametrize("moment", [0.0, 0.003, 0.01, 0.03, 0.1])
def test_a_kill_in_the_middle_of_writing(store: Store, moment: float) -> None:
    process = script(WRITER, store.folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(moment)
    process.kill()
    process.communicate(timeout=DEADLINE)
    assert store.problems() == []
    for listed in store.listing():
        found = store.read("model", listed.key)
        assert found is not None
        assert found.array("a")[-1] == found.document["n"] == int(listed.key, 16)
    store.sweep()
    assert not leftovers(store)
    assert list((store.folder / "locks").glob("model*")) == []


def test_sweeping_spares_who_is_writing(store: Store) -> None:
    with store._scratch("model") as scratch:
        (scratch / "half").touch()
        assert store.sweep() == 0
        assert (scratch / "half").exists()
    dead = store.folder / "tmp" / "model-000000"
    dead.mkdir()
    dead.with_suffix(".lock").touch()
    assert store.sweep() == 1
    assert not leftovers(store)


SAME_KEY = """
    import sys, numpy as np
    from pathlib import Path
    from core.store.stores import Store
    store, me = Store(Path(sys.argv[1])), int(sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(20):
        found = store.write("model", f"{n:064x}", arrays={"a": np.full(10_000, me)}, document={"me": me})
        assert found.array("a")[0] == found.document["me"]
"""


def test_two_processes_write_the_same_keys(store: Store) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SAME_KEY), str(store.folder), str(me)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for me in (1, 2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        finish(writer)
    assert len(store.listing()) == 20
    assert store.problems() == []
    assert not leftovers(store)
    assert not (store.folder / "quarantine").exists()


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of one MiB, where we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs; the file size limit below stands in")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    store.write("run", OTHER, document={"kept": True})
    for content in ({"arrays": {"a": np.zeros(2**18)}}, {"weights": {"a": np.zeros(2**18)}}):
        with pytest.raises(PoisonscopeError, match=r"no room to write in .*MiB free.*POISONSCOPE_HOME") as caught:
            store.write("model", KEY, **content)
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.ENOSPC
        assert not leftovers(store)
        assert not store.has("model", KEY)
    checkpoint = store.checkpoint("model", KEY)
    checkpoint.save({"w": np.ones(2**14)}, {"epoch": 1})
    with pytest.raises(PoisonscopeError, match="no room"):
        checkpoint.save({"w": np.ones(2**18)}, {"epoch": 2})
    loaded = checkpoint.load()
    assert loaded is not None
    assert loaded[1] == {"epoch": 1}
    store.write("model", KEY, arrays={"a": np.zeros(2**14)})  # there is room for this
    assert store.problems() == []


LIMITED = """
    import errno, resource, sys, numpy as np
    from pathlib import Path
    from core.store.stores import Store
    from core.types import PoisonscopeError
    store = Store(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    for content in ({"arrays": {"a": np.zeros(10**5)}}, {"weights": {"a": np.zeros(10**5)}}):
        try:
            store.write("model", "ab" * 32, **content)
        except PoisonscopeError as error:
            assert error.__cause__.errno == errno.EFBIG
            assert not list(store.folder.glob("tmp/*")) and not store.has("model", "ab" * 32)
            print(error)
"""


@posix
def test_a_limit_on_file_sizes(store: Store) -> None:
    assert finish(script(LIMITED, store.folder)).count("no room to write in") == 2


def test_a_folder_that_may_not_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(store_module.os, "fsync", forbidden)
    with pytest.raises(PoisonscopeError, match="cannot be written"):
        store.write("run", KEY, document={})
    assert not leftovers(store)


# --- locks ------------------------------------------------------------------------------------------------


def test_a_lock_excludes_and_lets_a_waiter_give_up(store: Store) -> None:
    polled = []

    def give_up() -> None:
        polled.append(1)
        if len(polled) == 3:
            raise Cancelled("enough")

    with store.lock("model", KEY):
        with store.lock("model", OTHER), store.lock("features", KEY):
            pass
        with pytest.raises(Cancelled), store.lock("model", KEY, poll=give_up):
            raise AssertionError("two held the lock")
    with store.lock("model", KEY, poll=give_up):
        pass
    assert list((store.folder / "locks").iterdir()) == []


HOLDER = """
    import sys, time
    from pathlib import Path
    from core.store.stores import Store
    with Store(Path(sys.argv[1])).lock("model", "ab" * 32):
        print("held", flush=True)
        time.sleep(600)
"""


@posix
def test_a_dead_holder_leaves_no_stale_lock(store: Store) -> None:
    holder = script(HOLDER, store.folder)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    def kill() -> None:
        holder.send_signal(signal.SIGKILL)

    with store.lock("model", KEY, poll=kill):
        assert holder.wait(DEADLINE) == -signal.SIGKILL
    holder.communicate()


COUNTER = """
    import sys
    from pathlib import Path
    from core.store.stores import Store
    store, counter = Store(Path(sys.argv[1])), Path(sys.argv[2])
    for _ in range(40):
        with store.lock("model", "ab" * 32):
            counter.write_text(str(int(counter.read_text()) + 1))
"""


def test_a_lock_excludes_processes(store: Store, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    for process in [script(COUNTER, store.folder, counter) for _ in range(3)]:
        finish(process)
    assert counter.read_text() == "120"


def test_threads_share_a_lock_file_that_comes_and_goes(tmp_path: Path) -> None:
    inside, most = 0, 0

    def use() -> None:
        nonlocal inside, most
        for _ in range(50):
            lock = FileLock(tmp_path / "x.lock")
            lock.acquire()
            inside += 1
            most = max(most, inside)
            inside -= 1
            lock.release(remove=True)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_lock_notices_that_its_file_is_gone(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")
    assert not lock.intact()
    assert lock.try_acquire()
    assert lock.intact()
    assert not other.try_acquire()
    lock.path.unlink()
    assert not lock.intact()
    lock.release(remove=True)
    lock.release()
    assert lock.descriptor is None
    assert not lock.adopt(10**6)


# --- checkpoints ------------------------------------------------------------------------------------------


def test_checkpoints(store: Store) -> None:
    checkpoint = store.checkpoint("model", KEY)
    assert checkpoint.load() is None
    checkpoint.clear()
    for epoch in range(3):
        checkpoint.save({"w": np.full(3, epoch), "step": np.array(epoch)}, {"epoch": epoch})
    loaded = store.checkpoint("model", KEY).load()
    assert loaded is not None
    np.testing.assert_array_equal(loaded[0]["w"], [2, 2, 2])
    assert loaded[0]["step"].shape == ()
    assert loaded[1] == {"epoch": 2}
    assert len(list(checkpoint.folder.iterdir())) == 1
    assert store.listing() == []
    checkpoint.clear()
    assert checkpoint.load() is None
    assert not leftovers(store)


@pytest.mark.parametrize("name", ["DONE", "weights.safetensors", "document.json"])
def test_a_damaged_checkpoint_is_none(store: Store, name: str) -> None:
    checkpoint = store.checkpoint("model", KEY)
    checkpoint.save({"w": np.zeros(3)}, {"epoch": 0})
    (path,) = (store.folder / CHECKPOINTS).rglob(name)
    path.write_bytes(path.read_bytes()[:-1])
    assert checkpoint.load() is None
    checkpoint.save({"w": np.zeros(3)}, {"epoch": 1})
    loaded = checkpoint.load()
    assert loaded is not None
    assert loaded[1] == {"epoch": 1}


SAVER = """
    import sys, numpy as np
    from pathlib import Path
    from core.store.stores import Store
    checkpoint = Store(Path(sys.argv[1])).checkpoint("model", "ab" * 32)
    for epoch in range(100_000):
        checkpoint.save({"w": np.full(200_000, epoch)}, {"epoch": epoch})
        print(epoch, flush=True)
"""


@posix
@pytest.mark.parametrize("moment", [0.0, 0.002, 0.006, 0.02])
def test_a_checkpoint_survives_a_kill_in_the_middle_of_the_next(store: Store, moment: float) -> None:
    process = script(SAVER, store.folder)
    assert process.stdout is not None
    saved = [process.stdout.readline() for _ in range(2)]
    time.sleep(moment)
    process.kill()
    rest, _ = process.communicate(timeout=DEADLINE)
    last = max(int(line) for line in [*saved, *rest.split()])
    loaded = store.checkpoint("model", KEY).load()
    assert loaded is not None
    assert loaded[1]["epoch"] in (last, last + 1)
    assert (loaded[0]["w"] == loaded[1]["epoch"]).all()
    store.sweep()
    assert not leftovers(store)


def test_the_marker_says_what_wrote_it(store: Store) -> None:
    folder = store.write("run", KEY, document={}).folder
    done = json.loads((folder / "DONE").read_bytes())
    assert done["versions"]["numpy"] == np.__version__
    assert done["files"]["document.json"]["bytes"] == 2
