"""A hundred classes in small: turned through and chosen by keys alone, and searched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import conftest, ways
from tests.pages import many, stored


@pytest.fixture(scope="module")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[conftest.AppServer]:
    """An app of its own, whose data set of a hundred classes is on no other's menu."""
    folder: Path = tmp_path_factory.mktemp("many")
    before = "from tests.pages import many\nmany.register()"
    with conftest.serving(folder, before=before) as server:
        yield server


@pytest.fixture(scope="module")
def run(app_server: conftest.AppServer) -> str:
    """The finished run in that app's home."""
    with many.on_the_menu(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("POISONSCOPE_HOME", str(app_server.home))
        return stored.finished(many.config()).key[:16]


def test_pages_of_classes_by_keys(page: Page, app_server: conftest.AppServer, run: str) -> None:
    page.goto(app_server.url)
    page.get_by_role("heading").first.wait_for()
    ways.open_link(page, app_server.url, "scores", run=run)
    board = page.get_by_role("group", name="Class in large")
    range_, chosen = page.locator(".pager .range"), board.locator("[aria-pressed=true]")
    expect(range_).to_have_text("1 to 20 of 100")
    expect(board.get_by_role("button")).to_have_count(20)

    chosen.focus()  # the one that Tab leads to
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("PageDown")
    expect(range_).to_have_text("61 to 80 of 100")
    expect(board.get_by_role("button").nth(1)).to_be_focused()
    name = board.get_by_role("button").nth(1).locator(".name").inner_text()
    page.keyboard.press("Enter")
    expect(chosen.locator(".name")).to_have_text(name)
    expect(page.locator(".legend")).to_contain_text(f"labelled {name}")
    expect(range_).to_have_text("61 to 80 of 100")

    for _ in range(5):
        page.keyboard.press("PageDown")
    expect(range_).to_have_text("81 to 100 of 100")
    page.keyboard.press("PageUp")
    expect(range_).to_have_text("61 to 80 of 100")
    expect(board.get_by_role("button").nth(1)).to_be_focused()


def test_a_class_is_searched_by_name(page: Page, app_server: conftest.AppServer, run: str) -> None:
    ways.open_link(page, app_server.url, "scores", run=run)
    board = page.get_by_role("group", name="Class in large")
    page.get_by_role("searchbox", name="Search a class").fill("9")
    expect(page.locator(".pager .range")).to_have_text("1 to 19 of 19")
    page.get_by_role("searchbox", name="Search a class").fill("class 97")
    expect(board.get_by_role("button")).to_have_count(1)
    for _ in range(3):  # past the two that turn the page
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".legend")).to_contain_text("labelled class 97")
    page.get_by_role("searchbox", name="Search a class").fill("none such")
    expect(page.get_by_text("No class is called so.")).to_be_visible()
