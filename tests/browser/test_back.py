"""Back brings back the view that was there: on the screen, the run, the cut, the filters."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import ways
from tests.browser.conftest import AppServer

ROW = "pixel-horse-10"


def run_shown(page: Page) -> str:
    return page.get_by_test_id("stSidebar").get_by_role("combobox", name="Run").input_value()


def by_row_to_seed(page: Page) -> None:
    """From an opened row of the report's tables to the run of its first seed."""
    row = page.locator(f"tbody[data-row='{ROW}']")
    row.get_by_role("button").first.click()
    ways.settled(page)
    row.get_by_role("link", name="seed 0", exact=True).click()
    page.wait_for_url(re.compile(r"/compare\?run="), timeout=ways.MINUTE)
    ways.settled(page)


def test_back_from_a_seed_leads_to_the_open_row_and_the_run_before(page: Page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "tables")
    before = run_shown(page)
    by_row_to_seed(page)
    assert run_shown(page) != before, "the seed's run is this tab's now"
    there = page.url
    page.go_back()
    expect(page).to_have_url(f"{app_server.url}/tables?rows={ROW}", timeout=ways.MINUTE)
    ways.settled(page)
    row = page.locator(f"tbody[data-row='{ROW}']")
    expect(row.get_by_role("button").first).to_have_attribute("aria-expanded", "true")
    assert run_shown(page) == before
    page.go_forward()
    expect(page).to_have_url(there, timeout=ways.MINUTE)
    ways.settled(page)
    assert run_shown(page) != before


def test_back_from_another_run_restores_the_cut_of_the_first(page: Page, app_server: AppServer) -> None:
    """The cut belongs to a run: another run's forgets it, and Back brings run and cut."""
    ways.open_link(page, app_server.url, "scores")
    budget = page.get_by_role("spinbutton", name="Budget", exact=True)
    budget.fill("150")
    budget.press("Enter")
    expect(page).to_have_url(re.compile("budget=150"))
    ways.settled(page)
    scores, before = page.url, run_shown(page)
    ways.by_sidebar(page, "tables")
    by_row_to_seed(page)
    for _ in range(3):  # to the open row, to the tables, to the scores
        page.go_back()
        ways.settled(page)
    expect(page).to_have_url(scores, timeout=ways.MINUTE)
    expect(budget).to_have_value("150")
    assert run_shown(page) == before


def test_two_steps_back_over_another_screen_restore_the_filters(page: Page, app_server: AppServer) -> None:
    """What was filtered since is not put into the older view."""
    ways.open_link(page, app_server.url, "flagged")
    untouched = page.url
    ways.by_sidebar(page, "scores")
    truth = page.get_by_text("Show the truth", exact=True)
    truth.click()
    expect(page).to_have_url(re.compile("truth=0"))
    ways.settled(page)
    page.evaluate("history.go(-2)")
    expect(page).to_have_url(untouched, timeout=ways.MINUTE)
    ways.settled(page)
    expect(page.get_by_role("switch", name="Show the truth")).to_be_checked()


def test_back_right_after_a_change_undoes_that_change(page: Page, app_server: AppServer) -> None:
    """Even while it is not known yet whether the change was the first half of a change of screen."""
    ways.open_link(page, app_server.url, "tables", rows=ROW)
    row = page.locator(f"tbody[data-row='{ROW}']").get_by_role("button").first
    expect(row).to_have_attribute("aria-expanded", "true")
    row.click()
    page.wait_for_url(re.compile(r"/tables$"), timeout=ways.MINUTE)
    page.go_back()
    expect(page).to_have_url(f"{app_server.url}/tables?rows={ROW}", timeout=ways.MINUTE)
    expect(row).to_have_attribute("aria-expanded", "true")
