"""Whether memory stays flat: 1,000 interactions in one session, the server's memory and the tab's sampled.

Starts the app with an empty home (so on the recorded run) and has one tab go round: steps of the budget, other
classes, pages of the gallery, other screens. Every 20 interactions it reads the server's resident memory (RSS)
and what is its alone (USS) from /proc, and the tab's JavaScript heap after a garbage collection. The first 300
are warm-up; growth is the median of interactions 900 to 1,000 over that of 300 to 400.

The browser runs without its optimising compilers: the machine code that they make of React and Streamlit, more
the longer a tab is used, lies in the same heap (it grew by 9 KiB an interaction, and heap snapshots held nothing
else that grew) and would hide what the page itself keeps. `--optimised` leaves them on.

    python -m benchmarks.memory [interactions] [--optimised]

prints a line of text and a JSON object. The goal: each grows by less than 5%. Linux only, for /proc.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, Page, async_playwright

from benchmarks import _browsing as browsing
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, serving

INTERACTIONS, EVERY = 1_000, 20
EARLY, LATE = (0.3, 0.4), (0.9, 1.0)  # of all interactions
GOAL = 0.05
MEASURED = ("rss", "uss", "js_heap")
INTERPRETED = "--js-flags=--no-opt --no-maglev --no-sparkplug"


def plan() -> list[tuple[str, str]]:
    """One round of 40 interactions: mostly the budget, and every screen."""
    moves = [("budget", key) for key in ("ArrowRight", "ArrowRight", "ArrowLeft")] * 4
    classes = [("class", str(number)) for number in range(6)]
    others = [("screen", screen) for screen in browsing.SCREENS if screen not in ("scores", "flagged")]
    return [("screen", "scores"), *moves, *classes, ("screen", "flagged"), *[("page", "")] * 8, *others]


async def act(page: Page, kind: str, what: str) -> None:
    if kind == "budget":
        await browsing.move_budget(page, what)
    elif kind == "class":
        await browsing.change_class(page, int(what))
    elif kind == "page":
        await browsing.turn_page(page)
    else:
        await browsing.go(page, what)


async def measure(interactions: int, optimised: bool) -> dict[str, Any]:
    begun = time.monotonic()
    flags = FLAGS if optimised else [*FLAGS, INTERPRETED]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        process = server_process(server.home)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find(), args=flags)
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            await browsing.arrive(page, server.url)
            tab = await page.context.new_cdp_session(page)
            samples, unanswered = [], 0
            for number, (kind, what) in zip(range(1, interactions + 1), cycle(plan()), strict=False):
                try:
                    await act(page, kind, what)
                except TimeoutError:  # told in the result; this benchmark is about memory
                    unanswered += 1
                if found := await browsing.troubles(page):
                    raise SystemExit(f"interaction {number}, {kind} {what}: {found}")
                if number % EVERY == 0:
                    samples.append({"at": number, **resident(process), "js_heap": await heap(tab)})
            await browser.close()
    return {
        **summary(samples, interactions, time.monotonic() - begun),
        "unanswered": unanswered,
        "optimised": optimised,
    }


def server_process(home: Path) -> Path:
    """The server in /proc, known by the home that it alone has."""
    mark = f"POISONSCOPE_HOME={home}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                return process
        except OSError:
            continue
    raise SystemExit("this benchmark reads /proc, which this system does not have")


def resident(process: Path) -> dict[str, int]:
    """Bytes in memory, and bytes that no other process shares."""
    sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE))
    own = int(sizes["Private_Clean"]) + int(sizes["Private_Dirty"])
    return {"rss": 1024 * int(sizes["Rss"]), "uss": 1024 * own}


async def heap(tab: CDPSession) -> int:
    """Bytes that the tab's JavaScript holds once its garbage is gone."""
    await tab.send("HeapProfiler.collectGarbage")
    usage = await tab.send("Runtime.getHeapUsage")
    return int(usage["usedSize"])


def level(samples: list[dict[str, int]], name: str, part: tuple[float, float], interactions: int) -> float:
    low, high = (share * interactions for share in part)
    return statistics.median(sample[name] for sample in samples if low <= sample["at"] <= high)


def summary(samples: list[dict[str, int]], interactions: int, seconds: float) -> dict[str, Any]:
    levels = {name: (level(samples, name, EARLY, interactions), level(samples, name, LATE, interactions))
              for name in MEASURED}  # fmt: skip
    return {
        "benchmark": "memory",
        "interactions": interactions,
        "seconds": round(seconds),
        "growth": {name: round(late / early - 1, 4) for name, (early, late) in levels.items()},
        "late_mebibytes": {name: round(late / 2**20, 1) for name, (_, late) in levels.items()},
        "mebibytes": {name: [round(sample[name] / 2**20) for sample in samples] for name in MEASURED},
        "goal_growth": GOAL,
        **browsing.machine(),
    }


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    found = asyncio.run(measure(numbers[0] if numbers else INTERACTIONS, "--optimised" in sys.argv))
    grown = ", ".join(
        f"{name} {found['late_mebibytes'][name]:g} MiB ({100 * found['growth'][name]:+.1f}%)" for name in MEASURED
    )
    print(f"memory after {found['interactions']:,} interactions, growth after warm-up: {grown}; goal {100 * GOAL:g}%")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
