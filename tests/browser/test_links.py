"""Links: a screen opened by its own address, on a server that has shown nothing yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import serving

MINUTE = 60_000


@pytest.mark.parametrize("screen", ["scores", "compare"])
def test_the_first_thing_a_server_shows_may_be_a_linked_screen(page: Page, tmp_path: Path, screen: str) -> None:
    with serving(tmp_path) as server:
        page.goto(f"{server.url}/{screen}")
        links = page.get_by_test_id("stSidebarNav").get_by_role("link")
        expect(links).to_contain_text(["Story", "Attack", "Scores", "Flagged", "Compare"], timeout=MINUTE)
        expect(page.get_by_role("heading", level=1)).to_have_text(screen.capitalize(), timeout=MINUTE)
        assert page.url.rstrip("/").endswith(f"/{screen}")
        page.goto("about:blank")
