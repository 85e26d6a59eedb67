"""A run that is unknown, or not finished, leaves nobody standing: each screen has its heading and ways on."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job
from core.jobs import requests
from tests.pages import stored
from tests.pages.test_sensitivity import fine, said

SCREENS = ("story", "scores", "flagged", "compare", "sensitivity", "network", "try_it")
UNKNOWN = "0123456789abcdef"


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "attended", lambda job, start: job)


def links(app: AppTest) -> list[str]:
    return [one.proto.label for one in app.get("page_link")]


@pytest.mark.parametrize("screen", SCREENS)
def test_an_unknown_run_has_a_heading_and_ways_on(finished_job: Job, open_screen, screen: str) -> None:
    app = fine(open_screen(screen, run=UNKNOWN))
    assert app.title
    assert f"No run here is called {UNKNOWN}" in "".join(one.value for one in app.warning)
    assert {"Start a run: Attack", "All runs"} <= set(links(app))


def test_from_an_unknown_run_one_press_shows_the_recorded_one_on_the_same_screen(recording: str, open_screen) -> None:
    app = fine(open_screen("scores", run=UNKNOWN))
    fine(app.button("recorded run").click().run())
    assert app.query_params["run"] in (recording[:16], [recording[:16]])
    assert "**All classes together**" in said(app)


@pytest.mark.parametrize("screen", SCREENS)
def test_a_run_that_is_not_finished_has_a_heading_and_ways_on(own_home, open_screen, screen: str) -> None:
    job = core.submit(stored.config())
    app = fine(open_screen(screen, run=job.key))
    assert app.title
    assert "waits in the queue" in said(app)
    assert {"Watch it on the Attack screen", "All runs"} <= set(links(app))


def test_a_link_to_the_curves_shows_them_and_a_usual_one_does_not(finished_job: Job, open_screen) -> None:
    def asked(**address: str) -> list[str]:
        app = fine(open_screen("attack", run=finished_job.key, **address))
        return [one.proto.json for one in app.get("bidi_component") if one.proto.component_name == "poisonscope_reveal"]

    assert not asked()
    (curves,) = asked(open="the curves")
    assert '"here": true' in curves.replace('":', '": ').replace("  ", " ")
    how = "".join(one.proto.body for one in fine(open_screen("how", run=finished_job.key)).get("html"))
    assert "open=the+curves" in how
