"""Twenty people at once: how long each waits, with browsers and server on the same machine.

Starts the app with an empty home (so on the recorded run), opens 20 tabs in one headless Chromium, each a
session of its own, and lets each browse: to another screen, a step of the budget, another class, another page
of the gallery, with a few seconds of thought before each. An interaction lasts from the input event to the
first frame after the script's end. The first opening of each tab is reported apart: it loads Streamlit itself.

    python -m benchmarks.sessions [minutes]

prints a line of text and a JSON object. The goal: none fails, and 95% take under 3 seconds.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error, Page, async_playwright

from benchmarks import _browsing as browsing
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, serving

SESSIONS, MINUTES = 20, 3.0
THOUGHT = (3.0, 8.0)  # seconds before an interaction
ARRIVALS = 1.5  # seconds between two people's coming
GOAL = 3.0


class Visitor:
    """A person with a tab and a way of their own through the screens."""

    def __init__(self, number: int, page: Page) -> None:
        self.page = page
        self.chance = random.Random(number)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []
        self.opened = 0.0
        page.on("pageerror", lambda error: self.failures.append(f"page error: {str(error)[:200]}"))

    async def visit(self, address: str, until: float) -> None:
        begun = time.monotonic()
        try:
            await browsing.arrive(self.page, address)
        except Error as error:
            self.failures.append(f"opening: {str(error)[:200]}")
            return
        self.opened = time.monotonic() - begun
        while time.monotonic() < until:
            await asyncio.sleep(self.chance.uniform(*THOUGHT))
            kind, where = self.choose(), browsing.at(self.page)
            try:
                self.times[kind].append(await self.act(kind))
            except (Error, TimeoutError) as error:
                self.failures.append(f"{kind} on {where}: {str(error)[:200]}")
            self.failures += [f"{browsing.at(self.page)}: {trouble}" for trouble in await browsing.troubles(self.page)]

    def choose(self) -> str:
        """What to do next: on the screens with something to move, mostly that."""
        here = browsing.at(self.page)
        if self.chance.random() < 0.35 or here not in ("scores", "flagged"):
            return "screen"
        return self.chance.choice(["budget", "budget", "class"]) if here == "scores" else "page"

    async def act(self, kind: str) -> float:
        if kind == "budget":
            return await browsing.move_budget(self.page, self.chance.choice(["ArrowLeft", "ArrowRight"]))
        if kind == "class":
            return await browsing.change_class(self.page, self.chance.randrange(10))
        if kind == "page":
            return await browsing.turn_page(self.page)
        # Half of the ways lead to the two screens with the most to move.
        others = [
            screen for screen in (*browsing.SCREENS, *4 * ["scores", "flagged"]) if screen != browsing.at(self.page)
        ]
        return await browsing.go(self.page, self.chance.choice(others))


async def browse(browser: Browser, address: str, minutes: float) -> list[Visitor]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    until = time.monotonic() + SESSIONS * ARRIVALS + 60 * minutes
    visitors, visits = [], []
    for number in range(SESSIONS):
        visitors.append(Visitor(number, await context.new_page()))
        visits.append(asyncio.create_task(visitors[-1].visit(address, until)))
        await asyncio.sleep(ARRIVALS)
    await asyncio.gather(*visits)
    return visitors


async def measure(minutes: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find(), args=[*FLAGS, *browsing.FLAGS])
            warm = await browser.new_page()
            await browsing.arrive(warm, server.url)  # the app unpacks the recorded run once
            await warm.close()
            visitors = await browse(browser, server.url, minutes)
            await browser.close()
    return summary(visitors, minutes)


def summary(visitors: list[Visitor], minutes: float) -> dict[str, Any]:
    kinds: dict[str, list[float]] = defaultdict(list)
    for visitor in visitors:
        for kind, times in visitor.times.items():
            kinds[kind] += times
    every = sorted(time for times in kinds.values() for time in times)
    failures = [failure for visitor in visitors for failure in visitor.failures]
    return {
        "benchmark": "sessions",
        "sessions": len(visitors),
        "minutes": minutes,
        "interactions": len(every),
        "failures": len(failures),
        "first_failures": sorted(set(failures))[:5],
        "median_seconds": round(statistics.median(every), 3),
        "p95_seconds": round(quantile(every, 0.95), 3),
        "worst_seconds": round(every[-1], 3),
        "kinds": {
            kind: {"count": len(times), "median_seconds": round(statistics.median(times), 3),
                   "p95_seconds": round(quantile(sorted(times), 0.95), 3)}
            for kind, times in sorted(kinds.items())
        },
        "opening_median_seconds": round(statistics.median(visitor.opened for visitor in visitors), 3),
        "goal_p95_seconds": GOAL,
        **browsing.machine(),
    }  # fmt: skip


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    return ordered[min(len(ordered) - 1, -(-int(share * 1000) * len(ordered) // 1000))]


def main() -> None:
    found = asyncio.run(measure(float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES))
    print(
        f"{found['sessions']} sessions at once: median {1000 * found['median_seconds']:.0f} ms, "
        f"95% under {found['p95_seconds']:.2f} s (goal {GOAL:g} s), worst {found['worst_seconds']:.2f} s, "
        f"{found['failures']} failures in {found['interactions']:,} interactions"
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
