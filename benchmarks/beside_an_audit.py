"""What an audit that runs in the server's process costs those who look at other screens meanwhile.

Made-up photographs are audited in the background, with a network trained on them, and *Scores* is drawn all the time,
in turn while the audit goes on and while it is held at its last word: so that both are measured on the same machine
at the same time, however busy it is. Once as it is, and once with a background thread as urgent as the screens' own.

    python -m benchmarks.beside_an_audit [seconds]

prints, in milliseconds, the median and 95% of the reruns alone and beside the audit, by what it was at.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

import core
from benchmarks import _browsing as browsing
from pages.parts.audit import background
from tests.detectors.pictures import photographs

IMAGES, CLASSES, STAMPED = 2_000, 6, 30
SECONDS = 120.0
APP = Path(__file__).resolve().parents[1] / "app.py"


class Held:
    """An audit's listener that stands still while it is told to."""

    def __init__(self) -> None:
        self.of = ""
        self._go, self._stands = threading.Event(), threading.Event()
        self._go.set()

    def __call__(self, done: float, of: str) -> None:
        self.of = of
        if not self._go.is_set():
            self._stands.set()
            self._go.wait()

    def hold(self, patience: float) -> bool:
        """Whether the audit stood still within so many seconds."""
        self._stands.clear()
        self._go.clear()
        return self._stands.wait(patience)

    def release(self) -> None:
        self._go.set()


def begun(held: Held) -> background.Task:
    images, labels = photographs(IMAGES, 32, seed=3), np.arange(IMAGES) % CLASSES
    images[np.flatnonzero(labels == 0)[:STAMPED], 28:30, 28:30] = (255, 255, 0)
    task = background.Task(
        "photographs", background.Owner("", ""),
        lambda of: core.audit(images, labels, network="train", tell=held), lambda: core.audits.Outlook([]),
    )  # fmt: skip
    background.Line().add(task)
    return task


def measure(seconds: float) -> list[tuple[str, bool, float]]:
    """What the audit was at, whether it went on, and how long a rerun took."""
    app = AppTest.from_file(str(APP), default_timeout=120)
    app.switch_page("pages/scores.py").run()
    held, rows, until = Held(), [], time.monotonic() + seconds
    task = begun(held)

    def rerun(goes_on: bool) -> None:
        at, began = held.of, time.perf_counter()
        app.run()
        if held.of == at:
            rows.append((at, goes_on, time.perf_counter() - began))

    while task.active and time.monotonic() < until:
        rerun(True)
        if held.hold(patience=5.0):
            rerun(False)
        held.release()
    return rows


def told(rows: list[tuple[str, bool, float]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for of in dict.fromkeys(of for of, *_ in rows if of):
        for goes_on, name in ((False, "alone"), (True, "beside it")):
            times = sorted(1000 * took for at, going, took in rows if (at, going) == (of, goes_on))
            if times:
                found.setdefault(of, {})[name] = {
                    "reruns": len(times),
                    "median": round(statistics.median(times)),
                    "95%": round(times[int(0.95 * (len(times) - 1))]),
                }
    return found


def main() -> None:
    if sys.argv[1:2] == ["--here"]:
        background.GENTLY = int(sys.argv[2])
        logging.disable(logging.WARNING)
        print(json.dumps(told(measure(float(sys.argv[3])))), flush=True)
        os._exit(0)  # an audit may still go on
    seconds = sys.argv[1] if len(sys.argv) > 1 else str(SECONDS)
    found = {}
    for name, gently in (("as it is", background.GENTLY), ("as urgent as the screens", 0)):
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-m", "benchmarks.beside_an_audit", "--here", str(gently), seconds]
            home = {**os.environ, "POISONSCOPE_HOME": folder}
            done = subprocess.run(words, env=home, check=True, capture_output=True, text=True)
            found[name] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps({"benchmark": "beside_an_audit", "milliseconds": found, **browsing.machine()}, indent=1))


if __name__ == "__main__":
    main()
