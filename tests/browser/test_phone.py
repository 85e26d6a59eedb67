"""The sidebar: on a phone a tap on a screen leads there, and it is out of the way; beside a screen it is narrow."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from pages.parts.around import shell
from tests.browser import ways
from tests.browser.conftest import AppServer, serving

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_the_sidebar_closes_after_a_tap_on_a_screen(browser: Browser, app_server: AppServer) -> None:
    context = browser.new_context(**PHONE)
    try:
        page = context.new_page()
        ways.open_link(page, app_server.url, "scores")
        sidebar = page.get_by_test_id("stSidebar")
        for screen in ("compare", "compare"):  # the screen that is open already, too
            page.get_by_test_id("stExpandSidebarButton").tap()
            link = sidebar.get_by_role("link", name=ways.SCREENS[screen], exact=True)
            expect(link).to_be_in_viewport()
            link.tap()
            expect(page.get_by_role("heading", name="Compare", level=1)).to_be_visible(timeout=ways.MINUTE)
            ways.settled(page)
            expect(link).not_to_be_in_viewport()
            expect(page.get_by_test_id("stExpandSidebarButton")).to_be_visible()
    finally:
        context.close()


def test_beside_a_wide_screen_the_sidebar_stays(page: Page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "scores")
    ways.by_sidebar(page, "compare")
    page.wait_for_timeout(1000)
    expect(page.get_by_test_id("stSidebarNav").get_by_role("link", name="Flagged", exact=True)).to_be_in_viewport()


def test_the_sidebar_is_narrow_on_a_servers_first_page_and_follows_the_hand(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    with serving(tmp_path / "first") as server, closing(context):
        page = context.new_page()
        ways.open_link(page, server.url, "tables")
        sidebar = page.get_by_test_id("stSidebar")
        expect(sidebar).to_have_css("width", f"{shell.SIDEBAR}px")
        box = sidebar.bounding_box()
        x, y = box["x"] + box["width"], box["y"] + 500
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y, steps=8)
        page.mouse.up()
        assert sidebar.bounding_box()["width"] > box["width"] + 60
