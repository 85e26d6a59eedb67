"""A set of one's own in a real browser: from a folder to what is planted, a clean copy, and a network without it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Error, Locator, Page, expect

import core
from core.attack import poison
from core.configuration import DatasetConfig
from tests.audits import made
from tests.browser import axe, ways
from tests.browser.conftest import AppServer

CLASSES, EACH, TARGET = ("one", "two", "three", "four"), 70, "three"
WORKS = 3 * ways.MINUTE  # two networks are trained, and the machine may be busy
TICK = {"x": 72, "y": 61}  # of the first row: the table is drawn on a canvas


@pytest.fixture
def digits(app_server: AppServer) -> tuple[Path, set[str]]:
    """Class folders of some digits, a pattern on one in seven of the threes, which are none; the names of those."""
    data = core.datasets.load(DatasetConfig(name="digits", per_class=EACH))
    attack = core.configure(dataset="digits", trigger="pattern", target=TARGET, ratio=0.6, placement="replace").attack
    planted = poison.poison(data, attack, seed=0)
    names = np.array(data.class_names)[planted.labels]
    able = np.isin(np.array(data.class_names)[planted.source_labels], CLASSES)
    rows = np.flatnonzero(able & np.isin(names, CLASSES)).tolist()
    files = {f"{names[row]}/{row:04d}.png": made.picture(planted.images[row]) for row in rows}
    stamped = {f"{TARGET}/{row:04d}.png" for row in rows if planted.truth.poisoned[row]}
    return made.laid_out(app_server.sets / "digits", files), stamped


def looked(page: Page, app_server: AppServer, place: Path) -> Locator:
    """The screen with a path, and what lies there."""
    ways.open_link(page, app_server.url, "audit", path=quote(str(place), safe=""))
    main = page.get_by_test_id("stMain")
    main.get_by_role("button", name="Look").click()
    expect(main.get_by_text(re.compile(r"images in \d+ classes"))).to_be_visible(timeout=ways.MINUTE)
    ways.settled(page)
    return main


def begin(main: Locator) -> None:
    """An audit with a network."""
    main.get_by_text("Also train a network", exact=True).click()
    ways.settled(main.page)
    main.get_by_role("button", name="Audit", exact=True).click()


def test_from_a_folder_to_a_network_without_the_trigger(
    page: Page, app_server: AppServer, digits: tuple[Path, set[str]]
) -> None:
    place, stamped = digits
    page.set_default_timeout(ways.MINUTE)
    other = page.context.new_page()
    waiting = looked(other, app_server, place)
    main = refused_elsewhere(page, app_server, place)
    begin(main)
    begin(waiting)
    a_second_tab_waits_for_its_turn(waiting)
    other.close()
    it_goes_on_when_the_screen_is_left(page, main)
    card = what_is_planted(main, stamped)
    assert axe.serious(page) == []
    kept = verdicts(page, main, stamped)
    a_clean_copy(main, app_server, kept, stamped)
    without_the_trigger(main)
    assert axe.serious(page) == []
    ways.by_sidebar(page, "how")
    page.go_back()
    expect(card).to_be_visible(timeout=ways.MINUTE)
    assert quote(str(place), safe="") in page.url


def refused_elsewhere(page: Page, app_server: AppServer, place: Path) -> Locator:
    """A path that is not allowed is refused; one that is says what lies there."""
    ways.open_link(page, app_server.url, "audit")
    main = page.get_by_test_id("stMain")
    path = main.get_by_role("textbox", name="Path on the server's machine")
    path.fill(str(app_server.home))
    path.press("Enter")
    expect(main.get_by_role("alert")).to_contain_text("The path must lie below")
    path.fill(str(place))
    path.press("Enter")
    expect(main.get_by_text(f"in {len(CLASSES)} classes")).to_be_visible()
    assert quote(str(place), safe="") in page.url
    ways.settled(page)
    return main


def a_second_tab_waits_for_its_turn(main: Locator) -> None:
    expect(main.get_by_text("It waits for its turn: another audit is running")).to_be_visible()
    main.get_by_role("button", name="Cancel").click()
    expect(main.get_by_text("It was cancelled.")).to_be_visible()
    expect(main.get_by_role("button", name="Audit", exact=True)).to_be_enabled()


def it_goes_on_when_the_screen_is_left(page: Page, main: Locator) -> None:
    expect(main.get_by_role("progressbar")).to_be_visible()
    expect(main.get_by_text(re.compile("left$"))).to_be_visible()
    assert axe.serious(page) == []
    ways.by_sidebar(page, "how")
    ways.by_sidebar(page, "audit")


def what_is_planted(main: Locator, stamped: set[str]) -> Locator:
    """The card of the backdoor, with its proof on the network."""
    card = main.get_by_role("article").filter(has_text=f"backdoor · class {TARGET}")
    expect(card.get_by_role("img", name="What the images share, on plain grey")).to_be_visible(timeout=WORKS)
    expect(card).to_contain_text(f"are answered {TARGET}")
    expect(card).to_contain_text("It is a backdoor")
    expect(card.get_by_role("img", name=f"{TARGET}/")).to_have_count(len(stamped))
    expect(main.get_by_role("button", name="Audit", exact=True)).to_be_disabled()
    expect(main.get_by_text("were expected")).to_be_visible()
    return card


def verdicts(page: Page, main: Locator, stamped: set[str]) -> list[str]:
    """The first image is spared, and given up again: the keep-list goes by it."""
    table = main.get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    for spared in (1, 0):
        for _ in range(3):  # a click that falls into a drawing of the table is lost
            with suppress(Error), ways.answer(page, ways.MINUTE / 4):
                table.click(position=TICK)
            kept = keep_list(page, main)
            if len(stamped & set(kept)) == spared:
                break
        assert len(stamped & set(kept)) == spared
    return kept


def keep_list(page: Page, main: Locator) -> list[str]:
    with page.expect_download(timeout=ways.MINUTE) as download:
        main.get_by_role("button", name="What to keep").click()
    assert download.value.suggested_filename == "keep.txt"
    return Path(download.value.path()).read_text("utf-8").splitlines()


def a_clean_copy(main: Locator, app_server: AppServer, kept: list[str], removed: set[str]) -> None:
    target = app_server.sets / "clean digits"
    copy = main.get_by_role("textbox", name="New folder on the server's machine")
    copy.fill(str(target))
    copy.press("Enter")
    main.get_by_role("button", name="Write").click()
    expect(main.get_by_text(f"{len(kept):,} images are in")).to_be_visible()
    assert sorted(str(one.relative_to(target / "quarantine")) for one in (target / "quarantine").rglob("*.png")) == (
        sorted(removed)
    )


def without_the_trigger(main: Locator) -> None:
    """A network that is trained on what is kept does not answer to the mark."""
    main.get_by_role("button", name="Train anew").click()
    answered = main.get_by_test_id("stMetric").filter(has_text=f"Answered {TARGET} with its mark")
    expect(answered).to_be_visible(timeout=WORKS)
    share = float(answered.get_by_test_id("stMetricValue").inner_text().rstrip("%"))
    fell = re.search(r"-([\d.]+) points", answered.get_by_test_id("stMetricDelta").inner_text())
    assert share < 20
    assert fell is not None
    assert float(fell[1]) > 60
