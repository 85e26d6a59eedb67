"""A worker that is killed in the middle of a training: the page says so, and resuming ends the run."""

from __future__ import annotations

import os
import signal
import time

import pytest
from playwright.sync_api import Page, expect

import core
from core import jobs
from core.store.home import VARIABLE

MINUTE = 60_000
PATIENCE = 200  # seconds; the machine may be busy


def test_a_killed_worker_is_told_and_resumed(page: Page, app_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(app_server.home))
    training = {"per_class": 60, "epochs": 12, "batch_size": 20}
    job = core.submit(core.configure(dataset="digits", target="two", ratio=0.2, training=training))
    kill_in_training(job.id)
    page.goto(f"{app_server.url}/attack?run={job.key[:16]}")
    expect(page.get_by_text("This run was lost")).to_be_visible(timeout=MINUTE)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("#Pois left of 12")).to_be_visible(timeout=PATIENCE * 1000)
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
