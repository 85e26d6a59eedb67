"""Presenter mode with the keyboard alone: a remote control sends Page Down and Page Up, whatever has the focus."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import ways
from tests.browser.ways import MINUTE


def heading(page: Page, begins: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^{re.escape(begins)}"), timeout=MINUTE)


def press(page: Page, key: str) -> None:
    """A key, once the screen stands."""
    ways.settled(page)
    page.keyboard.press(key)


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


CONTROLS: dict[str, tuple[str, dict[str, Callable[[Page], Locator]]]] = {  # by screen: the next, and what has the focus
    "try_it": ("Tables", {"checkbox": lambda page: page.get_by_role("switch", name="Trigger on")}),
    "scores": (
        "Flagged",
        {
            "number": lambda page: page.get_by_role("spinbutton", name="Budget", exact=True),
            "slider": lambda page: page.get_by_role("slider", name=re.compile("^Images removed")),
            "the cut": lambda page: page.get_by_role("slider", name=re.compile("^Cut:")),
            "menu": lambda page: page.get_by_role("combobox", name="Class in large"),
            "button": lambda page: page.get_by_role("button", name="At the gap"),
        },
    ),
    "flagged": (
        "Compare",
        {
            "gallery": lambda page: page.get_by_role("listbox").get_by_role("option").nth(1),
            "text": lambda page: page.get_by_role("textbox", name="Reviewer"),
        },
    ),
}


@pytest.mark.parametrize("screen", CONTROLS)
def test_page_down_goes_on_whatever_has_the_focus_and_moves_nothing(page: Page, app_server, screen: str) -> None:
    following, controls = CONTROLS[screen]
    ways.open_link(page, app_server.url, screen, present="1")
    for control, find in controls.items():
        find(page).focus()
        expect(find(page)).to_be_focused()
        page.keyboard.press("PageDown")
        heading(page, following)
        ways.settled(page)
        page.go_back()
        heading(page, ways.SCREENS[screen])
        ways.settled(page)
        assert not re.search("budget=|page=|stamped=", page.url), control


def test_a_switch_that_was_clicked_does_not_keep_the_keys(page: Page, app_server) -> None:
    ways.open_link(page, app_server.url, "try_it", present="1")
    page.get_by_text("Trigger on", exact=True).click()
    ways.settled(page)
    page.keyboard.press("PageUp")
    heading(page, "Inside the network")


def test_quick_presses_are_all_steps(page: Page, app_server) -> None:
    ways.open_link(page, app_server.url, "story", present="1")
    for _ in range(3):
        page.keyboard.press("PageDown")
    heading(page, "4.")
    ways.settled(page)
    page.wait_for_timeout(500)
    heading(page, "4.")
    for _ in range(4):
        page.keyboard.press("PageDown")  # over the end of the Story
    heading(page, "Flagged")
    for _ in range(2):
        page.keyboard.press("PageUp")
    heading(page, "Attack")


def still_presenting(page: Page) -> None:
    ways.settled(page)
    page.wait_for_timeout(400)
    assert "present=1" in page.url
    expect(page.get_by_role("button", name="Leave")).to_be_visible()


def test_escape_closes_what_is_open_before_it_ends_the_mode(page: Page, app_server) -> None:
    ways.open_link(page, app_server.url, "scores", present="1")
    page.get_by_role("combobox", name="Class in large").click()
    menu = page.get_by_role("option", name=re.compile("horse"))
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    still_presenting(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible(timeout=MINUTE)


def test_escape_closes_a_popover(page: Page, app_server) -> None:
    ways.open_link(page, app_server.url, "flagged", present="1")
    page.get_by_role("button", name="More").click()
    inside = page.get_by_test_id("stPopoverBody")
    expect(inside).to_be_visible()
    page.keyboard.press("Escape")
    expect(inside).to_have_count(0)
    still_presenting(page)
