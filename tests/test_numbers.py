"""What is written is a number in its range or none, and a message repeats no more than it must."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import core
from core.cli import options
from core.configuration import reading
from core.configuration.files import from_json
from core.store import home
from core.types import BadRequest
from core.worker import work

NONE = ["", " ", "x", "1.5", "1e3", "nan", "inf", "1e400", "٣", "²", "1_000", "0x10", "1\0", "--1", "9" * 5_000]


@given(number=st.integers(), low=st.integers(), high=st.integers())
def test_a_whole_number_is_read_where_it_is_in_range(number: int, low: int, high: int) -> None:
    assert reading.whole(str(number), low, high) == (number if low <= number <= high else None)
    held = reading.whole(str(number), low, high, held=True)
    assert held == (min(number, high) if low <= min(number, high) else None)


@pytest.mark.parametrize("written", NONE)
def test_what_is_no_whole_number(written: str) -> None:
    assert reading.whole(written, -math.inf, math.inf, held=True) is None  # type: ignore[arg-type]


@given(number=st.floats())
def test_a_number_is_read_where_it_is_finite(number: float) -> None:
    assert reading.real(repr(number), -math.inf, math.inf) == (number if math.isfinite(number) else None)
    assert reading.real(repr(number), 0, 1) == (number if 0 <= number <= 1 else None)


@pytest.mark.parametrize("written", ["nan", "inf", "-Infinity", "1e400", "٣", "1_0", "0x1p3", ".", "", "9" * 5_000])
def test_what_is_no_number(written: str) -> None:
    assert reading.real(written, -math.inf, math.inf) is None


@pytest.mark.parametrize(
    "value", ["x" * 10_000, ["x"] * 10_000, 10**10_000, {"a": [10**10_000]}, "\ud800" * 999], ids=type
)
def test_a_value_is_shown_shortened(value: object) -> None:
    assert len(reading.shown(value)) < 150
    assert reading.shown("short") == "'short'"


@pytest.mark.parametrize("name", ["a\0", "a\nb", "\x1b[31m", "\ud800", "\u2028", "a\u202eb"])
def test_a_name_that_cannot_be_shown_in_a_line(name: str) -> None:
    with pytest.raises(BadRequest, match=r"in one line, got the character U\+"):
        reading.check_name("a name", name)


def test_names_of_every_script_are_names() -> None:
    for name in ("Größe 3", "三", "حصان", "👩\u200d🔬"):
        reading.check_name("a name", name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "the name 'a' stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5_000, "not JSON: Exceeds the limit"),
        ("{", "not JSON: Expecting property name"),
    ],
)
def test_json_that_nobody_means(text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        from_json(text)


# --- doors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5_000, "{", "1e400x"])
def test_a_setting_of_the_command_line_that_is_no_json_is_a_word(value: str) -> None:
    assert options.settings([f"a={value}"]) == {"a": value}


def test_of_a_setting_given_twice_the_last_counts() -> None:
    assert options.settings(["size=2", "size=3"]) == {"size": 3}


@pytest.mark.parametrize("target", ["٣", "9" * 5_000, 10**5_000, -1, 10, "3.0", "-0x1"], ids=range(7))
def test_a_class_that_no_number_names(target: str | int) -> None:
    with pytest.raises(BadRequest, match="unknown class") as refused:
        core.configure(dataset="digits", target=target)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("written", ["٣", "-1", "9" * 5_000, "1e3", "nan", "", "99999999"])
def test_threads_of_an_environment_that_says_no_number(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    from core.training import devices

    monkeypatch.setenv("OMP_NUM_THREADS", written)
    assert devices.threads() == devices.cores()
    monkeypatch.setenv("OMP_NUM_THREADS", " 2 ")
    assert devices.threads() == 2


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_a_worker_waits_for_a_number_of_seconds(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(BadRequest, match="idle_seconds must be a number from 0 on"):
        work(seconds)


def test_a_home_of_somebody_who_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(home.VARIABLE, "~nobody-of-that-name/x")
    with pytest.raises(BadRequest, match="POISONSCOPE_HOME cannot be"):
        home.home()
