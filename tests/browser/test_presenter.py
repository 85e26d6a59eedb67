"""Presenter mode with the keyboard alone: a remote control sends Page Down and Page Up."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import ways

MINUTE = 60_000


def press(page: Page, key: str) -> None:
    """A key, once the screen stands: nobody is quicker, and Streamlit drops what comes while it first draws."""
    ways.settled(page)
    page.keyboard.press(key)


def heading(page: Page, begins: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^{re.escape(begins)}"), timeout=MINUTE)


def test_the_story_by_page_down_and_back(page: Page, app_server) -> None:
    page.goto(f"{app_server.url}/?present=1")
    for number in range(1, 6):
        heading(page, f"{number}.")
        press(page, "PageDown")
    heading(page, "Attack")
    assert re.search(r"/attack\?.*present=1", page.url)
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    press(page, "PageUp")
    heading(page, "5.")
    page.reload()
    heading(page, "5.")
    press(page, "Escape")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible(timeout=MINUTE)
    assert "present=1" not in page.url
