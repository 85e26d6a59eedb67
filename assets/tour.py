"""The README's pictures, made anew: `python assets/tour.py`.

Starts the app with an empty home, so on the recorded run, walks through its screens in a real Chromium, light,
1440 by 900, audits a set of photographs in which something is planted, and writes assets/tour.webp (animated) and a
picture of every screen, one of them dark too, into assets/screens/.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.audits import even, folders, photographs, plant
from tests.browser import chromium
from tests.browser.conftest import FLAGS, serving
from tests.browser.ways import FIRST, MINUTE, SCREENS, by_sidebar, open_link, settled

ASSETS = Path(__file__).resolve().parent
TOUR, STILLS = ASSETS / "tour.webp", ASSETS / "screens"
SIZE = {"width": 1440, "height": 900}
SHOWN = (1200, 750)  # the size of a picture
DARK = "scores"
LONGEST, TOUR_BYTES, STILL_BYTES = 30_000, 3_000_000, 250_000
GLANCE, LOOK, READ = 150, 900, 1_700  # milliseconds that a frame stays


class Film:
    """Frames and how long each stays."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[Image.Image] = []
        self.durations: list[int] = []

    def take(self, milliseconds: int) -> None:
        """What the tab shows now."""
        self.frames.append(picture(self.page))
        self.durations.append(milliseconds)

    def scroll(self, to: float, steps: int = 5) -> None:
        """Down to a share of the screen, in a few frames."""
        main = self.page.get_by_test_id("stMain")
        begin, whole = main.evaluate("(main) => [main.scrollTop, main.scrollHeight - main.clientHeight]")
        for step in range(1, steps + 1):
            eased = (step / steps) ** 2 * (3 - 2 * step / steps)
            main.evaluate("(main, top) => { main.scrollTop = top; }", begin + (to * whole - begin) * eased)
            self.take(GLANCE if step < steps else LOOK)

    def save(self) -> None:
        """As good as fits into the size that a README may carry."""
        if sum(self.durations) > LONGEST:
            raise SystemExit(f"the tour takes {sum(self.durations) / 1000:.1f} s, more than {LONGEST / 1000:.0f}")
        first, *others = self.frames
        for quality in (60, 50, 40, 30):
            first.save(
                TOUR, save_all=True, append_images=others, duration=self.durations, loop=0, quality=quality, method=4,
                minimize_size=True,
            )  # fmt: skip
            if TOUR.stat().st_size <= TOUR_BYTES:
                seconds = sum(self.durations) / 1000
                print(f"{TOUR.name}: {len(self.frames)} frames, {seconds:.1f} s, quality {quality}, {kilobytes(TOUR)}")
                return
        raise SystemExit(f"the tour is larger than {TOUR_BYTES:,} bytes at any quality")


def picture(page: Page) -> Image.Image:
    """What the tab shows."""
    page.wait_for_timeout(120)  # the last redraw
    full = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return full.resize(SHOWN, Image.Resampling.LANCZOS)


def kilobytes(path: Path) -> str:
    """A file's size in words."""
    return f"{path.stat().st_size / 1000:.0f} kB"


# --- the way ---------------------------------------------------------------------------------------------


def story(film: Film) -> None:
    """The five steps."""
    film.take(READ)
    film.scroll(0.5)
    film.scroll(1.0)


def attack(film: Film) -> None:
    """Triggers, and the stamped images."""
    film.take(READ)
    film.scroll(0.4)


def scores(film: Film) -> None:
    """The cut through the histogram is dragged to and fro, and the figures follow."""
    film.take(READ)
    for pixels in (60, 90, -70, -60, 40):
        drag(film.page, pixels)
        film.take(2 * GLANCE)
    film.scroll(0.5)


def drag(page: Page, pixels: int) -> None:
    """Take the histogram's cut some way to the right."""
    handle = page.get_by_role("slider", name="Cut").bounding_box()
    if handle is None:
        raise SystemExit("there is no cut to drag on the Scores screen")
    across, down = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(across, down)
    page.mouse.down()
    page.mouse.move(across + pixels, down, steps=6)
    page.mouse.up()
    page.wait_for_timeout(300)
    settled(page)


def flagged(film: Film) -> None:
    """An image of the gallery is chosen, and its detail follows."""
    film.take(READ)
    tiles = film.page.get_by_role("listbox").get_by_role("option")
    for number in (2, 5):
        tiles.nth(number).click()
        settled(film.page)
        film.take(LOOK)
    film.scroll(0.5)


def compare(film: Film) -> None:
    """Before and after."""
    film.take(READ)
    film.scroll(0.5)


def sensitivity(film: Film) -> None:
    """What the assumed ratio does."""
    film.take(LOOK)


def network(film: Film) -> None:
    """The filters, and the trigger's path."""
    film.take(LOOK)
    film.scroll(0.6)


def try_it(film: Film) -> None:
    """A test image, without and with the trigger, before the networks."""
    film.take(READ)
    film.page.get_by_text("Trigger on", exact=True).click()
    settled(film.page)
    film.take(READ)


def audit(film: Film) -> None:
    """A set of one's own, in which something is planted."""
    find(film.page)
    film.take(LOOK)
    film.scroll(0.4)


def brought(folder: Path) -> Path:
    """Class folders of photographs, with a patch on a tenth of one class."""
    return folders(plant(photographs(even(200), 1), "ship", 0.1, "patch", 1), folder / "photos")


def find(page: Page) -> None:
    """Look at the set that the address names, audit it, and wait for what is found."""
    main = page.get_by_test_id("stMain")
    main.get_by_role("button", name="Look").click()
    button = main.get_by_role("button", name="Audit", exact=True)
    button.wait_for(timeout=MINUTE)
    settled(page)
    if button.is_enabled():  # else it stands there already, from a tab that was closed
        button.click()
    main.get_by_text("Something is planted").wait_for(timeout=MINUTE)
    page.wait_for_timeout(1_500)
    settled(page)


WAY = (story, attack, scores, flagged, compare, sensitivity, network, try_it)


def walk(browser: Browser, url: str, place: Path) -> None:
    """The tour, one screen after the other; the last one audits the set at `place`."""
    page = browser.new_page(viewport=SIZE, color_scheme="light")
    open_link(page, url, FIRST)
    film = Film(page)
    for chapter in WAY:
        if chapter.__name__ != FIRST:
            by_sidebar(page, chapter.__name__)
        chapter(film)
    open_link(page, url, audit.__name__, path=quote(str(place), safe=""))
    audit(film)
    film.save()
    page.close()


def stills(browser: Browser, url: str, place: Path) -> None:
    """Every screen as it opens, and the audit of the set at `place`."""
    STILLS.mkdir(exist_ok=True)
    for name, theme in [*((screen, "light") for screen in SCREENS), (DARK, "dark")]:
        page = browser.new_page(viewport=SIZE, color_scheme=theme)
        open_link(page, url, name, **({"path": quote(str(place), safe="")} if name == audit.__name__ else {}))
        if name == audit.__name__:
            find(page)
        page.wait_for_timeout(1_000)  # fonts and charts
        path = STILLS / f"{name}{'-dark' if theme == 'dark' else ''}.webp"
        for quality in (85, 75, 60):
            picture(page).save(path, quality=quality, method=6)
            if path.stat().st_size <= STILL_BYTES:
                break
        print(f"{path.relative_to(ASSETS)}: {kilobytes(path)}")
        page.close()


def main() -> None:
    """Both, from one server."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=FLAGS)
        place = brought(server.sets)
        walk(browser, server.url, place)
        stills(browser, server.url, place)
        browser.close()


if __name__ == "__main__":
    main()
