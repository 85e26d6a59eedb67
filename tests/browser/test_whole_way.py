"""The whole way in a real browser: choose, start, watch, look at what was found, compare, and come back by link."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from core import Job, jobs
from core.results import recorded
from core.store.home import VARIABLE
from tests.browser.ways import MINUTE, settled

TRAINING = 4 * MINUTE  # the machine may be busy


@pytest.fixture
def ledger(app_server, monkeypatch: pytest.MonkeyPatch):
    """The server's ledger, read from here, without the runs that ship with the program."""
    monkeypatch.setenv(VARIABLE, str(app_server.home))
    shipped = {*recorded.run_keys(), *recorded.run_keys(recorded.TABLES)}
    return lambda: [job for job in jobs.listing(start=False) if job.kind == "run" and job.key not in shipped]


def choose(page: Page, label: str, option: str) -> None:
    """Pick an option of a menu; a page that is drawn again meanwhile may close it."""
    box = page.get_by_role("combobox", name=label)
    for _ in range(5):
        if box.input_value() == option:
            return
        box.click()
        with suppress(TimeoutError):
            page.get_by_role("option", name=option, exact=True).click(timeout=3_000)
        settled(page)
    expect(box).to_have_value(option)


def type_number(page: Page, label: str, value: str) -> None:
    field = page.get_by_role("spinbutton", name=label, exact=True)
    field.fill(value)
    field.press("Enter")
    settled(page)


def go(page: Page, screen: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=screen).click()
    expect(heading(page, screen)).to_be_visible(timeout=MINUTE)
    settled(page)


def heading(page: Page, text: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("heading", name=text).first


def test_from_start_to_comparison_and_back_by_link(page: Page, app_server, ledger) -> None:
    page.set_default_timeout(MINUTE)
    page.goto(app_server.url + "/attack")
    expect(heading(page, "Attack")).to_be_visible(timeout=MINUTE)
    describe(page)
    job = start(page, ledger)
    watch(page, job)
    look(page, job)
    come_back(page, app_server.url, job)
    start_again(page, job, ledger)


def describe(page: Page) -> None:
    choose(page, "Data set", "digits")
    choose(page, "Target class", "eight")
    type_number(page, "Poisoning ratio in %", "20")
    page.get_by_text("Expert: every number of the recipe").click()
    type_number(page, "Images a class", "60")
    type_number(page, "Epochs", "2")
    expect(page.get_by_text("12 poisoned images = 20.0% of the clean target class")).to_be_visible()
    expect(page.get_by_text("2 epochs · batch")).to_be_visible()
    page.get_by_text("Eight more images").click()
    expect(page.get_by_role("img", name=re.compile("in the row below with the pattern trigger"))).to_have_count(2)


def start(page: Page, ledger) -> Job:
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"run=[0-9a-f]{16}"))
    (job,) = ledger()
    assert f"run={job.key[:16]}" in page.url
    assert (job.config.training.epochs, job.config.attack.ratio) == (2, 0.2)
    return job


def watch(page: Page, job: Job) -> None:
    """Progress while it runs, then curves and headline without a click."""
    expect(page.get_by_text("Train on the poisoned set")).to_be_visible(timeout=MINUTE)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_text("Poison left of 12")).to_be_visible(timeout=TRAINING)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.locator(".js-plotly-plot")).to_have_count(2)


def look(page: Page, job: Job) -> None:
    """Every screen shows this run, and the address names it."""
    for screen in ("Scores", "Flagged", "Compare"):
        go(page, screen)
        page.wait_for_url(re.compile(rf"/{screen.lower()}\?run={job.key[:16]}"))
        expect(page.get_by_text("No run is chosen yet")).to_have_count(0)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_text("Backdoor success (ASR), before → after")).to_be_visible()
    page.get_by_role("tab", name="Other filters").click()
    expect(page.get_by_text(re.compile(r"The defender assumed ε = 6 poisoned images"))).to_be_visible(timeout=MINUTE)
    settled(page)


def come_back(page: Page, url: str, job: Job) -> None:
    """A link in a new tab, and a reload, open the same run on the same screen."""
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    for _ in range(2):
        expect(heading(page, "Compare")).to_be_visible(timeout=MINUTE)
        expect(page.get_by_text("Backdoor success (ASR), before → after")).to_be_visible()
        expect(page.get_by_text("Pattern → eight, 20% of the class", exact=True)).to_be_visible()
        assert page.url == link
        page.reload()


def start_again(page: Page, job: Job, ledger) -> None:
    """The link's run fills the Attack screen; the same request opens from the store."""
    go(page, "Attack")
    expect(page.get_by_text("opens at once")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    settled(page)
    expect(page.get_by_text("Poison left of 12")).to_be_visible()
    (again,) = ledger()
    assert (again.id, again.attempts) == (job.id, 1)
