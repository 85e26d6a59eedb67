"""A view is its link: reload, back, a second tab, someone else's browser and a server's restart bring it again.

On the recorded run. A view is compared by what a screen reader is told of the whole screen, own components included.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import ways
from tests.browser.conftest import AppServer, free_port, serving

MENUS = ('- button "Open"', '- button "Clear value"')  # a menu's own, which come and go

Change = Callable[[Page], None]


def move_the_cut(page: Page) -> None:
    """Another class, another detector, another budget, another plot."""
    budget = page.get_by_role("spinbutton", name="Budget", exact=True)
    budget.fill("150")
    budget.press("Enter")
    ways.settled(page)
    page.get_by_role("radio", name="log").first.click()
    ways.settled(page)
    page.get_by_role("button", name=re.compile("dog")).first.click()
    ways.settled(page)


def turn_the_page(page: Page) -> None:
    page.get_by_role("navigation", name="Pagination").get_by_role("button", name="Next page").click()
    ways.settled(page)


def compare_with_another(page: Page) -> None:
    page.get_by_role("tab", name="Another run").click()
    ways.settled(page)


def put_the_trigger_on(page: Page) -> None:
    page.get_by_text("Trigger on", exact=True).click()
    ways.settled(page)
    page.get_by_role("button", name=re.compile("^Next")).click()
    ways.settled(page)


def assume_another_ratio(page: Page) -> None:
    """Another ratio, another figure."""
    page.get_by_role("tab", name="Assumed").click()
    ways.settled(page)
    page.get_by_role("slider", name="Assumed ratio").focus()
    page.keyboard.press("ArrowRight")
    ways.settled(page)
    page.get_by_role("radio", name="FPR", exact=True).click()
    ways.settled(page)


VIEWS: dict[str, tuple[Change, tuple[str, ...]]] = {
    "scores": (move_the_cut, ("budget=150", "class=5")),
    "flagged": (turn_the_page, ("=2",)),
    "compare": (compare_with_another, ("show=",)),
    "sensitivity": (assume_another_ratio, ("assumed=10.5", "figure=FPR")),
    "try_it": (put_the_trigger_on, ("stamped=", "test=")),
}


# Opened in someone else's browser as well: what an address holds is restored in one way; a gallery, in its own.
OTHERS_TOO = "scores", "flagged"


def view(page: Page, wanted: str | None = None) -> str:
    """What stands on the screen, figures and names of pictures included: once it stays, and is as wanted.

    What is not as wanted within seconds is returned as it is.
    """
    ways.settled(page)
    patience, last = time.monotonic() + 10, ""
    while True:
        told = page.get_by_test_id("stMain").aria_snapshot().splitlines()
        seen = "\n".join(line for line in told if line.strip() not in MENUS)
        if (seen == last and wanted in (None, seen)) or time.monotonic() > patience:
            return seen
        last = seen
        page.wait_for_timeout(200)


@pytest.mark.parametrize("screen", VIEWS)
def test_a_view_comes_back(page: Page, browser: Browser, app_server: AppServer, screen: str) -> None:
    change, address = VIEWS[screen]
    ways.open_link(page, app_server.url, screen)
    untouched = view(page)
    change(page)
    link, seen = page.url, view(page)
    assert seen != untouched
    assert all(part in link for part in address), link

    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=ways.MINUTE)
    assert view(page, seen) == seen, "after a reload"
    assert page.url == link

    ways.by_sidebar(page, "how")
    page.go_back()
    expect(page).to_have_url(link)
    assert view(page, seen) == seen, "after going away and back"

    if screen not in OTHERS_TOO:
        return
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        other = context.new_page()
        other.goto(link)
        expect(other.get_by_role("heading", level=1)).to_be_visible(timeout=ways.MINUTE)
        assert view(other, seen) == seen, "in someone else's browser"
        if screen == "scores":  # Streamlit's own doing, the same on every screen
            second = context.new_page()
            ways.open_link(second, app_server.url, screen)
            assert view(second, untouched) == untouched, "a second tab keeps to its own address"
            assert view(other, seen) == seen, "and does not disturb the first"
    finally:
        context.close()


def test_a_drag_of_the_cut_is_one_step_back(page: Page, app_server: AppServer) -> None:
    """However many answers come while the line is on its way."""
    ways.open_link(page, app_server.url, "scores")
    before, entries = page.url, page.evaluate("history.length")
    line = page.get_by_role("slider", name=re.compile("^Cut:"))
    box = line.bounding_box()
    across, down = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(across, down)
    page.mouse.down()
    for step in range(1, 21):
        page.mouse.move(across + 4 * step, down)
        page.wait_for_timeout(40)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"[?&]budget=\d+"))
    ways.settled(page)
    assert page.evaluate("history.length") == entries + 1
    budget = page.get_by_role("spinbutton", name="Budget", exact=True)
    assert f"budget={budget.input_value()}" in page.url, "slider, numbers and address say the same"
    page.go_back()
    expect(page).to_have_url(before)


def test_a_new_server_shows_a_linked_screen_first_and_a_restarted_one_the_same_view(page: Page, tmp_path: Path) -> None:
    """The tab that was open finds the new server, or is reloaded: the same view, the same verdicts."""
    port, folder = free_port(), tmp_path / "served"
    with serving(folder, port) as server:
        page.goto(f"{server.url}/scores")
        links = page.get_by_test_id("stSidebarNav").get_by_role("link")
        expect(links).to_contain_text(["Story", "Attack", "Scores", "Flagged", "Compare"], timeout=ways.MINUTE)
        expect(page.get_by_role("heading", level=1)).to_have_text("Scores", timeout=ways.MINUTE)
        assert page.url.rstrip("/").endswith("/scores")
        ways.settled(page)
        move_the_cut(page)
        link, seen = page.url, view(page)
        page.goto("about:blank")
    with serving(folder, port):
        page.goto(link)
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=ways.MINUTE)
        assert view(page, seen) == seen
        page.goto("about:blank")
