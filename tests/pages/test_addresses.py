"""What comes from outside and no screen can mend: numbers that no image or budget can have, a disk without room."""

from __future__ import annotations

import sqlite3

import pytest
from streamlit.testing.v1 import AppTest

from core import Job, jobs
from core.jobs import ledger

# tests/test_numbers.py has many more; here it counts that every screen asks the one reader.
HOSTILE = {"2^64": str(2**64), "Arabic digits": "٣"}
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


@pytest.mark.parametrize(("budget", "expected"), [("10", 10), (str(2**64), None)])
def test_a_budget_beyond_the_largest_class_is_that_class(
    finished_job: Job, open_screen, budget: str, expected: int | None
) -> None:
    app = open_screen("scores", run=finished_job.key, budget=budget)
    slider = app.slider(key="budget slider")
    assert slider.value == (slider.max if expected is None else expected)


@pytest.mark.parametrize("budget", ["٣"])
def test_a_budget_that_is_no_number_is_the_usual_one(finished_job: Job, open_screen, budget: str) -> None:
    usual = open_screen("scores", run=finished_job.key).slider(key="budget slider").value
    assert open_screen("scores", run=finished_job.key, budget=budget).slider(key="budget slider").value == usual


@pytest.mark.parametrize("screen", ["attack", "scores", "compare"])
def test_a_ledger_without_room_is_said_on_every_screen(
    finished_job: Job, open_screen, monkeypatch: pytest.MonkeyPatch, screen: str
) -> None:
    def full(*_: object) -> sqlite3.Connection:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_connect", full)
        patch.setattr(ledger, "lack_of_space", lambda folder: OSError(28, "No space left on device"))
        app = open_screen(screen, run=finished_job.key)
    assert not app.exception
    assert [error.value for error in app.error if "No room to write in" in error.value]
    assert len(jobs.listing(start=False)) == 1


# --- changes in quick succession ---------------------------------------------------------------------------


def test_a_change_is_not_lost_to_the_next_one_that_left_before_its_answer_came(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    before = dict(app.query_params)
    app.segmented_control(key="bars picker").select("stacked").run()
    assert app.query_params["bars"] == "stacked"
    app.query_params.clear()
    app.query_params.update(before)  # as the browser had it when it sent the next change
    app.number_input(key="budget number").set_value(3).run()
    assert app.segmented_control(key="bars picker").value == "stacked"
    assert (app.query_params["bars"], app.query_params["budget"]) == ("stacked", "3")


def test_blind_review_is_not_lost_to_a_quick_hand(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    before = dict(app.query_params)
    app.toggle(key="truth switch").set_value(False).run()
    app.query_params.clear()
    app.query_params.update(before)
    app.number_input(key="budget number").set_value(3).run()
    assert not app.toggle(key="truth switch").value
    assert app.query_params["truth"] == "0"


def test_what_is_chosen_to_and_fro_is_what_was_chosen_last(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    for wanted in ("stacked", "overlaid", "stacked", "overlaid"):
        said = dict(app.query_params)
        app.segmented_control(key="bars picker").select(wanted).run()
        now = dict(app.query_params)
        for address in (said, now):  # late, then in time
            app.query_params.clear()
            app.query_params.update(address)
            app.run()
            assert app.segmented_control(key="bars picker").value == wanted
