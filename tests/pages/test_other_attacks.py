"""Attacks other than the usual one on every screen: other labels, covers, several triggers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job, Result, jobs
from pages.parts.around import words
from pages.parts.common import asked
from pages.parts.images import gallery
from tests.pages import printed, stored
from tests.pages.conftest import Open
from tests.pages.seen import fine

CORNER = {"trigger": "pixel", "parameters": {"row": 1, "column": -2}}
EVERYWHERE = dict(labels="all_to_all", cover_ratio=1.0, also=[CORNER], detector="whitened-spectral")
CLEAN_LABEL = dict(trigger="sinusoid", labels="clean_label", ratio=0.4, placement="replace")
VARIED = dict(trigger="adaptive-blend", cover_ratio=1.0)  # of which each training image has other pieces
SCREENS = ("story", "attack", "scores", "flagged", "compare", "network", "try_it", "how")


@pytest.fixture
def opened(open_screen: Open) -> Callable[..., AppTest]:
    """opened("scores", job) opens a screen on a run."""

    def open_it(screen: str, job: Job, **address: str) -> AppTest:
        return fine(open_screen(screen, run=job.key[:16], **address))

    return open_it


def text(screen: AppTest) -> str:
    kinds = (screen.markdown, screen.caption, screen.error, screen.warning, screen.info, screen.subheader)
    said = [element.value for elements in kinds for element in elements]
    return "\n".join([*said, *(element.proto.body for element in screen.get("html"))])


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("attack", [EVERYWHERE, CLEAN_LABEL, VARIED], ids=["everywhere", "clean-label", "varied"])
def test_every_screen_shows_such_a_run(opened, screen: str, attack: dict) -> None:
    job = stored.finished(stored.config(**attack), weights=screen in ("network", "try_it"))
    seen = opened(screen, job)
    assert not seen.error, text(seen)
    if screen == "attack":
        assert "settings have been changed" not in text(seen), "the link fills the form with that run"


def test_a_link_brings_labels_covers_and_further_triggers(opened) -> None:
    screen = opened("attack", stored.finished(stored.config(**EVERYWHERE)))
    assert screen.selectbox("labels").value == "all_to_all"
    assert screen.number_input("cover_ratio").value == 1.0
    assert screen.number_input("also").value == 1
    assert screen.selectbox("also.0").value == "pixel"
    assert screen.number_input("also.0.pixel.row").value == 1
    assert "Pattern and 1 more with covers → the next class, 20% of each class" in text(screen)
    screen = opened("attack", stored.finished(stored.config(**CLEAN_LABEL)))
    assert screen.selectbox("labels").value == "clean_label"
    assert screen.number_input("cover_ratio").value == 0.0
    assert screen.number_input("also").value == 0


def test_the_form_asks_for_what_the_labels_leave_to_choose(open_screen: Open) -> None:
    screen = fine(open_screen("attack"))
    menus = {"digits.target", "digits.source"}
    assert menus <= {menu.key for menu in screen.selectbox}
    fine(screen.selectbox("labels").set_value("clean_label").run())
    assert menus & {menu.key for menu in screen.selectbox} == {"digits.target"}
    assert "they keep their label *three*" in text(screen)
    fine(screen.selectbox("labels").set_value("all_to_all").run())
    assert not menus & {menu.key for menu in screen.selectbox}
    assert screen.selectbox("ratio_of").options == ["each class", "whole set"]
    assert "of the clean classes together" in text(screen)
    screen.number_input("cover_ratio").set_value(0.5)
    fine(screen.number_input("also").set_value(2).run())
    assert "**75 covers** beside them" in text(screen)
    assert "one of 3 triggers in turn" in text(screen)
    fine(screen.button("start").click().run())
    (job,) = jobs.listing()
    further = [{"trigger": "pixel", "parameters": {"row": row, "column": column}} for row, column in ((5, -2), (-2, 5))]
    wanted = dict(labels="all_to_all", cover_ratio=0.5, also=further)
    assert job.config == core.configure(dataset="digits", trigger="pattern", detector="panel", **wanted)
    fine(screen.selectbox("labels").set_value("all_to_one").run())
    assert screen.selectbox("digits.target").value == "three", "the form has kept it"


def test_covers_that_cannot_be_are_refused_in_place(open_screen: Open) -> None:
    screen = fine(open_screen("attack"))
    fine(screen.number_input("cover_ratio").set_value(100.0).run())
    assert "covers were asked for, but only" in screen.error[0].value
    assert screen.button("start").disabled


def test_covers_are_named_as_such_and_only_with_the_truth(opened) -> None:
    job = stored.finished(stored.config(**EVERYWHERE))
    truth = Result(job.config).poisoned.truth
    screen = opened("scores", job)
    told = printed.definitions(printed.bodies(screen))
    assert told["Covers removed"].endswith(f" of {int(truth.covers.sum())}")
    blind = opened("scores", job, truth="0")
    assert "over" not in " ".join(printed.definitions(printed.bodies(blind)))
    screen = opened("flagged", job)
    assert "Flagged covers ○" in screen.selectbox("show").options
    usual = opened("flagged", stored.finished(stored.config()))
    assert "Flagged covers ○" not in usual.selectbox("show").options


def test_a_thumbnail_says_that_an_image_is_a_cover() -> None:
    seen = gallery.Thumbnail(1, 2.0, "three", id=5, poisoned=False, cover=True)
    assert "a cover: stamped, true label" in seen.says
    assert "benign" not in seen.alt


def test_what_is_wanted_of_an_image_hangs_on_its_class_all_to_all() -> None:
    everywhere, one = (stored.config(**attack) for attack in (EVERYWHERE, {}))
    assert words.given(everywhere, 9) == "zero"
    assert words.given(one, 9) == "three"
    assert asked.target(Result(everywhere), 9) == 0
    assert asked.target(Result(everywhere), None) is None
    assert asked.target(Result(one), None) == 3


def test_the_confusion_matrix_marks_what_the_attacker_wants() -> None:
    counts, names = np.eye(3, dtype=np.int64), ("a", "b", "c")
    column = core.markup.matrix(counts, names, "", 1)
    cells = core.markup.matrix(counts, names, "", [1, 2, 0])
    assert column.count("<td class='ps-target") == cells.count("<td class='ps-target") == 3
    assert "b ✕" in column
    assert "✕" not in cells


def test_the_report_says_what_was_done(own_home) -> None:
    job = stored.finished(stored.config(**EVERYWHERE))
    page = core.report.html(Result(job.config))
    assert "Pattern and 1 more with covers → the next class, 20% of each class" in page
    assert "with the trigger and their true label" in page
    assert "that of the class after their own (all-to-all)" in page
    blind = core.report.html(Result(job.config), truth=False)
    assert "cover" not in blind
    clean = core.report.html(Result(stored.finished(stored.config(**CLEAN_LABEL)).config))
    assert "three, which is their true one, stood in the training set" in clean


def test_an_export_names_covers_where_there_are_any(own_home) -> None:
    for attack, named in ((EVERYWHERE, True), ({}, False)):
        result = Result(stored.finished(stored.config(**attack)).config)
        table = core.export.table(result, result.detection(), result.flagged)
        assert ("cover" in table) is named
        if named:
            assert table["cover"].sum() == result.poisoned.truth.covers.sum()
            assert "cover" not in core.export.table(result, result.detection(), result.flagged, truth=False)
