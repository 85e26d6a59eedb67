"""Twenty people at once: how long each waits for an answer, and what one of them sees in a browser.

Starts the app with an empty home (so on the recorded run). Nineteen sessions speak Streamlit's protocol
(benchmarks/_client.py) and one is a tab in a real Chromium: browsers draw on their owners' machines, and twenty of
them on the server's own two cores would measure themselves. Each visitor browses, with a few seconds of thought
before each step: to another screen, a step of the budget, another class, another page of the gallery. A protocol
session's interaction lasts until the script has run to its end; the tab's until the frame after that.

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
from typing import Any, Protocol

from playwright.async_api import Error, Page, async_playwright

from benchmarks import _browsing as browsing
from benchmarks._client import Client
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, serving

SESSIONS, MINUTES = 20, 3.0
THOUGHT = (2.0, 5.0)  # seconds before an interaction
ARRIVALS = 0.5  # seconds between two people's coming
GOAL = 3.0


class Window(Protocol):
    """What a visitor looks through."""

    async def open(self) -> float: ...
    async def go(self, screen: str) -> float: ...
    async def budget(self, chance: random.Random) -> float: ...
    async def label(self, chance: random.Random) -> float: ...
    async def page(self, chance: random.Random) -> float: ...
    def at(self) -> str: ...
    async def troubles(self) -> list[str]: ...


class Spoken:
    """The app by its protocol."""

    def __init__(self, server: str) -> None:
        self.client = Client(server)

    async def open(self) -> float:
        return await self.client.open()

    async def go(self, screen: str) -> float:
        return await self.client.go("" if screen == browsing.FIRST else screen)

    async def budget(self, chance: random.Random) -> float:
        value = {"data": [float(chance.randrange(50, 1500))]}
        return await self.client.move("slider", "Images removed", {"double_array_value": value})

    async def label(self, chance: random.Random) -> float:
        menu, _ = self.client.find("selectbox", "Class in large")
        return await self.client.move("selectbox", "Class in large", {"string_value": chance.choice(menu.options)})

    async def page(self, chance: random.Random) -> float:
        pager, _ = self.client.find("pagination")
        return await self.client.move("pagination", "", {"int_value": chance.randint(1, pager.num_pages)})

    def at(self) -> str:
        return self.client.screen or browsing.FIRST

    async def troubles(self) -> list[str]:
        found, self.client.troubles = self.client.troubles, []
        return found


class Drawn:
    """The app in a real tab."""

    def __init__(self, tab: Page, server: str) -> None:
        self.tab, self.server = tab, server
        self.errors: list[str] = []
        tab.on("pageerror", lambda error: self.errors.append(f"page error: {str(error)[:200]}"))

    async def open(self) -> float:
        begun = time.perf_counter()
        await browsing.arrive(self.tab, self.server)
        return time.perf_counter() - begun

    async def go(self, screen: str) -> float:
        return await browsing.go(self.tab, screen)

    async def budget(self, chance: random.Random) -> float:
        return await browsing.move_budget(self.tab, chance.choice(["ArrowLeft", "ArrowRight"]))

    async def label(self, chance: random.Random) -> float:
        return await browsing.change_class(self.tab, chance.randrange(10))

    async def page(self, chance: random.Random) -> float:
        return await browsing.turn_page(self.tab)

    def at(self) -> str:
        return browsing.at(self.tab)

    async def troubles(self) -> list[str]:
        found, self.errors = self.errors, []
        return found + await browsing.troubles(self.tab)


class Visitor:
    """A person with a way of their own through the screens."""

    def __init__(self, number: int, window: Window) -> None:
        self.window = window
        self.chance = random.Random(number)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []
        self.opened = 0.0

    async def visit(self, until: float) -> None:
        try:
            self.opened = await self.window.open()
        except (Error, OSError, TimeoutError) as error:
            self.failures.append(f"opening: {str(error)[:200]}")
            return
        while time.monotonic() < until:
            await asyncio.sleep(self.chance.uniform(*THOUGHT))
            kind, where = self.choose(), self.window.at()
            try:
                self.times[kind].append(await self.act(kind))
            except (Error, LookupError, OSError, TimeoutError) as error:
                self.failures.append(f"{kind} on {where}: {type(error).__name__} {str(error)[:200]}")
            self.failures += [f"{self.window.at()}: {trouble}" for trouble in await self.window.troubles()]

    def choose(self) -> str:
        """What to do next: on the screens with something to move, mostly that."""
        here = self.window.at()
        if self.chance.random() < 0.35 or here not in ("scores", "flagged"):
            return "screen"
        return self.chance.choice(["budget", "budget", "class"]) if here == "scores" else "page"

    async def act(self, kind: str) -> float:
        if kind == "budget":
            return await self.window.budget(self.chance)
        if kind == "class":
            return await self.window.label(self.chance)
        if kind == "page":
            return await self.window.page(self.chance)
        # Half of the ways lead to the two screens with the most to move.
        ways = [screen for screen in (*browsing.SCREENS, *4 * ["scores", "flagged"]) if screen != self.window.at()]
        return await self.window.go(self.chance.choice(ways))


async def browse(tab: Page, address: str, minutes: float) -> list[Visitor]:
    """The last visitor is the one with a browser."""
    until = time.monotonic() + SESSIONS * ARRIVALS + 60 * minutes
    windows: list[Window] = [*(Spoken(address) for _ in range(SESSIONS - 1)), Drawn(tab, address)]
    visitors, visits = [], []
    for number, window in enumerate(windows):
        visitors.append(Visitor(number, window))
        visits.append(asyncio.create_task(visitors[-1].visit(until)))
        await asyncio.sleep(ARRIVALS)
    await asyncio.gather(*visits)
    return visitors


async def measure(minutes: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find(), args=FLAGS)
            warm = await browser.new_page()
            await browsing.arrive(warm, server.url)  # the app unpacks the recorded run once
            await warm.wait_for_timeout(10_000)  # and loads torch beside it
            await warm.close()
            tab = await browser.new_page(viewport={"width": 1280, "height": 800})
            visitors = await browse(tab, server.url, minutes)
            await browser.close()
    return {**summary(visitors, minutes), "in_the_browser": told(visitors[-1:])}


def summary(visitors: list[Visitor], minutes: float) -> dict[str, Any]:
    failures = [failure for visitor in visitors for failure in visitor.failures]
    return {
        "benchmark": "sessions",
        "sessions": len(visitors),
        "minutes": minutes,
        **told(visitors),
        "failures": len(failures),
        "first_failures": sorted(set(failures))[:5],
        "opening_median_seconds": round(statistics.median(visitor.opened for visitor in visitors), 3),
        "goal_p95_seconds": GOAL,
        **browsing.machine(),
    }


def told(visitors: list[Visitor]) -> dict[str, Any]:
    """How many interactions, and how long they took."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for visitor in visitors:
        for kind, times in visitor.times.items():
            kinds[kind] += times
    every = sorted(time for times in kinds.values() for time in times)
    return {
        "interactions": len(every),
        "median_seconds": round(statistics.median(every), 3),
        "p95_seconds": round(quantile(every, 0.95), 3),
        "worst_seconds": round(every[-1], 3),
        "kinds": {
            kind: {"count": len(times), "median_seconds": round(statistics.median(times), 3),
                   "p95_seconds": round(quantile(sorted(times), 0.95), 3)}
            for kind, times in sorted(kinds.items())
        },
    }  # fmt: skip


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    return ordered[min(len(ordered) - 1, -(-int(share * 1000) * len(ordered) // 1000))]


def main() -> None:
    found = asyncio.run(measure(float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES))
    seen = found["in_the_browser"]
    print(
        f"{found['sessions']} sessions at once: median {1000 * found['median_seconds']:.0f} ms, "
        f"95% under {found['p95_seconds']:.2f} s (goal {GOAL:g} s), worst {found['worst_seconds']:.2f} s, "
        f"{found['failures']} failures in {found['interactions']:,} interactions; in the browser among them: median "
        f"{1000 * seen['median_seconds']:.0f} ms, 95% under {seen['p95_seconds']:.2f} s"
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
