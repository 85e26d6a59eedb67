"""A visitor's interactions in a real browser, and how long each takes: for benchmarks/sessions.py and memory.py.

An interaction begins with the browser's own input event and ends with the frame after Streamlit's script has
run for it.
"""

from __future__ import annotations

import os
import platform
import re
from typing import Any

from playwright.async_api import Page

from pages.parts.around import shell

SCREENS = {path.removeprefix("pages/").removesuffix(".py"): title for path, title, _ in shell.SCREENS}
FIRST = next(iter(SCREENS))
PATIENCE = 20_000  # milliseconds after which an interaction has failed
PAUSE = 250  # milliseconds after one, in which the page's own parts take in what came

# Twenty pages share a window: each must be treated as if it were looked at.
FLAGS = [
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]

# Resolves with the milliseconds from the input event to the first frame after the script's end.
_WATCH = """(patience) => { window.psDone = new Promise((resolve) => {
  const app = document.querySelector("[data-testid=stApp]");
  const path = location.pathname, search = location.search;
  let begun = null, ran = false;
  const look = () => {
    if (begun === null) return;
    const running = app.getAttribute("data-test-script-state") === "running";
    // A short run may end before React has drawn that it began: then the address tells that it answered.
    ran ||= running || (location.pathname === path && location.search !== search);
    if (!ran || running) return;
    clearInterval(clock);
    clearTimeout(limit);
    watcher.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - begun));
  };
  const watcher = new MutationObserver(look);
  watcher.observe(app, {attributes: true});
  const clock = setInterval(look, 15);
  for (const kind of ["keydown", "pointerdown"])
    window.addEventListener(kind, () => { begun ??= performance.now(); }, {capture: true, once: true});
  const limit = setTimeout(() => resolve(-1), patience);
}); }"""


async def arrive(page: Page, address: str) -> None:
    """Open a screen by its address and wait until it stands."""
    await page.goto(address, timeout=4 * PATIENCE)
    await page.get_by_test_id("stMain").get_by_role("heading").first.wait_for(timeout=4 * PATIENCE)
    await page.wait_for_function(
        "document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'",
        timeout=4 * PATIENCE,
    )


async def timed(page: Page, act: Any) -> float:
    """Seconds that an interaction took; TimeoutError where the script did not run to its end."""
    await page.evaluate(_WATCH, PATIENCE)
    await act()
    elapsed = float(await page.evaluate("window.psDone"))
    if elapsed < 0:
        raise TimeoutError(f"no answer within {PATIENCE / 1000:.0f} s")
    await page.wait_for_timeout(PAUSE)
    return elapsed / 1000


async def go(page: Page, screen: str) -> float:
    """To another screen by the sidebar."""
    link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=SCREENS[screen], exact=True)
    return await timed(page, link.click)


async def move_budget(page: Page, key: str) -> float:
    """A step of the Scores screen's slider."""
    slider = page.get_by_role("slider", name=re.compile("^Images removed")).first
    await slider.focus()
    return await timed(page, lambda: page.keyboard.press(key))


async def change_class(page: Page, number: int) -> float:
    """Another class in large, by its small histogram."""
    cards = page.get_by_role("group", name="Class in large").get_by_role("button")
    pressed = [await cards.nth(place).get_attribute("aria-pressed") for place in range(await cards.count())]
    others = [place for place, state in enumerate(pressed) if state != "true"]
    await cards.nth(others[number % len(others)]).focus()
    return await timed(page, lambda: page.keyboard.press("Enter"))


async def turn_page(page: Page) -> float:
    """The gallery's next page, or its first again."""
    pager = page.get_by_role("navigation", name="Pagination").first
    onward = pager.get_by_role("button", name="Next page")
    button = onward if await onward.is_enabled() else pager.get_by_role("button", name="Page 1", exact=True)
    return await timed(page, button.click)


async def troubles(page: Page) -> list[str]:
    """Exception boxes and errors on the page."""
    found = []
    for test_id in ("stException", "stAlertContentError"):
        found += [f"{test_id}: {text[:200]}" for text in await page.get_by_test_id(test_id).all_inner_texts()]
    return found


def at(page: Page) -> str:
    """The screen that the address names."""
    return page.url.partition("?")[0].rpartition("/")[2] or FIRST


def machine() -> dict[str, Any]:
    return {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }
