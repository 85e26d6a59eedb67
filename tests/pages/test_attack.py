"""The Attack screen: what it asks, what it refuses, and what it says of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import core
from core import jobs
from tests.pages import stored

APP = Path(__file__).resolve().parents[2] / "app.py"


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started here waits in the queue: a screen's test needs no training."""
    monkeypatch.setattr(jobs, "_attended", lambda job, start: job)


def attack(run: str | None = None) -> AppTest:
    screen = AppTest.from_file(str(APP), default_timeout=60)
    if run is not None:
        screen.query_params["run"] = run[:16]
    return fine(screen.run())


def fine(screen: AppTest) -> AppTest:
    assert not screen.exception, screen.exception
    return screen


def said(screen: AppTest) -> str:
    kinds = (screen.markdown, screen.caption, screen.error, screen.warning, screen.success, screen.info)
    return "\n".join(element.value for elements in kinds for element in elements)


def test_without_cifar10_digits_are_offered_and_the_other_can_be_fetched() -> None:
    screen = attack()
    assert screen.selectbox("dataset").value == "digits"
    assert screen.selectbox("digits.target").value == "three"
    fine(screen.selectbox("dataset").set_value("cifar10").run())
    assert "not on this machine" in screen.warning[0].value
    assert "digits" in screen.warning[0].value
    assert [button.label for button in screen.button] == ["Fetch cifar10", "Start"]
    assert screen.button("start").disabled


def test_count_and_all_three_shares_stand_beside_the_ratio() -> None:
    screen = attack()
    fine(screen.number_input("ratio").set_value(20.0).run())
    # 153 threes among 1,501 training digits
    assert "**31 poisoned images** = **20.3%** of the clean target class" in said(screen)
    assert "**16.8%** of the poisoned target class" in said(screen)
    assert "**2.02%** of the whole training set" in said(screen)
    fine(screen.selectbox("ratio_of").set_value("training_set").run())
    assert "**300 poisoned images** = **196.1%** of the clean target class" in said(screen)


def test_an_impossible_ratio_is_refused_in_place_and_nothing_can_start() -> None:
    screen = attack()
    screen.selectbox("digits.source").set_value("eight")
    fine(screen.number_input("ratio").set_value(100.0).run())
    assert len(screen.error) == 1
    assert "153 poisons were asked for, but class 8 has only 145 source images" in screen.error[0].value
    assert screen.button("start").disabled
    fine(screen.number_input("ratio").set_value(10.0).run())
    assert not screen.error
    assert not screen.button("start").disabled


def test_a_source_that_is_the_target_is_refused() -> None:
    screen = attack()
    fine(screen.selectbox("digits.source").set_value("three").run())
    assert "target and source must be different classes" in screen.error[0].value.lower()
    assert screen.button("start").disabled


def test_a_trigger_outside_the_image_is_refused() -> None:
    screen = attack()
    fine(screen.number_input("trigger.pattern.row").set_value(400).run())
    assert "The trigger must lie inside the image" in screen.error[0].value
    assert screen.button("start").disabled


def test_every_number_of_the_recipe_is_shown_and_can_be_changed() -> None:
    screen = attack()
    _, numbers = core.resolve("quick", "digits")
    for name in type(numbers).model_fields:
        if name != "recipe":
            assert f"digits.quick.{name}" in screen.session_state, name
    assert f"{numbers.epochs} epochs · batch {numbers.batch_size}" in said(screen)
    screen.number_input("digits.quick.epochs").set_value(2)
    fine(screen.number_input("digits.quick.crop").set_value(2).run())
    assert "2 epochs" in said(screen)
    assert "shift of up to 2 pixels can push a corner trigger out" in said(screen)


def test_every_registered_name_and_parameter_has_a_widget() -> None:
    screen = attack()
    assert screen.selectbox("trigger").options == list(core.TRIGGERS)
    assert screen.selectbox("detector").options == list(core.DETECTORS)
    for name, entry in core.TRIGGERS.items():
        fine(screen.selectbox("trigger").set_value(name).run())
        for parameter in entry.parameters:
            assert f"trigger.{name}.{parameter}" in screen.session_state


def test_start_asks_for_exactly_what_the_widgets_say_and_the_same_again_joins() -> None:
    screen = attack()
    screen.number_input("ratio").set_value(20.0)
    screen.selectbox("detector").set_value("whitened-spectral")
    screen.number_input("assumed_ratio").set_value(5.0)
    fine(screen.run())
    fine(screen.button("start").click().run())
    (job,) = jobs.listing()
    wanted = core.configure(
        dataset="digits",
        trigger="pattern",
        target="three",
        ratio=0.2,
        detector="whitened-spectral",
        assumed_ratio=0.05,
    )
    assert job.config == wanted
    assert screen.query_params["run"] == job.key[:16]
    assert "Waits for its turn" in said(screen)
    fine(screen.button("start").click().run())
    assert [one.id for one in jobs.listing()] == [job.id]
    fine(screen.button(f"cancel {job.id}").click().run())
    assert jobs.get(job.id).status == "cancelled"
    fine(screen.button(f"resume {job.id}").click().run())
    assert jobs.get(job.id).status == "queued"


def test_a_stored_run_opens_at_once() -> None:
    job = stored.finished(stored.config())
    screen = attack()
    fine(screen.number_input("ratio").set_value(20.0).run())
    assert "opens at once" in said(screen)
    fine(screen.button("start").click().run())
    assert "From the store, no training." in said(screen)
    assert [(metric.label, metric.value) for metric in screen.metric] == [
        ("ASR, before → after", "90% → 5%"),
        ("Nat, before → after", "95% → 94%"),
        ("#Pois left of 31", str(core.Result(job.config).summary["poisons_left"])),
    ]


def test_a_link_brings_the_run_and_its_settings() -> None:
    wanted = stored.config(trigger="pixel", target="eight", source="one", ratio=0.1, seed=7, training={"epochs": 3})
    job = stored.finished(wanted)
    screen = attack(job.key)
    assert screen.selectbox("trigger").value == "pixel"
    assert screen.selectbox("digits.target").value == "eight"
    assert screen.selectbox("digits.source").value == "one"
    assert screen.number_input("digits.quick.epochs").value == 3
    assert "Pixel from one → eight, 10% of the class" in [element.value for element in screen.subheader]
    assert "settings have been changed" not in said(screen)
    fine(screen.number_input("ratio").set_value(12.0).run())
    assert "settings have been changed" in said(screen)


def test_a_failed_run_shows_why_and_resumes() -> None:
    job = core.submit(stored.config())
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.log.write_text("one\nthe last words\n")
    jobs._change(job.id, "status = 'failed', error = 'The disk is full.'")
    screen = attack(job.key)
    assert "This run failed. The disk is full." in screen.error[0].value
    assert "the last words" in screen.code[0].value
    fine(screen.button(f"resume {job.id}").click().run())
    assert jobs.get(job.id).status == "queued"


def test_a_lost_run_says_so() -> None:
    job = core.submit(stored.config())
    jobs._change(job.id, "status = 'running', heartbeat = 1, pid = 1")
    screen = attack(job.key)
    assert "lost" in screen.warning[0].value
    assert f"resume {job.id}" in [button.key for button in screen.button]
