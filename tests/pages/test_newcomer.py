"""What helps who is new here: plain names, one recommended detector, what a fear costs, the glossary, the tour."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job, Result
from core.jobs import requests
from pages.parts.around import glossary, tour, words
from pages.parts.form import fear
from pages.parts.how import explained
from tests.pages import printed, stored
from tests.pages.test_sensitivity import fine, said

WORDS = Path(__file__).parents[2] / "docs" / "words.md"


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "attended", lambda job, start: job)


# --- one detector, and the others for experts ------------------------------------------------------------


def test_one_detector_is_recommended_and_the_others_are_folded_away(open_screen) -> None:
    app = fine(open_screen("attack"))
    assert f"Detector: **{words.RECOMMENDED} (recommended)**" in said(app)
    (fold,) = [one for one in app.expander if one.label == "Expert: another detector"]
    assert not fold.proto.expanded
    assert [box.label for box in fold.selectbox] == ["Detector"]
    assert fold.selectbox[0].options[0] == f"{words.RECOMMENDED} (recommended)"
    assert len(fold.selectbox[0].options) == len(core.DETECTORS)


def test_a_run_by_another_detector_opens_the_fold_and_says_which(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("attack", run=finished_job.key))
    (fold,) = [one for one in app.expander if one.label == "Expert: another detector"]
    assert fold.proto.expanded
    assert "Detector: **spectral**" in said(app)


# --- how much poison do I fear? --------------------------------------------------------------------------


@pytest.mark.parametrize("detector", ["spectral", "whitened-spectral"])
@pytest.mark.parametrize("assumed", [0.0, 0.05, 0.2])
def test_what_a_fear_costs_is_what_the_run_will_remove(own_home, detector: str, assumed: float) -> None:
    wanted = stored.config(detector=detector, assumed_ratio=assumed)
    labels, exact = fear.defended(wanted)
    result = Result(wanted)
    assert exact
    assert np.array_equal(np.bincount(labels), np.bincount(result.poisoned.labels))
    text = fear.told(wanted)
    epsilon, budget = core.filter.epsilon(labels, assumed), core.filter.budget(labels, wanted.defence)
    assert f"I fear **{words.count(epsilon, 'poisoned image')}** in a class: that is **ε**" in text
    assert f"1.5·ε = **{budget:,}**" in text
    if detector == "spectral":
        gone = int(np.minimum(budget, np.bincount(labels)).sum())
        assert f"in all **{gone:,}**; if ε of them are poisoned, all in one class, **{gone - epsilon:,}** clean" in text
    else:
        assert f"**{words.count(budget - epsilon, 'clean image')}** go with them" in text


def test_the_form_asks_it_and_follows(open_screen) -> None:
    app = fine(open_screen("attack"))
    app = fine(app.selectbox("detector").set_value("spectral").run())
    (asked,) = [one for one in app.number_input if one.label == fear.ASKED]
    before = next(one for one in said(app).splitlines() if one.startswith("So I fear"))
    assert asked.key == "assumed_ratio"
    app = fine(asked.set_value(20.0).run())
    after = next(one for one in said(app).splitlines() if one.startswith("So I fear"))
    assert before != after


# --- the glossary ----------------------------------------------------------------------------------------


def test_every_term_of_the_words_can_be_found(open_screen) -> None:
    for bullet in re.findall(r"^- (.*?)(?=^- |\Z)", WORDS.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for term in re.findall(r"\*\*(.+?)\*\*", bullet.replace("\n", " ")):
            wanted = re.sub(r"\W+", " ", term).replace("  ", " ").strip()
            if len(wanted) > 1 and not wanted.startswith(("Rebuilt", "proved")):
                assert glossary.entries(wanted), term


def test_a_search_finds_names_before_meanings_and_every_word_counts() -> None:
    assert glossary.entries("asr")[0][0] == "Backdoor success (ASR)"
    assert all("clean" in " ".join(one).casefold() for one in glossary.entries("clean removed"))
    assert glossary.entries("no such word at all") == []
    assert len(glossary.entries()) == len(glossary.TERMS) + len(words.FIGURES)


@pytest.mark.parametrize("screen", ["story", "attack", "scores", "flagged", "compare", "sensitivity", "how", "audit"])
def test_every_screen_has_its_button(finished_job: Job, open_screen, screen: str) -> None:
    app = fine(open_screen(screen, run=finished_job.key))
    assert app.sidebar.button("glossary").label == "Glossary"
    assert "ps-terms" not in printed.bodies(app) or screen == "how"


def test_the_button_opens_it_and_a_word_narrows_it() -> None:
    def sidebar() -> None:
        from pages.parts.around import glossary

        glossary.button()

    app = fine(AppTest.from_function(sidebar).run())
    fine(app.button("glossary").click().run())
    assert list(printed.definitions(printed.bodies(app))) == [printed.plain(term) for term, _ in glossary.entries()]


# --- the tour --------------------------------------------------------------------------------------------


def board(app: AppTest) -> dict:
    (found,) = [one for one in app.get("bidi_component") if one.proto.component_name == "poisonscope_tour"]
    return json.loads(found.proto.json)


def test_the_tour_has_six_hints_each_about_a_screen_that_there_is(finished_job: Job, open_screen) -> None:
    assert len(tour.HINTS) == 6
    assert all((Path(__file__).parents[2] / "pages" / f"{hint.screen}.py").is_file() for hint in tour.HINTS)
    assert board(fine(open_screen("scores", run=finished_job.key)))["asked"] == ""


def test_how_it_works_starts_it_again(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("how", run=finished_job.key))
    wishes = [fine(app.button("tour again").click().run()).session_state[tour.ASKED] for _ in range(2)]
    assert all(wishes)
    assert wishes[0] != wishes[1]


# --- how it works ----------------------------------------------------------------------------------------


def test_who_is_hurt_stands_first_and_the_svd_begins_with_its_picture(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("how", run=finished_job.key))
    assert app.markdown[0].value == explained.HURT
    assert explained.HURT.count(". ") == 0, "one sentence behind its question"
    assert "the longest axis, v" in printed.bodies(app)
