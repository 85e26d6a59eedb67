"""Every screen as each of three people on a wide light one, the explorer on a narrow dark one too, on the recorded run.

The home is empty but for what the app itself unpacks, no data set is at hand, and neither the server nor Chromium
reaches anything but the other. A walk notes all that is wrong on its way and fails at its end with the list:

- the *presenter* goes from slide to slide by key, axe looks at each, and nothing trains;
- the *explorer* comes by the sidebar, moves the budget, changes the detector, opens every tab and expander; axe looks
  at each screen light and dark;
- the *reviewer* comes by a link for blind review, turns the gallery, and gives a verdict.

The screenshots lie in test-output/walk/.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Request, Route, expect

import core
from core import Result, jobs
from core.store.home import VARIABLE
from pages.parts.around import words
from pages.parts.around.presenter import SLIDES
from tests.audits import made
from tests.browser import axe, legible, ways
from tests.browser.conftest import OUTPUT, STREAMLIT_PROBE, AppServer, serving
from tests.browser.ways import FIRST, MINUTE, SCREENS, at, by_sidebar, open_link, settled

PICTURES = OUTPUT / "walk"
PATIENCE = 15_000  # milliseconds for a widget to be there and to answer
TALLEST = 6_000  # pixels of a screenshot
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
WALKED = {"light": "wide", "dark": "narrow"}  # by theme
# The themes in which the explorer looks, and what axe is asked there: colours ask for no width, the rest for no theme.
THEMES = {
    "wide": {"dark": axe.COLOURS, "light": axe.EVERYTHING},
    "narrow": {"dark": axe.STRUCTURE},
}
DEAD_END = "http://127.0.0.1:9"  # a proxy where nobody listens
VIEWS = re.compile("Look closer|Networks|Test images")  # what chooses a picture, rather than how it looks


@dataclass
class Walk:
    """A tab, where it is, and what was wrong there."""

    page: Page
    url: str
    name: str
    theme: str
    size: str
    planted: str  # the path of a set in which something is planted
    where: str = ""
    wrong: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        line = f"{self.where}: {text}"
        if line not in self.wrong:
            self.wrong.append(line)


# --- the people ------------------------------------------------------------------------------------------


def presenter(walk: Walk) -> None:
    """From the first slide to the last by Page Down, and one back."""
    open_link(walk.page, walk.url, FIRST, present="1")
    walk.page.emulate_media(reduced_motion="reduce")  # so that axe sees the whole picture
    seen = walk.page.locator(".ps-slide:visible")
    for number in range(1, SLIDES + 1):
        walk.where = f"slide {number}"
        expect(seen).to_have_attribute("data-slide", str(number))
        look(walk, axe.EVERYTHING)
        walk.page.keyboard.press("PageDown")
    walk.page.keyboard.press("PageUp")
    expect(seen).to_have_attribute("data-slide", str(SLIDES - 1))
    if any(job.active for job in jobs.listing(start=False)):
        walk.note("Page Down trained")


def explorer(walk: Walk) -> None:
    """Every screen by the sidebar, with all that can be opened opened."""
    open_link(walk.page, walk.url, FIRST)
    for screen in SCREENS:
        walk.where = screen
        if at(walk.page) != screen:
            by_sidebar(walk.page, screen)
        attempt(walk, EXPLORES.get(screen, inspect))
        attempt(walk, open_all)
        for theme in begun_as_it_is(walk):
            lit(walk, theme)
            look(walk, THEMES[walk.size][theme])
    lit(walk, walk.theme)


def reviewer(walk: Walk) -> None:
    """Every screen by a link that hides the truth; on Flagged a page further and a verdict."""
    for screen in SCREENS:
        walk.where = screen
        open_link(walk.page, walk.url, screen, truth="0", reviewer="Walker")
        if screen == "flagged":
            attempt(walk, judge)
        if "truth=0" not in walk.page.url:
            walk.note("the address no longer asks for a blind review")
        secret = words.share(recorded().summary["asr1"])
        answers = screen == "try_it"  # a network may be just as sure of its answer
        if not answers and secret in walk.page.get_by_test_id("stMain").inner_text():
            walk.note(f"blind review shows ASR1, {secret}")
        look(walk)


def attempt(walk: Walk, act: Callable[[Walk], None]) -> None:
    """Do something on a screen; what does not work there is noted, and the walk goes on."""
    try:
        act(walk)
    except (Error, AssertionError) as error:
        walk.note(f"{act.__name__}: {str(error).strip()[:400]}")
        settled(walk.page)


PEOPLE: dict[str, Callable[[Walk], None]] = {"presenter": presenter, "explorer": explorer, "reviewer": reviewer}


def explore_scores(walk: Walk) -> None:
    """A step of the budget, the gap, and another detector and back."""
    page = walk.page
    page.get_by_role("slider", name=re.compile("^Images removed")).first.focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"[?&]budget=\d+"))
    settled(page)
    gap = page.get_by_role("button", name="At the gap")
    gap.click()
    expect(page).to_have_url(re.compile(r"[?&]budget=gap"))
    settled(page)
    expect(gap).to_be_disabled()
    box = page.get_by_role("combobox", name="Detector").first
    own = box.input_value()
    for name in (next(name for name in core.DETECTORS if not own.startswith(name)), own):
        pick(page, box, name)


def pick(page: Page, box: Locator, option: str) -> None:
    """An option of a menu; a page that is drawn again meanwhile may close it."""
    for _ in range(3):
        box.click()
        with suppress(Error):
            page.get_by_role("option", name=option, exact=True).click(timeout=3_000)
            break
    settled(page)
    expect(box).to_have_value(option)


def judge(walk: Walk) -> None:
    """Another page of the gallery, an image of it, and a verdict by key."""
    page = walk.page
    tiles = page.get_by_role("listbox").get_by_role("option")
    expect(tiles.first).to_be_visible()
    first = str(tiles.first.get_attribute("aria-label"))
    page.get_by_role("navigation", name="Pagination").get_by_role("button", name="Next page").click()
    settled(page)
    expect(tiles.first).not_to_have_attribute("aria-label", first)
    tiles.nth(1).click()
    settled(page)
    page.keyboard.press("p")
    settled(page)
    expect(tiles.nth(1)).to_have_attribute("data-verdict", "poisoned")


def explore_tables(walk: Walk) -> None:
    """One row, opened to its seeds."""
    row = walk.page.locator("tbody[data-row]").first
    row.get_by_role("button").first.click()
    expect(row.get_by_role("link", name="seed 0", exact=True)).to_be_visible()
    settled(walk.page)


def explore_sensitivity(walk: Walk) -> None:
    """Another assumed ratio, another figure, one curve less; then a second axis of a sweep, which must not start."""
    page = walk.page
    page.get_by_role("tab", name="Assumed").click()
    settled(page)
    page.get_by_role("slider", name="Assumed ratio").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"[?&]assumed=10.5"))
    page.get_by_role("radio", name="TPR", exact=True).click()
    expect(page).to_have_url(re.compile(r"[?&]figure=TPR"))
    settled(page)
    page.get_by_role("tab", name="Sweeps").click()
    settled(page)
    page.get_by_text("A new sweep").click()
    settled(page)
    pick(page, page.get_by_role("combobox", name="Second axis"), "Detector")
    expect(page.get_by_role("button", name=re.compile(r"^Start \d+ trainings"))).to_be_visible()
    page.get_by_role("tab", name="Assumed").click()
    settled(page)


def explore_audit(walk: Walk) -> None:
    """A set in which something is planted, audited."""
    main = walk.page.get_by_test_id("stMain")
    path = main.get_by_role("textbox", name="Path on the server's machine")
    path.fill(walk.planted)
    path.press("Enter")
    settled(walk.page)
    told = main.get_by_role("article").first
    if not told.is_visible():  # another walk of this server's has had it audited
        main.get_by_role("button", name="Audit", exact=True).click()
    expect(told).to_be_visible(timeout=MINUTE)
    settled(walk.page)


EXPLORES: dict[str, Callable[[Walk], None]] = {
    "scores": explore_scores,
    "sensitivity": explore_sensitivity,
    "tables": explore_tables,
    "audit": explore_audit,
}


# --- ways ------------------------------------------------------------------------------------------------


def begun_as_it_is(walk: Walk) -> list[str]:
    """The themes to look in, the present one first: a turn draws every chart anew."""
    dark = walk.page.evaluate(ways.LIT, True)
    return sorted(THEMES[walk.size], key=lambda theme: (theme == "dark") != dark)


def lit(walk: Walk, theme: str) -> None:
    """The screen in this theme."""
    try:
        ways.lit(walk.page, theme)
    except Error:
        walk.note(f"the app does not become {theme}")
    walk.where = f"{at(walk.page)}, {theme}"


def open_all(walk: Walk) -> None:
    """Every expander, then every tab and every view of the main part, each looked at."""
    page = walk.page
    main = page.get_by_test_id("stMain")
    closed = main.locator("details:not([open]) > summary").filter(visible=True)
    for _ in range(closed.count()):
        if closed.count():
            closed.first.click()
            settled(page)
    views = main.get_by_role("radiogroup", name=VIEWS).get_by_role("radio")
    for choices in (main.get_by_role("tab").filter(visible=True), views):
        for number in range(choices.count()):
            choices.nth(number).click()
            settled(page)
            inspect(walk)


# --- what is looked at -----------------------------------------------------------------------------------

# Pictures without a name, shadow roots included; what is hidden from everyone needs none.
_NAMELESS = """() => {
  const found = [];
  const names = ["aria-label", "aria-labelledby", "alt", "title"];
  const named = (element) => names.some((name) => element.getAttribute(name)?.trim())
    || element.querySelector(":scope > title");
  // An empty alt is right where what holds the picture says it all.
  const told = (element) => element.getAttribute("alt") === ""
    && element.closest("button, a, [role=option], figure")?.textContent.trim();
  const hidden = (element) => !element.getClientRects().length || element.closest("[aria-hidden=true]")
    || element.getAttribute("role") === "presentation" || told(element);
  const chart = "[data-testid=stPlotlyChart]";
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) look(element.shadowRoot);
      if (!element.matches(`img, [role=img], ${chart}`) || hidden(element)) continue;
      const within = element.matches(chart) && element.querySelector("[role=img][aria-label]");
      if (!named(element) && !within) found.push(element.outerHTML.slice(0, 160));
    }
  };
  look(document.body);
  return found;
}"""


def inspect(walk: Walk) -> None:
    """Exception boxes, errors, sideways scrolling, words not to be read, pictures without a name."""
    page = walk.page
    for test_id in ("stException", "stAlertContentError"):
        for box in page.get_by_test_id(test_id).all():
            if box.is_visible():
                walk.note(f"{test_id}: {box.inner_text()[:300]}")
    if wide := legible.sideways(page):
        walk.note(f"scrolls sideways: {'; '.join(wide)}")
    for words_of_it in legible.wrong(page):
        walk.note(words_of_it)
    for picture in page.evaluate(_NAMELESS):
        walk.note(f"a picture without a name: {picture}")


def look(walk: Walk, asked: dict[str, Any] | None = None) -> None:
    """Inspect the screen, and keep a picture of all of it; axe looks as well where something is asked of it."""
    page = walk.page
    inspect(walk)
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    whole = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(height, whole), TALLEST)})
    page.wait_for_timeout(100)
    name = re.sub(r"\W+", "-", walk.where)
    page.screenshot(path=PICTURES / f"{name}-{walk.name}.jpg", type="jpeg", quality=70)
    if asked is not None:
        for finding in axe.serious(page, asked):
            walk.note(f"axe: {finding}")
        for words_of_it in axe.faint(page):
            walk.note(f"too faint, {words_of_it}")
    page.set_viewport_size({"width": width, "height": height})


# --- the ground ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A server with an empty home, no data set and no way out."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.setenv(name, DEAD_END)
            patch.setenv(name.upper(), DEAD_END)
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, "127.0.0.1,localhost")
        patch.delenv("POISONSCOPE_CIFAR10", raising=False)
        with serving(tmp_path_factory.mktemp("walk")) as server:
            PICTURES.mkdir(parents=True, exist_ok=True)
            made.planted(server.sets / "photos")
            yield server


@pytest.fixture(scope="module")
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def context(browser: Browser, theme: str) -> Iterator[BrowserContext]:
    """A browser of this theme, and its size."""
    across, down = SIZES[WALKED[theme]]
    context = browser.new_context(viewport={"width": across, "height": down}, color_scheme=theme)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def walk(
    request: pytest.FixtureRequest,
    context: BrowserContext,
    recorded_server: AppServer,
    theme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Walk]:
    """A tab that reaches our server only, and notes every error and every attempt to reach another."""
    monkeypatch.setenv(VARIABLE, str(recorded_server.home))  # its ledger and its store, read from here
    page = context.new_page()
    person = request.getfixturevalue("person")
    size = WALKED[theme]
    walk = Walk(page, recorded_server.url, f"{person}-{size}", theme, size, str(recorded_server.sets / "photos"))
    home = urlsplit(recorded_server.url).netloc

    def gate(route: Route, asked: Request) -> None:
        if urlsplit(asked.url).netloc == home or urlsplit(asked.url).scheme in ("data", "blob"):
            route.continue_()
        else:
            walk.note(f"asked for {asked.url[:200]}")
            route.abort()

    def hear(message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        if message.type == "error" and not (" 404 " in message.text and STREAMLIT_PROBE.search(address)):
            walk.note(f"console: {message.text[:300]} ({address})")

    def follow(socket) -> None:
        if urlsplit(socket.url).netloc != home:
            walk.note(f"opened a socket to {socket.url}")

    page.route("**/*", gate)
    page.on("console", hear)
    page.on("pageerror", lambda error: walk.note(f"page error: {str(error)[:300]}"))
    page.on("websocket", follow)
    yield walk
    page.close()


def recorded() -> Result:
    job = next(job for job in jobs.listing(start=False) if job.kind == "run" and job.status == "done")
    return Result(job.config)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("theme", "person"),
    [("light", "presenter"), ("light", "explorer"), ("light", "reviewer"), ("dark", "explorer")],
    indirect=["theme"],
)
def test_walk(walk: Walk, recorded_server: AppServer, person: str, theme: str) -> None:
    begun = time.monotonic()
    PEOPLE[person](walk)
    assert walk.page.evaluate(ways.LIT, theme == "dark"), f"the app is not {theme}"
    unfinished = [job for job in jobs.listing(start=False) if job.status != "done"]
    assert not unfinished, f"a walk started {unfinished}"
    assert not walk.wrong, "\n" + "\n".join(walk.wrong) + f"\n({time.monotonic() - begun:.0f} s)"
