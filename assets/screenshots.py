"""The README's picture, made anew: `python assets/screenshots.py [http://127.0.0.1:8501/scores?run=…]`.

Opens the Scores screen of a finished run in a system Chromium at 1440 by 900, light, and writes
assets/scores.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.browser import chromium
from tests.browser.conftest import FLAGS


def main(address: str) -> None:
    """Wait until the histogram is drawn, then take the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
        page.goto(address)
        page.locator(".js-plotly-plot").first.wait_for(timeout=60_000)
        page.wait_for_timeout(2_000)  # fonts and the last redraw
        page.screenshot(path=Path(__file__).parent / "scores.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8501/scores")
