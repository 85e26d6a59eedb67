"""A worker that is killed in the middle of a training: the page says so, and resuming ends the run.

Meanwhile a screen of the run has its heading, says how far the run is, and turns into itself.
"""

from __future__ import annotations

import os
import signal
import time

import pytest
from playwright.sync_api import Page, expect

import core
from core import jobs
from core.store.home import VARIABLE
from tests.browser import ways
from tests.browser.ways import MINUTE

PATIENCE = 200  # seconds; the machine may be busy


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_worker_is_told_and_resumed_and_a_waiting_screen_becomes_the_finished_one(
    page: Page, app_server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(app_server.home))
    training = {"per_class": 60, "epochs": 5, "batch_size": 60}
    job = core.submit(core.configure(dataset="digits", target="two", ratio=0.2, training=training))
    kill_in_training(job.id)
    page.goto(f"{app_server.url}/attack?run={job.key[:16]}")
    expect(page.get_by_text("This run was lost")).to_be_visible(timeout=MINUTE)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=MINUTE)
    waiting, main = page.get_by_text("What it found will stand here."), page.get_by_role("heading", level=1)
    ways.by_sidebar(page, "scores")
    expect(waiting).to_be_visible(timeout=MINUTE)
    expect(main).to_have_text("Scores")
    expect(page.locator(".ps-heroes")).to_be_visible(timeout=PATIENCE * 1000)
    expect(waiting).to_have_count(0)
    expect(main).to_have_text("Scores")
    ways.by_sidebar(page, "attack")
    expect(page.get_by_text("Poison left of 12")).to_be_visible(timeout=MINUTE)
    assert jobs.get(job.id).attempts == 2
    jobs.delete(job.id)  # the server is shared with other tests


def kill_in_training(id: int) -> None:
    """SIGKILL to the worker once it has finished an epoch of the first training."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any("epoch" in event.data for _, event in jobs.events(id)):
            job = jobs.get(id)
            assert (job.status, job.stage) == ("running", "train")
            assert job.pid is not None
            os.kill(job.pid, signal.SIGKILL)
            return
        time.sleep(0.02)
    pytest.fail(f"no epoch within {PATIENCE} seconds: {jobs.get(id)}")
