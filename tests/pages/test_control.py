"""What would have been found: asked for by a button on Scores, kept, and the same as core says."""

from __future__ import annotations

from pathlib import Path

import pytest

import core
from core import Job, Result
from pages.parts.around import cuts
from pages.parts.common import planted
from pages.parts.scores import control
from tests.pages import stored
from tests.pages.conftest import Open
from tests.pages.seen import labels

PLANT = "Plant known triggers"


def test_triggers_are_planted_when_asked_and_then_shown_at_once(
    own_home: Path, open_screen: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_job = stored.finished(stored.few(), weights=True)  # the panel asks the network, too
    monkeypatch.setattr(core.control, "PLANTED", ("patch",))
    monkeypatch.setattr(core.control, "SHARES", (0.3, 0.05))
    app = open_screen("scores", run=finished_job.key, detector="panel")
    assert not app.exception
    assert PLANT in labels(app)
    next(button for button in app.button if button.label == PLANT).click().run()
    assert not app.exception
    result = Result(finished_job.config)
    rows = core.controls.stored(result, cuts.defence_of(result, "panel"))
    assert rows
    assert {row.trigger for row in rows} == {"patch"}
    assert {row.named for row in rows} == {True, False}
    again = open_screen("scores", run=finished_job.key, detector="panel")
    assert PLANT not in labels(again)
    tables = [frame.value for frame in again.dataframe]
    assert any(table.equals(planted.reached(rows)) for table in tables)
    assert any(table.equals(control.by_class(result, rows)) for table in tables)


def test_another_detector_has_no_control(finished_job: Job, open_screen: Open) -> None:
    app = open_screen("scores", run=finished_job.key, detector="spectral")
    assert PLANT not in labels(app)


def test_a_recorded_run_without_its_images_has_none(recording: str, open_screen: Open) -> None:
    app = open_screen("scores", run=recording, detector="panel")
    assert not app.exception
    assert PLANT not in labels(app)
