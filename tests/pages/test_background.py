"""What a server does in the background: tasks one after the other, cancelled, failed; whose they are; what is kept."""

from __future__ import annotations

import errno
import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import core
from core import BadRequest, Cancelled, PoisonscopeError
from core.audits import Audit, Outlook, Stage
from pages.parts.audit import background, kept, upload
from pages.parts.audit.background import Line, Owner, Task
from tests.audits import made

ME, OTHER = Owner("me", "1"), Owner("other", "2")
LONG = 60.0
A_SET, ANOTHER = ("audit", "a set"), ("audit", "another")


def outlook() -> Outlook:
    return Outlook([Stage("work", 0.0, 1.0, 1.0)])


def task(work: Callable[[Task], Any], key: tuple[object, ...] = A_SET, owner: Owner = ME) -> Task:
    return Task(key, owner, work, outlook)


class Gate:
    """Work that tells, and goes on when it may."""

    def __init__(self) -> None:
        self.begun, self.may = threading.Event(), threading.Event()

    def __call__(self, of: Task) -> str:
        of.tell(0.2, "work")
        self.begun.set()
        assert self.may.wait(LONG)
        of.tell(0.9, "work")
        return "found"


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_task_is_carried_out_and_told(line: Line) -> None:
    gate = Gate()
    one = task(gate)
    line.add(one)
    assert gate.begun.wait(LONG)
    assert (one.state, one.of) == ("running", "work")
    assert 0 <= one.clock.fraction() <= 1
    gate.may.set()
    assert one.wait(LONG)
    assert (one.state, one.result) == ("done", "found")
    assert line.find(A_SET, ME) is one
    line.forget(one)
    assert line.find(A_SET, ME) is None


def test_tasks_come_one_after_the_other(line: Line) -> None:
    first, second = Gate(), Gate()
    one, two = task(first), task(second, owner=OTHER)
    line.add(one)
    line.add(two)
    assert first.begun.wait(LONG)
    assert not second.begun.wait(0.2)
    assert (two.state, line.before(two), line.before(one)) == ("waiting", [one], [])
    first.may.set()
    assert second.begun.wait(LONG)
    assert one.state == "done"
    second.may.set()
    assert two.wait(LONG)
    three = task(lambda of: 3)
    line.add(three)
    assert three.wait(LONG), "after a rest, too"


def test_a_cancel_ends_what_runs_at_its_next_word_and_what_waits_at_once(line: Line) -> None:
    gate = Gate()
    one, two = task(gate), task(lambda of: pytest.fail("it was cancelled"), ANOTHER)
    line.add(one)
    line.add(two)
    assert gate.begun.wait(LONG)
    line.cancel(two)
    assert two.state == "cancelled"
    line.cancel(one)
    assert one.stopping
    assert one.state == "running"
    gate.may.set()
    assert one.wait(LONG)
    assert (one.state, one.result, one.stopping) == ("cancelled", None, False)
    after = task(lambda of: "found", ANOTHER)
    line.add(after)
    assert after.wait(LONG)
    assert after.state == "done"


def test_a_cancel_that_was_put_in_other_words_is_a_cancel(line: Line) -> None:
    gate = Gate()

    def work(of: Task) -> None:
        try:
            gate(of)
        except PoisonscopeError as error:
            raise BadRequest(f"photos.zip: {error}") from None

    one = task(work)
    line.add(one)
    assert gate.begun.wait(LONG)
    line.cancel(one)
    gate.may.set()
    assert one.wait(LONG)
    assert one.state == "cancelled"


def test_the_end_of_the_server_ends_it(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    one = task(gate)
    line.add(one)
    assert gate.begun.wait(LONG)
    monkeypatch.setattr(background, "_server_stops", lambda: True)
    gate.may.set()
    assert one.wait(LONG)
    assert one.state == "cancelled"


def test_a_line_that_is_closed_ends_what_runs_and_begins_nothing(line: Line) -> None:
    begun = threading.Event()

    def work(of: Task) -> None:
        while True:
            of.tell(0.5, "work")
            begun.set()

    one, two = task(work), task(lambda of: pytest.fail("it was not to begin"), ANOTHER)
    line.add(one)
    line.add(two)
    assert begun.wait(LONG)
    line.close()
    assert (one.state, two.state) == ("cancelled", "cancelled")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BadRequest("the set must have images"), "the set must have images"),
        (MemoryError(), "memory of the server does not suffice"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory of the server does not suffice"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "memory of the server does not"),
        (OSError(errno.ENOSPC, "No space left on device"), "no room to write in"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_what_goes_wrong_is_a_sentence(line: Line, error: Exception, words: str) -> None:
    def work(of: Task) -> None:
        raise error

    one = task(work)
    line.add(one)
    assert one.wait(LONG)
    assert one.state == "failed"
    assert words in one.trouble
    after = task(lambda of: "found")
    line.add(after)
    assert after.wait(LONG), "and the next one is carried out"
    assert line.find(A_SET, ME) is after


def test_an_outlook_that_cannot_be_had_is_a_failure_like_any_other(line: Line) -> None:
    def none() -> Outlook:
        raise BadRequest("the set is gone")

    one = Task(A_SET, ME, lambda of: pytest.fail("it never began"), none)
    line.add(one)
    assert one.wait(LONG)
    assert (one.state, one.trouble, one.outlook) == ("failed", "the set is gone", None)
    after = task(lambda of: "found", ANOTHER)
    line.add(after)
    assert after.wait(LONG), "and the next one is carried out"
    assert after.state == "done"


def test_what_has_ended_holds_nothing_of_what_it_was_asked_with(line: Line) -> None:
    class Held:
        """An audit, say."""

        def outlook(self) -> Outlook:
            return outlook()

        def work(self, of: Task) -> str:
            return "found"

    def asked() -> tuple[Task, weakref.ref[Held]]:
        held = Held()
        return Task(A_SET, ME, held.work, held.outlook), weakref.ref(held)

    one, held = asked()
    line.add(one)
    assert one.wait(LONG)
    gc.collect()
    assert line.find(A_SET, ME) is one, "it is remembered"
    assert held() is None
    two, waited = asked()
    two.cancel()
    two.carry_out()
    gc.collect()
    assert two.state == "cancelled"
    assert waited() is None


def test_a_task_is_its_tabs_until_the_tab_is_gone(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = set[Owner]()
    monkeypatch.setattr(Owner, "gone", lambda self: self in gone)
    gate = Gate()
    one = task(gate)
    line.add(one)
    assert gate.begun.wait(LONG)
    assert line.find(A_SET, OTHER) is None
    gone.add(ME)
    assert line.find(ANOTHER, OTHER) is None
    assert line.find(A_SET, OTHER) is one
    assert one.owner == OTHER
    gate.may.set()
    assert one.wait(LONG)


def test_few_of_those_that_ended_are_remembered(line: Line) -> None:
    tasks = [task(lambda of: "found", ("a set", number)) for number in range(background.MOST_ENDED + 9)]
    for one in tasks:
        line.add(one)
        assert one.wait(LONG)
    assert line.find(("a set", 0), ME) is None
    assert line.find(("a set", len(tasks) - 1), ME) is tasks[-1]


def test_what_is_cancelled_leaves_nothing_of_an_upload(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class File:
        def __init__(self, path: Path) -> None:
            self.name, self.size, self.file = path.name, path.stat().st_size, path.open("rb")
            self.seek, self.read = self.file.seek, self.file.read

    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(upload.tempfile, "tempdir", str(spool))
    begun = threading.Event()

    def audit(place: Path, tell: Callable[[float, str], None], **_: object) -> None:
        tell(0.0, "work")
        begun.set()
        while True:
            tell(0.1, "work")

    monkeypatch.setattr(core, "audit", audit)
    file = File(made.zipped(tmp_path / "photos.zip", {"a/1.png": made.picture()}))
    one = task(lambda of: upload.audit(file, kept.Wish(False, False), of.tell))
    line.add(one)
    assert begun.wait(LONG)
    assert list(spool.iterdir())
    line.cancel(one)
    assert one.wait(LONG)
    assert one.state == "cancelled"
    assert not list(spool.iterdir())
    file.file.close()


# --- the shelf -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    names = np.repeat(made.PLANTED[:2], made.EACH)
    store = core.Store(tmp_path_factory.mktemp("store"))
    return core.audit(made.planted_photographs()[: 2 * made.EACH], names, store=store)


def one_of(told: Audit, number: int, used: float) -> kept.Kept:
    listing = core.audits.shipped.listing("digits")
    return kept.Kept(("path", f"set {number}"), listing, replace(told, seconds=float(number)), used=used)


def test_a_server_keeps_so_many_audits_and_lets_go_of_the_longest_unused(told: Audit) -> None:
    shelf = kept.Shelf()
    every = [shelf.put(one_of(told, number, float(number))) for number in range(kept.MOST)]
    every[0].used = 100.0
    shelf.put(one_of(told, kept.MOST, 99.0))
    assert [one.audit is None for one in every] == [False, True, *[False] * (kept.MOST - 2)]
    with pytest.raises(PoisonscopeError, match="was let go, since newer audits needed its room"):
        _ = every[1].told
    assert every[0].told.seconds == 0.0


def test_a_server_keeps_so_many_bytes_and_the_newest_in_any_case(told: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (one_of(told, number, float(number)) for number in range(3))
    assert first.bytes >= told.brought.images.nbytes
    monkeypatch.setattr(kept, "LARGEST", 2 * first.bytes)
    shelf = kept.Shelf()
    for one in (first, second, third):
        shelf.put(one)
    assert first.audit is None
    assert second.audit is not None
    monkeypatch.setattr(kept, "LARGEST", 1)
    fourth = shelf.put(one_of(told, 4, 4.0))
    assert second.audit is third.audit is None
    assert fourth.audit is not None


def test_an_audit_of_a_tab_that_is_gone_is_found(told: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = kept.Shelf()
    one = one_of(told, 1, 1.0)
    one.owner = ME
    shelf.put(one)
    looked = kept.Looked(one.name, one.listing, lambda wish, tell: pytest.fail("it is there"))
    assert shelf.left(looked) is None
    monkeypatch.setattr(Owner, "gone", lambda self: True)
    assert shelf.left(looked) is one
    assert shelf.left(looked._replace(name=("path", ANOTHER))) is None
    shelf.drop(one)
    assert shelf.left(looked) is None
    assert one.audit is None


def test_a_thread_of_its_own_is_gentler_than_the_servers(line: Line) -> None:
    if sys.platform != "linux":
        pytest.skip("niceness belongs to the whole process here")
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    if mine + background.GENTLY > 19:
        pytest.skip("we are as gentle as can be already")
    one = task(lambda of: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    line.add(one)
    assert one.wait(LONG)
    assert one.result == mine + background.GENTLY
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine


def test_cancelled_is_no_failure(line: Line) -> None:
    def work(of: Task) -> None:
        raise Cancelled("the worker was told to stop")

    one = task(work)
    line.add(one)
    assert one.wait(LONG)
    assert one.state == "cancelled"
