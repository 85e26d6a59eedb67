"""A real Chromium on a real server: what every browser test stands on.

A test takes `page` (a fresh tab) and `app_server` (where to go):

    def test_opens(page, app_server):
        page.goto(app_server.url)
        expect(page.get_by_role("heading", name="Poisonscope")).to_be_visible()

It fails when the page writes an error to the console. When it fails, a screenshot lies in test-output/ and
the server's log stands in the report.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright

from tests.browser import chromium

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "test-output"
START_SECONDS = 60
LOG_LINES = 60

FLAGS = [
    "--no-sandbox",  # root, as in a container, gets no sandbox
    "--disable-gpu",
    # A camera without one, and nobody to ask whether it may be used.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # The rest keeps the browser from talking to anyone but our server.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Who comes for the first time is offered the tour, above the screen; these tests know the screens (but one's own).
TOUR_OVER = """if (location.protocol.startsWith("http")) {
  localStorage.getItem("poisonscope tour") ?? localStorage.setItem("poisonscope tour", '{"done": true}');
}"""

# Opened at a page's own address, Streamlit looks for its server below that address first, then at the root.
STREAMLIT_PROBE = re.compile(r"//[^/]+/.+/_stcore/(health|host-config)$")

# By no proxy: what urllib opens by itself keeps those that were set when it was first asked, by whichever test.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# They begin first, so that no browser works alone at the end.
LONGEST = ("test_walk", "test_whole_way", "test_audit", "test_lost", "test_reviewers_hour")

REPORTS = pytest.StashKey[dict[str, pytest.TestReport]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what lies in this folder, and only that, as `browser`, and puts the longest of it first."""
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in here:
        item.add_marker("browser")
    longest = {item for item in here if item.path.stem in LONGEST}
    items.sort(key=lambda item: item not in longest)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keeps each test's outcome where the fixtures can see it when they tidy up."""
    report = yield
    item.stash.setdefault(REPORTS, {})[report.when] = report
    return report


def failed(request: pytest.FixtureRequest) -> bool:
    reports = request.node.stash.get(REPORTS, {})
    return any(report.failed for report in reports.values())


@dataclass(frozen=True)
class AppServer:
    url: str
    home: Path  # its POISONSCOPE_HOME, where data, store and ledger lie
    log: Path

    @property
    def sets(self) -> Path:
        """The one folder below which it audits what a path names."""
        return self.home.parent / "sets"

    def log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = chromium.find()
    if path is None:
        pytest.fail(f"There is no Chromium for the browser tests; `make chromium` gets one. {chromium.HELP}")
    return path


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The app that most tests share."""
    with serving(tmp_path_factory.mktemp("app")) as server:
        yield server


@contextmanager
def serving(folder: Path, port: int | None = None, before: str = "") -> Iterator[AppServer]:
    """The app as a user starts it, with a home of its own and on a port of its own; `before` is Python run first."""
    port = port or free_port()
    folder.mkdir(exist_ok=True)
    server = AppServer(f"http://127.0.0.1:{port}", folder / "home", folder / "server.log")
    with main_script(before) as script:
        with server.log.open("w") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "streamlit", "run", script),
                    *("--server.address", "127.0.0.1", "--server.port", str(port), "--server.headless", "true"),
                ],
                cwd=ROOT,
                env={**os.environ, "POISONSCOPE_HOME": str(server.home), "POISONSCOPE_AUDIT_ROOTS": str(server.sets)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that it and its children can be ended together, and not us
            )
        try:
            wait_until_healthy(process, server)
            yield server
        finally:
            end_group(process)
            end_workers(server.home)


@contextmanager
def main_script(before: str) -> Iterator[str]:
    """What Streamlit is told to run: app.py, or a script that comes to it; beside it, where pages are looked for."""
    if not before:
        yield "app.py"
        return
    script = ROOT / f".before-app-{os.getpid()}.py"
    script.write_text(f"import runpy\n\n{before}\nrunpy.run_path({str(ROOT / 'app.py')!r}, run_name='__main__')\n")
    try:
        yield str(script)
    finally:
        script.unlink()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(process: subprocess.Popen[bytes], server: AppServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the app ended with {process.returncode} before it answered; its log:\n{server.log_end()}")
        with suppress(OSError), DIRECTLY.open(f"{server.url}/_stcore/health", timeout=2):
            return  # any answer but a good one raises an OSError too
        time.sleep(0.2)
    pytest.fail(f"the app did not answer within {START_SECONDS} seconds; its log:\n{server.log_end()}")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and the children in its session: first asked, then made to."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            break


def end_workers(home: Path) -> None:
    """Ends what the app started in sessions of its own: trainings outlive it by design.

    They are known by the home that this test session alone has in its environment. Only Linux shows
    that; elsewhere a worker runs to its end in a folder that nobody reads.
    """
    mark = f"POISONSCOPE_HOME={home}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """Where the tests' tabs are opened, so that the app's own files are fetched once."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(request: pytest.FixtureRequest, window: BrowserContext, app_server: AppServer) -> Iterator[Page]:
    """A fresh tab of 1440 by 900, without cookies or storage; no error may reach its console."""
    page = window.new_page()
    page.add_init_script(TOUR_OVER)
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        probe = " 404 " in message.text and STREAMLIT_PROBE.search(address)
        if message.type == "error" and not probe:
            errors.append(f"console: {message.text} ({address})")

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(f"page: {error}"))
    try:
        yield page
        if failed(request) or errors:
            OUTPUT.mkdir(exist_ok=True)
            picture = OUTPUT / (re.sub(r"[^\w.-]+", "_", request.node.name) + ".png")
            with suppress(Exception):  # a tab that has crashed has no picture; the test's own error counts
                page.screenshot(path=picture, full_page=True)
            print(f"screenshot: {picture}\nthe end of the server's log:\n{app_server.log_end()}")
    finally:
        forget(page)
        page.close()
    assert not errors, "the page reported errors:\n" + "\n".join(errors)


def forget(page: Page) -> None:
    """Clears what the tab has left in the window: cookies, and the storage of every place that it went to."""
    with suppress(Error):  # a tab that has crashed
        page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
