"""A reviewer's hour in a real browser: 300 images judged by keys, undone, filtered, saved, reopened, retrained."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import core
from core import Job
from core.results.result import Result
from tests.browser.conftest import AppServer
from tests.browser.gallery import eventually, grid, most_suspicious, reviewed
from tests.browser.ways import MINUTE, settled
from tests.pages import stored

TRAINING = 4 * MINUTE  # a few seconds, but the machine may be busy
PAGE, PAGES = 96, 4  # images on a page; 340 images of the cut
JUDGED = 300
GIVEN = "ppcppcppcppu"  # over and over again
WORDS = {"p": "poisoned", "c": "clean", "u": "unsure"}


@pytest.fixture
def job(app_server: AppServer) -> Iterator[Job]:
    """A run whose cut takes 340 images; only what verdicts make of it is really trained, for one epoch."""
    with reviewed(app_server.home, stored.config(assumed_ratio=0.15, training={"epochs": 1})) as made:
        yield made


@pytest.fixture
def order(job: Job) -> list[int]:
    found = most_suspicious(job)
    assert JUDGED < len(found) <= PAGE * PAGES
    return found


def figure(page: Page, name: str) -> Locator:
    return page.locator(".ps-staying div").filter(has_text=name).locator("dd")


def test_a_reviewers_hour(page: Page, app_server, browser: Browser, job: Job, order: list[int]) -> None:
    page.set_default_timeout(MINUTE)
    page.goto(f"{app_server.url}/flagged?run={job.key[:16]}&reviewer=Ada&page+size={PAGE}&size=32")
    said = judge(page, job, order)
    take_back(page, job, order, said)
    all_at_once(page, job, order, said)
    add_one(page, job, said)
    link = filter_and_save(page, job, order, said)
    reopen_elsewhere(browser, link, order, said)
    keep_list(page, job, said)
    retrain(page, job, said)


def judge(page: Page, job: Job, order: list[int]) -> dict[int, str]:
    """300 verdicts, a key each; the page turns by itself after its last image."""
    tiles = grid(page)
    tiles.first.click()
    for place in range(JUDGED):
        if place and place % PAGE == 0:  # keys are for no image while the page turns
            expect(tiles.first).to_have_attribute("data-id", str(order[place]), timeout=MINUTE)
            expect(tiles.first).to_be_focused()
        page.keyboard.press(GIVEN[place % len(GIVEN)])
    said = {id: WORDS[GIVEN[place % len(GIVEN)]] for place, id in enumerate(order[:JUDGED])}
    eventually(page, job, "Ada", said)
    return said


def take_back(page: Page, job: Job, order: list[int], said: dict[int, str]) -> None:
    """Seven steps by key, two by the button, and one by key where the grid does not have the focus."""
    tiles = grid(page)
    for _ in range(7):
        page.keyboard.press("ControlOrMeta+z")
    undone = iter(order[JUDGED - 1 :: -1])
    for _ in range(7):
        del said[next(undone)]
    eventually(page, job, "Ada", said)
    expect(tiles.nth((JUDGED - 7) % PAGE)).to_be_focused()  # where the last one was taken back
    for way in ("button", "button", "key"):
        settled(page)
        if way == "button":
            page.locator(".st-key-undo-verdict").get_by_role("button").first.click()
        else:
            page.get_by_role("heading", name="Flagged images", exact=True).click()
            page.keyboard.press("ControlOrMeta+z")
        del said[next(undone)]
        eventually(page, job, "Ada", said)


def all_at_once(page: Page, job: Job, order: list[int], said: dict[int, str]) -> None:
    """More than ten at once are asked for; those that have a verdict keep it, and all of it is one step back."""
    tiles = grid(page)
    shown = order[PAGE * (PAGES - 1) :]
    before = len([id for id in shown if id in said])
    assert (len(shown), before) == (52, 2)
    expect(tiles.and_(page.locator("[data-verdict='']"))).to_have_count(50)  # the last step is drawn, too
    tiles.first.focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("u")
    question = page.get_by_role("alertdialog", name="Many verdicts at once")
    expect(question).to_contain_text("Mark 52 images as unsure? 2 of them have another verdict.")
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(question.get_by_role("button", name="Only the 50 without one")).to_be_focused()
    page.keyboard.press("Enter")
    eventually(page, job, "Ada", said | dict.fromkeys([id for id in shown if id not in said], "unsure"))
    page.keyboard.press("ControlOrMeta+z")
    eventually(page, job, "Ada", said)


def add_one(page: Page, job: Job, said: dict[int, str]) -> None:
    """Of what the cut leaves, the most suspicious image is poisoned, too."""
    settled(page)
    choose(page, "Show", "Not flagged")
    tiles = grid(page)
    result = Result(job.config)
    left = np.flatnonzero(~result.flagged)
    first = int(left[np.argsort(-result.detection().scores[left], kind="stable")[0]])
    expect(tiles.first).to_have_attribute("data-id", str(first), timeout=MINUTE)
    tiles.first.click()
    page.keyboard.press("p")
    said[first] = "poisoned"
    eventually(page, job, "Ada", said)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def filter_and_save(page: Page, job: Job, order: list[int], said: dict[int, str]) -> str:
    """The clean ones alone; each filter is a chip that goes by its x, and the view gets a name and a link."""
    page.get_by_role("button", name="Not flagged").first.click()
    settled(page)
    choose(page, "Verdict", "clean")
    chip = page.get_by_role("button", name="verdict clean").first
    expect(chip).to_be_visible()
    clean = [id for id in order if said.get(id) == "clean"]
    expect(grid(page).first).to_have_attribute("data-id", str(clean[0]), timeout=MINUTE)
    page.get_by_role("button", name="Views").click()
    page.get_by_role("textbox", name="Save this view as").fill("mine, clean")
    page.get_by_role("textbox", name="Save this view as").press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    link = page.get_by_test_id("stPopoverBody").get_by_test_id("stCode")
    expect(link).to_contain_text(f"run={job.key[:16]}&view=mine%2C%20clean&reviewer=Ada", timeout=MINUTE)
    address = link.inner_text().strip()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear all").click()
    expect(chip).to_have_count(0)
    expect(grid(page).first).to_have_attribute("data-id", str(order[0]), timeout=MINUTE)
    return address


def reopen_elsewhere(browser: Browser, link: str, order: list[int], said: dict[int, str]) -> None:
    """Another browser knows nothing but the link; there what is filtered is taken away as a file."""
    clean = [id for id in order if said.get(id) == "clean"]
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.set_default_timeout(MINUTE)
        page.goto(link)
        tiles = grid(page)
        expect(tiles.first).to_have_attribute("data-id", str(clean[0]), timeout=MINUTE)
        expect(page.get_by_role("button", name="verdict clean").first).to_be_visible()
        ids = tiles.evaluate_all("tiles => tiles.map((tile) => Number(tile.dataset.id))")
        assert ids == clean[:PAGE]
        open_export(page)
        page.get_by_text(f"The {len(clean)} filtered").click()
        settled(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Scores as CSV").click()
        with open(download.value.path(), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {int(row["id"]) for row in rows} == set(clean)
        assert {row["kept"] for row in rows} == {"True"}


def open_export(page: Page) -> None:
    """What is in it is drawn then, while it opens; a click on its way would be lost."""
    page.locator("summary", has_text="Export").click()
    expect(page.get_by_role("button", name="Scores as CSV")).to_be_visible()
    settled(page)


def expected(job: Job, said: dict[int, str]) -> set[int]:
    """Everything but the cut, less what is clean, and what is poisoned."""
    result = Result(job.config)
    gone = set(np.flatnonzero(result.flagged).tolist())
    gone -= {id for id, verdict in said.items() if verdict == "clean"}
    gone |= {id for id, verdict in said.items() if verdict == "poisoned"}
    return set(range(len(result.poisoned))) - gone


def keep_list(page: Page, job: Job, said: dict[int, str]) -> None:
    """The file is what the figures say."""
    clean = sum(verdict == "clean" for verdict in said.values())
    for name, value in (("Cut", 340), ("Kept after all", clean), ("Added", 1), ("Removed in the end", 341 - clean)):
        expect(figure(page, name).first).to_have_text(f"{value:,}")
    open_export(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Keep-list").click()
    kept = {int(line) for line in download.value.path().read_text().splitlines()}
    assert kept == expected(job, said)


def retrain(page: Page, job: Job, said: dict[int, str]) -> None:
    """The worker trains on it; the run is in the ledger by what it was trained on, and stands beside the first."""
    page.get_by_role("button", name="Retrain with my verdicts").click()
    expect(page.get_by_text("Trained with these verdicts.")).to_be_visible(timeout=TRAINING)
    (made,) = [one for one in core.jobs.listing(start=False) if one.config.keep and one.config.base == job.config]
    result = Result(made.config)
    assert set(np.flatnonzero(~result.flagged).tolist()) == expected(job, said)
    assert result.summary["reviewed"]["added"] == 1
    page.get_by_role("link", name="Both runs beside each other: Compare").click()
    expect(page.get_by_role("tab", name="Another run")).to_have_attribute("aria-selected", "true", timeout=MINUTE)
    expect(page.get_by_text("What came of it")).to_be_visible()
    expect(page.get_by_text(f"keep-list {made.config.keep[:12]}")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"run={made.key[:16]}.*show=Another"))
    core.jobs.delete(made.id)
