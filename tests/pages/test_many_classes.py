"""A run of a hundred classes: its screens stand, and classes in small are turned through and searched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Detection, Job
from core.results.result import Result
from pages.parts.around import cuts, shell, words
from pages.parts.scores import cards
from tests.pages import many, stored
from tests.pages.seen import fine, pictures, said, values

SCREENS = [Path(path).stem for path, *_ in shell.SCREENS]


@pytest.fixture
def hundred(own_home: object) -> Iterator[Job]:
    """A finished run of a hundred classes."""
    with many.on_the_menu():
        yield stored.finished(many.config())


def given(app: AppTest) -> dict[str, Any]:
    """What the component of the classes in small was given."""
    (board,) = [one for one in app.get("bidi_component") if one.proto.component_name == "poisonscope_cards"]
    found: dict[str, Any] = json.loads(board.proto.json)
    return found


def names(app: AppTest) -> list[str]:
    return [card["name"] for card in given(app)["cards"]]


def turned(app: AppTest, **asked: Any) -> AppTest:
    """The screen after the component has asked for a page or a name."""
    for name, value in asked.items():
        setattr(app.session_state[cards.TURNED], name, value)
    return fine(app.run())


def test_the_first_page_is_of_the_most_suspicious_and_each_class_is_on_one(hundred: Job, open_screen) -> None:
    app = fine(open_screen("scores", run=hundred.key))
    shown = given(app)
    assert (shown["page"], shown["pages"], shown["range"], shown["paged"]) == (1, 5, "1 to 20 of 100", True)
    assert [card["suspect"] for card in shown["cards"]] == [True] + [False] * 19
    gaps = [float(re.findall(r"gap (.*) to 1", card["says"])[0]) for card in shown["cards"]]
    assert gaps == sorted(gaps, reverse=True)
    seen = [name for number in range(1, 6) for name in names(turned(app, page=number))]
    assert sorted(seen) == sorted(core.class_names(many.NAME))
    assert given(app)["range"] == "81 to 100 of 100"


def test_a_class_that_comes_in_large_brings_its_page_and_a_move_of_the_cut_leaves_it(hundred: Job, open_screen) -> None:
    app = fine(open_screen("scores", run=hundred.key))
    last = names(turned(app, page=5))[-1]
    app.slider(key="budget slider").set_value(4).run()
    assert given(app)["page"] == 5
    turned(app, page=1)
    app.selectbox(key="class in large").set_value(int(last.split()[1])).run()
    assert given(app)["page"] == 5
    assert last in names(app)
    app = fine(open_screen("scores", run=hundred.key, **{"class": last.split()[1]}))
    assert last in names(app)


def test_a_search_narrows_the_pages_and_ends_where_a_class_in_large_is_not_in_it(hundred: Job, open_screen) -> None:
    app = turned(fine(open_screen("scores", run=hundred.key)), search="CLASS 1")
    assert given(app)["range"] == "1 to 19 of 19"
    assert all("1" in name for name in names(app))
    assert names(turned(app, search="no such")) == []
    assert given(app)["range"] == ""
    app.selectbox(key="class in large").set_value(50).run()
    assert given(app)["search"] == ""
    assert "class 50" in names(app)


def test_another_detector_orders_the_classes_anew(hundred: Job, open_screen) -> None:
    app = turned(fine(open_screen("scores", run=hundred.key)), page=4, search="class")
    app.selectbox(key="detector picker").set_value("loss-isolation").run()
    app.selectbox(key="detector picker").set_value("knn").run()  # has no opinion on classes
    shown = given(fine(app))
    assert (shown["page"], shown["search"]) == (1, "")
    assert [card["label"] for card in shown["cards"]] == list(range(20))


def test_named_classes_come_first_and_few_classes_stand_by_number() -> None:
    labels = np.repeat(np.arange(30), 2)
    statistic = np.arange(30.0)
    found = cuts.Scored(Detection(np.arange(60.0), class_statistic=statistic, class_threshold=27.5), labels, 30)
    assert cards.order(found) == list(range(29, -1, -1))
    few = labels < cards.PER_PAGE
    detection = Detection(np.arange(40.0), class_statistic=statistic, class_threshold=27.5)
    assert cards.order(cuts.Scored(detection, labels[few], 30)) == list(range(cards.PER_PAGE))


@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_stands_with_a_hundred_classes(hundred: Job, open_screen, screen: str) -> None:
    fine(open_screen(screen, run=hundred.key))


def test_compare_draws_the_matrices_as_pictures_and_the_classes_that_changed(hundred: Job, open_screen) -> None:
    app = fine(open_screen("compare", run=hundred.key))
    drawn = [picture["data"] for picture in pictures(app)]
    before, _ = [traces[0] for traces in drawn if traces[0]["type"] == "heatmap"]
    result = Result(hundred.config)
    answers = result.predictions("poisoned")[1].argmax(1)
    counts = core.report.confusion(answers, result.dataset.test_labels, many.CLASSES)
    assert before["x"] == before["y"] == list(core.class_names(many.NAME))
    cells = np.reshape(values(before["z"]), counts.shape)
    assert np.allclose(cells, 100 * counts / counts.sum(1, keepdims=True))
    assert "of the wrong answers" in said(app)
    assert "The 20 of 100 classes whose accuracy changed most" in said(app)
    assert len(drawn[-1][-1]["y"]) == 20


def test_of_many_named_classes_a_sentence_has_a_few() -> None:
    names = [f"class {number}" for number in range(100)]
    assert words.some(names) == ["class 0", "class 1", "class 2", "class 3", "class 4", "95 more"]
    assert words.some(names[:6]) == names[:6]
