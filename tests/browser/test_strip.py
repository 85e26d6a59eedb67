"""The hand on the histogram of scores (pages/parts/flagged/strip.js): what Python is told. Without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from pages.parts.flagged import strip

SCRIPT = Path(strip.__file__).with_suffix(".js")
WIDTH = 1000  # pixels, of the plot
PAUSE = 250  # milliseconds: the last key is told by then

# What Streamlit does with a component: mounts it, gives it data, and takes what it sends.
MOUNT = """async (source) => {
  const { default: component } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  window.sent = [];
  const take = (name, value) => window.sent.push(value.ends);
  window.give = (data) => component({ parentElement: document.body, data, setTriggerValue: take });
}"""


class Shown:
    """The strip in a page of its own."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.clock.install()
        page.set_content(
            f"<style>{SCRIPT.with_suffix('.css').read_text('utf-8')} body {{ margin: 0 }}</style>{strip._HTML}"
        )
        page.add_style_tag(content=f".frame {{ width: {WIDTH}px; margin: 0 }}")
        page.evaluate(MOUNT, SCRIPT.read_text("utf-8"))

    def give(self, low: float | None, high: float | None, picture: str = "") -> None:
        """A range, as shares of the width, on a picture of 64 bins that is known by a word."""
        bars = {"bins": 64, "bars": [], "ticks": [], "cuts": None, "cut": [-1, "cut"], "ends": [picture] * 65}
        data: dict[str, Any] = {"picture": {**bars, "says": [""] * 64}, "range": [low, high]}
        self.page.evaluate("data => give(data)", {**data, "title": "", "legend": [], "alt": "", "hint": ""})

    def keys(self, end: int, *keys: str) -> None:
        self.page.locator(".end").nth(end).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def hold(self, start: float, to: float) -> None:
        """Press at a share of the width, and draw to another; the button stays down."""
        self.page.mouse.move(start * WIDTH, 40)
        self.page.mouse.down()
        self.page.mouse.move(to * WIDTH, 40)

    def drag(self, start: float, to: float) -> None:
        self.hold(start, to)
        self.page.mouse.up()

    def sent(self) -> list[list[float | None]]:
        """What was sent since it was last asked, when no key is waited for any more."""
        self.page.clock.run_for(PAUSE)
        found: list[list[float | None]] = self.page.evaluate("sent.splice(0)")
        return found

    def places(self) -> list[str]:
        return [end.evaluate("end => end.style.left") for end in self.page.locator(".end").all()]


@pytest.fixture
def shown(browser: Browser) -> Iterator[Shown]:
    page = browser.new_page()
    yield Shown(page)
    page.close()


def test_keys_that_change_nothing_are_not_told(shown: Shown) -> None:
    shown.give(None, None)
    shown.keys(0, "Home")
    assert shown.sent() == []
    shown.keys(1, "End", "ArrowRight")
    assert shown.sent() == []
    shown.keys(0, "ArrowRight", "ArrowLeft")
    assert shown.sent() == []
    shown.keys(0, "ArrowRight")
    assert shown.sent() == [[1 / 64, None]]
    shown.keys(0, "ArrowLeft")  # before Python has answered
    assert shown.sent() == [[None, None]]


def test_the_other_end_is_told_as_it_was_given(shown: Shown) -> None:
    """To the last digit; and where its score lies beyond the picture, so that it stands at the edge."""
    for high in (0.6180339887498949, 1):
        shown.give(0.1234567890123456, high)
        shown.drag(0.1234567890123456, 0.3)
        assert shown.sent() == [[0.3, high]]
        shown.give(0.1234567890123456, high)
        shown.keys(0, "Home")
        assert shown.sent() == [[None, high]]
    shown.give(0.2, 0.4)
    shown.drag(0.2, 0.7)
    assert shown.sent() == [[0.4, 0.7]]
    shown.drag(0.1, 0)
    assert shown.sent() == [[None, 0.1]]


def test_what_was_begun_on_another_picture_ends_with_it(shown: Shown) -> None:
    """The same picture with other data beside it ends nothing."""
    shown.give(0.25, 0.5)
    shown.keys(0, "ArrowRight")
    shown.give(0.25, 0.5)
    assert shown.sent() == [[17 / 64, 0.5]]
    shown.keys(0, "ArrowRight")
    shown.give(0.25, 0.5, "another")
    assert shown.sent() == []
    assert shown.places() == ["25%", "50%"]
    shown.hold(0.6, 0.8)
    shown.give(0.25, 0.5, "a third")
    assert shown.places() == ["25%", "50%"]
    shown.page.mouse.up()
    assert shown.sent() == []
    assert shown.places() == ["25%", "50%"]


def test_keys_and_a_drag_right_after_them_are_told_at_once(shown: Shown) -> None:
    shown.give(0.25, 0.5)
    shown.keys(0, "ArrowRight")
    shown.hold(0.5, 0.75)
    assert shown.sent() == []
    shown.page.mouse.up()
    assert shown.sent() == [[17 / 64, 0.75]]
