"""The app on one of its screens, in a home that a test has filled (tests/pages/stored.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

import core
from core import Job, Result
from core.jobs import requests
from pages.parts.around import warm
from pages.parts.audit import running
from tests.pages import stored

APP = Path(__file__).resolve().parents[2] / "app.py"
SHIPPED = core.recorded.FOLDER

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def no_cache_of_another_test() -> None:
    """Streamlit's caches belong to the process: what one test cached, the next must not see."""
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(autouse=True, scope="session")
def no_search_for_components() -> Iterator[None]:
    """No package brings components that we use; every AppTest would read the metadata of all that are installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", list)
        yield


@pytest.fixture(autouse=True, scope="session")
def loaded_once() -> Iterator[None]:
    """A server begins once, but every test is a new one: what each froze, the last tests' objects, would never go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm, "_load", cache(warm._load))
        yield


@pytest.fixture(autouse=True)
def no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No recorded run ships, so that a test sees only the runs that it made; see `recording`."""
    monkeypatch.setattr(core.recorded, "FOLDER", tmp_path / "no recording")


@pytest.fixture
def recording(no_recording: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The recorded run ships after all; its key."""
    monkeypatch.setattr(core.recorded, "FOLDER", SHIPPED)
    return core.recorded.run_keys()[0]


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started on a screen waits in the queue: its test needs no training."""
    monkeypatch.setattr(requests, "attended", lambda job, start: job)


@pytest.fixture
def finished_job(own_home: Path) -> Job:
    """A finished run on digits: 31 of its images are poisoned, towards "three"."""
    return stored.finished(stored.config())


@pytest.fixture
def result(finished_job: Job) -> Result:
    """What the finished run has stored."""
    return Result(finished_job.config)


@pytest.fixture
def gap_job(own_home: Path) -> Job:
    """The same, found by whitened-spectral and cut at its gap."""
    return stored.finished(stored.gap_config())


@pytest.fixture
def open_screen() -> Open:
    """open_screen("scores", run=key, truth="0") runs the app at that address."""

    def opened(screen: str, **address: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in address.items():
            app.query_params[name] = value
        return app.switch_page(f"pages/{screen}.py").run()

    return opened


@pytest.fixture(autouse=True)
def patience_with_what_runs_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit has ended by the time that the screen stands; tests of its way there say otherwise."""
    monkeypatch.setattr(running, "PATIENCE", 60.0)
