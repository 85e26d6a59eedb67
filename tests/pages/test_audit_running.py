"""An audit that runs while its screen is left: found again, waited for, cancelled, failed; each tab sees its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import BadRequest, audits
from core.audits import Audit, Retrained
from core.audits.retraining import Tried
from pages.parts.audit import background, kept, running
from pages.parts.audit.background import Owner
from tests.audits import made
from tests.audits.made import in_class_folders, laid_out
from tests.pages.conftest import Open
from tests.pages.test_audit import looked, said

LONG = 60.0


@pytest.fixture(autouse=True)
def settings(planted_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be audited; and a screen that does not wait for an end."""
    monkeypatch.setenv("POISONSCOPE_AUDIT_ROOTS", os.pathsep.join(map(str, (planted_set, tmp_path))))
    monkeypatch.setattr(running, "PATIENCE", 0.0)


class Held:
    """In place of an audit one that stands still in the panel until it may go on, and then says what it is told to."""

    def __init__(self, told: Audit) -> None:
        self.told, self.asked = told, 0
        self.begun, self.may = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def __call__(self, *_: object, tell: kept.Tell, **__: object) -> Audit:
        self.asked += 1
        tell(0.1, "reading")
        tell(0.55, "asking the panel")
        self.begun.set()
        assert self.may.wait(LONG)
        if self.error is not None:
            raise self.error
        tell(0.6, "asking the panel")
        return self.told


@pytest.fixture
def held(told: Audit, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    found = Held(told)
    monkeypatch.setattr(core, "audit", found)
    yield found
    found.may.set()


def begun(app: AppTest, held: Held) -> AppTest:
    app.button(key="audit now").click().run()
    assert held.begun.wait(LONG)
    app.run()
    assert not app.exception, app.exception
    return app


def ended(app: AppTest) -> AppTest:
    """Let what runs come to its end, and draw the screen again, as its fragment does."""
    for task in list(background.line()._tasks):
        assert task.wait(LONG)
    app.run()
    assert not app.exception, app.exception
    return app


def cancel_button(app: AppTest) -> list:
    return [one for one in app.button if one.label == "Cancel"]


def bar(app: AppTest) -> str:
    (found,) = app.get("progress")
    return str(found.proto.text)


def test_how_long_it_takes_is_said_before_while_and_after(open_screen: Open, planted_set: Path, held: Held) -> None:
    app = looked(open_screen("audit"), planted_set)
    assert any("Takes about" in one.value for one in app.caption)
    begun(app, held)
    assert "Asking the panel" in bar(app)
    assert "left" in bar(app)
    assert "%**" in bar(app)
    assert app.button(key="audit now").disabled
    assert app.toggle(key="audit network").disabled
    held.may.set()
    ended(app)
    assert held.told.verdict in said(app)
    assert not app.get("progress")
    assert not cancel_button(app)
    assert any("were expected" in one.value for one in app.caption)


def test_it_goes_on_when_the_screen_is_left(open_screen: Open, planted_set: Path, held: Held) -> None:
    app = begun(looked(open_screen("audit"), planted_set), held)
    app.switch_page("pages/how.py").run()
    assert not app.exception
    assert not app.get("progress")
    app.switch_page("pages/audit.py").run()
    assert "Asking the panel" in bar(app), "it runs, and shows it"
    app.switch_page("pages/how.py").run()
    held.may.set()
    ended(app)
    app.switch_page("pages/audit.py").run()
    assert held.told.verdict in said(app), "it is done"
    assert held.asked == 1


def test_another_set_may_be_looked_at_meanwhile(
    open_screen: Open, planted_set: Path, held: Held, tmp_path: Path
) -> None:
    laid_out(tmp_path / "few", {f"{name}/{row}.png": made.picture(row) for name in "ab" for row in range(3)})
    app = begun(looked(open_screen("audit"), planted_set), held)
    looked(app, tmp_path / "few")
    assert "6 images in 2 classes" in said(app)
    assert not app.get("progress")
    assert not app.button(key="audit now").disabled
    held.may.set()
    ended(app)
    assert held.told.verdict not in said(app)
    looked(app, planted_set)
    assert held.told.verdict in said(app)
    assert held.asked == 1


def test_a_cancel_is_heard_and_it_can_be_asked_for_again(open_screen: Open, planted_set: Path, held: Held) -> None:
    app = begun(looked(open_screen("audit"), planted_set), held)
    (button,) = cancel_button(app)
    button.click().run()
    assert any("Stopping at its next step" in one.value for one in app.warning)
    assert cancel_button(app)[0].disabled
    held.may.set()
    ended(app)
    assert "It was cancelled. Asked for again, it goes on from what is kept of it." in said(app)
    assert held.told.verdict not in said(app)
    assert not cancel_button(app)
    app.button(key="audit now").click().run()
    ended(app)
    assert held.told.verdict in said(app)
    assert "It was cancelled" not in said(app)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BadRequest("no <b>image</b> can be read"), "It failed: no <b>image</b> can be read"),
        (MemoryError(), "It failed: the memory of the server does not suffice"),
    ],
)
def test_what_goes_wrong_comes_to_the_screen(
    open_screen: Open, planted_set: Path, held: Held, error: Exception, words: str
) -> None:
    held.error = error
    app = begun(looked(open_screen("audit"), planted_set), held)
    held.may.set()
    ended(app)
    assert words in said(app)
    held.error = None
    app.button(key="audit now").click().run()
    ended(app)
    assert held.told.verdict in said(app)
    assert "It failed" not in said(app)


def test_a_second_tab_sees_its_own_and_waits_for_its_turn(open_screen: Open, planted_set: Path, held: Held) -> None:
    first = begun(looked(open_screen("audit"), planted_set), held)
    second = looked(open_screen("audit"), planted_set)
    assert not second.get("progress")
    assert not second.button(key="audit now").disabled
    second.button(key="audit now").click().run()
    (waits,) = second.info
    assert "It waits for its turn: another audit is running" in waits.value
    assert held.asked == 1
    (button,) = cancel_button(second)
    button.click().run()
    second.run()
    assert "It was cancelled" in said(second)
    second.button(key="audit now").click().run()
    held.may.set()
    ended(first)
    assert held.told.verdict in said(first)
    ended(second)
    assert held.told.verdict in said(second)
    assert held.asked == 2
    kept_by = [app.session_state[kept.AUDITED] for app in (first, second)]
    assert kept_by[0] is not kept_by[1]
    assert kept_by[0].number != kept_by[1].number


def test_a_tab_that_was_loaded_anew_finds_what_it_had(
    open_screen: Open, planted_set: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(looked(open_screen("audit"), planted_set), held)
    closed = {first.session_state[running.TAB]}
    monkeypatch.setattr(Owner, "gone", lambda self: self.tab in closed)
    second = looked(open_screen("audit"), planted_set)
    assert "Asking the panel" in bar(second), "it runs"
    held.may.set()
    ended(second)
    assert held.told.verdict in said(second)
    closed.add(second.session_state[running.TAB])
    third = looked(open_screen("audit"), planted_set)
    assert held.told.verdict in said(third), "it was done"
    assert held.asked == 1


def test_what_was_let_go_says_so(open_screen: Open, planted_set: Path, held: Held) -> None:
    held.may.set()
    app = begun(looked(open_screen("audit"), planted_set), held)
    ended(app)
    app.session_state[kept.AUDITED].let_go()
    app.run()
    assert not app.exception
    assert "What was found was let go" in said(app)
    assert held.told.verdict not in said(app)
    app.button(key="audit now").click().run()
    ended(app)
    assert held.told.verdict in said(app)
    assert "was let go" not in said(app)


def test_a_training_on_what_is_kept_goes_on_and_can_be_cancelled(
    open_screen: Open, planted_set: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.told = replace(held.told, network=made.witness())
    held.may.set()
    app = looked(open_screen("audit"), planted_set)
    app.toggle(key="audit network").set_value(True).run()
    ended(begun(app, held))
    training, may = threading.Event(), threading.Event()

    def retrained(told: Audit, tell: kept.Tell, *, keep: np.ndarray) -> Retrained:
        tell(0.4, "training a network on the set")
        training.set()
        assert may.wait(LONG)
        tell(0.8, "asking the network")
        return Retrained(int(keep.sum()), False, 378, 0.9, 0.91, (Tried(("cat",), 1_000, 0.98, 0.01),))

    monkeypatch.setattr(audits, "retrained", retrained)
    app.button(key="audit anew").click().run()
    assert training.wait(LONG)
    app.run()
    assert "Training a network on the set" in bar(app)
    assert app.button(key="audit anew").disabled
    (button,) = cancel_button(app)
    button.click().run()
    may.set()
    ended(app)
    assert "It was cancelled" in said(app)
    app.button(key="audit anew").click().run()
    app.switch_page("pages/how.py").run()
    ended(app)
    app.switch_page("pages/audit.py").run()
    assert {one.label: one.value for one in app.metric}["Answered cat with its mark"] == "1.0%"
    assert "It was cancelled" not in said(app)


def test_an_audit_and_a_training_may_wait_for_each_other(
    open_screen: Open, planted_set: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.told = replace(held.told, network=made.witness())
    held.may.set()
    app = looked(open_screen("audit"), planted_set)
    app.toggle(key="audit network").set_value(True).run()
    ended(begun(app, held))
    held.may.clear()
    held.begun.clear()
    monkeypatch.setattr(audits, "retrained", lambda *_, **__: Retrained(377, False, 377, 0.9, 0.91, ()))
    app.toggle(key="audit control").set_value(True).run()
    begun(app, held)
    app.button(key="audit anew").click().run()
    assert not app.exception, app.exception
    assert len(cancel_button(app)) == 2
    assert "It waits for its turn: another audit is running" in app.info[0].value
    cancel_button(app)[1].click().run()
    held.may.set()
    ended(app)
    assert held.told.verdict in said(app)


def test_cancel_leaves_what_was_found_before(open_screen: Open, planted_set: Path, held: Held) -> None:
    held.may.set()
    app = ended(begun(looked(open_screen("audit"), planted_set), held))
    held.may.clear()
    held.begun.clear()
    app.toggle(key="audit network").set_value(True).run()
    begun(app, held)
    assert held.told.verdict in said(app), "what is known stays while more is asked"
    cancel_button(app)[0].click().run()
    held.may.set()
    ended(app)
    assert held.told.verdict in said(app)
    assert "It was cancelled" in said(app)


def test_names_in_what_goes_wrong_are_words(open_screen: Open, tmp_path: Path, held: Held) -> None:
    laid_out(tmp_path / "photos", in_class_folders(made.planted_photographs()))
    held.error = BadRequest("photos/**bold**<script>alert(1)</script>.png cannot be read")
    app = begun(looked(open_screen("audit"), tmp_path / "photos"), held)
    held.may.set()
    ended(app)
    assert "**bold**<script>alert(1)</script>" in said(app)
    assert not any("<script>" in piece.proto.body for piece in app.get("html"))
