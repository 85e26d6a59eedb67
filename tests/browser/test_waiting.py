"""A screen that is opened while its run goes: it has its heading, says how far the run is, and turns into itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

import core
from core import jobs
from core.store.home import VARIABLE

PATIENCE = 120_000  # milliseconds; the machine may be busy
TRAINING = {"per_class": 60, "epochs": 12, "batch_size": 20}


def test_a_waiting_screen_becomes_the_finished_one(page: Page, app_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(app_server.home))
    job = core.submit(core.configure(dataset="digits", target="four", ratio=0.2, training=TRAINING))
    page.goto(f"{app_server.url}/scores?run={job.key[:16]}")
    expect(page.get_by_text("What it found will stand here.")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Scores")
    expect(page.get_by_test_id("stMetric").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("What it found will stand here.")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("Scores")
    jobs.delete(job.id)  # the server is shared with other tests
