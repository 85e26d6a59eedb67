"""Presenter mode with the keyboard alone: a remote control sends Page Down and Page Up."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import ways

MINUTE = 60_000


def test_the_story_by_page_down_and_back(page: Page, app_server) -> None:
    page.goto(f"{app_server.url}/?present=1")
    for number in range(1, 6):
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(rf"^{number}\."), timeout=MINUTE)
        page.keyboard.press("PageDown")
    expect(page.get_by_role("heading", level=1)).to_have_text("Attack", timeout=MINUTE)
    assert re.search(r"/attack\?.*present=1", page.url)
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    page.keyboard.press("PageUp")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^5\."), timeout=MINUTE)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^5\."), timeout=MINUTE)
    ways.settled(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible(timeout=MINUTE)
    assert "present=1" not in page.url
