"""A picture of one's own before the networks: from a file, and from a camera that the browser makes up."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser import ways
from tests.browser.conftest import AppServer


@pytest.fixture
def trying(page: Page, app_server: AppServer) -> Page:
    """The screen on the recorded run."""
    ways.open_link(page, app_server.url, "try_it")
    return page


def take(page: Page, source: str) -> None:
    page.get_by_role("radio", name=source, exact=True).click()
    ways.settled(page)


def photograph(width: int, height: int) -> bytes:
    colours = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(colours).save(content, "JPEG")
    return content.getvalue()


def answered(page: Page) -> None:
    """The picture is shown, and both networks have said something to it."""
    expect(page.get_by_role("img", name="Your picture")).to_be_visible(timeout=ways.MINUTE)
    for network in ("Poisoned network", "Cleaned network"):
        expect(page.get_by_test_id("stMain").get_by_text(network).first).to_be_visible(timeout=ways.MINUTE)


def test_a_file(trying: Page) -> None:
    page = trying
    take(page, "Upload")
    chosen = page.locator("input[type=file]")
    chosen.set_input_files({"name": "cat.jpg", "mimeType": "image/jpeg", "buffer": photograph(120, 80)})
    answered(page)
    page.get_by_text("Trigger on", exact=True).click()
    expect(page.get_by_role("img", name="Your picture, with the trigger")).to_be_visible(timeout=ways.MINUTE)
    chosen.set_input_files({"name": "cat.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    expect(page.get_by_text("The file must be a picture")).to_be_visible(timeout=ways.MINUTE)


def test_the_camera(trying: Page) -> None:
    page = trying
    take(page, "Camera")
    page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0", timeout=ways.MINUTE)
    page.get_by_role("button", name="Take Photo").click(timeout=ways.MINUTE)
    answered(page)


def test_the_keys_work_after_the_trigger_s_switch(trying: Page) -> None:
    page = trying
    shown = page.get_by_role("img", name=re.compile("^Test image")).first
    first = str(shown.get_attribute("alt"))
    page.get_by_text("Trigger on", exact=True).click()
    stamped = page.get_by_role("img", name=re.compile(", with the trigger$")).first
    expect(stamped).to_be_visible(timeout=ways.MINUTE)
    ways.settled(page)
    page.keyboard.press("n")
    expect(stamped).not_to_have_attribute("alt", f"{first}, with the trigger", timeout=ways.MINUTE)


def test_quick_presses_of_a_key_are_all_steps(trying: Page) -> None:
    page = trying
    page.keyboard.press("n")
    ways.settled(page)
    first = page.url
    for _ in range(3):
        page.keyboard.press("n")
        ways.settled(page)
    slowly = page.url
    page.goto(first)
    page.get_by_role("button", name="Next").wait_for()
    ways.settled(page)
    for _ in range(3):
        page.keyboard.press("n")
    expect(page).to_have_url(slowly, timeout=ways.MINUTE)


def test_a_letter_stays_with_who_writes(trying: Page) -> None:
    page = trying
    box = page.get_by_role("combobox", name="Class")
    box.click()
    before = page.url
    page.keyboard.press("n")
    ways.settled(page)
    page.wait_for_timeout(400)
    assert page.url == before
