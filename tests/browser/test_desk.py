"""The desk: cells of a sweep chosen in the picture or in the table, and a list of runs that stays under the hand."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

import core
from tests.browser import axe, ways
from tests.browser.conftest import AppServer

LINE, BOX = 2.1875, 1.1  # of Streamlit's tables, in lines of type: how high a row is, how far left its box


def faint() -> str:
    """The recorded sweep over ratio and opacity, as the address names it."""
    return core.grid.key(core.sweeps.shipped()["faint"])[:16]


def are_ticked(table: Locator, *wanted: int) -> None:
    """Waits until these rows' boxes are ticked, from 0, and no others; a table tells of what is in sight."""
    table.scroll_into_view_if_needed()
    expect(table.locator("tbody tr[aria-selected=true]")).to_have_count(len(wanted))
    for row in wanted:
        expect(table.locator(f"tbody tr[aria-rowindex='{row + 2}']")).to_have_attribute("aria-selected", "true")


def tick(page: Page, table: Locator, row: int) -> None:
    """Tick a row's box, or take the tick away."""
    type = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    table.scroll_into_view_if_needed()
    box = table.locator("canvas").first.bounding_box()
    page.mouse.click(box["x"] + BOX * type, box["y"] + LINE * type * (row + 1.5))
    ways.settled(page)


def test_picture_and_table_of_cells_choose_for_each_other(page: Page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "sensitivity", part="Sweeps", sweep=faint())
    main = page.get_by_test_id("stMain")
    table, picture = main.get_by_test_id("stDataFrame").first, main.get_by_test_id("stPlotlyChart").first
    frames = picture.locator(".shapelayer path")
    expect(frames).to_have_count(0)

    cell = picture.get_by_text("0.547").bounding_box()
    page.mouse.click(cell["x"] + cell["width"] / 2, cell["y"] + cell["height"] / 2)
    expect(page).to_have_url(re.compile(r"[?&]cell=1(&|$)"))
    ways.settled(page)
    expect(main.get_by_text("Poisoning ratio 1%, Trigger opacity 0.5")).to_be_visible()
    for seed in range(4):
        expect(main.get_by_role("button", name=f"seed {seed}")).to_have_count(1)
    are_ticked(table, 1)
    expect(frames).to_have_count(2)  # a frame and its ground

    table.scroll_into_view_if_needed()
    place = table.bounding_box()
    tick(page, table, 4)
    are_ticked(table, 1, 4)
    expect(page).to_have_url(re.compile(r"[?&]cell=1(,|%2C)4(&|$)"))
    expect(frames).to_have_count(4)
    expect(main.get_by_text("Poisoning ratio 2%, Trigger opacity 0.5")).to_be_visible()
    assert table.bounding_box() == place, "the table stays where it was"

    tick(page, table, 1)
    expect(page).to_have_url(re.compile(r"[?&]cell=4(&|$)"))
    expect(frames).to_have_count(2)
    page.reload()
    expect(frames).to_have_count(2, timeout=ways.MINUTE)
    are_ticked(table, 4)  # a link brings back what was chosen


def test_a_value_of_an_axis_chooses_all_of_its_cells(page: Page, app_server: AppServer) -> None:
    ways.open_link(page, app_server.url, "sensitivity", part="Sweeps", sweep=faint(), look="All+axes")
    main = page.get_by_test_id("stMain")
    picture = main.get_by_test_id("stPlotlyChart").first
    expect(picture.get_by_text("of the variance").first).to_be_visible()
    value = picture.locator(".textpoint").get_by_text("5%", exact=False).first.bounding_box()
    page.mouse.click(value["x"] + value["width"] + 2, value["y"] + value["height"] / 2)
    expect(page).to_have_url(re.compile(r"[?&]cell=6(,|%2C)7(,|%2C)8(&|$)"))
    ways.settled(page)
    are_ticked(main.get_by_test_id("stDataFrame").first, 6, 7, 8)


def test_ticking_a_run_moves_nothing_and_both_sides_of_the_defence_are_in_sight(
    page: Page, app_server: AppServer
) -> None:
    ways.open_link(page, app_server.url, "compare", show="All+runs")
    main = page.get_by_test_id("stMain")
    table = main.get_by_test_id("stDataFrame").first
    expect(table.locator("thead th").get_by_text("ASR2 ↓", exact=True)).to_have_count(1)
    scroller = table.locator(".dvn-scroller")
    assert scroller.evaluate("(one) => one.scrollWidth <= one.clientWidth"), "no column is off to the right"
    place = table.bounding_box()
    assert place["y"] + place["height"] < 900, "the list begins, and with few runs ends, on the first screen"
    aside = main.get_by_role("button", name="Side by side")
    for row in (0, 1):
        tick(page, table, row)
        expect(aside).to_be_enabled() if row else expect(aside).to_be_disabled()
        assert table.bounding_box() == place, "the next click hits the row that was meant"
    are_ticked(table, 0, 1)
    tick(page, table, 0)
    are_ticked(table, 1)
    assert table.bounding_box() == place
    main.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    "address",
    [
        {"screen": "sensitivity"},
        {"screen": "sensitivity", "part": "Sweeps", "sweep": "faint", "cell": "1,4"},
        {"screen": "sensitivity", "part": "Sweeps", "sweep": "faint", "look": "Curves", "metric": "AUROC,ASR"},
        {"screen": "sensitivity", "part": "Sweeps", "sweep": "detectors", "look": "All+axes", "cell": "5"},
        {"screen": "compare", "show": "All+runs"},
    ],
    ids=["answer", "heatmap", "curves", "all axes", "all runs"],
)
def test_axe_finds_nothing_serious_in_either_theme(page: Page, app_server: AppServer, address: dict[str, str]) -> None:
    query = {name: value for name, value in address.items() if name != "screen"}
    if "sweep" in query:
        query["sweep"] = core.grid.key(core.sweeps.shipped()[query["sweep"]])[:16]
    ways.open_link(page, app_server.url, address["screen"], **query)
    for theme, asked in (("light", axe.EVERYTHING), ("dark", axe.COLOURS)):
        ways.lit(page, theme)
        assert axe.serious(page, asked) == [], theme
