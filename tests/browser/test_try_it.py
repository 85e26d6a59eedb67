"""A picture of one's own before the networks: from a file, and from a camera that the browser makes up."""

from __future__ import annotations

import io

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
