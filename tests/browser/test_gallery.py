"""The gallery in a real browser: verdicts by key and in bulk, the selection, and a link that restores the view."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

import core
from core import Job
from core.results.result import Result
from core.store.home import VARIABLE
from tests.pages import stored

MINUTE = 60_000


@pytest.fixture
def job(app_server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A made-up run in the server's home; what a test says of its images goes with it."""
    monkeypatch.setenv(VARIABLE, str(app_server.home))
    made = stored.finished(stored.config())
    yield made
    for review in core.reviews.of(made.key):
        core.reviews.judge(made.key, [review.image], None, review.reviewer)
        core.reviews.annotate(made.key, review.image, "", review.reviewer)
    core.jobs.delete(made.id)


@pytest.fixture
def order(job: Job) -> list[int]:
    """The flagged ids, the most suspicious first."""
    result = Result(job.config)
    ids = result.flagged.nonzero()[0]
    return ids[(-result.detection().scores[ids]).argsort(kind="stable")].tolist()


def opened(page: Page, address: str) -> Locator:
    """The grid's tiles."""
    page.goto(address)
    return drawn(page)


def drawn(page: Page) -> Locator:
    tiles = page.get_by_role("listbox").get_by_role("option")
    expect(page.locator(".gallery[data-drawn]")).to_be_visible(timeout=MINUTE)
    return tiles


def focused(tiles: Locator) -> int:
    return tiles.first.evaluate("tile => [...tile.parentNode.children].indexOf(tile.getRootNode().activeElement)")


def verdict(tile: Locator, given: str) -> None:
    expect(tile).to_have_attribute("data-verdict", given)
    if given:
        expect(tile).to_have_attribute("aria-label", re.compile(f"verdict {given}$"))


def kept(job: Job, reviewer: str) -> dict[int, str | None]:
    return {one.image: one.verdict for one in core.reviews.of(job.key, reviewer)}


def eventually(page: Page, job: Job, reviewer: str, wanted: dict[int, str]) -> None:
    """The verdicts are in the database. The grid showed them at once; the server may first have to load torch."""
    for _ in range(MINUTE // 100):
        if kept(job, reviewer) == wanted:
            return
        page.wait_for_timeout(100)
    assert kept(job, reviewer) == wanted


def test_verdicts_by_key_survive_a_reload(page: Page, app_server, job: Job, order: list[int]) -> None:
    address = f"{app_server.url}/flagged?run={job.key[:16]}&reviewer=Ada"
    tiles = opened(page, address)
    tiles.nth(0).click()
    for key in "pcu":
        page.keyboard.press(key)
    for place, given in enumerate(["poisoned", "clean", "unsure", ""]):
        verdict(tiles.nth(place), given)
    expect(tiles.nth(3)).to_be_focused()  # each verdict moved on to the next image
    page.keyboard.press("ArrowLeft")
    expect(tiles.nth(2)).to_be_focused()
    page.keyboard.press("0")
    wanted = {order[0]: "poisoned", order[1]: "clean"}
    eventually(page, job, "Ada", wanted)
    expect(page.get_by_text("2 verdicts by Ada: 1 poisoned, 1 clean")).to_be_visible(timeout=MINUTE)
    expect(page.get_by_text(re.compile("agreement with the truth"))).to_be_visible(timeout=MINUTE)
    expect(tiles.nth(3)).to_be_focused()
    page.reload()
    tiles = drawn(page)
    for place, given in enumerate(["poisoned", "clean", ""]):
        verdict(tiles.nth(place), given)
    opened(page, address.replace("Ada", "Bo"))
    expect(page.get_by_text("0 verdicts by Bo")).to_be_visible(timeout=MINUTE)
    verdict(drawn(page).nth(0), "")


def test_no_verdict_is_lost_however_fast_they_come(page: Page, app_server, job: Job, order: list[int]) -> None:
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}&reviewer=Fast&page+size=24")
    tiles.nth(0).click()
    for _ in range(15):
        page.keyboard.press("p")
        page.keyboard.press("c")
    expect(page.get_by_text(re.compile(r"^25 to 48 of"))).to_be_visible(timeout=MINUTE)
    wanted = {id: "clean" if place % 2 else "poisoned" for place, id in enumerate(order[:24])}
    # What was pressed while the page turned was for no image.
    assert {id: given for id, given in kept(job, "Fast").items() if id in order[:24]} == wanted


def test_verdicts_in_bulk(page: Page, app_server, job: Job, order: list[int]) -> None:
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}&reviewer=Bulk")
    tiles.nth(2).click()
    tiles.nth(5).click(modifiers=["Shift"])
    tiles.nth(8).click(modifiers=["ControlOrMeta"])
    expect(page.get_by_text("5 selected")).to_be_visible(timeout=MINUTE)
    page.get_by_role("button", name="Unsure").click()
    wanted = dict.fromkeys([*order[2:6], order[8]], "unsure")
    eventually(page, job, "Bulk", wanted)
    page.get_by_role("button", name="Select page").click()
    expect(page.get_by_text("96 selected")).to_be_visible(timeout=MINUTE)
    tiles.nth(0).focus()
    page.keyboard.press("c")
    eventually(page, job, "Bulk", dict.fromkeys(order[:96], "clean"))
    page.get_by_role("button", name=re.compile("^Clear")).click()
    eventually(page, job, "Bulk", {})


def test_keys_move_the_selection_and_the_detail_follows(page: Page, app_server, job: Job, order: list[int]) -> None:
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}")
    tiles.nth(0).click()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    expect(tiles.nth(1)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".st-key-detail").get_by_text(f"id {order[1]}").first).to_be_visible(timeout=MINUTE)
    page.keyboard.press("ArrowDown")
    above, below = (tiles.nth(place).bounding_box() for place in (1, focused(tiles)))
    assert above["x"] == below["x"]
    assert above["y"] < below["y"]
    page.keyboard.press("End")
    expect(tiles.nth(95)).to_be_focused()
    page.keyboard.press("ArrowRight")  # past the last: the next page
    expect(page.get_by_text(re.compile(r"^97 to 192 of"))).to_be_visible(timeout=MINUTE)
    expect(tiles.first).to_have_attribute("data-id", str(order[96]), timeout=MINUTE)
    expect(tiles.first).to_be_focused()


def test_a_link_restores_page_filter_and_image(page: Page, app_server, job: Job, order: list[int]) -> None:
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}")
    page.get_by_test_id("stPagination").get_by_role("button", name="2").click()
    expect(tiles.first).to_have_attribute("data-id", str(order[96]), timeout=MINUTE)
    tiles.nth(4).click()
    expect(page).to_have_url(re.compile(f"image={order[100]}"))
    assert "page=2" in page.url
    expect(page.locator(".st-key-detail").get_by_text(f"id {order[100]}").first).to_be_visible(timeout=MINUTE)
    tiles = opened(page, page.url)
    expect(tiles.nth(4)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".st-key-detail").get_by_text(f"id {order[100]}").first).to_be_visible(timeout=MINUTE)


def test_blind_review_has_no_ids(page: Page, app_server, job: Job, order: list[int]) -> None:
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}&truth=0&reviewer=Blind")
    tiles.nth(0).click()
    page.keyboard.press("p")
    eventually(page, job, "Blind", {order[0]: "poisoned"})
    handles = core.export.handles(Result(job.config))
    expect(tiles.nth(1)).to_have_attribute("data-id", str(handles[order[1]]))
    expect(page).to_have_url(re.compile(f"image={handles[order[1]]}"))
    assert not re.search(r"\bid \d", page.locator("body").inner_text())


def test_going_away_and_back_keeps_the_view(page: Page, app_server, job: Job, order: list[int]) -> None:
    opened(page, f"{app_server.url}/flagged?run={job.key[:16]}&reviewer=Ada&page=2&size=64")
    for way in (lambda: page.get_by_role("link", name="Flagged").first.click(), page.go_back):
        page.get_by_role("link", name="How it works").first.click()
        expect(page.get_by_role("heading", name="How it works", exact=True).first).to_be_visible(timeout=MINUTE)
        way()
        expect(drawn(page).first).to_have_attribute("data-id", str(order[96]), timeout=MINUTE)
        expect(page.get_by_role("textbox", name="Reviewer")).to_have_value("Ada")
        expect(page).to_have_url(re.compile("page=2"))
