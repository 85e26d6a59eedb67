"""Every screen at five widths, from a phone's to a hall's: every word can be read, and the run is in sight.

What stands behind tabs and expanders, tests/browser/test_walk.py looks at with the same eyes, and axe there with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.parts.around import colours
from tests.browser import axe, legible, ways
from tests.browser.conftest import AppServer

SIZES = ((390, 844), (820, 1180), (1280, 720), (1440, 900), (1920, 1080))
TRIES, WAIT = 10, 300  # milliseconds: a sidebar slides out of sight, a chart follows its window

# Whether the middle of an element is what a person sees there, and not what lies over it.
_IN_SIGHT = """(element) => {
  const {left, top, width, height} = element.getBoundingClientRect();
  const seen = document.elementFromPoint(left + Math.min(width, 80) / 2, top + height / 2);
  return element === seen || element.contains(seen);
}"""
_SCROLLED = "(main, by) => { main.scrollTo({top: by, behavior: 'instant'}); return main.scrollTop; }"


def looked_at(page: Page) -> list[str]:
    """What is wrong with a screen at the width that the window has."""
    found = legible.sideways(page)
    main, line = page.get_by_test_id("stMain"), page.locator(".ps-header")
    main.evaluate(_SCROLLED, 0)
    if not page.locator("h1").evaluate(_IN_SIGHT):
        found.append("something lies over the heading")
    scrolled = main.evaluate(_SCROLLED, 600)
    if line.count() and not line.evaluate(_IN_SIGHT):
        found.append(f"the run's line is out of sight {scrolled} pixels down")
    return [*found, *legible.wrong(page)]


@pytest.mark.parametrize("screen", list(ways.SCREENS))
def test_every_word_can_be_read_at_five_widths(page: Page, app_server: AppServer, screen: str) -> None:
    ways.open_link(page, app_server.url, screen)
    if screen == "attack":  # the run as it stands when it has just ended, above the form
        page.get_by_role("button", name="Start").click()
        page.get_by_text("From the store").wait_for()
    found = {}
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        ways.settled(page)
        for _ in range(TRIES):
            if not (wrong := looked_at(page)):
                break
            page.wait_for_timeout(WAIT)
        else:
            found[width] = wrong
    assert found == {}


# --- the test of the test --------------------------------------------------------------------------------

SHORT = "width: 40px; overflow: hidden; white-space: nowrap"
FINE = f"""<main data-testid=stMain><h1>Title</h1><p title='All of it' style='{SHORT}'>A long line with a title</p>
<p style='{SHORT}; text-overflow: ellipsis'>A long line with dots</p>
<div style='width: 80px; overflow: auto'><p style='width: 300px'>What can be scrolled to, all of it</p></div>
<p style='position: absolute; width: 1px; height: 1px; overflow: hidden'>For who listens</p>
<p>below, in its place</p></main>"""
CUT = f"<p style='{SHORT}'>What is cut off</p>"
LOW = "<div style='height: 8px; overflow: hidden'><p style='margin: 0'>What is too low</p></div>"
OVER = "<p style='margin-bottom: -2.2em'>One line</p><p>Another line</p>"
DRAWN = "<svg width=200 height=40><text x=0 y=20>one mark</text><text x=10 y=22>its mate</text></svg>"
WITHIN = f"<div><template shadowrootmode=open>{OVER}</template></div>"
FIELD = "<input type=text style='width: 40px' value='A value that is longer than its field'>"
CLEAR = "<p style='position: fixed; bottom: 0'>What floats</p><p style='position: absolute; bottom: 0'>beneath</p>"
OUT = "<p style='margin-left: 1500px'>Far out</p>"


@pytest.mark.parametrize("html", [CUT, LOW, OVER, CLEAR, DRAWN, WITHIN, FIELD, OUT])
def test_what_is_wrong_is_found(page: Page, html: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.set_content(FINE)
    assert legible.wrong(page) == []
    page.set_content(FINE + html)
    assert len(legible.wrong(page)) == 1
    assert bool(legible.sideways(page)) == (html == OUT)


def test_a_column_too_narrow_for_its_words_is_found(page: Page) -> None:
    page.set_viewport_size({"width": 820, "height": 1180})
    for width, found in ((legible.LEAST, 0), (legible.LEAST - 1, 1)):
        column = f"<div data-testid=stColumn style='width: {width}px'>Words</div>"
        page.set_content(FINE.replace("</main>", f"{column}</main>"))
        assert len(legible.wrong(page)) == found


# --- the run's line --------------------------------------------------------------------------------------


@pytest.fixture
def reader(browser: Browser, app_server: AppServer) -> Iterator[Page]:
    """A tab that may use the clipboard."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=app_server.url)
    yield context.new_page()
    context.close()


def copied(page: Page) -> str:
    """What *Copy link* leaves in the clipboard, pressed by key."""
    button = page.get_by_role("button", name="Copy link")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_a_copied_link_opens_the_same_view_of_the_same_run(reader: Page, app_server: AppServer) -> None:
    ways.open_link(reader, app_server.url, "scores")
    assert "run=" not in reader.url, "the run that the app opens on needs no name"
    reader.get_by_role("radio", name="stacked").click()
    reader.get_by_role("slider", name=re.compile("^Images removed")).focus()
    reader.keyboard.press("ArrowRight")
    expect(reader).to_have_url(re.compile("[?&]budget="))
    ways.settled(reader)
    link = copied(reader)
    told = parse_qs(urlsplit(link).query)
    assert {"run", "budget", "bars"} <= set(told)
    run, line = reader.locator(".ps-header").inner_text(), reader.locator(".ps-header")
    reader.goto(f"{app_server.url}/audit")  # so that nothing is left on the page
    reader.goto(link)
    expect(line).to_have_text(run, timeout=ways.MINUTE, use_inner_text=True)
    expect(reader.get_by_role("radio", name="stacked")).to_be_checked()
    expect(reader.get_by_role("spinbutton", name="Budget")).to_have_value(told["budget"][0])


def test_in_blind_review_the_line_and_its_link_tell_nothing_of_the_attack(reader: Page, app_server: AppServer) -> None:
    ways.open_link(reader, app_server.url, "flagged", truth="0")
    line = reader.locator(".ps-header")
    expect(line).to_contain_text("truth hidden")
    told = line.evaluate("(one) => one.outerHTML")
    assert not re.search("pattern|horse|10%|poison|attack|ASR", told, re.IGNORECASE)
    assert "truth=0" in copied(reader)
    for width, height in SIZES:
        reader.set_viewport_size({"width": width, "height": height})
        expect(line.get_by_text("truth hidden")).to_be_in_viewport(ratio=1)


def test_the_focus_on_copy_link_is_seen(page: Page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "compare")
    button = page.get_by_role("button", name="Copy link")
    expect(button).to_have_css("outline-style", "none")
    page.keyboard.press("Tab")  # so that the browser takes the focus for a keyboard's
    button.focus()
    expect(button).to_have_css("outline-style", "solid")


def test_charts_and_the_runs_line_follow_the_theme(reader: Page, app_server: AppServer) -> None:
    ways.open_link(reader, app_server.url, "compare")
    for theme in ("light", "dark", "light"):
        reader.emulate_media(color_scheme=theme)
        ground = colours.DARK if theme == "dark" else colours.LIGHT
        expect(reader.get_by_test_id("stApp")).to_have_css("background-color", rgb(ground.ground))
        expect(reader.locator(".st-key-run-header")).to_have_css("background-color", rgb(ground.ground))  # not clear
        chart = reader.get_by_test_id("stPlotlyChart").first
        expect(chart.locator("text").first).to_have_css("fill", rgb(ground.ink), timeout=ways.MINUTE)
        ways.settled(reader)
        assert axe.faint(reader) == []


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"
