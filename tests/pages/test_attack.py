"""The Attack screen: what it asks, what it refuses, and what it says of a run."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ButtonGroup

import core
from core import Job, jobs
from core.configuration import pictures
from core.jobs import ledger
from pages.parts.around import words
from pages.parts.attack import presets
from pages.parts.common import live
from pages.parts.form import painter, preview
from tests.pages import stored
from tests.pages.conftest import Open
from tests.pages.seen import fine


@pytest.fixture
def attack(open_screen: Open) -> Callable[..., AppTest]:
    """attack(run=key, preset="hard") opens the screen at that address."""

    def opened(run: str = "", **address: str) -> AppTest:
        return fine(open_screen("attack", **({"run": run[:16]} if run else {}), **address))

    return opened


def named(screen: AppTest, name: str) -> str:
    """What the address says; a value that the app has not touched comes back as a list of one."""
    value = screen.query_params.get(name, "")
    return value[-1] if isinstance(value, list) else value


def said(screen: AppTest) -> str:
    kinds = (screen.markdown, screen.caption, screen.error, screen.warning, screen.success, screen.info)
    return "\n".join(element.value for elements in kinds for element in elements)


def test_without_cifar10_digits_are_offered_and_the_other_can_be_fetched(attack) -> None:
    screen = attack()
    assert screen.selectbox("dataset").value == "digits"
    assert screen.selectbox("digits.target").value == "three"
    fine(screen.selectbox("dataset").set_value("cifar10").run())
    assert "not on this machine" in screen.warning[0].value
    assert "digits" in screen.warning[0].value
    assert "Fetch cifar10" in [button.label for button in screen.button]
    assert screen.button("start").disabled


def test_count_and_all_three_shares_stand_beside_the_ratio(attack) -> None:
    screen = attack()
    fine(screen.number_input("ratio").set_value(20.0).run())
    # 153 threes among 1,501 training digits
    assert "**31 poisoned images** = **20.3%** of the clean target class" in said(screen)
    assert "**16.8%** of the poisoned target class" in said(screen)
    assert "**2.02%** of the whole training set" in said(screen)
    fine(screen.selectbox("ratio_of").set_value("training_set").run())
    assert "**300 poisoned images** = **196.1%** of the clean target class" in said(screen)


def test_an_impossible_ratio_is_refused_in_place_and_nothing_can_start(attack) -> None:
    screen = attack()
    screen.selectbox("digits.source").set_value("eight")
    fine(screen.number_input("ratio").set_value(100.0).run())
    assert len(screen.error) == 1
    assert "153 poisons were asked for, but class 8 has only 145 source images" in screen.error[0].value
    assert screen.button("start").disabled
    fine(screen.number_input("ratio").set_value(10.0).run())
    assert not screen.error
    assert not screen.button("start").disabled


def test_a_source_that_is_the_target_is_refused(attack) -> None:
    screen = attack()
    fine(screen.selectbox("digits.source").set_value("three").run())
    assert "target and source must be different classes" in screen.error[0].value.lower()
    assert screen.button("start").disabled


def test_a_trigger_outside_the_image_is_refused(attack) -> None:
    screen = attack()
    fine(screen.number_input("trigger.pattern.row").set_value(400).run())
    assert "The trigger must lie inside the image" in screen.error[0].value
    assert screen.button("start").disabled


def test_every_number_of_the_recipe_is_shown_and_can_be_changed(attack) -> None:
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
    fine(screen.radio("trigger").set_value("sinusoid").run())
    assert "shift of up to 2 pixels moves the trigger with the image" in said(screen)


def test_every_registered_name_and_parameter_has_a_widget(attack) -> None:
    screen = attack()
    assert screen.radio("trigger").options == list(core.TRIGGERS)
    assert {option.split()[0] for option in screen.selectbox("detector").options} == set(core.DETECTORS)
    for name, entry in core.TRIGGERS.items():
        fine(screen.radio("trigger").set_value(name).run())
        for parameter in entry.parameters:
            assert f"trigger.{name}.{parameter}" in screen.session_state


def test_a_faint_triggers_difference_says_that_it_is_amplified(attack) -> None:
    screen = attack()
    for trigger, pixels in (("blended", r"1,0\d\d"), ("sinusoid", r"\d{3}"), ("warp", r"\d{3}")):
        fine(screen.radio("trigger").set_value(trigger).run())
        shown = "\n".join(element.proto.body for element in screen.get("html"))
        times = re.search(rf"Difference: {pixels} of 1,024 pixels, amplified (\d+\.\d) times", shown)
        assert times is not None, trigger
        assert float(times[1]) > 1
        assert not screen.button("start").disabled


def test_start_asks_for_exactly_what_the_widgets_say_and_the_same_again_joins(attack) -> None:
    screen = attack()
    screen.number_input("ratio").set_value(20.0)
    fine(screen.selectbox("detector").set_value("whitened-spectral").run())
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


def test_a_stored_run_opens_at_once(attack) -> None:
    job = stored.finished(stored.config())
    screen = attack()
    screen.selectbox("detector").set_value("spectral")
    fine(screen.number_input("ratio").set_value(20.0).run())
    assert "opens at once" in said(screen)
    fine(screen.button("start").click().run())
    assert "From the store, no training." in said(screen)
    assert [(metric.label, metric.value) for metric in screen.metric] == [
        ("Backdoor success (ASR), before → after", "89.8% → 4.9%"),
        ("Accuracy (Nat), before → after", "94.9% → 93.9%"),
        ("Poison left of 31", str(core.Result(job.config).summary["poisons_left"])),
    ]


def test_a_link_brings_the_run_and_its_settings(attack) -> None:
    wanted = stored.config(trigger="pixel", target="eight", source="one", ratio=0.1, seed=7, training={"epochs": 3})
    job = stored.finished(wanted)
    screen = attack(job.key)
    assert screen.radio("trigger").value == "pixel"
    assert screen.selectbox("digits.target").value == "eight"
    assert screen.selectbox("digits.source").value == "one"
    assert screen.number_input("digits.quick.epochs").value == 3
    assert "Pixel from one → eight, 10% of the class" in [element.value for element in screen.subheader]
    assert "the form describes another one" not in said(screen)
    fine(screen.number_input("ratio").set_value(12.0).run())
    assert "These are this run's figures; the form describes another one" in said(screen)


def test_a_failed_run_shows_why_and_resumes(attack) -> None:
    job = core.submit(stored.config())
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.log.write_text("one\nthe last words\n")
    ledger.change(job.id, "status = 'failed', error = 'The disk is full.'")
    screen = attack(job.key)
    assert "This run failed. The disk is full." in screen.error[0].value
    assert "the last words" in screen.code[0].value
    fine(screen.button(f"resume {job.id}").click().run())
    assert jobs.get(job.id).status == "queued"


def test_a_lost_run_says_so(attack) -> None:
    job = core.submit(stored.config())
    ledger.change(job.id, "status = 'running', heartbeat = 1, pid = 1")
    screen = attack(job.key)
    assert "lost" in screen.warning[0].value
    assert f"resume {job.id}" in [button.key for button in screen.button]


# ---------------------------------------------------------------- the cut at the gap


def picker(screen: AppTest, key: str) -> ButtonGroup:
    return next(group for group in screen.get("button_group") if group.key == key)


def asked_for(screen: AppTest) -> set[str]:
    """The labels of the numbers that the form asks for."""
    return {element.label for element in screen.number_input}


def test_a_detector_that_sees_the_gap_can_be_cut_there_and_then_nothing_is_assumed(attack) -> None:
    screen = attack()
    assert not any(group.key == "cut" for group in screen.get("button_group"))
    fine(screen.selectbox("detector").set_value("whitened-spectral").run())
    assert picker(screen, "cut").value == "budget"
    assert {"How much poison do I fear? In % of a class", "Budget, in multiples of ε"} <= asked_for(screen)
    fine(screen.number_input("assumed_ratio").set_value(5.0).run())
    fine(picker(screen, "cut").set_value("gap").run())
    assert not {"How much poison do I fear? In % of a class", "Budget, in multiples of ε"} & asked_for(screen)
    assert "no assumed ratio is needed" in said(screen)
    assert "ε" not in said(screen)
    fine(screen.button("start").click().run())
    (job,) = jobs.listing()
    gap = dict(detector="whitened-spectral", cut="gap")
    assert job.config == core.configure(dataset="digits", trigger="pattern", target="three", **gap)
    fine(screen.selectbox("detector").set_value("spectral").run())
    assert {"How much poison do I fear? In % of a class", "Budget, in multiples of ε"} <= asked_for(screen)
    assert screen.number_input("assumed_ratio").value == 5.0
    fine(screen.button("start").click().run())
    assert jobs.listing()[0].config.defence == core.DefenceConfig(assumed_ratio=0.05)


def test_the_cut_outlives_a_change_of_page_and_a_preset_sets_it_back(attack) -> None:
    screen = attack()
    fine(screen.selectbox("detector").set_value("whitened-spectral").run())
    fine(picker(screen, "cut").set_value("gap").run())
    fine(screen.switch_page("pages/how.py").run())
    fine(screen.switch_page("pages/attack.py").run())
    assert picker(screen, "cut").value == "gap"
    assert "How much poison do I fear? In % of a class" not in asked_for(screen)
    fine(screen.button("preset hard").click().run())
    assert picker(screen, "cut").value == "budget"
    assert named(screen, "preset") == "hard"
    fine(picker(screen, "cut").set_value("gap").run())
    assert named(screen, "preset") == ""


@pytest.mark.parametrize("unused", [{}, {"assumed_ratio": 0.05, "multiplier": 2.0}])
def test_a_link_to_a_run_that_was_cut_at_the_gap_fills_the_form_with_that_run(attack, unused: dict) -> None:
    screen = attack(stored.finished(stored.gap_config(**unused)).key)
    assert picker(screen, "cut").value == "gap"
    assert "the form describes another one" not in said(screen)
    assert "opens at once" in said(screen)


# ---------------------------------------------------------------- presets


def test_a_preset_fills_the_form_and_starts_nothing(attack, recording: str) -> None:
    screen = attack()
    assert [button.key for button in screen.button if str(button.key).startswith("preset ")] == [
        f"preset {name}" for name in presets.PRESETS
    ]
    ledger = jobs.listing()
    fine(screen.button("preset hard").click().run())
    assert screen.number_input("ratio").value == 1.0
    assert screen.selectbox("detector").value == "whitened-spectral"
    assert screen.selectbox("cifar10.target").value == "bird"
    assert "**20 poisoned images**" in said(screen)
    assert named(screen, "preset") == "hard"
    fine(screen.button("preset control").click().run())
    assert "this is the clean control" in said(screen)
    fine(screen.button("preset pixel").click().run())
    assert (screen.radio("trigger").value, screen.number_input("ratio").value) == ("pixel", 10.0)
    assert jobs.listing() == ledger


def test_the_address_names_the_preset_only_while_the_form_is_as_it_made_it(attack) -> None:
    screen = attack(preset="hard")
    assert screen.selectbox("dataset").value == "cifar10"
    assert screen.number_input("ratio").value == 1.0
    fine(screen.number_input("ratio").set_value(2.0).run())
    assert named(screen, "preset") == ""
    assert "check" not in screen.button("preset hard").label
    assert screen.number_input("ratio").value == 2.0
    fine(screen.number_input("ratio").set_value(1.0).run())
    assert ":material/check:" in screen.button("preset hard").label
    assert named(screen, "preset") == "hard"


def test_an_unknown_preset_is_passed_over(attack) -> None:
    screen = attack(preset="no such preset")
    assert screen.selectbox("dataset").value == "digits"


def test_every_preset_is_a_run_that_can_be_made(attack) -> None:
    for name in presets.PRESETS:
        config = presets.request(name)
        sizes = core.datasets.class_sizes(config.dataset)
        count = core.poison.extent(np.repeat(np.arange(len(sizes)), sizes), config.attack).count
        assert count == round(config.attack.ratio * (20_000 if config.attack.everywhere else 2_000))
    assert presets.request("control").attack.ratio == 0


def test_the_reports_pattern_attack_opens_at_once_where_nothing_was_ever_trained(attack, recording: str) -> None:
    screen = attack()
    fine(screen.button("preset pattern").click().run())
    assert not core.datasets.available("cifar10")
    assert "opens at once" in said(screen)
    fine(screen.button("start").click().run())
    assert "From the store, no training." in said(screen)
    assert named(screen, "run") == core.run_key(presets.request("pattern"))[:16]


def test_the_attacks_of_papers_and_benchmarks_lie_in_a_fold_that_opens_with_a_link_to_one(attack) -> None:
    assert set(core.ATTACKS) == set(presets.PRESETS) - set(presets.OWN)

    def fold(screen: AppTest) -> bool:
        return next(one.proto.expanded for one in screen.expander if one.label == presets.FOLD)

    screen = attack()
    assert not fold(screen)
    fine(screen.button("preset tact").click().run())
    assert named(screen, "preset") == "tact"
    assert screen.selectbox("cifar10.source").value == "automobile"
    assert screen.number_input("cover_ratio").value == 1.0
    assert "**200 poisoned images**" in said(screen)
    assert "**200 covers** beside them" in said(screen)
    assert fold(attack(preset="sig-40"))


def test_a_ratio_is_said_of_the_class_and_of_the_set(attack) -> None:
    screen = attack(preset="adaptive-blend")
    assert "10% of the target class = 1% of the whole set." in said(screen)
    screen.selectbox("ratio_of").set_value("training_set")
    fine(screen.number_input("ratio").set_value(0.3).run())
    assert "0.3% of the whole set = 3% of the target class." in said(screen)
    assert "**60 poisoned images**" in said(screen)
    fine(screen.selectbox("labels").set_value("all_to_all").run())
    assert "Of every class the same share" in said(screen)


# ---------------------------------------------------------------- triggers that vary


def test_a_trigger_that_varies_is_shown_as_training_images_bear_it(attack) -> None:
    screen = attack()
    fine(screen.radio("trigger").set_value("adaptive-blend").run())
    shown = "\n".join(element.proto.body for element in screen.get("html"))
    found = re.search(r"Difference: (\d{3}) of 1,024 pixels", shown)
    assert found is not None
    assert 400 < int(found[1]) <= 512, "half of the pieces"
    assert "Each training image lacks some pieces, drawn for it alone." in said(screen)
    config = core.configure(dataset="digits", trigger="adaptive-blend", target="three", seed=3)
    clean, _, rows = preview.examples(config)
    poisoned = core.Result(config).poisoned
    by_row = {int(poisoned.source_ids[at]): poisoned.images[at] for at in np.flatnonzero(poisoned.truth.poisoned)}
    whole = core.poison.poison(core.datasets.load(config.dataset), config.attack.model_copy(update={"ratio": 0.9}), 3)
    by_row |= {int(whole.source_ids[at]): whole.images[at] for at in np.flatnonzero(whole.truth.poisoned)}
    both = [(at, int(row)) for at, row in enumerate(rows) if int(row) in by_row]
    assert both
    stamped = preview.stamp(config, clean, rows)
    assert all(np.array_equal(stamped[at], by_row[row]) for at, row in both), "and just as this run will bear it"


@pytest.mark.parametrize(
    ("trigger", "setting", "value", "refused"),
    [
        ("adaptive-patch", "shown", 5, "Shown must be at most the number of patches, 4, got 5"),
        ("adaptive-patch", "size", 17, "size must be at most 16 in an image of 32 by 32 pixels, got 17"),
        ("scattered", "size", 40, "Size must be at most 32 in an image of 32 by 32, got 40"),
    ],
)
def test_patches_that_do_not_fit_are_refused_in_place(attack, trigger, setting, value, refused) -> None:
    screen = attack()
    fine(screen.radio("trigger").set_value(trigger).run())
    fine(screen.number_input(f"trigger.{trigger}.{setting}").set_value(value).run())
    assert refused in screen.error[0].value
    assert screen.button("start").disabled


# ---------------------------------------------------------------- pictures at hand


def test_without_the_data_the_pictures_of_the_recording_are_shown(attack, recording: str) -> None:
    screen = attack()
    assert screen.selectbox("dataset").value == "cifar10"
    assert "The pictures below come with the recorded run." in screen.warning[0].value
    assert any("Original: <b>airplane</b>" in element.proto.body for element in screen.get("html"))
    (button,) = [button for button in screen.button if button.key == "another image"]
    fine(button.click().run())
    assert any("Original: <b>automobile</b>" in element.proto.body for element in screen.get("html"))


def test_without_any_picture_the_triggers_stand_on_grey(attack) -> None:
    screen = attack()
    fine(screen.selectbox("dataset").set_value("cifar10").run())
    assert not any("ps-stamp" in element.proto.body for element in screen.get("html"))
    assert screen.radio("trigger").options == list(core.TRIGGERS)


def test_a_trigger_that_is_registered_has_a_card_of_its_own(attack, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {**core.TRIGGERS._entries, "corner": core.TRIGGERS["pixel"]}
    monkeypatch.setattr(core.TRIGGERS, "_entries", entries)
    screen = attack()
    assert screen.radio("trigger").options[-1] == "corner"
    (style,) = [element.proto.body for element in screen.get("html") if "st-key-trigger" in element.proto.body]
    assert style.count("background-image: url(data:image/png;base64,") == len(entries)


# ---------------------------------------------------------------- a trigger of one's own

PICTURE = "trigger.drawing.picture"


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict:
    """The session of a screen that is not drawn."""
    session = {PICTURE: pictures.FACE}
    monkeypatch.setattr(painter, "st", SimpleNamespace(session_state=session))
    return session


def stroke(**changes: object) -> dict:
    """What the painter sends: a red dot in the lower right of three by three."""
    return {"name": "it", "number": 4, "columns": 3, "cells": [""] * 8 + ["#ff0000"], **changes}


def upload(content: bytes) -> SimpleNamespace:
    return SimpleNamespace(getvalue=lambda: content)


def test_what_is_painted_is_the_trigger_that_is_asked_for(attack) -> None:
    screen = attack()
    fine(screen.radio("trigger").set_value("drawing").run())
    dot = painter.as_text(3, stroke()["cells"])
    screen.session_state[PICTURE] = dot
    fine(screen.run())
    assert any("Difference: 1 of 1,024 pixels" in element.proto.body for element in screen.get("html"))
    fine(screen.button("start").click().run())
    (job,) = jobs.listing()
    assert job.config.attack.parameters["picture"] == dot


def test_a_painting_without_a_pixel_cannot_start(attack) -> None:
    screen = attack()
    fine(screen.radio("trigger").set_value("drawing").run())
    screen.session_state[PICTURE] = ""
    screen.session_state[f"{PICTURE} painted"] = dict(picture="", columns=3, cells=[""] * 9, heard=["it", 1])
    fine(screen.run())
    assert "at least one visible pixel" in screen.error[0].value
    assert screen.button("start").disabled


def test_a_good_upload_is_the_trigger_and_a_bad_one_says_what_is_wrong(attack) -> None:
    screen = attack()
    fine(screen.radio("trigger").set_value("drawing").run())
    dot = pictures.encode(np.full((1, 1, 4), 255, np.uint8))
    fine(screen.file_uploader[0].set_value(("dot.png", base64.b64decode(dot), "image/png")).run())
    assert screen.session_state[PICTURE] == dot
    fine(screen.file_uploader[0].set_value(("text.png", b"no picture at all", "image/png")).run())
    assert "The picture must be a PNG file, got 17 bytes that are none. The picture stays" in screen.error[0].value
    assert screen.session_state[PICTURE] == dot
    assert not screen.button("start").disabled


def test_a_stroke_is_kept_and_confirmed_until_the_picture_is_another(state: dict) -> None:
    painter.hear(PICTURE, stroke())
    assert pictures.decode(state[PICTURE])[2, 2].tolist() == [255, 0, 0, 255]
    grid = painter.as_grid(state[PICTURE], state[f"{PICTURE} painted"])
    assert (grid["columns"], grid["cells"], grid["heard"]) == (3, stroke()["cells"], ["it", 4])
    painter.take(PICTURE, upload(base64.b64decode(pictures.FACE)))
    assert painter.as_grid(state[PICTURE], state[f"{PICTURE} painted"])["heard"] is None


def test_a_grid_that_is_wiped_stays_a_grid(state: dict) -> None:
    painter.hear(PICTURE, stroke(cells=[""] * 9))
    assert state[PICTURE] == ""
    assert painter.as_grid("", state[f"{PICTURE} painted"])["cells"] == [""] * 9


@pytest.mark.parametrize(
    ("told", "trouble"),
    [
        (None, "no picture"),
        ({}, "no picture"),
        (stroke(columns=0), "1 to 12 cells a side"),
        (stroke(columns=2), "1 to 12 cells a side"),
        (stroke(columns=13, cells=["#ff0000"] * 13), "got 13 in 13 columns"),
        (stroke(cells=["#ff0000"] * 39), "got 39 in 3 columns"),
        (stroke(cells=["<script>alert(1)</script>"] * 9), "must be a colour such as #ffdd00, or empty"),
        (stroke(cells=[7] * 9), "must be a colour"),
    ],
)
def test_what_is_no_painting_is_refused_and_the_picture_stays(state: dict, told: object, trouble: str) -> None:
    painter.hear(PICTURE, told)
    assert state[PICTURE] == pictures.FACE
    assert trouble in state[f"{PICTURE} trouble"]


def test_a_picture_finer_than_the_grid_is_not_painted_over_by_accident() -> None:
    wide = pictures.encode(np.full((20, 20, 4), 255, np.uint8))
    glass = pictures.encode(np.full((4, 4, 4), 128, np.uint8))
    for text in (wide, glass):
        grid = painter.as_grid(text)
        assert (grid["finer"], set(grid["cells"])) == (True, {""})
    assert painter.as_grid(pictures.FACE)["finer"] is False


# ---------------------------------------------------------------- armed for the stage, and blind


def test_what_is_armed_waits_on_the_last_slide_and_starts_nothing(attack) -> None:
    shown = stored.finished(stored.config())
    screen = attack(shown.key)
    fine(screen.number_input("ratio").set_value(30.0).run())
    fine(screen.button("arm").click().run())
    assert "Armed: presenter mode starts it" in said(screen)
    wanted = core.RunConfig.model_validate_json(screen.session_state["armed for the stage"])
    assert wanted.attack.ratio == 0.3
    screen.query_params["present"] = "1"
    deck = fine(screen.switch_page("pages/story.py").run())
    told = " ".join(element.proto.body for element in deck.get("html"))
    assert "30% of the class, quick, spectral. Takes" in told
    assert core.jobs.find(core.run_key(wanted), start=False) is None


def test_in_blind_review_the_attacker_stays_hidden(attack) -> None:
    job = stored.finished(stored.config(target="eight"))
    screen = attack(job.key, truth="0")
    text = said(screen) + "".join(element.value for element in screen.subheader)
    assert "blind review" in text
    assert "eight" not in text
    assert "ASR" not in text
    assert not screen.metric
    assert [box.key for box in screen.selectbox] == ["picked run"]


@pytest.fixture
def running() -> Iterator[Job]:
    """A run whose worker this test pretends to be, in its first training."""
    job = core.submit(stored.config())
    held = jobs.job_lock(job.id)
    held.path.parent.mkdir(parents=True, exist_ok=True)
    assert held.try_acquire()
    change = f"status = 'running', stage = 'train', message = 'epoch 1 of 6', heartbeat = {time.time()}, pid = 1"
    ledger.change(job.id, f"{change}, attempts = 1, fraction = 0.25")
    yield jobs.get(job.id)
    held.release(remove=True)


def told(job: Job, epoch: int, **figures: float) -> None:
    with jobs.open_ledger(write=True) as ledger:
        ledger.execute(
            "INSERT INTO events (job, time, stage, fraction, message, data) VALUES (?, ?, 'train', 0.5, '', ?)",
            (job.id, time.time(), json.dumps({"epoch": epoch, **figures})),
        )


def test_a_training_says_what_it_does_before_its_first_figures_and_shows_them_then(attack, running: Job) -> None:
    screen = attack(running.key)
    assert "**25%**" in screen.get("progress")[0].proto.text
    (line,) = [piece.proto.body for piece in screen.get("html") if "<p class='ps-header'" in piece.proto.body]
    assert "in progress" in line
    assert "25%" not in line, "it is drawn once, the bar every second"
    assert "Epoch 1 of 6. On the way the network is tested" in said(screen)
    assert not screen.get("plotly_chart")
    told(running, 1, loss=1.5, nat=0.47, asr=0.98)
    fine(screen.run())
    (chart,) = screen.get("plotly_chart")
    assert chart.proto.alt == "Curves by epoch. After epoch 1: Nat 47.0%, ASR 98.0%, loss 1.500"
    figure = json.loads(chart.proto.spec)
    assert figure["layout"]["height"] >= 380
    assert [trace["name"] for trace in figure["data"]] == ["Nat", "ASR", "loss"]
    named = {re.sub("<[^>]*>", "", note["text"]) for note in figure["layout"]["annotations"]}
    assert named == {"● Nat 47.0%", "✕ ASR 98.0%", "◆ loss 1.50"}


def test_the_headline_says_what_the_story_says_and_curves_of_fewer_images_say_so(
    attack, open_screen: Open, recording: str
) -> None:
    screen = attack(recording)
    summary = core.Result(core.recorded.runs()[0][1]).summary
    assert summary is not None
    figures = [words.share(summary[name]) for name in ("asr1", "asr2", "nat1", "nat2")]
    asr, nat, _ = (metric.value for metric in screen.metric)
    assert [*asr.split(" → "), *nat.split(" → ")] == figures
    assert "measured on 500 of 10,000 test images" in said(screen)
    story = " ".join(element.proto.body for element in open_screen("story", run=recording).get("html"))
    assert all(figure in story for figure in figures)


def test_curves_of_all_test_images_need_no_such_word_and_those_of_a_short_training_tell_it(attack) -> None:
    job = stored.finished(stored.config(training={"per_class": None, "epochs": 10}))
    assert "of 296 test images" not in said(attack(job.key))
    short = stored.finished(stored.config(training={"per_class": 20, "epochs": 1}))
    assert "measured on 40 of 296 test images" in said(attack(short.key))


@pytest.mark.parametrize("places", [[0, 0, 0], [320, 320, 319], [100, 101, 90], [0, 160, 320], [5, 320, 318]])
def test_names_are_moved_apart_in_their_order_and_stay_inside(places: list[float]) -> None:
    moved = live.apart(places, 27, 320)
    order = sorted(range(3), key=lambda at: places[at])
    assert all(moved[b] - moved[a] >= 27 for a, b in pairwise(order))
    assert 0 <= min(moved) <= max(moved) <= 320


def test_names_that_do_not_meet_stay_where_they_are() -> None:
    assert live.apart([0, 160, 320], 27, 320) == [0, 160, 320]


def test_a_run_that_goes_stands_above_the_form_and_one_opened_by_a_link_below(attack, running: Job) -> None:
    def order(screen: AppTest) -> list[str]:
        return [element.value for element in screen.subheader if element.value != "Training"]

    heading = "Pattern → three, 20% of the class"
    screen = attack(running.key)
    assert order(screen) == [heading, "Attacker", "Defender"]
    done = stored.finished(stored.config(ratio=0.1))
    assert order(attack(done.key))[-1] == "Pattern → three, 10% of the class"


def test_a_run_that_is_being_stopped_says_so(attack, running: Job) -> None:
    fine(attack(running.key).button(f"cancel {running.id}").click().run())
    screen = attack(running.key)
    assert "Stopping after this step" in said(screen)
    assert screen.button(f"cancel {running.id}").disabled


def test_what_a_flip_does_is_said_of_the_trigger() -> None:
    config = core.configure(trigger="pattern", target="bird")
    assert (config.training.flip, config.training.crop) == (True, 0)
    assert "the flip moves the trigger to the other side" in words.augmentation(config)


NOTED = "CUDA does not work here (no *kernel* <image>). The training runs on the CPU."


def shown_html(screen: AppTest) -> str:
    return " ".join(element.proto.body for element in screen.get("html"))


def test_what_a_training_could_not_do_as_wished_is_said_while_it_runs(attack, running: Job) -> None:
    assert "ps-noted" not in shown_html(attack(running.key))
    with jobs.open_ledger(write=True) as ledger:
        for attempt in (1, 2):  # a resumed run says it again
            ledger.execute(
                "INSERT INTO events (job, time, stage, fraction, message, data) VALUES (?, ?, 'train', 0, ?, ?)",
                (running.id, time.time(), f"attempt {attempt}", json.dumps({"notes": [NOTED]})),
            )
    html = shown_html(attack(running.key))
    assert html.count("<li>") == 1
    assert "<li>CUDA does not work here (no *kernel* &lt;image&gt;). The training runs on the CPU.</li>" in html


def test_it_stands_beside_the_figures_afterwards(attack, open_screen: Open) -> None:
    without, job = stored.finished(stored.config(seed=1)), stored.finished(stored.config())
    key = core.run_key(job.config)
    known = core.Store().read("run", key)
    assert known is not None
    document, flagged = {**known.document, "notes": [NOTED]}, np.array(known.array("flagged"))
    core.Store().delete("run", key)
    core.Store().write("run", key, arrays={"flagged": flagged}, document=document)
    for screen in ("attack", "story", "compare"):
        assert "ps-noted" not in shown_html(fine(open_screen(screen, run=without.key[:16])))
        assert "<li>CUDA does not work here" in shown_html(fine(open_screen(screen, run=job.key[:16])))


# ---------------------------------------------------------------- what is said once, and in step


def test_the_clean_control_says_once_that_nothing_is_poisoned(attack) -> None:
    screen = fine(attack().number_input("ratio").set_value(0.0).run())
    assert "0.0%" not in said(screen)
    assert "0 poisoned" not in said(screen)
    assert [info.value for info in screen.info if "clean control" in info.value] == [
        "Nothing is poisoned: this is the clean control. A good detector finds nothing."
    ]


def test_a_recipe_says_of_how_many_images_in_one_place_alone(attack) -> None:
    screen = attack()
    assert screen.selectbox("dataset").value == "digits"
    assert "`whitened_cnn` · all images" in said(screen)
    assert "2,000" not in said(screen)
    assert all(" of each class" not in recipe.summary for recipe in core.RECIPES.values())
