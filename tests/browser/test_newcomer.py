"""What only a browser shows of what helps a newcomer: the tour, the glossary, and what stays in sight on Attack."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from pages.parts.around import tour
from tests.browser import axe, ways
from tests.browser.conftest import AppServer

AGAIN = "localStorage.removeItem('poisonscope tour')"


def test_the_tour_goes_through_six_screens_by_keys_and_is_remembered(page: Page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "")
    region = page.get_by_role("region", name="Tour")
    expect(region).to_be_hidden()
    page.evaluate(AGAIN)
    ways.by_sidebar(page, "scores")
    expect(region).to_be_hidden()
    ways.by_sidebar(page, "story")
    region.get_by_role("button", name="Show me").press("Enter")
    for place, hint in enumerate(tour.HINTS, 1):
        expect(region).to_contain_text(f"{place} of {len(tour.HINTS)}: {hint.title}. {hint.says}")
        ways.settled(page)
        assert axe.serious(page) == []
        last = place == len(tour.HINTS)
        button = region.get_by_role("button", name="Done" if last else "Next")
        expect(button).to_be_focused()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        expect(button).to_be_focused()  # nothing holds the focus
        page.keyboard.press("Enter")
    expect(region).to_be_hidden()
    ways.by_sidebar(page, "story")
    ways.settled(page)
    expect(region).to_be_hidden()
    ways.by_sidebar(page, "how")
    page.get_by_role("button", name="Take the tour").click()
    expect(region).to_contain_text("1 of 6: Story.")
    region.get_by_role("button", name="End the tour").click()
    expect(region).to_be_hidden()
    ways.open_link(page, app_server.url, "how")  # another session of the server, in the same tab
    page.get_by_role("button", name="Take the tour").click()
    expect(region).to_contain_text("1 of 6: Story.")
    region.get_by_role("button", name="End the tour").click()
    expect(region).to_be_hidden()


def test_the_glossary_opens_over_any_screen_and_a_word_finds_its_term(page: Page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "scores")
    page.get_by_test_id("stSidebar").get_by_role("button", name="Glossary").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Keep-list", exact=True)).to_be_visible()
    drawer.get_by_label("Search").fill("asr1")
    drawer.get_by_label("Search").press("Enter")
    expect(drawer.get_by_text("Keep-list", exact=True)).to_be_hidden()
    expect(drawer.get_by_text("Backdoor success before (ASR1)")).to_be_visible()
    assert axe.serious(page) == []
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()


@pytest.mark.parametrize("size", [(1440, 900), (1280, 720)])
def test_start_the_estimate_and_the_preview_stay_in_sight_while_the_settings_change(
    page: Page, app_server: AppServer, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    ways.open_link(page, app_server.url, "attack", preset="hard")
    page.get_by_text("Detector: ").scroll_into_view_if_needed()
    page.get_by_text("Remove from").or_(
        page.get_by_text("Representation, budget, scope")
    ).first.scroll_into_view_if_needed()
    ways.settled(page)
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_in_viewport()
    expect(page.get_by_alt_text(re.compile("The same image with the pattern trigger"))).to_be_in_viewport()
    expect(page.get_by_text(re.compile("poisoned images?.* of the clean target class")).first).to_be_in_viewport()


def test_a_link_to_the_curves_leads_to_them(page: Page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "how")
    page.get_by_role("link", name="Attack: the curves").click()
    ways.settled(page)
    expect(page.get_by_text("First training, on the poisoned set")).to_be_in_viewport(timeout=ways.MINUTE)
