"""The Story as a screen: it fits its window, and its links stand in one line."""

from __future__ import annotations

from itertools import pairwise

from playwright.sync_api import Page

from tests.browser import ways


def test_the_story_fits_and_its_links_leave_no_hole(page: Page, app_server) -> None:
    ways.open_link(page, app_server.url, ways.FIRST)
    main = page.get_by_test_id("stMain")
    for width, height in ((1440, 900), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        ways.settled(page)
        if height >= 900:
            assert main.evaluate("(one) => one.scrollHeight - one.clientHeight") <= 0
        links = main.get_by_test_id("stPageLink")
        assert len({round(link.bounding_box()["y"]) for link in links.all()}) == 1, width
    page.set_viewport_size({"width": 820, "height": 1180})
    ways.settled(page)
    rows = sorted({round(link.bounding_box()["y"]) for link in links.all()})
    assert all(below - above < 60 for above, below in pairwise(rows))
