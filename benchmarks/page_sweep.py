"""A sweep through the page, disturbed on the way: does it come to its end, and does anything run twice?

Starts the app with an empty home (but this user's data sets) and has one tab do what a person does on the Sensitivity
screen: choose the file, press Start, press Pause at a quarter, reload, press Resume. At half the worker is killed
(SIGKILL) and the page is asked to resume again; at three quarters a single run is started that the sweep must let go
first. Prints JSON. Linux only.

    python -m benchmarks.page_sweep [assets/sweeps/faint.yaml] [--home FOLDER] [--pictures FOLDER] [--to FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

import core
from core import jobs
from core.configuration import grid
from core.store.home import VARIABLE
from core.sweeps import planning
from core.training import devices
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, serving

FILE = planning.RECORDS / "faint.yaml"
PATIENCE = 3600.0  # seconds for the whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?", default=FILE)
    parser.add_argument("--home", type=Path, help="where the results go; an empty folder by default")
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots of the page on the way")
    parser.add_argument("--to", type=Path, help="a file for the JSON")
    chosen = parser.parse_args()
    data = core.home.data_folder()
    with tempfile.TemporaryDirectory(prefix="poisonscope-") as temporary:
        folder = (chosen.home or Path(temporary)).resolve()
        os.environ[VARIABLE] = str(folder / "home")
        (folder / "home").mkdir(parents=True, exist_ok=True)
        if not (folder / "home" / "data").exists():
            (folder / "home" / "data").symlink_to(data, target_is_directory=True)
        with serving(folder) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            found = Walk(page, server.url, chosen.file, chosen.pictures).all()
            browser.close()
    text = json.dumps(found, indent=1)
    print(text)
    if chosen.to is not None:
        chosen.to.write_text(text + "\n")


class Walk:
    """What the person at the page does, and what is seen of the sweep meanwhile."""

    def __init__(self, page: Page, address: str, file: Path, pictures: Path | None) -> None:
        self.page, self.address, self.file, self.pictures = page, address, file, pictures
        self.sweep = grid.parse(file.read_text())
        self.keys = [grid.cell_key(cell.config, self.sweep) for cell in grid.cells(self.sweep)]
        self.store = core.Store()
        self.done: list[dict[str, object]] = []
        self.began = time.perf_counter()

    def all(self) -> dict[str, object]:
        self.start()
        self.await_share(0.25)
        self.pause_and_resume()
        self.await_share(0.5)
        self.kill_the_worker()
        self.await_share(0.75)
        self.a_single_run()
        self.await_share(1.0)
        job = self.until(lambda: (found := planning.find(self.sweep)) and not found.active and found, "the sweep's end")
        self.page.get_by_text(f"{len(self.keys)} of {len(self.keys)} runs finished").wait_for(timeout=60_000)
        self.picture("done")
        models = list((self.store.folder / "model").iterdir())
        return {
            "sweep": self.sweep.name,
            "runs": len(self.keys),
            "status": job.status,
            "attempts": job.attempts,
            "networks_stored": len(models),
            "trainings_begun": self.trainings(job.id),
            "disturbances": self.done,
            "seconds": round(time.perf_counter() - self.began, 1),
            "device": devices.describe(devices.choose()),
        }

    def start(self) -> None:
        self.open()
        self.page.get_by_text("A new sweep").click()
        self.page.get_by_test_id("stButtonGroup").get_by_text("a file").click()
        self.page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(str(self.file))
        button = self.page.get_by_role("button", name="Start")
        button.wait_for(timeout=30_000)
        self.picture("before")
        self.note("started", said=button.inner_text().split("\n")[-1])
        button.click()
        self.until(lambda: planning.find(self.sweep), "the sweep's job")

    def open(self) -> None:
        self.page.goto(f"{self.address}/sensitivity?part=Sweeps")
        self.page.get_by_text("A new sweep").wait_for(timeout=120_000)
        self.page.wait_for_timeout(2_000)

    def pause_and_resume(self) -> None:
        self.press("Pause")
        self.until(lambda: self.status() == "cancelled", "the pause")
        self.page.get_by_text("Paused: what is finished is kept").wait_for(timeout=60_000)
        self.picture("paused")
        self.note("paused")
        self.page.reload()
        self.page.get_by_text("Paused: what is finished is kept").wait_for(timeout=60_000)
        self.press("Resume")
        self.until(lambda: self.status() in jobs.ACTIVE, "the resumption")
        self.note("resumed")

    def kill_the_worker(self) -> None:
        job = self.until(
            lambda: (found := planning.find(self.sweep)) and found.stage == "train" and found, "a training"
        )
        os.kill(job.pid, signal.SIGKILL)
        self.page.get_by_text("It was lost").wait_for(timeout=120_000)
        self.picture("lost")
        self.note("worker killed")
        self.press("Resume")
        self.until(lambda: self.status() in jobs.ACTIVE, "the resumption")

    def a_single_run(self) -> None:
        before = self.stored()
        job = jobs.submit(core.configure(dataset="digits", target="three", training={"epochs": 1}))
        self.until(lambda: not jobs.get(job.id).active, "the single run")
        self.note("a single run went first", status=jobs.get(job.id).status, runs_meanwhile=self.stored() - before)

    # --- looking -------------------------------------------------------------------------------------------

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click(timeout=60_000)

    def status(self) -> str:
        found = planning.find(self.sweep)
        return "" if found is None else found.status

    def stored(self) -> int:
        return sum(self.store.has("cell", key) for key in self.keys)

    def await_share(self, share: float) -> None:
        self.until(lambda: self.stored() >= share * len(self.keys), f"{share:.0%} of the runs")
        print(
            f"{self.stored()} of {len(self.keys)} runs after {time.perf_counter() - self.began:.0f} s", file=sys.stderr
        )

    def until(self, look: Callable[[], Any], what: str) -> Any:
        while not (found := look()):
            if time.perf_counter() - self.began > PATIENCE:
                raise SystemExit(f"{what} did not come; the sweep is {self.status()}")
            time.sleep(0.3)
        return found

    def trainings(self, job: int) -> int:
        """How many trainings of the sweep were begun, the ones that were broken off and begun again included."""
        return sum(event.stage == "train" and event.fraction < 1.0 for _, event in jobs.events(job))

    def note(self, what: str, **more: object) -> None:
        after = round(time.perf_counter() - self.began, 1)
        self.done.append({"what": what, "seconds": after, "runs_stored": self.stored(), **more})

    def picture(self, name: str) -> None:
        if self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)


if __name__ == "__main__":
    main()
