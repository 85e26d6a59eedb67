"""Ways through the app in a browser: from screen to screen, and waiting until one stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Error, Page, expect

from pages.parts.around import shell

MINUTE = 60_000
SCREENS = {Path(path).stem: title for path, title, _ in shell.SCREENS}
FIRST, *_, LAST = SCREENS  # names in the address; the first screen's own is empty there


def at(page: Page) -> str:
    """The screen that the address names."""
    return urlsplit(page.url).path.rpartition("/")[2] or FIRST


def open_link(page: Page, url: str, screen: str, **address: str) -> None:
    """A screen by its address."""
    query = "&".join(f"{name}={value}" for name, value in address.items())
    page.goto(f"{url}/{'' if screen == FIRST else screen}{'?' if query else ''}{query}")
    page.get_by_test_id("stMain").get_by_role("heading").first.wait_for(timeout=MINUTE)
    settled(page)


def by_sidebar(page: Page, screen: str) -> None:
    """A screen by its link in the sidebar, which is opened for it in a narrow window, and closes by itself."""
    narrow = page.get_by_test_id("stExpandSidebarButton").is_visible()
    if narrow:
        page.get_by_test_id("stExpandSidebarButton").click()
    link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=SCREENS[screen], exact=True)
    link.click()
    ending = "" if screen == FIRST else screen
    page.wait_for_function("(ending) => location.pathname.split('/').pop() === ending", arg=ending, timeout=MINUTE)
    settled(page)
    if narrow:
        expect(link).not_to_be_in_viewport()


# Whether the app is dark, or light.
LIT = """(dark) => {
  const colour = getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor;
  const [red, green, blue] = colour.match(/\\d+/g).map(Number);
  return ((red + green + blue) / 3 < 128) === dark;
}"""


def lit(page: Page, theme: str) -> None:
    """The screen in this theme, as when the system changes to it: its charts are drawn anew then."""
    dark = theme == "dark"
    if page.evaluate(LIT, dark):
        return
    # Words follow by themselves; a chart that did not would be found too faint.
    with suppress(Error), answer(page, patience=5_000):
        page.emulate_media(color_scheme=theme)
    page.wait_for_function(LIT, arg=dark, timeout=MINUTE)
    settled(page)


def settled(page: Page) -> None:
    """Wait until the script has run, every chart stands, and no expander is on its way open or shut."""
    page.wait_for_timeout(150)  # a click is on its way
    expect(page.locator('[data-testid="stApp"][data-test-script-state="running"]')).to_have_count(0, timeout=MINUTE)
    page.wait_for_function(
        """() => !document.querySelector("[data-testid=stSkeleton]")
             && [...document.querySelectorAll("[data-testid=stPlotlyChart]")].every(
                  (chart) => !chart.offsetParent || chart.querySelector(".main-svg"))
             && !document.getAnimations().some(
                  (one) => one.playState === "running" && one.effect?.target?.closest?.("[data-testid=stExpander]"))""",
        timeout=MINUTE,
    )


@contextmanager
def answer(page: Page, patience: float = MINUTE) -> Iterator[None]:
    """Wait until the script has run for what is done within, however late the page tells of it: tables take a while."""
    settled(page)
    page.evaluate(
        """() => {
             window.scriptBegan = false;
             const seen = new MutationObserver(() => { window.scriptBegan = true; seen.disconnect(); });
             seen.observe(document.querySelector("[data-testid=stApp]"), {attributeFilter: ["data-test-script-state"]});
           }"""
    )
    yield
    page.wait_for_function("() => window.scriptBegan", timeout=patience)
    settled(page)
