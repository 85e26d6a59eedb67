"""The store after a death, and on a full disk, at every single step of everything that it does.

A step is a call that changes the file system. A process that dies does nothing more, not even tidy up, and its locks
are free: so from the step on every call ends it, and its open files are closed.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from core.store import artefacts
from core.store.stores import QUARANTINE, Store
from core.types import PoisonscopeError

KEY, OTHER = "ab" * 32, "cd" * 32
STEPS = ("fsync", "mkdir", "open", "rename", "rmdir", "unlink")
Act = Callable[[Store], object]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved")


class Death(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: what is synced counts as a step, and need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where the system offers it: thousands of folders come and go."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@contextmanager
def interrupted(at: int, error: Callable[[], BaseException], growing: bool) -> Iterator[list[str]]:
    """From step `at` on every step raises; with `growing` only one that needs room. Tells the steps that were taken."""
    taken: list[str] = []
    held: set[int] = set()
    close = os.close

    def stepping(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **named: Any) -> Any:
            makes = name in ("mkdir", "rename", "fsync", "write") or (name == "open" and given[1] & os.O_CREAT)
            if (makes or not growing) and "rb" not in given:
                taken.append(name)
                if len(taken) > at:
                    raise error()
            done = do(*given, **named)
            if name == "open":
                held.add(done)
            return done

        return step

    def closing(descriptor: int) -> None:
        held.discard(descriptor)
        close(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, stepping(name, getattr(os, name)))
        patch.setattr(artefacts, "open", stepping("write", open), raising=False)
        patch.setattr(os, "close", closing)
        try:
            yield taken
        finally:
            for descriptor in held:  # the system closes what a dead process held
                close(descriptor)


def write(store: Store) -> object:
    return store.write("model", KEY, arrays={"a": np.arange(4)}, weights={"w": np.ones(2)}, document={"new": True})


def take(store: Store) -> object:
    source = store.folder.parent / "source"
    if not source.exists():
        write(Store(source))

    def fill(to: Path) -> None:
        for file in (source / "model" / KEY).iterdir():
            (to / file.name).write_bytes(file.read_bytes())

    return store.take("model", KEY, fill)


def save(store: Store) -> object:
    return store.checkpoint("model", KEY).save({"w": np.ones(2)}, {"new": True})


def refusal(do: Act, store: Store) -> str | None:
    """What a person is told; None where it went well."""
    try:
        do(store)
    except PoisonscopeError as error:
        return str(error)
    return None


def nothing(store: Store) -> None:
    pass


def damaged(store: Store) -> None:
    write(store)
    (store.folder / "model" / KEY / "a.npy").write_bytes(b"")


def dangling(store: Store) -> None:
    (store.folder / "model").mkdir(parents=True)
    (store.folder / "model" / KEY).symlink_to(store.folder / "nowhere")


ACTS: dict[str, tuple[Act, Act, bool]] = {  # what is there before, what is done, whether the artefact is there after
    "write": (nothing, write, True),
    "write over a damaged one": (damaged, write, True),
    "write over a dangling link": (dangling, write, True),
    "read a damaged one": (damaged, lambda store: store.read("model", KEY), False),
    "take": (nothing, take, True),
    "delete": (write, lambda store: store.delete("model", KEY), False),
    "first checkpoint": (nothing, save, False),
    "next checkpoint": (save, save, False),
    "clear checkpoint": (save, lambda store: store.checkpoint("model", KEY).clear(), False),
}


def begun(folder: Path, before: Act) -> Store:
    store = Store(folder)
    store.write("features", OTHER, document={"kept": True})
    before(store)
    return store


def whole(store: Store) -> None:
    """Everything that can be read is whole, and what was there before is."""
    kept, found = store.read("features", OTHER), store.read("model", KEY)
    assert kept is not None
    assert kept.document == {"kept": True}
    if found is not None:
        assert found.document == {"new": True}
        np.testing.assert_array_equal(found.array("a"), np.arange(4))
    loaded = store.checkpoint("model", KEY).load()
    assert loaded is None or loaded[1] == {"new": True}
    assert store.problems() == []


def tidy(store: Store) -> None:
    """Nothing half-written is there, nor a lock that nobody holds."""
    store.sweep()
    assert [path for place in ("tmp", "locks") for path in (store.folder / place).glob("*")] == []


@pytest.mark.parametrize("act", ACTS)
def test_a_death_at_every_step(act: str, tmp_path: Path) -> None:
    before, do, there = ACTS[act]
    for at in itertools.count():
        store = begun(tmp_path / "store", before)
        checkpoint = store.checkpoint("model", KEY).load() is not None
        died = False
        with interrupted(at, Death, growing=False):
            try:
                do(store)
            except Death:
                died = True
        if checkpoint and do is save:
            assert store.checkpoint("model", KEY).load() is not None, "the one before survives until the next is whole"
        whole(store)
        tidy(store)
        do(store)
        assert store.has("model", KEY) == there
        whole(store)
        tidy(store)
        shutil.rmtree(tmp_path / "store")
        if not died:
            break
    assert at > 4, "it has taken steps"


@pytest.mark.parametrize("act", ACTS)
def test_a_disk_that_is_full_from_every_step_on(act: str, tmp_path: Path) -> None:
    before, do, there = ACTS[act]
    for at in itertools.count():
        store = begun(tmp_path / "store", before)
        with interrupted(at, lambda: OSError(errno.ENOSPC, "No space left on device"), growing=True) as taken:
            said = refusal(do, store)
        assert said is None or "no room to write in" in said
        whole(store)
        tidy(store)
        do(store)
        assert store.has("model", KEY) == there
        whole(store)
        shutil.rmtree(tmp_path / "store")
        if len(taken) <= at:
            break
    assert at > 2, "it has taken steps"


@pytest.mark.parametrize("what", ["link", "link to itself", "file", "link to a file"])
def test_what_is_no_folder_in_the_place_of_an_artefact_is_set_aside(what: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    place = store.folder / "model" / KEY
    place.parent.mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    if what == "file":
        place.write_text("x")
    else:
        place.symlink_to({"link": tmp_path / "nowhere", "link to itself": place}.get(what, tmp_path / "file"))
    assert not store.has("model", KEY)
    assert [problem.key for problem in store.problems()] == [KEY]
    assert store.listing() == []
    assert store.read("model", KEY) is None
    assert len(list((store.folder / QUARANTINE).iterdir())) == 1
    write(store)
    assert store.has("model", KEY)
    assert store.problems() == []
    assert (tmp_path / "file").read_text() == "x"


def test_a_dangling_link_in_the_place_of_checkpoints_gives_way(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    folder = store.checkpoint("model", KEY).folder
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path / "nowhere")
    assert store.checkpoint("model", KEY).load() is None
    save(store)
    assert store.checkpoint("model", KEY).load() is not None
    tidy(store)


@pytest.mark.parametrize("name", ["model", "tmp", "locks"])
def test_a_link_that_leads_nowhere_in_the_place_of_a_folder_is_said(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.folder.mkdir()
    (store.folder / name).symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(PoisonscopeError, match="something that is no folder is in the way in"),
        store.lock("model", KEY),
    ):
        write(store)


def test_deleting_and_setting_aside_leave_no_lock(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    damaged(store)
    assert store.read("model", KEY) is None
    write(store)
    store.delete("model", KEY)
    assert list((store.folder / "locks").iterdir()) == []
    assert store.sweep() == 0
