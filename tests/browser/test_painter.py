"""A trigger of one's own in a real browser: painted by mouse and by keyboard, uploaded, and kept."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from core.configuration import pictures
from tests.browser.conftest import AppServer
from tests.browser.ways import MINUTE


@pytest.fixture
def painting(page: Page, app_server: AppServer) -> Page:
    """The Attack screen on digits, with the painter open."""
    page.set_default_timeout(MINUTE)
    page.goto(f"{app_server.url}/attack")
    box = page.get_by_role("combobox", name="Data set")
    expect(box).to_be_visible(timeout=MINUTE)
    if box.input_value() != "digits":
        box.click()
        page.get_by_role("option", name="digits", exact=True).click()
    page.get_by_test_id("stRadioOption").filter(has_text="drawing").click()
    expect(page.get_by_role("grid")).to_be_visible(timeout=MINUTE)
    expect(page.get_by_text(re.compile(r"Difference: \d\d of 1,024 pixels"))).to_be_visible(timeout=MINUTE)
    return page


def cell(page: Page, row: int, column: int) -> Locator:
    return page.get_by_role("gridcell", name=re.compile(rf"^row {row}, column {column}, "))


def shows(page: Page, row: int, column: int, colour: str) -> None:
    """The cell has this colour, or gets it: painter and preview are drawn one after the other."""
    expect(cell(page, row, column)).to_have_attribute("aria-label", f"row {row}, column {column}, {colour}")


def differing(page: Page, pixels: int) -> None:
    """The picture that the server stamps differs from its original in so many pixels."""
    expect(page.get_by_text(re.compile(rf"Difference: {pixels} of 1,024 pixels"))).to_be_visible(timeout=MINUTE)


def test_mouse_and_keyboard_paint_and_the_preview_follows(painting: Page) -> None:
    page = painting
    page.get_by_role("combobox", name="Grid").select_option("4 by 4")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("The picture must have at least one visible pixel")).to_be_visible(timeout=MINUTE)
    expect(page.get_by_role("button", name="Start")).to_be_disabled(timeout=MINUTE)

    page.get_by_role("button", name="red", exact=True).click()
    begin, end = cell(page, 1, 1).bounding_box(), cell(page, 1, 4).bounding_box()
    assert begin
    assert end
    page.mouse.move(begin["x"] + begin["width"] / 2, begin["y"] + begin["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2)
    page.mouse.up()
    differing(page, 4)
    for column in (1, 2, 3, 4):
        shows(page, 1, column, "red")

    cell(page, 1, 4).press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    differing(page, 5)
    expect(cell(page, 3, 4)).to_be_focused()
    shows(page, 3, 4, "red")
    page.keyboard.press("ArrowRight")  # the edge: it stays
    page.keyboard.press("Delete")
    differing(page, 4)
    shows(page, 3, 4, "empty")

    page.get_by_role("link", name="How it works").click()
    page.get_by_role("link", name="Attack").first.click()
    differing(page, 4)
    shows(page, 1, 2, "red")


def test_an_upload_takes_the_painters_place_and_a_bad_one_does_not(painting: Page) -> None:
    page = painting
    dot = base64.b64decode(pictures.encode(np.full((3, 3, 4), (0, 0, 255, 255), np.uint8)))
    page.locator("input[type=file]").set_input_files({"name": "dot.png", "mimeType": "image/png", "buffer": dot})
    differing(page, 9)
    shows(page, 3, 3, "#0000ff")
    bad = {"name": "bad.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.locator("input[type=file]").set_input_files(bad)
    expect(page.get_by_text("The picture must be a PNG file, got 10 bytes that are none")).to_be_visible(timeout=MINUTE)
    differing(page, 9)
