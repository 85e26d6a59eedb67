"""From the hand to the picture on the Sensitivity screen, at 50,000 scores of each of six detectors.

The made-up run of benchmarks.slider, in a real Chromium; each sample from the browser's own input event to the frame
in which the picture has changed:

    epsilon   an arrow key on the assumed ratio, until the words and the picture say the new one
    detector  one curve less or more, until the picture's legend says so
    metric    another figure over the assumed ratio, until the axis has its name
    rank      another figure of all detectors, the same

    python -m benchmarks.sensitivity

prints a line for each and a JSON object. The goal: half of them under 300 ms.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from playwright.sync_api import Page

import core
from benchmarks import slider
from benchmarks.slider import take, timed
from pages.parts.around import cuts

DETECTORS = ("spectral", "spectral-released", "whitened-spectral", "spectral-top-k", "activation-clustering", "scan")
PLOT = ".js-plotly-plot"


def by_epsilon(page: Page) -> Iterator[float]:
    handle = page.get_by_test_id("stSlider").get_by_role("slider").first
    turn = 0
    while True:
        key = "ArrowRight" if turn // 40 % 2 == 0 else "ArrowLeft"
        turn += 1
        handle.focus()
        yield timed(page, lambda key=key: page.keyboard.press(key), ["[data-testid=stMarkdown]", f"{PLOT} .annotation"])


def by_detector(page: Page) -> Iterator[float]:
    box = page.get_by_test_id("stMultiSelect")
    while True:
        box.locator("input").focus()
        yield timed(page, lambda: page.keyboard.press("Backspace"), [f"{PLOT} .legend"])
        box.locator("input").click()
        option = page.get_by_role("option").first
        option.wait_for()
        yield timed(page, option.click, [f"{PLOT} .legend"])
        page.keyboard.press("Escape")


def by_metric(page: Page) -> Iterator[float]:
    while True:
        for name in ("TPR", "FPR", "Clean removed", "#Pois left"):
            yield timed(page, page.get_by_role("radio", name=name, exact=True).click, [f"{PLOT} .ytitle"])


def by_rank(page: Page) -> Iterator[float]:
    while True:
        for name in ("AP", "TPR at 1% FPR", "#Pois left", "AUROC"):
            yield timed(page, page.get_by_role("radio", name=name, exact=True).click, [f"{PLOT} .xtitle"])


def main() -> None:
    found: dict[str, list[float]] = {}
    with slider.served() as (address, config):
        result = core.Result(config)
        for name in DETECTORS:
            result.detection(cuts.defence_of(result, name))
        screen = f"{address}/sensitivity?run={core.run_key(config)[:16]}"
        with slider.tab() as page:
            opened(page, f"{screen}&part=Assumed+ε")
            for sample in (by_epsilon, by_metric, by_detector):
                take(found, sample, page)
            opened(page, f"{screen}&part=Detectors")
            take(found, by_rank, page)
        machine = slider.summary({})["machine"]
    figures = {name: slider.figures(times) for name, times in found.items()}
    print(json.dumps({"benchmark": "sensitivity", "scores": 50_000, "detectors": len(DETECTORS), "machine": machine}
                     | figures))  # fmt: skip


def opened(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(f"{PLOT} .main-svg").first.wait_for(timeout=120_000)
    page.wait_for_timeout(3000)


if __name__ == "__main__":
    main()
