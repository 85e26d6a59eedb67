"""What every test gets: a home of its own. What it may ask for: the real CIFAR-10 in that home."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from platformdirs import user_data_path

import core
from core import audits, pipeline
from core.datasets import cifar10
from core.store.home import VARIABLE
from core.training.threads import share_cores
from tests.audits import made
from tests.trainings import trainings_made_lean

share_cores()  # two tests may train at once
# A busy machine is no fault of a property's; a found one is found again.
settings.register_profile("checks", deadline=None, print_blob=True)
settings.load_profile("checks")
# Asked for before any test has a home: the data of the user's own is read, and nothing else of it.
USERS = Path(os.environ.get(VARIABLE) or user_data_path("poisonscope", appauthor=False))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_data: fetches the real CIFAR-10 over the network")


@pytest.fixture(autouse=True, scope="session")
def home_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home for what several tests share: a fixture of a wider scope is made before a test has one of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, so that no test sees the user's data, runs or ledger, or another test's."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, str(folder))
    monkeypatch.delenv(cifar10.VARIABLE, raising=False)
    return folder


@pytest.fixture(scope="session")
def cifar10_cache(request: pytest.FixtureRequest) -> Path:
    """The folder of the real CIFAR-10: the user's, if it is there, or one kept in pytest's cache."""
    with pytest.MonkeyPatch.context() as patch:
        shared = USERS if (USERS / "data" / "cifar10").is_dir() else None
        if shared is not None:
            patch.setenv(VARIABLE, str(shared))
            shared = shared if cifar10.available() else None
        if shared is None:
            shared = request.config.cache.mkdir("poisonscope")
            patch.setenv(VARIABLE, str(shared))
            cifar10.prepare()
    return shared / "data" / "cifar10"


@pytest.fixture
def cifar10_home(own_home: Path, cifar10_cache: Path) -> Path:
    """This test's home with the real CIFAR-10 linked into it; copy the files before changing them."""
    (own_home / "data").mkdir()
    (own_home / "data" / "cifar10").symlink_to(cifar10_cache, target_is_directory=True)
    return own_home


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many trainings of a pipeline were begun, and how many came to their end."""
    found, real = Counter[str](), pipeline.train

    def train(*arguments: Any, **options: Any) -> Any:
        found["begun"] += 1
        trained = real(*arguments, **options)
        found["done"] += 1
        return trained

    monkeypatch.setattr(pipeline, "train", train)
    return found


@pytest.fixture
def lean() -> Iterator[None]:
    """Trainings of which nothing need be learned cost little (tests/trainings.py)."""
    with trainings_made_lean():
        yield


# --- a set to audit --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def planted_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of made-up photographs, of which some cats bear a mark; read it, and write nothing there."""
    return made.planted(tmp_path_factory.mktemp("sets") / "photos")


@pytest.fixture(scope="session")
def told(planted_set: Path) -> audits.Audit:
    """What an audit says of it."""
    return core.audit(planted_set, store=core.Store(planted_set.with_name("store")))
