"""Presenter mode with the keyboard alone: a remote control sends Page Down and Page Up, whatever has the focus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

import core
from core import Job
from core.store.home import VARIABLE
from pages.parts.around import presenter
from tests.browser import axe, ways
from tests.browser.ways import MINUTE
from tests.pages import stored

TRAINING = 5 * MINUTE  # the machine may be busy
LAST = presenter.SLIDES
SIZES = ((1280, 720), (1440, 900), (1920, 1080))

# What of the seen slide, its bar or the page is beyond the window.
_BEYOND = """() => {
  const found = [], page = document.scrollingElement;
  for (const one of [page, ...document.querySelectorAll(".ps-slide")])
    if (one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1)
      found.push(`${one.localName}: ${[one.scrollWidth, one.scrollHeight]} in ${[one.clientWidth, one.clientHeight]}`);
  if (page.scrollHeight > innerHeight) found.push(`page ${page.scrollHeight} > ${innerHeight}`);
  for (const one of document.querySelectorAll(".ps-slide *, .ps-deck *, [class*=st-key-stage-link] *")) {
    const {right, bottom, width} = one.getBoundingClientRect();
    if (width && (right > innerWidth + 1 || bottom > innerHeight + 1)) found.push(one.outerHTML.slice(0, 120));
  }
  return found;
}"""

# Texts of the seen slide that lie over each other, and how small the smallest is.
_TEXTS = """() => {
  const boxes = [], seen = [...document.querySelectorAll(".ps-slide")].find((one) => one.checkVisibility());
  const walker = document.createTreeWalker(seen, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility({opacityProperty: true}) || parent.closest(".ps-unseen")) continue;
    const style = getComputedStyle(parent), range = document.createRange();
    range.selectNodeContents(node);
    for (const {left, right, top, bottom} of range.getClientRects())
      boxes.push({text: node.data.trim(), left, right, top, bottom, size: parseFloat(style.fontSize)});
  }
  const over = [];
  boxes.forEach((a, n) => boxes.slice(n + 1).forEach((b) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && high > 0.35 * Math.min(a.bottom - a.top, b.bottom - b.top)) over.push(`${a.text} | ${b.text}`);
  }));
  return [over, Math.min(...boxes.map((one) => one.size))];
}"""


# What lies over each other in the bar at the lower edge.
_BAR = """() => {
  const found = [];
  const bar = "[class*=st-key-presenter] button, [class*=st-key-stage-link] a, .ps-deck :is(button, span)";
  const all = [...document.querySelectorAll(bar)].filter((one) => one.checkVisibility());
  const boxes = all.map((one) => [one.textContent, one.getBoundingClientRect()]);
  boxes.forEach(([name, a], n) => boxes.slice(n + 1).forEach(([other, b]) => {
    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1) found.push(`${name} | ${other}`);
  }));
  return found;
}"""


def seen(page: Page) -> Locator:
    """The slide that is seen."""
    return page.locator(".ps-slide:visible")


def at(page: Page, number: int) -> None:
    """Slide `number` is seen, and it alone; the address names it."""
    expect(seen(page)).to_have_attribute("data-slide", str(number), timeout=MINUTE)
    if number > 1 or "step=" in page.url:
        expect(page).to_have_url(re.compile(rf"[?&]step={number}(&|$)"))


def present(page: Page, url: str, **address: str) -> None:
    page.goto(f"{url}/?present=1" + "".join(f"&{name}={value}" for name, value in address.items()))
    expect(page.get_by_role("navigation", name="Slides").get_by_role("button").first).to_be_visible(timeout=MINUTE)
    ways.settled(page)


@pytest.fixture
def small(app_server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A made-up run in the server's home, quick to train: what is live is the same with the next seed."""
    monkeypatch.setenv(VARIABLE, str(app_server.home))
    made = stored.finished(stored.config(detector="whitened-spectral", assumed_ratio=0.2, training={"epochs": 2}))
    yield made
    for job in core.jobs.listing(start=False):
        if job.config.dataset.name == "digits" and not job.active:
            core.jobs.delete(job.id)


def trained(small: Job) -> list[Job]:
    """What was asked for besides what is there."""
    known = {small.key, *core.recorded.run_keys(), *core.recorded.run_keys(core.recorded.TABLES)}
    return [job for job in core.jobs.listing(start=False) if job.kind == "run" and job.key not in known]


def test_the_slides_by_page_down_and_back(page: Page, app_server) -> None:
    present(page, app_server.url)
    for number in range(1, LAST + 1):
        at(page, number)
        page.keyboard.press("PageDown")
    at(page, LAST)
    page.keyboard.press("PageUp")
    at(page, LAST - 1)
    page.reload()
    at(page, LAST - 1)
    ways.settled(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible(timeout=MINUTE)
    expect(seen(page)).to_have_count(0)
    assert "present=1" not in page.url
    page.keyboard.press("PageDown")  # is the page's own again
    expect(page.get_by_role("heading", level=1)).to_have_text("See a backdoor in a training set")


CONTROLS: dict[str, Callable[[Page], Locator]] = {  # what has the focus
    "slide": lambda page: page.get_by_role("button", name=re.compile("^Slide 2")),
    "next": lambda page: page.get_by_role("button", name=re.compile("^Next slide")),
    "keys": lambda page: page.get_by_role("button", name="All keys"),
    "leave": lambda page: page.get_by_role("button", name="Leave"),
    "link": lambda page: page.get_by_role("link", name=re.compile("Flagged|Compare")),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_page_down_goes_on_whatever_has_the_focus(page: Page, app_server, control: str) -> None:
    present(page, app_server.url, step="5")
    at(page, 5)
    for key, to in (("PageDown", 6), ("PageUp", 5), ("ArrowRight", 6), ("ArrowLeft", 5)):
        CONTROLS[control](page).focus()
        expect(CONTROLS[control](page)).to_be_focused()
        page.keyboard.press(key)
        at(page, to)
    assert "present=1" in page.url


def test_a_control_that_was_clicked_does_not_keep_the_keys(page: Page, app_server) -> None:
    present(page, app_server.url)
    page.get_by_role("button", name=re.compile("^Slide 3")).click()
    at(page, 3)
    page.keyboard.press("PageDown")
    at(page, 4)


def test_quick_presses_are_all_steps(page: Page, app_server) -> None:
    present(page, app_server.url)
    for _ in range(3):
        page.keyboard.press("PageDown")
    at(page, 4)
    page.wait_for_timeout(500)
    at(page, 4)
    for _ in range(9):
        page.keyboard.press("PageDown")  # over the end
    at(page, LAST)
    for _ in range(2):
        page.keyboard.press("PageUp")
    at(page, LAST - 2)


def test_keys_jump_and_arrows_turn(page: Page, app_server) -> None:
    present(page, app_server.url)
    for key, to in (("6", 6), ("ArrowRight", 7), ("ArrowLeft", 6), ("End", LAST), ("Home", 1), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        at(page, to)


def test_b_is_black_and_any_key_brings_light(page: Page, app_server) -> None:
    present(page, app_server.url, step="3")
    at(page, 3)
    dark = page.locator("html[data-stage-dark]")
    for back in ("b", "PageDown", "Escape"):
        page.keyboard.press("b")
        expect(dark).to_have_count(1)
        assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).filter") == "brightness(0)"
        page.keyboard.press(back)
        expect(dark).to_have_count(0)
        at(page, 3)
    assert "present=1" in page.url


def test_in_the_dark_a_click_brings_light_and_no_more(page: Page, app_server) -> None:
    present(page, app_server.url, step="3")
    at(page, 3)
    box = CONTROLS["next"](page).bounding_box()
    assert box
    page.keyboard.press("b")
    dark = page.locator("html[data-stage-dark]")
    expect(dark).to_have_count(1)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(dark).to_have_count(0)
    page.wait_for_timeout(300)
    at(page, 3)
    CONTROLS["next"](page).click()  # seen again, it is clicked
    at(page, 4)


def test_a_control_that_turns_the_slide_keeps_the_focus(page: Page, app_server) -> None:
    present(page, app_server.url)
    CONTROLS["next"](page).focus()
    for number in (2, 3, 4):
        page.keyboard.press("Enter")
        at(page, number)
        expect(CONTROLS["next"](page)).to_be_focused()


def test_the_live_slides_button_keeps_the_focus_when_it_is_drawn_anew(page: Page, app_server) -> None:
    present(page, app_server.url, step=str(LAST))
    at(page, LAST)
    start = page.get_by_role("button", name=re.compile("^Start"))
    start.focus()
    start.evaluate("(one) => one.replaceWith(one.cloneNode(true))")
    expect(start).to_be_focused()
    page.keyboard.press("PageUp")  # leaves it
    at(page, LAST - 1)
    expect(page.locator("body")).to_be_focused()


def test_the_notes_of_one_run_do_not_hear_the_deck_of_another(
    page: Page, app_server, small: Job, window: BrowserContext
) -> None:
    present(page, app_server.url)
    with page.expect_popup() as opened:
        page.keyboard.press("n")
    notes, other = opened.value, window.new_page()
    told = notes.locator("[data-note]:visible")
    try:
        expect(notes.locator("[data-notes=elapsed]")).not_to_have_text("0:00", timeout=MINUTE)
        present(other, app_server.url, run=small.key[:16], step="4")
        at(other, 4)
        expect(told).to_have_attribute("data-note", "1")
        ways.settled(notes)
        notes.keyboard.press("PageDown")
        at(page, 2)
        at(other, 4)
    finally:
        other.close()
        notes.close()


def test_escape_closes_what_is_open_before_it_ends_the_mode(page: Page, app_server) -> None:
    present(page, app_server.url)
    page.keyboard.press("?")
    keys = page.get_by_role("heading", name="Keys")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).not_to_be_visible()
    ways.settled(page)
    page.wait_for_timeout(400)
    assert "present=1" in page.url
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible(timeout=MINUTE)


def test_a_slide_leads_to_its_screen_out_of_the_mode_and_back(page: Page, app_server) -> None:
    present(page, app_server.url, step="5")
    at(page, 5)
    page.get_by_role("link", name="Flagged").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Flagged images", timeout=MINUTE)
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
    ways.settled(page)
    page.wait_for_timeout(500)  # the deck writes its slide into the address now and then: into its own alone
    assert "present=1" not in page.url
    assert "step=" not in page.url
    page.go_back()
    at(page, 5)


def test_an_old_link_to_a_screen_opens_the_slide_that_tells_it(page: Page, app_server) -> None:
    page.goto(f"{app_server.url}/scores?present=1")
    at(page, presenter.TOLD["scores"])
    ways.settled(page)
    page.go_back()  # to the screen, which is not left again
    expect(page.get_by_role("heading", level=1)).to_have_text(ways.SCREENS["scores"], timeout=MINUTE)
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
    ways.settled(page)
    page.get_by_test_id("stSidebar").get_by_text("Presenter mode", exact=True).click()
    at(page, presenter.TOLD["scores"])


def test_the_speakers_window_follows_and_turns(page: Page, app_server, window: BrowserContext) -> None:
    present(page, app_server.url)
    with page.expect_popup() as opened:
        page.keyboard.press("n")
    notes = opened.value
    told = notes.locator("[data-note]:visible")
    try:
        expect(told).to_have_attribute("data-note", "1", timeout=MINUTE)
        expect(notes.locator("[data-notes=elapsed]")).not_to_have_text("0:00", timeout=MINUTE)
        page.keyboard.press("PageDown")
        expect(told).to_have_attribute("data-note", "2")
        claim = seen(page).get_by_role("heading", level=1).inner_text()
        assert claim == told.get_by_role("heading", level=1).inner_text()
        page.keyboard.press("b")
        expect(notes.get_by_role("status")).to_have_text("The stage is dark.")
        page.keyboard.press("b")
        ways.settled(notes)
        notes.keyboard.press("PageDown")  # the remote control may talk to this window
        at(page, 3)
        expect(told).to_have_attribute("data-note", "3")
        notes.get_by_role("button", name="From now").click()
        expect(notes.locator("[data-notes=elapsed]")).to_have_text(re.compile("0:0[0-9]"))
        assert axe.serious(notes) == []
    finally:
        notes.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_slide_fits_and_is_accessible(page: Page, app_server, theme: str) -> None:
    """At three sizes; without motion, so that what is looked at is the whole picture."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    present(page, app_server.url)
    wrong = []
    for number in range(1, LAST + 1):
        page.keyboard.press(str(number))
        at(page, number)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(100)
            over, smallest = page.evaluate(_TEXTS)
            wrong += [f"slide {number} at {width}: {one}" for one in page.evaluate(_BEYOND)]
            wrong += [f"slide {number} at {width}, over each other: {one}" for one in over]
            if smallest < 0.02 * height:
                wrong.append(f"slide {number} at {width}: letters of {smallest} pixels")
        wrong += [f"slide {number}: {one}" for one in axe.serious(page)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "kind", [{"source": "seven", "cover_ratio": 1.0}, {"ratio": 0.0}], ids=["one class", "control"]
)
def test_the_slides_of_other_runs_fit(page: Page, app_server, small: Job, kind: dict[str, object]) -> None:
    job = stored.finished(stored.config(detector="whitened-spectral", assumed_ratio=0.2, seed=3, **kind))
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(reduced_motion="reduce")
    present(page, app_server.url, run=job.key[:16])
    wrong = []
    for number in range(1, LAST + 1):
        page.keyboard.press(str(number))
        at(page, number)
        page.wait_for_timeout(100)
        wrong += [f"slide {number}: {one}" for one in [*page.evaluate(_BEYOND), *page.evaluate(_TEXTS)[0]]]
    assert not wrong, "\n".join(wrong)


def test_on_a_phone_a_slide_scrolls_and_does_not_stand_out(page: Page, app_server) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(reduced_motion="reduce")
    present(page, app_server.url)
    for number in range(1, LAST + 1):
        page.keyboard.press(str(number))
        at(page, number)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
        assert seen(page).evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0, number
        over, _ = page.evaluate(_TEXTS)
        assert not over, (number, over)
        assert page.evaluate(_BAR) == [], number


def test_the_picture_moves_from_the_images_to_the_score(page: Page, app_server) -> None:
    present(page, app_server.url, step="3")
    at(page, 3)
    page.keyboard.press("PageDown")
    at(page, 4)
    mark = page.locator(".ps-field > .ps-pd").first

    def placed(moment: int) -> list[float]:
        """Where a poisoned mark is at a moment of the motion."""
        page.evaluate(
            "(to) => document.getAnimations().forEach((one) => { one.pause(); one.currentTime = to; })", moment
        )
        return mark.evaluate("(one) => { const {x, y} = one.getBoundingClientRect(); return [x, y]; }")

    images, plane, axis, end = (placed(moment) for moment in (1_900, 4_200, 6_400, 9_000))
    assert len({tuple(round(value) for value in place) for place in (images, plane, axis)}) == 3
    assert abs(axis[0] - end[0]) < 12  # along the axis it only rises
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("document.getAnimations().length") == 0


# --- the run that is trained live ------------------------------------------------------------------------


def test_page_keys_start_nothing(page: Page, app_server, small: Job) -> None:
    present(page, app_server.url, run=small.key[:16], step=str(LAST))
    at(page, LAST)
    start = page.get_by_role("button", name=re.compile("^Start"))
    for key in ("PageDown", "ArrowRight", "End", "PageUp"):
        start.focus()
        page.keyboard.press(key)
    at(page, LAST - 1)
    page.keyboard.press("l")  # on another slide it does nothing
    ways.settled(page)
    page.wait_for_timeout(500)
    assert trained(small) == []


@pytest.mark.timeout(600)
def test_the_whole_story_by_keys_with_a_run_trained_live(page: Page, app_server, small: Job) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(reduced_motion="reduce")
    present(page, app_server.url, run=small.key[:16])
    for number in range(1, LAST):
        at(page, number)
        assert page.evaluate(_BEYOND) == []
        page.keyboard.press("PageDown")
    at(page, LAST)
    live = seen(page)
    expect(live.get_by_role("heading", level=1)).to_have_text("Next, before your eyes: pattern → three, on digits")
    page.keyboard.press("l")
    expect(live.get_by_role("heading", level=1)).to_have_text("Live: pattern → three, on digits", timeout=MINUTE)
    at(page, LAST)
    expect(live.locator(".ps-now")).to_contain_text("Train on the poisoned set", timeout=MINUTE)
    assert page.evaluate(_BEYOND) == []

    page.keyboard.press("5")
    at(page, 5)
    page.wait_for_timeout(1500)  # the run's slide is drawn again meanwhile
    at(page, 5)
    page.keyboard.press("End")
    at(page, LAST)

    expect(live.locator(".ps-hist")).to_be_visible(timeout=TRAINING)
    expect(live.get_by_role("status")).not_to_contain_text("Done")  # the second network is still trained
    assert live.locator(".ps-done").count() >= 3  # trained, measured, represented
    expect(live.get_by_role("status")).to_contain_text("Done in", timeout=TRAINING)
    at(page, LAST)
    (job,) = trained(small)
    found = core.Result(job.config).summary
    assert job.status == "done"
    assert found is not None
    for name in ("asr1", "asr2", "nat1", "nat2"):
        expect(live.locator(".ps-table")).to_contain_text(f"{100 * found[name]:.1f}%")
    assert page.evaluate(_BEYOND) == []
    assert axe.serious(page) == []
    assert f"live={job.key[:16]}" in page.url
    page.reload()
    at(page, LAST)
    expect(live.get_by_role("status")).to_contain_text("Done in", timeout=MINUTE)
