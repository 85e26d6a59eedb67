"""How long a job will still take: silent while nothing can be told, and steady from then on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs import Forecast, estimates
from core.jobs.progress import ENOUGH, span


def told(marks: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """(time, fraction, seconds left) of what was said while a job went by these (time, fraction)."""
    forecast = Forecast()
    heard = [(now, fraction, forecast(now, fraction)) for now, fraction in marks]
    return [(now, fraction, left) for now, fraction, left in heard if left is not None]


def steady(seconds: float, begins: float = 0.0, of: float = 1.0, steps: int = 400) -> Iterator[tuple[float, float]]:
    for step in range(steps + 1):
        yield begins + seconds * step / steps, 1 - of + of * step / steps


def test_a_slow_beginning_says_nothing() -> None:
    """17 seconds until the first step, then nine minutes: after 22 seconds it used to say 28 minutes."""
    marks = [(0.0, 0.0), *((17 + now, fraction) for now, fraction in steady(540))]
    said = told(marks)
    assert not [left for now, _, left in said if now < 22]
    assert all(left == pytest.approx(557 - now, rel=0.02, abs=1) for now, _, left in said)


def test_what_an_earlier_attempt_did_is_no_pace() -> None:
    marks = [(0.0, 0.0), (0.1, 0.0), *((0.2 + now, fraction) for now, fraction in steady(120, of=0.6))]
    assert all(left == pytest.approx(120.2 - now, abs=1) for now, _, left in told(marks))


def test_a_moment_tells_nothing_and_a_long_job_speaks_after_a_minute() -> None:
    assert not told(list(steady(4)))
    now, fraction, _ = told(list(steady(36_000, steps=4000)))[0]
    assert now >= 60
    assert fraction < 0.02


SLOWEST, FASTEST = 2.5, 0.4  # paces, in steps of any length


@given(st.lists(st.floats(FASTEST, SLOWEST), min_size=30, max_size=30), st.floats(30, 20_000))
def test_it_never_jumps(paces: list[float], seconds: float) -> None:
    """However a machine is loaded: a word is never far from the one before, nor further off than paces are."""
    weights = [pace for pace in paces for _ in range(10)]
    ends = list(itertools.accumulate(weights))
    marks = [(0.0, 0.0)] + [(seconds * end / ends[-1], (n + 1) / len(ends)) for n, end in enumerate(ends)]
    said = [left for now, fraction, left in told(marks) if fraction < 0.95]
    assert all(after <= 2 * before for before, after in itertools.pairwise(said))
    apart = 1.001 * SLOWEST / FASTEST
    assert all((seconds - now) / apart - 0.01 <= left <= (seconds - now) * apart + 0.01 for now, _, left in told(marks))


def test_a_range_holds_the_figure_and_narrows() -> None:
    widths = []
    for fraction in (0.01, 0.5, 0.99):
        low, high = span(100.0, fraction)
        assert low < 100 < high
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_a_guess_is_wider_than_what_was_measured() -> None:
    (low, high), (lowest, highest) = (estimates.span(58.0, measured) for measured in (True, False))
    assert lowest < low < 58 < high < highest
    assert min(seconds for seconds, _ in ENOUGH) > 0
