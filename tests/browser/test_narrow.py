"""In a narrow window words are not broken, and what does not fit a menu's box is said below it.

That columns give way on every screen, tests/browser/test_walk.py sees.
"""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import ways
from tests.browser.conftest import AppServer

TABLET, PHONE = {"width": 820, "height": 1180}, {"width": 390, "height": 844}

# How many lines of type a text takes.
LINES = """(element) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    const lines = new Set();
    while (walker.nextNode()) {
        if (!walker.currentNode.data.trim()) continue;
        range.selectNodeContents(walker.currentNode);
        for (const box of range.getClientRects()) lines.add(Math.round(box.bottom / 8));
    }
    return lines.size;
}"""


def test_attack_is_legible_beside_the_sidebar(page: Page, app_server: AppServer) -> None:
    page.set_viewport_size(TABLET)
    ways.open_link(page, app_server.url, "attack")
    main = page.get_by_test_id("stMain")
    assert main.get_by_role("heading", name="Attacker").evaluate(LINES) == 1
    for preset in main.locator(".st-key-presets button p").all():
        assert preset.evaluate(LINES) <= 5
    cards = main.get_by_role("radiogroup", name="Trigger").locator(":scope > div")
    assert len({round(card.bounding_box()["y"]) for card in cards.all()}) <= cards.count() / 2, "two in a row, or more"


def test_the_run_picker_tells_runs_apart_in_the_box_and_in_the_menu(page: Page, app_server: AppServer) -> None:
    for size in ({"width": 1440, "height": 900}, PHONE):
        page.set_viewport_size(size)
        ways.open_link(page, app_server.url, "scores")
        if size == PHONE:
            page.get_by_test_id("stExpandSidebarButton").click()
        sidebar = page.get_by_test_id("stSidebar")
        box = sidebar.get_by_role("combobox", name="Run")
        expect(box).to_have_css("text-overflow", "ellipsis")
        expect(
            page.locator(".ps-header").get_by_text(re.compile("^whitened-spectral · cifar10 · "))
        ).to_be_in_viewport()
        box.click()
        options = page.get_by_role("option", name=re.compile("^Recorded run"))
        expect(options).to_have_count(2)
        for option, detector in zip(
            options.all(), ("whitened-spectral · cifar10", "· spectral · cifar10"), strict=True
        ):
            expect(option).to_contain_text(detector)
            assert option.evaluate(
                "(one) => [one, ...one.children].every((part) => "
                "part.scrollWidth <= part.clientWidth + 1 && part.scrollHeight <= part.clientHeight + 1)"
            ), "all of it is seen"
        page.keyboard.press("Escape")
