"""The gallery in a real browser: verdicts by key and in bulk, the selection, and a link that restores the view."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

import core
from core import Job
from core.results.result import Result
from tests.browser import axe
from tests.browser.conftest import AppServer
from tests.browser.gallery import eventually, grid, most_suspicious, reviewed
from tests.browser.ways import MINUTE, settled
from tests.pages import stored


@pytest.fixture
def job(app_server: AppServer) -> Iterator[Job]:
    with reviewed(app_server.home, stored.config()) as made:
        yield made


@pytest.fixture
def order(job: Job) -> list[int]:
    return most_suspicious(job)


def opened(page: Page, address: str) -> Locator:
    """The grid's tiles."""
    page.goto(address)
    return grid(page)


def focused(tiles: Locator) -> int:
    return tiles.first.evaluate("tile => [...tile.parentNode.children].indexOf(tile.getRootNode().activeElement)")


def verdict(tile: Locator, given: str) -> None:
    expect(tile).to_have_attribute("data-verdict", given)
    if given:
        expect(tile).to_have_attribute("aria-label", re.compile(f"verdict {given}$"))


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
    tiles = grid(page)
    for place, given in enumerate(["poisoned", "clean", ""]):
        verdict(tiles.nth(place), given)
    opened(page, address.replace("Ada", "Bo"))
    expect(page.get_by_text("0 verdicts by Bo")).to_be_visible(timeout=MINUTE)
    verdict(grid(page).nth(0), "")


def test_no_verdict_is_lost_however_fast_they_come(page: Page, app_server, job: Job, order: list[int]) -> None:
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}&reviewer=Fast&page+size=24")
    tiles.nth(0).click()
    for _ in range(15):
        page.keyboard.press("p")
        page.keyboard.press("c")
    expect(page.get_by_text(re.compile(r"^25 to 48 of"))).to_be_visible(timeout=MINUTE)
    wanted = {id: "clean" if place % 2 else "poisoned" for place, id in enumerate(order[:24])}
    # What was pressed while the page turned was for no image.
    assert {id: given for id, given in core.reviews.verdicts(job.key, "Fast").items() if id in order[:24]} == wanted


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
    question = page.get_by_role("alertdialog", name="Many verdicts at once")
    expect(question).to_contain_text("Mark 96 images as clean? 5 of them have another verdict.")
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    assert core.reviews.verdicts(job.key, "Bulk") == wanted
    page.keyboard.press("c")
    expect(question.get_by_role("button", name="Only the 91 without one")).to_be_focused()
    page.keyboard.press("Enter")
    eventually(page, job, "Bulk", dict.fromkeys(order[:96], "clean") | wanted)
    page.keyboard.press("c")
    expect(question).to_contain_text("Mark 5 images as clean? 5 of them have another verdict.")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    question.get_by_role("button", name="All 5").click()
    eventually(page, job, "Bulk", dict.fromkeys(order[:96], "clean"))
    page.get_by_role("button", name=re.compile("^Clear")).click()
    expect(question).to_contain_text("Take the verdicts on 96 images back?")
    page.keyboard.press("Enter")
    eventually(page, job, "Bulk", {})
    everything = dict.fromkeys(order[:96], "clean")
    for before in (everything, everything | wanted, wanted, {}):
        page.keyboard.press("ControlOrMeta+z")
        eventually(page, job, "Bulk", before)


def brushed(page: Page, start: float, end: float) -> None:
    """A drag across the histogram of scores, from one share of its width to another."""
    box = page.locator(".strip .plot").bounding_box()
    page.mouse.move(box["x"] + start * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in ((start + end) / 2, end):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    page.mouse.up()


def limits(page: Page) -> dict[str, float]:
    """The scores that the address lets through."""
    named = parse_qs(urlsplit(page.url).query)
    return {end: float(named[f"score {end}"][0]) for end in ("from", "to") if f"score {end}" in named}


def test_a_range_of_scores_is_brushed_or_set_by_keys(page: Page, app_server, job: Job, order: list[int]) -> None:
    scores = Result(job.config).detection().scores
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}")
    low, high = page.get_by_role("slider", name="Score from"), page.get_by_role("slider", name="Score to")
    assert [end.get_attribute("aria-valuetext") for end in (low, high)] == ["any", "any"]
    brushed(page, 0.75, 0.25)
    expect(page).to_have_url(re.compile("score.from=.*score.to="), timeout=MINUTE)
    between = limits(page)
    wanted = [id for id in order if between["from"] <= scores[id] <= between["to"]]
    assert 0 < len(wanted) < len(order)
    expect(page.locator(".gallery .range")).to_have_text(re.compile(f"of {len(wanted)}$"), timeout=MINUTE)
    expect(tiles.first).to_have_attribute("data-id", str(wanted[0]))
    expect(page.get_by_role("button", name=re.compile("^score at (least|most)"))).to_have_count(2)
    settled(page)
    low.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    for _ in range(MINUTE // 100):
        if limits(page)["from"] > between["from"]:
            break
        page.wait_for_timeout(100)
    assert limits(page)["from"] > between["from"]
    assert limits(page)["to"] == between["to"]
    settled(page)
    page.keyboard.press("Home")
    expect(page).not_to_have_url(re.compile("score.from"), timeout=MINUTE)
    expect(low).to_have_attribute("aria-valuetext", "any")
    expect(low).to_be_focused()
    settled(page)
    assert not axe.serious(page)
    box = page.locator(".strip .plot").bounding_box()
    page.mouse.click(box["x"] + 0.1 * box["width"], box["y"] + box["height"] / 2)  # takes the range away
    expect(page.locator(".gallery .range")).to_have_text(f"1 to 96 of {len(order)}", timeout=MINUTE)
    assert limits(page) == {}


def test_a_group_of_near_images_is_judged_at_once(page: Page, app_server, job: Job, order: list[int]) -> None:
    """By keys alone, on all pages that it reaches over; once more, G selects the next one."""
    result = Result(job.config)
    numbers = core.groups.near(result.features, result.poisoned.labels, np.array(order))
    first, second, third = ([id for id, one in zip(order, numbers, strict=True) if one == n] for n in range(3))
    assert len(first) < 24 < len(first) + len(second) < 48
    core.reviews.judge(job.key, second[-1:], "clean", "Grouped")  # on the second page
    view = "&order=groups+of+near+images&page+size=24&reviewer=Grouped"
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}{view}")
    told = page.locator(".gallery .said")
    tiles.first.click()
    expect(told).to_have_text(f"In a group of {len(first)}")
    page.keyboard.press("g")
    expect(told).to_have_text(f"Group of {len(first)} selected")
    expect(tiles.and_(page.locator("[aria-selected=true]"))).to_have_count(len(first))
    page.keyboard.press("p")
    question = page.get_by_role("alertdialog", name="Many verdicts at once")
    expect(question).to_contain_text(f"Mark {len(first)} images as poisoned?")
    page.keyboard.press("Enter")
    said = dict.fromkeys(first, "poisoned") | {second[-1]: "clean"}
    eventually(page, job, "Grouped", said)
    page.keyboard.press("g")
    expect(told).to_have_text(f"Group of {len(second)} selected, {len(first) + len(second) - 24} on other pages")
    page.keyboard.press("u")
    expect(question).to_contain_text(f"Mark {len(second)} images as unsure? 1 of them has another verdict.")
    expect(question.get_by_role("button", name=f"Only the {len(second) - 1} without one")).to_be_focused()
    page.keyboard.press("Enter")
    eventually(page, job, "Grouped", said | dict.fromkeys(second[:-1], "unsure"))
    page.keyboard.press("ControlOrMeta+z")
    eventually(page, job, "Grouped", said)
    settled(page)
    tiles.nth(len(first)).click()
    page.keyboard.press("g")
    page.keyboard.press("g")  # the third begins on the second page
    expect(page.locator(".gallery .range")).to_have_text(f"25 to 48 of {len(order)}", timeout=MINUTE)
    expect(told).to_have_text(f"Group of {len(third)} selected", timeout=MINUTE)
    place = len(first) + len(second) - 24
    expect(tiles.nth(place)).to_have_attribute("data-id", str(third[0]))
    expect(tiles.nth(place)).to_be_focused()
    expect(tiles.and_(page.locator("[aria-selected=true]"))).to_have_count(len(third))


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
        expect(grid(page).first).to_have_attribute("data-id", str(order[96]), timeout=MINUTE)
        expect(page.get_by_role("textbox", name="Reviewer")).to_have_value("Ada")
        expect(page).to_have_url(re.compile("page=2"))


# --- how it looks ----------------------------------------------------------------------------------------

# How many tiles lie wholly within the window, and how wide they and their list are.
_SIGHT = """(list) => {
  const boxes = [...list.children].map((tile) => tile.getBoundingClientRect());
  const whole = boxes.filter((box) => box.top >= 0 && box.bottom <= innerHeight);
  return {
    count: whole.length,
    across: Math.max(...boxes.map((box) => box.right)) - Math.min(...boxes.map((box) => box.left)),
    columns: new Set(boxes.map((box) => Math.round(box.left))).size,
    scrolls: getComputedStyle(list).overflowY !== "visible",
  };
}"""


@pytest.mark.parametrize("truth", ["1", "0"])
def test_sixty_images_are_in_sight_at_once(page: Page, app_server, job: Job, truth: str) -> None:
    """Before anything is scrolled; each is its picture alone."""
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}&truth={truth}")
    assert page.get_by_role("listbox").evaluate(_SIGHT)["count"] >= 60
    assert tiles.first.inner_text() == ""


def test_each_tile_shows_its_own_image(page: Page, app_server, job: Job, order: list[int]) -> None:
    """At a zoom where the sprite's cells begin between pixels of the screen."""
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}&size=96")
    page.evaluate("document.body.style.zoom = 1.1")
    images = Result(job.config).poisoned.images
    for place in (1, 15, 16, 40):  # in the sprite's corners and in its middle
        seen = Image.open(io.BytesIO(tiles.nth(place).screenshot())).convert("RGB")
        inside = [round(0.05 * side) for side in seen.size] + [round(0.95 * side) for side in seen.size]  # of the frame

        def unlike(id: int, seen: Image.Image = seen, inside: list[int] = inside) -> float:
            image = Image.fromarray(images[id]).resize(seen.size, Image.Resampling.NEAREST)
            both = [np.asarray(one.crop(inside), float) for one in (seen, image)]
            return float(np.abs(both[0] - both[1]).mean())

        assert min(order[:96], key=unlike) == order[place]
        assert unlike(order[place]) < 25, "of 255: what the scaling differs by"


def test_words_come_on_hover_and_go(page: Page, app_server, job: Job, order: list[int]) -> None:
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}")
    words = page.locator(".gallery .words")
    expect(words).to_be_hidden()
    for place in (0, 9):
        tiles.nth(place).hover()
        expect(words).to_contain_text(f"image {order[place]}")
        expect(words).to_contain_text("score ")
        box, window = words.bounding_box(), page.viewport_size
        assert 0 <= box["x"] <= box["x"] + box["width"] <= window["width"]
    tiles.nth(9).click()
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()
    tiles.nth(3).hover()
    expect(words).to_be_visible()
    page.get_by_role("heading", name="Flagged images", exact=True).hover()
    expect(words).to_be_hidden()


def framed(tile: Locator) -> str:
    """The style of the frame around an image; none where there is no frame."""
    look = "(tile) => { const one = getComputedStyle(tile); return [one.borderTopColor, one.borderTopStyle]; }"
    colour, style = tile.evaluate(look)
    return "" if colour == "rgba(0, 0, 0, 0)" else str(style)


def test_a_frame_only_where_the_cut_is_contradicted(page: Page, app_server, job: Job, order: list[int]) -> None:
    result = Result(job.config)
    truth = result.poisoned.truth.poisoned
    address = f"{app_server.url}/flagged?run={job.key[:16]}&reviewer=Frames"
    tiles = opened(page, address)
    assert {bool(truth[id]) for id in order[:96]} == {True, False}
    for place in range(96):
        assert framed(tiles.nth(place)) == ("" if truth[order[place]] else "solid")
    tiles = opened(page, f"{address}&show=Missed+poisons+%E2%9C%95")
    assert framed(tiles.first) == "dashed"
    tiles = opened(page, f"{address}&truth=0")
    assert {framed(tiles.nth(place)) for place in range(96)} == {""}
    tiles.first.click()
    for key in "pcu":
        page.keyboard.press(key)
    assert [framed(tiles.nth(place)) for place in range(4)] == ["", "dotted", "", ""]


def test_the_bar_says_how_far_one_is_and_stays_in_sight(page: Page, app_server, job: Job, order: list[int]) -> None:
    core.reviews.judge(job.key, order[100:103], "clean", "Far")  # on another page
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}&reviewer=Far")
    progress = page.locator(".gallery .progress")
    expect(progress).to_have_text(f"3 of {len(order)} judged")
    tiles.first.click()
    page.keyboard.press("p")
    expect(progress).to_have_text(f"4 of {len(order)} judged")
    page.keyboard.press("End")
    expect(tiles.nth(95)).to_be_in_viewport()
    expect(progress).to_be_in_viewport()


def test_the_keys_are_listed_at_a_question_mark(page: Page, app_server, job: Job) -> None:
    """Escape closes the list, and ends nothing else."""
    tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}")
    keys, button = page.locator(".gallery .keys"), page.get_by_role("button", name="Keys and marks")
    expect(keys).to_be_hidden()
    tiles.first.click()
    page.keyboard.press("?")
    expect(keys).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    button.click()
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    assert not axe.serious(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_tap_on_a_phone_shows_the_detail_where_one_is(
    browser: Browser, app_server, job: Job, order: list[int], scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme=scheme
    )
    try:
        page = context.new_page()
        tiles = opened(page, f"{app_server.url}/flagged?run={job.key[:16]}")
        sight = page.get_by_role("listbox").evaluate(_SIGHT)
        assert sight["columns"] >= 5
        assert sight["across"] >= 0.95 * (390 - 2 * 17)
        assert not sight["scrolls"]
        detail = page.locator(".st-key-detail")
        for place in (12, 60):
            tiles.nth(place).scroll_into_view_if_needed()
            page.wait_for_timeout(300)
            tiles.nth(place).tap()
            told = detail.get_by_text(f"id {order[place]}").first
            expect(told).to_be_in_viewport(timeout=MINUTE)
            expect(detail.get_by_role("img").first).to_be_in_viewport()
            below, tile = told.bounding_box(), tiles.nth(place).bounding_box()
            assert tile["y"] + tile["height"] <= below["y"], "the image itself is in sight, too"
            expect(page.locator(".gallery .bar")).to_be_in_viewport()
        assert not axe.serious(page)
    finally:
        context.close()
