"""How waiting threads are told to let go of their cores, and who decides."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from core.training import threads


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment of the test's own."""
    found: dict[str, str] = {}
    monkeypatch.setattr(threads, "os", SimpleNamespace(environ=found))
    return found


def test_it_is_set_where_nobody_decided(environment: dict[str, str]) -> None:
    threads.share_cores()
    assert environment == {"GOMP_SPINCOUNT": threads.SPINS}


@pytest.mark.parametrize("name", threads.SETTINGS)
def test_what_the_environment_says_stays(name: str, environment: dict[str, str]) -> None:
    environment[name] = "passive"
    threads.share_cores()
    assert environment == {name: "passive"}


def test_it_loads_no_torch() -> None:
    code = "import core, os, sys; core.share_cores(); print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])"
    bare = {name: value for name, value in os.environ.items() if name not in threads.SETTINGS}
    ran = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", threads.SPINS]
