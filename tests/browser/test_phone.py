"""On a phone: a tap on a screen in the sidebar leads there, and the sidebar is out of the way."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser import ways
from tests.browser.conftest import AppServer

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


def test_beside_a_wide_screen_the_sidebar_stays(page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "scores")
    ways.by_sidebar(page, "compare")
    page.wait_for_timeout(1000)
    expect(page.get_by_test_id("stSidebarNav").get_by_role("link", name="Flagged", exact=True)).to_be_in_viewport()
