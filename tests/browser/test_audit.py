"""A set of one's own in a real browser: its path, what it is, the audit, what is planted, and what to keep."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, expect

from core import audits
from tests.audits import made
from tests.browser import ways
from tests.browser.conftest import AppServer


def test_from_a_path_to_the_list_of_what_to_keep(page: Page, app_server: AppServer) -> None:
    place = made.planted(app_server.sets / "photos")
    ways.open_link(page, app_server.url, "audit")
    main = page.get_by_test_id("stMain")
    path = main.get_by_role("textbox", name="Path on the server's machine")
    path.fill(str(app_server.home))
    path.press("Enter")
    expect(main.get_by_role("alert")).to_contain_text("The path must lie below")
    path.fill(str(place))
    path.press("Enter")
    expect(main.get_by_text("392 images in 3 classes")).to_be_visible(timeout=ways.MINUTE)
    assert quote(str(place), safe="") in page.url
    ways.settled(page)
    button = main.get_by_role("button", name="Audit", exact=True)
    button.click()
    card = main.get_by_role("article").filter(has_text="backdoor · class cat")
    expect(card.get_by_role("img", name="What the images share, on plain grey")).to_be_visible(timeout=ways.MINUTE)
    expect(card.get_by_role("img", name="cat/")).to_have_count(made.STAMPED)
    expect(button).to_be_disabled()
    with page.expect_download(timeout=ways.MINUTE) as download:
        main.get_by_role("button", name="What to keep").click()
    kept = Path(download.value.path()).read_text("utf-8").splitlines()
    assert download.value.suggested_filename == "keep.txt"
    names = audits.read(place).names
    assert kept == [name for name in names if name not in {f"cat/{row:04d}.png" for row in range(130, 144)}]
    copy = main.get_by_role("textbox", name="New folder on the server's machine")
    copy.fill(str(app_server.sets / "clean photos"))
    copy.press("Enter")
    main.get_by_role("button", name="Write").click()
    expect(main.get_by_text(f"{len(kept):,} images are in")).to_be_visible(timeout=ways.MINUTE)
    assert len(list((app_server.sets / "clean photos" / "quarantine" / "cat").iterdir())) == made.STAMPED
    ways.by_sidebar(page, "how")
    page.go_back()
    expect(card).to_be_visible(timeout=ways.MINUTE)
    assert quote(str(place), safe="") in page.url
