"""The Scores screen: what it shows follows the cut, agrees with core, and keeps the truth where it belongs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

import core
from core import Detection, Job
from core.results import Result
from pages.parts import cuts, plots, words
from tests.pages import stored

TELLING = re.compile(r"poison|✕|TPR|FPR|recall|precision|AUROC|ASR|benign ●|true positive", re.IGNORECASE)
SCREEN_WIDE_WORDS = ("What happens here", "Where does the SVD")  # the same for every run


def figures(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def expected(job: Job, cut: cuts.Cut) -> dict[str, str]:
    """The figures as core says them."""
    result = Result(job.config)
    labels, truth = result.poisoned.labels, result.poisoned.truth.poisoned
    detection = result.detection(cuts.defence_of(result, cut.detector))
    classes = core.filter.suspicious_classes(labels, detection, cut.scope)
    found = core.metrics.found(core.filter.flag(detection.scores, labels, cut.budget, classes), truth)
    ranking = core.metrics.ranking(detection.scores, labels, truth, job.config.attack.target)

    def share(value: float | None) -> str:
        return words.share(None) if value is None else f"{100 * value:.1f}%"

    return {
        "ASR1": share(result.summary["asr1"]),
        "TPR (recall)": share(found.tpr),
        "FPR": share(found.fpr),
        "Precision": share(found.precision),
        "#Pois left": f"{found.poisons_left} of {found.poisons}",
        "Flagged": str(found.flagged),
        "Clean removed": f"{found.clean_removed:,}",
        "AUROC": share(ranking.auroc),
        "Avg. precision": share(ranking.average_precision),
    }


def drawn_text(app: AppTest) -> str:
    """Everything that the main part shows, charts included, but for the explanations that every run has."""
    texts = []
    for element in app.main:
        if element.type in ("main", "expander"):
            continue
        text = str(element.proto) if hasattr(element, "proto") else str(element)
        if not any(known in text for known in SCREEN_WIDE_WORDS):
            texts.append(re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))
    return "\n".join(texts)


def test_begins_with_the_runs_own_cut(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    assert not app.exception
    assert figures(app) == expected(finished_job, cuts.Cut("spectral", 22, "every_class"))
    assert app.slider(key="budget slider").value == app.number_input(key="budget number").value == 22


def test_slider_and_number_move_together_and_the_figures_with_them(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    before = figures(app)
    app.slider(key="budget slider").set_value(40).run()
    assert figures(app) == expected(finished_job, cuts.Cut("spectral", 40, "every_class")) != before
    assert app.number_input(key="budget number").value == 40
    assert app.query_params["budget"] == "40"
    app.number_input(key="budget number").set_value(0).run()
    assert figures(app)["Flagged"] == "0"
    assert app.slider(key="budget slider").value == 0
    largest = app.slider(key="budget slider").max
    app.slider(key="budget slider").set_value(largest).run()
    assert figures(app)["TPR (recall)"] == "100.0%"
    assert figures(app)["FPR"] == "100.0%"


def test_back_to_the_usual_budget(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key, budget="7")
    assert app.slider(key="budget slider").value == 7
    next(button for button in app.button if "1.5" in button.label).click().run()
    assert app.slider(key="budget slider").value == 22
    assert "budget" not in app.query_params


@pytest.mark.parametrize("detector", list(core.DETECTORS))
def test_every_detector_scores_at_once(finished_job: Job, open_screen, detector: str) -> None:
    app = open_screen("scores", run=finished_job.key)
    app.selectbox(key="detector picker").set_value(detector).run()
    assert not app.exception
    cut = cuts.usual(Result(finished_job.config), detector)
    assert figures(app) == expected(finished_job, cut)
    if len(cuts.scopes(detector)) > 1:
        picker = next(group for group in app.get("button_group") if group.key == "scope picker")
        assert picker.value == cut.scope


def test_what_the_address_names_wrongly_is_passed_over(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key, detector="no such", budget="-3", scope="moon")
    assert not app.exception
    assert figures(app) == expected(finished_job, cuts.Cut("spectral", 22, "every_class"))
    app = open_screen("scores", run=finished_job.key, budget="99999999")
    assert app.slider(key="budget slider").value == app.slider(key="budget slider").max


def test_reference_filters_spend_the_same_budget(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    table = app.dataframe[0].value.set_index("Filter")
    assert table.loc["random", "Flagged"] == table.loc["this cut", "Flagged"] == 220
    assert table.loc["perfect", "TPR"] == "100.0%"
    assert table.loc["perfect", "Clean removed"] == 0


def test_blind_review_tells_nothing(finished_job: Job, open_screen) -> None:
    seen = open_screen("scores", run=finished_job.key)
    assert TELLING.search(drawn_text(seen))
    app = open_screen("scores", run=finished_job.key, truth="0")
    assert app.toggle(key="truth switch").value is False
    assert set(figures(app)) == {"Flagged", "Of all images", "Classes cut"}
    assert not app.dataframe
    told = TELLING.search(drawn_text(app))
    assert told is None, drawn_text(app)[max(0, told.start() - 200) : told.end() + 100]
    app.toggle(key="truth switch").set_value(True).run()
    assert "TPR (recall)" in figures(app)
    assert "truth" not in app.query_params


def test_a_backdoor_that_was_not_learned_is_said(open_screen) -> None:
    job = stored.finished(stored.config(), asr1=0.1)
    app = open_screen("scores", run=job.key)
    assert any("hardly learned" in warning.value for warning in app.warning)


def test_no_run_says_what_to_do(open_screen) -> None:
    app = open_screen("scores")
    assert not app.exception
    assert "No run is chosen" in app.info[0].value


def test_damaged_features_are_said_and_the_attack_screen_offered(finished_job: Job, open_screen) -> None:
    result = Result(finished_job.config)
    artefact = result.store.read("features", result.features_key)
    (artefact.folder / "features.npy").write_bytes(b"broken")
    app = open_screen("scores", run=finished_job.key, detector="spectral-released")
    assert not app.exception
    assert "set aside" in app.warning[0].value
    assert any(button.label == "Run again" for button in app.button)
    assert not app.metric


# --- the parts -------------------------------------------------------------------------------------------


@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    log=st.booleans(),
    data=st.data(),
)
def test_every_image_stands_in_one_bar(scores: list[float], log: bool, data: st.DataObject) -> None:
    values = np.array(scores)
    truth = np.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))))
    axis = plots.axis(values, log)
    seen, blind = plots.bars(values, truth, axis, 20), plots.bars(values, None, axis, 20)
    assert seen.benign.sum() == (~truth).sum()
    assert seen.poisoned.sum() == truth.sum()
    assert (seen.benign + seen.poisoned == blind.benign).all()
    assert np.allclose(axis.score(axis.place(values)), values, rtol=1e-6, atol=1e-9)


@given(data=st.data(), count=st.integers(0, 12))
def test_the_cut_line_separates_flagged_from_kept(data: st.DataObject, count: int) -> None:
    size = data.draw(st.integers(1, 30))
    scores = np.array(data.draw(st.lists(st.floats(0, 1e5), min_size=size, max_size=size, unique=True)))
    found = cuts.Scored(Detection(scores), np.zeros(size, np.int64), 1)
    flagged = cuts.flag(found, cuts.Cut("spectral", count, "every_class"))
    axis = plots.axis(scores, log=False)
    place = plots.cut_place(found, 0, flagged, axis)
    if place is None:
        assert not flagged.any()
    else:
        assert (axis.place(scores[flagged]) >= place).all()
        assert (axis.place(scores[~flagged]) <= place).all()


@given(data=st.data())
def test_ranks_agree_with_the_filter(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40))
    scores = np.array(data.draw(st.lists(st.integers(0, 5), min_size=size, max_size=size)), float)
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)))
    found = cuts.Scored(Detection(scores), labels, 3)
    for budget in (0, 1, 3, size):
        flagged = cuts.flag(found, cuts.Cut("spectral", budget, "every_class"))
        assert (flagged == (found.ranks <= budget)).all()


def test_a_named_class_is_marked_and_blind_cards_have_one_kind_of_bar() -> None:
    scores, labels = np.arange(20.0), np.repeat([0, 1], 10)
    detection = Detection(scores, class_statistic=np.array([1.0, 9.0]), class_threshold=5.0)
    found = cuts.Scored(detection, labels, 2)
    cards = plots.small_multiples(found, ("cat", "d<g"), None, plots.axis(scores, True), False)
    assert found.suspects == [1]
    assert "NAMED: 9.0, limit 5.0" in cards
    assert "d&lt;g" in cards
    assert "class='ps-images-bar'" in cards
    assert "class='ps-poisoned-bar'" not in cards
