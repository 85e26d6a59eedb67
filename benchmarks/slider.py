"""From the hand to the picture: how long the Scores and Flagged screens take to follow, at 50,000 scores.

A real Chromium holds the screens of a made-up run of 50,000 images (10 classes, or as many as are asked for; features
with a spectral signature, nothing trained) whose cut flags 2,000 of them. Measured, each from the browser's own input
event to the frame in which the screen has changed, many times over:

    slider   an arrow key on the budget's slider, until figures and histogram stand (it waits 200 ms for a
             further key, which is Streamlit's)
    number   the + of the budget's number field, the same
    line     an arrow key on the cut's line in the histogram, the same
    drag     the line moved by the mouse, until the figures have followed (it is not let go)
    brush    letting go of a range of scores in the histogram, until the gallery's words say what is in it
    class    choosing another class by its small histogram, until the large one is drawn
    filter   choosing which of the flagged to show on the Flagged screen, until their count stands
    gallery  going from Scores to Flagged by the menu, until the first page of pictures is drawn
    whole    the switch of the truth, which reruns the whole page: what the others do not do

    python -m benchmarks.slider [--classes 100] [--samples 40]

prints a line for each and a JSON object. The goal of all but the last two: half of them under 300 ms, 95% under
700 ms; of the gallery: under a second.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, sync_playwright

import core
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, serving
from tests.pages import many, stored

IMAGES, SIDE, FLAGGED, CLASSES = 50_000, 32, 2_000, 10
BUDGET = FLAGGED // CLASSES
SAMPLES, WARM_UP, WHOLE, GALLERIES = 40, 3, 8, 15
MEDIAN_GOAL, LATE_GOAL = 0.3, 0.7  # seconds; the second for 95 of 100
REST = 350  # milliseconds between two samples

# Resolves with the milliseconds from the first of these input events to the frame in which the text of every
# selector has changed. What stands in shadow roots (the app's own components) is looked at too.
WATCH = """(watched) => { window.psDone = new Promise((resolve) => {
  let begun = null;
  for (const kind of watched.events)
    window.addEventListener(kind, () => { begun ??= performance.now(); }, {capture: true, once: true});
  const find = (selector) => {
    const roots = [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)];
    return roots.flatMap((root) => [...root.querySelectorAll(selector)]);
  };
  const hosts = watched.words.map(find).flat();
  const words = () => watched.words.map((selector, n) => {
    const known = hosts.filter((e) => e.isConnected && e.matches(selector));
    return (known.length ? known : find(selector)).map((e) => e.textContent).join();
  });
  const before = words();
  const look = () => {
    const now = words();
    const settled = now.every((text, n) => text && text !== before[n]);
    if (begun !== null && settled) requestAnimationFrame(() => resolve(performance.now() - begun));
    else requestAnimationFrame(look);
  };
  look();
}); }"""


def timed(
    page: Page, act: Callable[[], Any], words: list[str], events: tuple[str, ...] = ("keydown", "pointerdown")
) -> float:
    """Seconds from the browser's own input event until all of these words have changed."""
    page.evaluate(WATCH, {"words": words, "events": events})
    act()
    return waited(page, ", ".join(words))


def waited(page: Page, what: str) -> float:
    """Seconds until what is watched for has come."""
    elapsed = page.evaluate("Promise.race([window.psDone, new Promise((r) => setTimeout(() => r(-1), 20000))])")
    if elapsed < 0:
        raise SystemExit(f"the screen did not follow within 20 seconds: {what}")
    page.wait_for_timeout(REST)
    return elapsed / 1000


# The same until a gallery says that its pictures are drawn.
WATCH_GALLERY = """() => { window.psDone = new Promise((resolve) => {
  let begun = null;
  window.addEventListener("pointerdown", () => { begun ??= performance.now(); }, {capture: true, once: true});
  const look = () => {
    const roots = [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)];
    const drawn = begun !== null && roots.some((root) => root.querySelector("[data-drawn]"));
    requestAnimationFrame(drawn ? () => resolve(performance.now() - begun) : look);
  };
  look();
}); }"""


FIGURES, CUT, LEGEND = ":is(.ps-heroes, .ps-beside)", ".cut b", ".legend"


def measure(address: str, run: str, budget: int = BUDGET, samples: int = SAMPLES) -> dict[str, list[float]]:
    """Seconds of each sample, by what was done."""
    scores, flagged = (f"{address}/{screen}?run={run}&budget={budget}" for screen in ("scores", "flagged"))
    found: dict[str, list[float]] = {}
    with tab() as page:
        opened(page, scores)
        for sample in (by_slider, by_number, by_line, by_class, by_brush, by_drag):
            take(found, sample, page, samples)
        take(found, by_whole, page, min(samples, WHOLE))
    with tab() as page:
        page.goto(flagged)
        page.get_by_text("flagged by").first.wait_for(timeout=120_000)
        page.wait_for_timeout(3000)
        take(found, by_filter, page, samples)
    with tab() as page:
        opened(page, scores)
        take(found, by_gallery, page, min(samples, GALLERIES))
    return found


def take(
    found: dict[str, list[float]], sample: Callable[[Page], Iterator[float]], page: Page, count: int = SAMPLES
) -> None:
    """Many samples of one kind, of which the first warm up; says how they were."""
    name, samples = sample.__name__.removeprefix("by_"), sample(page)
    found[name] = [next(samples) for _ in range(WARM_UP + count)][WARM_UP:]
    said = figures(found[name])
    late = f"95% under {1000 * said['95%']:4.0f} ms"
    print(f"{name:7} median {1000 * said['median']:4.0f} ms, {late}, n = {said['samples']}", flush=True)


def opened(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_text("Poison found (TPR)").wait_for(timeout=120_000)
    page.locator(".histogram .bar").first.wait_for(timeout=60_000)
    page.wait_for_timeout(3000)


def by_slider(page: Page) -> Iterator[float]:
    page.get_by_role("slider", name="Images removed per class").first.wait_for()
    handle = page.get_by_test_id("stSlider").get_by_role("slider").first
    while True:
        handle.focus()
        yield timed(page, lambda: page.keyboard.press("ArrowRight"), [FIGURES, CUT])


def by_number(page: Page) -> Iterator[float]:
    step = page.get_by_test_id("stNumberInputStepUp").first
    while True:
        yield timed(page, step.click, [FIGURES, CUT])


def by_line(page: Page) -> Iterator[float]:
    while True:
        page.locator(".histogram .cut").focus()
        yield timed(page, lambda: page.keyboard.press("ArrowLeft"), [FIGURES, CUT])


def by_class(page: Page) -> Iterator[float]:
    cards = page.locator(".cards button")
    while True:
        for number in (*range(1, CLASSES), 0):  # of many classes the first page's; the first may be in large already
            yield timed(page, cards.nth(number).click, [LEGEND])


def by_brush(page: Page) -> Iterator[float]:
    box = page.locator(".histogram .plot").bounding_box()
    turn = 0
    while True:
        turn += 1
        start = box["x"] + box["width"] * (0.25 + 0.15 * (turn % 2) + 0.005 * (turn % 20))  # never the same images
        page.mouse.move(start, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(start + 0.2 * box["width"], box["y"] + 40, steps=3)
        yield timed(page, page.mouse.up, [LEGEND, "[data-testid=stMarkdown]"], ("pointerup",))


def by_drag(page: Page) -> Iterator[float]:
    page.locator(".cards button").nth(3).click()
    page.wait_for_timeout(1500)
    box = page.locator(".histogram .cut").bounding_box()
    at, height = box["x"] + box["width"] / 2, box["y"] + 120
    plot = page.locator(".histogram .plot").bounding_box()
    page.mouse.move(at, height)
    page.mouse.down()
    turn = 0
    while True:
        turn += 1
        place = plot["x"] + plot["width"] * (0.25 + 0.008 * (turn % 20))  # where the images lie close
        yield timed(page, lambda place=place: page.mouse.move(place, height), [FIGURES], ("pointermove",))


def by_whole(page: Page) -> Iterator[float]:
    page.mouse.up()
    switch = page.get_by_test_id("stCheckbox").filter(has_text="Show the truth").locator("label")
    while True:
        yield timed(page, switch.click, [LEGEND, ".ps-heroes dt"])


def by_filter(page: Page) -> Iterator[float]:
    count = ".gallery .range"
    while True:
        for kind in ("True positives", "False positives", "All flagged"):
            page.get_by_test_id("stSelectbox").filter(has_text="Show").first.locator("input").click()
            option = page.get_by_role("option", name=kind)
            option.wait_for()
            yield timed(page, option.click, [count])


def by_gallery(page: Page) -> Iterator[float]:
    while True:
        page.evaluate(WATCH_GALLERY)
        screen(page, "Flagged").click()
        yield waited(page, "the gallery")
        screen(page, "Scores").click()
        page.locator(".histogram .bar").first.wait_for(timeout=60_000)
        page.wait_for_timeout(1000)


def screen(page: Page, name: str) -> Locator:
    """The menu's link to a screen."""
    return page.get_by_test_id("stSidebarNav").get_by_role("link", name=name)


@contextmanager
def tab() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        with closing(browser):
            yield browser.new_page(viewport={"width": 1440, "height": 900})


def summary(found: dict[str, list[float]], classes: int = CLASSES) -> dict[str, Any]:
    rows = {name: figures(times) for name, times in found.items()}
    return {
        "benchmark": "slider",
        "scores": IMAGES,
        "classes": classes,
        "flagged": FLAGGED // classes * classes,
        "goal_seconds": {"median": MEDIAN_GOAL, "95%": LATE_GOAL},
        **rows,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def figures(times: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(times), 4),
        "95%": round(float(np.quantile(times, 0.95)), 4),
        "worst": round(max(times), 4),
        "samples": len(times),
    }


@contextmanager
def served(classes: int = CLASSES, **settings: Any) -> Iterator[tuple[str, core.RunConfig]]:
    """The app at an address of its own, and the made-up run that it holds; settings change the run."""
    sizes = classes, IMAGES // classes, SIDE
    many.register(*sizes)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["POISONSCOPE_HOME"] = str(Path(folder) / "home")
        config = many.config(**{"ratio": 0.1, **settings})
        stored.finished(config)
        before = f"from tests.pages import many\nmany.register{sizes}"
        with serving(Path(folder), before=before) as server:
            warm(server.url)
            yield server.url, config


def main() -> None:
    parser = argparse.ArgumentParser(description="How long Scores and Flagged take to follow the hand.")
    parser.add_argument("--classes", type=int, choices=[10, 50, 100, 200], default=CLASSES)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="of each kind; a few only see whether it works")
    asked = parser.parse_args()
    with served(asked.classes) as (address, config):
        found = measure(address, core.run_key(config)[:16], FLAGGED // asked.classes, asked.samples)
    print(json.dumps(summary(found, asked.classes)))


def warm(address: str) -> None:
    """Open the front page once: before its first run, Streamlit does not know the app's own navigation."""
    with tab() as page:
        for _ in range(60):
            try:
                page.goto(address)
                break
            except Exception:
                time.sleep(0.5)
        page.get_by_role("heading").first.wait_for(timeout=60_000)


if __name__ == "__main__":
    main()
