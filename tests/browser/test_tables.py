"""From the report's tables to a run behind them, which ships with the program and was never opened here."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

import core
from tests.browser import ways
from tests.browser.conftest import AppServer


def test_a_figure_leads_to_its_run(page: Page, app_server: AppServer) -> None:
    published = core.reference.TABLES[0]  # the last is the recorded run, which is there from the start
    ways.open_link(page, app_server.url, "tables")
    row = page.locator(f"tbody[data-row='{published.trigger}-{published.target}-{100 * published.ratio:g}']")
    row.get_by_role("button").first.click()
    link = row.get_by_role("link", name="seed 0", exact=True)
    expect(link).to_be_visible()
    link.click()
    page.wait_for_url(re.compile(r"/compare\?run="), timeout=ways.MINUTE)
    ways.settled(page)
    main = page.get_by_test_id("stMain")
    expect(main.get_by_role("heading", name="Compare")).to_be_visible()
    told = f"{published.trigger.capitalize()} → {published.target}, {100 * published.ratio:g}%"
    expect(main.get_by_text(told).first).to_be_visible()
    picked = page.get_by_test_id("stSidebar").get_by_role("combobox", name="Run")
    expect(picked).to_have_value(re.compile(f"^{published.trigger} → {published.target}"))
    ways.by_sidebar(page, "flagged")
    expect(main.get_by_role("option").first).to_be_visible(timeout=ways.MINUTE)
    for screen in ("scores", "network", "try_it"):
        ways.by_sidebar(page, screen)
        expect(main.get_by_test_id("stException")).to_have_count(0)
        expect(main.get_by_text("damaged or missing")).to_have_count(0)
