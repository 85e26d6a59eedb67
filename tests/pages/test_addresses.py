"""Numbers in the address that no image, budget or step can have: passed over, or the largest that there is."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core import Job

# tests/test_numbers.py has many more; here it counts that every screen asks the one reader.
HOSTILE = {"2^64": str(2**64), "5,000 digits": "9" * 5_000, "Arabic digits": "٣", "nan": "nan"}
WHERE = {
    "scores": ("budget", "class", "brush", "assumed", "times"),
    "flagged": ("budget", "image", "page", "label", "size", "page size"),
    "sensitivity": ("assumed", "times", "cell", "by"),
    "story": ("step",),
}


@pytest.fixture(params=HOSTILE)
def number(request: pytest.FixtureRequest) -> str:
    return HOSTILE[request.param]


@pytest.mark.parametrize("screen", WHERE)
def test_a_number_beyond_all_bounds_in_every_place_of_the_address(
    finished_job: Job, open_screen, screen: str, number: str
) -> None:
    brush = {"brush": f"{number},{number},{number}"} if screen == "scores" else {}
    app: AppTest = open_screen(screen, run=finished_job.key, **{**dict.fromkeys(WHERE[screen], number), **brush})
    assert not app.exception
    assert app.main.children


@pytest.mark.parametrize(("budget", "expected"), [("10", 10), (str(2**64), None), ("9" * 300, None)])
def test_a_budget_beyond_the_largest_class_is_that_class(
    finished_job: Job, open_screen, budget: str, expected: int | None
) -> None:
    app = open_screen("scores", run=finished_job.key, budget=budget)
    slider = app.slider(key="budget slider")
    assert slider.value == (slider.max if expected is None else expected)


@pytest.mark.parametrize("budget", ["٣", "-3", "nan", "²"])
def test_a_budget_that_is_no_number_is_the_usual_one(finished_job: Job, open_screen, budget: str) -> None:
    usual = open_screen("scores", run=finished_job.key).slider(key="budget slider").value
    assert open_screen("scores", run=finished_job.key, budget=budget).slider(key="budget slider").value == usual
