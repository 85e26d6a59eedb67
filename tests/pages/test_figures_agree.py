"""A figure that stands on two screens is one figure, and each says what it is of."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job
from core.jobs import requests
from core.results.result import Result
from pages.parts.sensitivity import layers
from tests.pages import stored
from tests.pages.test_sensitivity import fine, said, table

REFERENCES = ("random", "perfect")


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "attended", lambda job, start: job)


# --- guessing and knowing --------------------------------------------------------------------------------


def references(app: AppTest, column: str, names: dict[str, str]) -> dict[str, tuple[int, int]]:
    """#Pois left and Clean removed of the two reference filters in a table."""
    rows = table(app, column)
    return {one: tuple(int(rows.loc[name, figure]) for figure in ("#Pois left", "Clean removed"))
            for one, name in names.items()}  # fmt: skip


@pytest.mark.parametrize("seed", [0, 3])
def test_the_reference_filters_are_the_same_on_every_screen(own_home, open_screen, seed: int) -> None:
    job = stored.finished(stored.config(seed=seed))
    found = Result(job.config).summary["references"]
    expected = {one: (found[one]["poisons_left"], found[one]["clean_removed"]) for one in REFERENCES}
    assert expected["perfect"][1] == 0, "who knows removes no clean image"

    compare = fine(open_screen("compare", run=job.key, show="Other filters"))
    assert references(compare, "Filter", {one: f"{one} filter" for one in REFERENCES}) == expected
    scores = fine(open_screen("scores", run=job.key, plot="reference filters"))
    assert references(scores, "Filter", {one: one for one in REFERENCES}) == expected
    assumed = fine(open_screen("sensitivity", run=job.key, part="Assumed ε"))
    assert references(assumed, "Detector", {one: one for one in REFERENCES}) == expected
    detectors = fine(open_screen("sensitivity", run=job.key, part="Detectors"))
    assert references(detectors, "Detector", {"random": "random (chance)", "perfect": "perfect"}) == expected


def test_where_a_run_is_cut_at_its_gap_the_references_remove_as_many(gap_job: Job, open_screen) -> None:
    found = Result(gap_job.config).summary["references"]
    detectors = fine(open_screen("sensitivity", run=gap_job.key, part="Detectors"))
    assert references(detectors, "Detector", {"random": "random (chance)", "perfect": "perfect"}) == {
        one: (found[one]["poisons_left"], found[one]["clean_removed"]) for one in REFERENCES
    }


# --- the spectral gap ------------------------------------------------------------------------------------


def test_the_layers_say_where_the_poisoned_class_stands_in_this_run(finished_job: Job, open_screen) -> None:
    result = Result(finished_job.config)
    gaps = core.sensitivity.spectral_gaps(result.detection().spectrum)
    own = result.config.attack.target
    place = int((gaps > gaps[own]).sum()) + 1
    text = said(fine(open_screen("sensitivity", run=finished_job.key, part="Layers")))
    assert "stands apart" not in text
    assert f"**three** {gaps[own]:.2f}" in text
    assert ("the widest of 10" in text) == (place == 1)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([1.1, 1.85, 1.2, 1.70], "**three** 1.70, only the 2nd widest of 4; widest is one, 1.85"),
        ([1.1, 1.85, 1.2, 3.0], "**three** 3.00, the widest of 4; next is one, 1.85"),
        ([1.1, np.nan, 1.2, 1.15], "**three** 1.15, only the 2nd widest of 3; widest is two, 1.20"),
        ([1.1, 1.85, 1.2, np.nan], "the poisoned class has no gap here"),
    ],
)
def test_a_place_is_told_as_it_was_measured(finished_job: Job, gaps: list[float], expected: str) -> None:
    assert layers.place(Result(finished_job.config), np.array(gaps)) == expected


def test_a_clean_set_has_no_poisoned_class_to_place(own_home) -> None:
    job = stored.finished(stored.config(ratio=0.0))
    told = layers.place(Result(job.config), np.array([1.1, 1.85, 1.2]))
    assert told == "nothing was poisoned; widest is one, 1.85"


def test_where_every_class_is_poisoned_there_is_none_to_compare_with(own_home) -> None:
    job = stored.finished(stored.config(labels="all_to_all"))
    assert "no benign one to compare" in layers.place(Result(job.config), np.linspace(1, 2, 10))


# --- of one class, of all classes ------------------------------------------------------------------------


def curves(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html") if "ps-curve" in element.proto.body)


def test_each_figure_of_the_scores_says_whether_it_is_of_one_class_or_of_all(finished_job: Job, open_screen) -> None:
    result = Result(finished_job.config)
    found, truth = result.summary, result.poisoned.truth.poisoned
    members = result.poisoned.labels == result.config.attack.target
    here = core.metrics.found(result.flagged[members], truth[members])
    assert found["fpr"] != here.fpr, "or there would be nothing to tell apart"

    app = fine(open_screen("scores", run=finished_job.key))
    tiles = {metric.label: metric for metric in app.metric}
    assert tiles["FPR"].value == f"{100 * found['fpr']:.1f}%"
    assert "of all classes together" in tiles["FPR"].help
    assert f"**All classes together**: {found['flagged']:,} images flagged" in said(app)
    assert f"the **{found['budget']:,}** highest scores of every class" in said(app)
    assert "among the images labelled three" in said(app), "AUROC and AP are of one class"
    assert f"this cut in three: TPR {here.tpr:.1%}, FPR {here.fpr:.1%}" in curves(app)
    assert "FPR: benign of three removed" in curves(app)
    (drawn,) = [one for one in app.get("bidi_component") if one.proto.component_name == "poisonscope_histogram"]
    assert f"{here.flagged:,} removed from three" in str(drawn.proto)


def test_where_only_named_classes_are_cut_that_is_said(own_home, open_screen) -> None:
    job = stored.finished(stored.config(detector="whitened-spectral"))
    assert "of three, the class that the detector names" in said(fine(open_screen("scores", run=job.key)))


def test_blind_review_is_told_what_goes_and_nothing_of_the_classes_that_hold_poison(finished_job: Job, open_screen):
    text = said(fine(open_screen("scores", run=finished_job.key, truth="0")))
    assert "**All classes together**" in text
    assert "AUROC" not in text
