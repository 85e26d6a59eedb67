"""The rebuilt trigger on the screens: asked for by buttons, kept, and without the truth only what a defender knows."""

from __future__ import annotations

import pytest

import core
from core import Result
from tests.pages.conftest import Open
from tests.pages.seen import press

REBUILD, ASK = "Rebuild the trigger", "Lay it on other images and ask the network"


def said(app: object) -> str:
    return " ".join(str(one.value) for one in [*app.markdown, *app.info, *app.warning])  # type: ignore[attr-defined]


def drawn(app: object) -> str:
    return " ".join(str(one.proto.body) for one in app.get("html"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("truth", ["1", "0"])
def test_flagged_rebuilds_and_proves_when_asked(recording: str, open_screen: Open, truth: str) -> None:
    app = open_screen("flagged", run=recording, truth=truth)
    assert "The rebuilt trigger" not in drawn(app)
    press(app, REBUILD)
    assert not app.exception
    assert "The rebuilt trigger on plain grey" in drawn(app)
    assert ("The attacker's trigger" in drawn(app).replace("&#39;", "'")) == (truth == "1")
    assert ("Beside the attacker" in said(app)) == (truth == "1")
    press(app, ASK)
    assert not app.exception
    assert "It is a backdoor (p = 0.05)" in said(app)
    assert ("with the attacker" in said(app)) == (truth == "1")


@pytest.mark.parametrize("screen", ["flagged", "story", "compare"])
def test_what_is_stored_is_shown_at_once(recording: str, open_screen: Open, screen: str) -> None:
    core.install_recorded()
    core.prove(core.recorded.runs()[0][1])
    address = {"show": "The trigger"} if screen == "compare" else {}
    app = open_screen(screen, run=recording, **address)
    assert not app.exception
    assert "The rebuilt trigger on plain grey" in drawn(app)
    assert "are answered *horse*" in said(app)
    assert not {REBUILD, ASK} & {button.label for button in app.button}


def test_where_nothing_is_shared_that_is_said(finished_job: core.Job, open_screen: Open) -> None:
    """The flagged images of the made-up run are told by made-up features; most are benign digits."""
    result = Result(finished_job.config)
    assert result.flagged is not None
    app = open_screen("flagged", run=finished_job.key)
    press(app, REBUILD)
    assert not app.exception
