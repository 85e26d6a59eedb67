"""From the slider to the picture: how long the Scores screen takes to follow, at 50,000 scores.

A real Chromium holds the Scores screen of a made-up run of 50,000 images (10 classes, features with a
spectral signature, nothing trained) and moves the budget by one with the keyboard. Measured, each the
median of several: from the key press on the slider until the figures *and* the redrawn histogram stand on
the screen (Streamlit's slider itself waits 200 ms for a further key); the same from the number field's +
(no such wait), both of which rerun the fragment; and from a switch outside the fragment until the last
picture of the page has changed (the whole page reruns). The ratio is the last to the number field's.

    python -m benchmarks.slider

prints a line of text and a JSON object. The goal: under 300 ms a move, and less than a whole rerun.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

import core
from core.registry import DATASETS, Entry
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, free_port
from tests.pages import stored

ROOT = Path(__file__).resolve().parents[1]
NAME, PER_CLASS, CLASSES = "noise", 5_000, 10
MOVES, RERUNS, GOAL = 15, 7, 0.3

# The server's main script: the app, with one more data set on its menu.
APP = """
import runpy
from benchmarks import slider
slider.register()
runpy.run_path({app!r}, run_name="__main__")
"""


def register() -> None:
    """The made-up data set, once a process."""
    if NAME not in DATASETS:
        names = tuple(f"class {number}" for number in range(CLASSES))
        facts = {"class_names": names, "class_sizes": (PER_CLASS,) * CLASSES, "image_shape": (32, 32, 3)}
        DATASETS.add(NAME, Entry("made-up images", "this benchmark", load, facts={**facts, "download": False}))


def load() -> core.Dataset:
    """50,000 dark images [n, 32, 32, 3] in ten classes, and 1,000 to test on."""
    train, test = np.arange(PER_CLASS * CLASSES) % CLASSES, np.arange(1_000) % CLASSES
    names = tuple(DATASETS[NAME].facts["class_names"])
    images = np.zeros((len(train), 32, 32, 3), np.uint8)
    return core.Dataset(NAME, images, train, images[: len(test)], test, names, np.arange(len(train)))


def measure(address: str) -> dict[str, Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        with closing(browser):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(address)
            page.get_by_text("TPR (recall)").wait_for(timeout=120_000)
            page.locator(".js-plotly-plot .bars").first.wait_for(timeout=60_000)
            time.sleep(3)
            handle = page.get_by_role("slider", name="Images removed per class")
            handle.focus()
            moves = [timed(page, lambda: page.keyboard.press("ArrowRight")) for _ in range(MOVES + 2)][2:]
            step = page.get_by_test_id("stNumberInputStepUp")
            steps = [timed(page, step.click) for _ in range(MOVES + 2)][2:]
            counts = page.get_by_test_id("stButtonGroup").filter(has_text="linear").last
            reruns = []
            for turn in range(RERUNS + 1):
                button = counts.get_by_role("radio", name=("log", "linear")[turn % 2])
                button = button if button.count() else counts.get_by_text(("log", "linear")[turn % 2], exact=True)
                reruns.append(timed(page, button.click, figures=False))
                time.sleep(0.5)
    return summary(moves, steps, reruns[1:])


# Resolves with the milliseconds from the key press to the frame in which chart (and figures) have changed.
# The chart has changed when its words have (the cut's "… removed"); a whole rerun has come to its end when
# the last thing on the page, the small histograms, has changed.
WATCH = """(figures) => { window.psDone = new Promise((resolve) => {
  let begun = null;
  for (const kind of ["keydown", "pointerdown"])
    window.addEventListener(kind, () => { begun ??= performance.now(); }, {capture: true, once: true});
  const flagged = () => [...document.querySelectorAll("[data-testid=stMetric]")].map((m) => m.innerText).join();
  const before = flagged();
  const words = () => figures
    ? document.querySelector(".js-plotly-plot")?.textContent ?? ""
    : document.querySelector(".ps-cards")?.innerHTML ?? "";
  const drawn = words();
  const look = () => {
    const settled = words() !== drawn && words() && (!figures || flagged() !== before);
    if (begun !== null && settled) requestAnimationFrame(() => resolve(performance.now() - begun));
    else requestAnimationFrame(look);
  };
  look();
}); }"""


def timed(page: Page, act: Any, figures: bool = True) -> float:
    """Seconds from the browser's own input event to the picture."""
    page.evaluate(WATCH, figures)
    act()
    elapsed = page.evaluate("Promise.race([window.psDone, new Promise((r) => setTimeout(() => r(-1), 20000))])")
    if elapsed < 0:
        raise SystemExit("the picture did not follow within 20 seconds")
    time.sleep(0.4)
    return elapsed / 1000


def summary(moves: list[float], steps: list[float], reruns: list[float]) -> dict[str, Any]:
    move, step, rerun = (statistics.median(times) for times in (moves, steps, reruns))
    return {
        "benchmark": "slider",
        "scores": PER_CLASS * CLASSES,
        "move_seconds": round(move, 4),
        "move_worst_seconds": round(max(moves), 4),
        "step_seconds": round(step, 4),
        "rerun_seconds": round(rerun, 4),
        "ratio": round(rerun / step, 2),
        "goal_seconds": GOAL,
        "moves": len(moves),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["POISONSCOPE_HOME"] = folder
        register()
        config = core.configure(dataset=NAME, target="class 3", ratio=0.1, trigger="pattern")
        key = stored.finished(config).key
        # Beside app.py, since a main script's pages are looked for beside it.
        script = ROOT / f".slider-{os.getpid()}.py"
        script.write_text(APP.format(app=str(ROOT / "app.py")))
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
        server = subprocess.Popen(
            [*command, "--server.headless", "true", "--server.address", "127.0.0.1"],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            warm(address)
            found = measure(f"{address}/scores?run={key[:16]}")
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=20)
            script.unlink()
    print(
        f"slider to picture: {1000 * found['move_seconds']:.0f} ms (worst {1000 * found['move_worst_seconds']:.0f}) "
        f"at {found['scores']:,} scores; number to picture {1000 * found['step_seconds']:.0f} ms, "
        f"a whole rerun {found['ratio']:g} times that"
    )
    print(json.dumps(found))


def warm(address: str) -> None:
    """Open the front page once: before its first run, Streamlit does not know the app's own navigation."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        with closing(browser):
            page = browser.new_page()
            for _ in range(60):
                try:
                    page.goto(address)
                    break
                except Exception:
                    time.sleep(0.5)
            page.get_by_role("heading").first.wait_for(timeout=60_000)


if __name__ == "__main__":
    main()
