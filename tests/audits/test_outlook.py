"""How long an audit takes: what is said before, and that what is left neither jumps nor lies."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import core
from core import audits
from core.audits import Outlook, Range, Stage
from core.jobs import estimates
from tests.audits import made

TWO = (Stage("first", 0.0, 0.5, 20.0), Stage("second", 0.5, 1.0, 60.0))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def gone(outlook: Outlook, clock: Clock, slower: float) -> list[tuple[float, Range]]:
    """Both stages, each second told, on a machine that is so many times slower than expected: (really left, said)."""
    said = []
    whole = slower * sum(one.seconds for one in TWO)
    for stage in TWO:
        for second in range(int(slower * stage.seconds)):
            done = stage.begins + (stage.ends - stage.begins) * second / (slower * stage.seconds)
            outlook.hear(done, stage.of)
            said.append((whole - (clock.now - 100.0), outlook.left()))
            clock.now += 1
    outlook.close()
    return said


def replaced(said: list[tuple[float, Range]]) -> int:
    """How often a range neither counted down nor was narrowed, but went up."""
    return sum(now.high > before.high for (_, before), (_, now) in pairwise(said))


@pytest.mark.parametrize("slower", [0.6, 1.0, 3.0])
def test_what_is_left_lies_in_the_range_and_the_range_is_seldom_replaced(clock: Clock, slower: float) -> None:
    said = gone(Outlook(TWO, clock=clock), clock, slower)
    assert all(one.low <= left <= one.high for left, one in said[3:])
    assert replaced(said) <= 3
    halfway = said[len(said) // 2][1]
    assert halfway.high / halfway.low < 4, "it is known by then"


def test_the_bar_takes_nothing_back_and_goes_with_time(clock: Clock) -> None:
    outlook, seen = Outlook(TWO, clock=clock), []
    for done, of in ((0.1, "first"), (0.4, "first"), (0.5, "second"), (0.5, "second"), (0.9, "second")):
        clock.now += 10
        outlook.hear(done, of)
        seen.append(outlook.fraction())
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.5 < seen[-1] < 1


def test_a_stage_that_tells_nothing_is_left_by_what_was_expected_and_then_by_doubt(clock: Clock) -> None:
    outlook = Outlook(TWO[:1], scale=1.0, clock=clock)
    outlook.hear(0.0, "first")
    first = outlook.left()
    assert first == estimates.span(20.0, measured=True)
    clock.now += 200
    late = outlook.left()
    assert 0 < late.low < 50 < late.high, "it is not about to end, as far as anybody knows"


def test_what_was_found_in_the_store_says_nothing_of_the_machine(clock: Clock) -> None:
    outlook = Outlook(TWO, clock=clock)
    outlook.hear(0.0, "first")
    clock.now += 0.2
    outlook.hear(0.5, "second")
    assert outlook.scale == pytest.approx(1.0)
    assert outlook.left().low <= 60 <= outlook.left().high


def test_another_time_it_is_measured(clock: Clock) -> None:
    outlook = Outlook(TWO, clock=clock)
    gone(outlook, clock, 3.0)
    assert 2.5 < outlook.scale < 3.0
    assert outlook.took == pytest.approx({"first": 60.0, "second": 180.0})
    again = Outlook(TWO, scale=outlook.scale, clock=clock)
    assert again.expected.low < 240 < again.expected.high
    assert again.expected.high / again.expected.low < outlook.expected.high / outlook.expected.low


def test_a_word_that_is_not_known_harms_nothing(clock: Clock) -> None:
    outlook = Outlook(TWO, clock=clock)
    outlook.hear(0.2, "something new")
    clock.now += 3
    assert outlook.left().low > 0
    outlook.hear(0.5, "second")
    assert outlook.took["something new"] == pytest.approx(3.0)


def test_more_to_do_takes_longer() -> None:
    def whole(images: int, **asked: bool | int | str) -> float:
        return sum(one.seconds for one in audits.stages(images, **asked))

    assert whole(1_000) < whole(10_000) < whole(10_000, network="train") < whole(10_000, network="train", planting=True)
    assert whole(1_000) < whole(1_000, side=224)
    assert whole(1_000) < whole(1_000, features=True) < whole(1_000, network="own") < whole(1_000, network="train")


def test_a_network_is_none_trained_or_ones_own() -> None:
    for network in ("mine.onnx", True):
        with pytest.raises(core.BadRequest, match=f"network must be none, train or own; got '?{network}"):
            audits.stages(100, network=network)


def test_no_part_of_an_audit_takes_back_what_another_has_told() -> None:
    for network in ("none", "train", "own"):
        for planting in (False, True):
            told = audits.stages(5_000, network=network, planting=planting, features=True)
            assert told[0].begins == 0.0
            assert all(one.begins < one.ends <= 1.0 for one in told)
            assert all(one.ends <= following.begins + 1e-9 for one, following in pairwise(told))


def test_every_word_of_an_audit_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.control, "PLANTED", ("patch",))
    monkeypatch.setattr(core.control, "SHARES", (0.3,))
    heard: list[tuple[float, str]] = []
    told = core.audit(made.planted(tmp_path / "photos"), planting=True, tell=lambda done, of: heard.append((done, of)))
    known = {one.of: one for one in audits.stages(len(told.brought), planting=True)}
    assert list(dict.fromkeys(of for _, of in heard)) == [*known, "done"]
    assert all(known[of].begins <= done <= known[of].ends for done, of in heard if of != "done")
    panel = {done for done, of in heard if of == "asking the panel"}
    assert len(panel) > 5, "it tells on its way"


def test_a_cancel_ends_the_panel_on_its_way(tmp_path: Path) -> None:
    def tell(done: float, of: str) -> None:
        if of == "asking the panel" and done > 0.5:
            raise core.Cancelled("enough")

    with pytest.raises(core.Cancelled, match="enough"):
        core.audit(made.planted(tmp_path / "photos"), tell=tell)
    assert core.audit(made.planted(tmp_path / "again")).named == ("cat",), "and harms no later one"
