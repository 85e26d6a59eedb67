"""The Story screen, the recorded run behind it, and presenter mode."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job, jobs
from pages.parts.around import cuts, plots, words
from pages.parts.common import sees
from pages.parts.story import pictures
from tests.pages import stored
from tests.pages.conftest import Open


def told(app: AppTest) -> str:
    """All HTML on the screen."""
    return " ".join(element.proto.body for element in app.get("html"))


def test_the_first_start_tells_the_recorded_run(open_screen: Open, recording: str) -> None:
    app = open_screen("story")
    assert not app.exception
    assert [title.value for title in app.title] == ["See a backdoor in a training set"]
    text, summary = told(app), core.Result(core.recorded.runs()[0][1]).summary
    assert summary is not None
    assert text.count("<article>") == 5
    for share in ("nat1", "asr1", "nat2", "asr2"):
        assert f"{100 * summary[share]:.1f}%" in text
    assert f"{summary['poisons'] - summary['poisons_left']} of {summary['poisons']}" in text
    assert "A recorded run" in app.markdown[0].value


def test_one_primary_action(open_screen: Open, recording: str) -> None:
    app = open_screen("story")
    assert [button.label for button in app.button if button.proto.type == "primary"] == ["Poison a training set"]


def test_it_tells_the_run_that_the_address_names(open_screen: Open, finished_job: Job) -> None:
    app = open_screen("story", run=finished_job.key)
    summary = core.Result(finished_job.config).summary
    assert summary is not None
    assert f"{100 * summary['asr1']:.1f}%" in told(app)
    assert "A run made here" in app.markdown[0].value


def test_a_cut_at_the_gap_is_told_as_one(open_screen: Open, gap_job: Job) -> None:
    app = open_screen("story", run=gap_job.key)
    removed = core.Result(gap_job.config).summary["flagged"]
    assert (
        f"the two groups of the class three part, with no number of poisoned images assumed; this removed {removed}"
        in told(app)
    )
    assert "ε" not in told(app)
    assert "detector *whitened-spectral at the gap*" in app.markdown[0].value


def test_the_clean_control_has_a_story_too(open_screen: Open) -> None:
    job = stored.finished(stored.config(ratio=0.0))
    app = open_screen("story", run=job.key)
    assert not app.exception
    assert "Nothing is stamped" in told(app)


def test_the_control_has_nothing_to_undo(open_screen: Open) -> None:
    text = told(open_screen("story", run=stored.finished(stored.config(ratio=0.0)).key))
    assert "3. The first network" in text
    assert "With a trigger that it never met it says <b>three</b> for" in text
    assert "There was nothing to undo." in text
    assert not [word for word in ("fooled network", "lost its power", "still works", "went with them") if word in text]


def test_an_attack_that_did_not_take_is_not_called_fooling(open_screen: Open) -> None:
    job = stored.finished(stored.config(), asr1=0.04)
    text, before = told(open_screen("story", run=job.key)), words.share(core.Result(job.config).summary["asr1"])
    assert "3. The first network" in text
    assert f"There was little to undo: before, the trigger worked on {before}." in text
    assert "lost its power" not in text


def test_an_attack_from_one_class_is_told_by_that_class(open_screen: Open) -> None:
    job = stored.finished(stored.config(source="seven", cover_ratio=1.0))
    found, text = core.Result(job.config).summary, told(open_screen("story", run=job.key))
    works, of_all = (words.share(found[name]) for name in ("source_asr1", "asr1"))
    assert works != of_all
    assert "3. The fooled network" in text
    assert f"for {works} of those of the class seven, and for {of_all} of all." in text
    assert "ASR of the class seven after removing them" in text
    assert "whatever is in the picture" not in text


def test_where_nothing_was_removed_nothing_is_trained_anew(open_screen: Open) -> None:
    text = told(open_screen("story", run=stored.finished(stored.config(), asr2=0.9, removes=False).key))
    assert "5. The same network" in text
    assert "training anew" not in text
    assert "The trigger still works." in text


def test_a_poisoned_run_without_its_pictures_is_no_control(open_screen: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    job = stored.finished(stored.config())
    monkeypatch.setattr(pictures, "stamped", lambda result: None)
    text = told(open_screen("story", run=job.key))
    assert "Nothing is stamped" not in text
    assert f">{core.Result(job.config).summary['poisons']}<small>images get the pattern trigger" in text


def test_blind_review_is_told_nothing(open_screen: Open, finished_job: Job) -> None:
    app = open_screen("story", run=finished_job.key, truth="0")
    assert "<article>" not in told(app)
    assert "blind review" in app.info[0].value
    app.toggle(key="truth switch").set_value(True).run()
    assert "<article>" in told(app)


def test_a_run_without_its_data_says_so(open_screen: Open, finished_job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.datasets, "available", lambda name: False)
    app = open_screen("story", run=finished_job.key)
    assert "images that it is about are not at hand" in app.warning[0].value


def test_a_damaged_recording_does_not_keep_the_app_from_opening(
    open_screen: Open, recording: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recorded"
    shutil.copytree(core.recorded.FOLDER, folder)
    (folder / "arrays.npz").write_bytes(b"no archive")
    monkeypatch.setattr(core.recorded, "FOLDER", folder)
    app = open_screen("story")
    assert not app.exception
    assert "arrays.npz" in app.warning[0].value


def test_a_recorded_run_that_was_damaged_in_the_store_is_unpacked_again(open_screen: Open, recording: str) -> None:
    open_screen("story")
    core.Store().delete("run", recording)
    import streamlit

    streamlit.cache_resource.clear()
    app = open_screen("story")
    assert not app.warning
    assert told(app).count("<article>") == 5
    (job, *_) = jobs.listing(start=False)
    assert job.attempts == 0


# --- presenter mode --------------------------------------------------------------------------------------


def test_the_switch_turns_presenting_on(open_screen: Open, recording: str) -> None:
    app = open_screen("story")
    app.toggle(key="presenter switch").set_value(True).run()
    assert app.query_params["present"] == "1"


# --- the fourth step: what the run's detector sees -------------------------------------------------------


def test_every_detector_is_told_in_its_own_words() -> None:
    assert set(sees.SEES) == set(core.DETECTORS)
    for name in core.DETECTORS:
        defence = core.DefenceConfig(detector=name)
        assert "horse" in sees.along(defence, "horse"), name
        assert "{" not in sees.along(defence, "horse"), name
    assert "top 10 singular directions" in sees.along(core.DefenceConfig(detector="spectral-top-k"), "horse")


@pytest.mark.parametrize(
    ("detector", "title", "says"),
    [
        ("spectral", "What the SVD sees", "along the top singular direction of the images labelled <b>three</b>"),
        ("whitened-spectral", "What the SVD sees", "once the images labelled <b>three</b> are whitened"),
        ("activation-clustering", "What the detector sees", "cut in two by 2-means"),
        ("isolation-forest", "What the detector sees", "how few random cuts"),
    ],
)
def test_the_fourth_step_is_that_detectors(open_screen: Open, detector: str, title: str, says: str) -> None:
    job = stored.finished(stored.config(detector=detector))
    text = told(open_screen("story", run=job.key))
    assert f"4. {title}" in text
    assert says in text


def test_the_histogram_stands_on_the_scale_of_the_scores_screen(open_screen: Open, recording: str) -> None:
    text = told(open_screen("story"))
    result = core.Result(core.recorded.runs()[0][1])
    found = cuts.Scored(result.detection(), result.poisoned.labels, result.dataset.classes)
    assert not found.spans_orders
    assert "outlier score (linear) →" in text
    axis = plots.axis(found.scores, found.spans_orders)
    gone = found.scores[result.flagged & (found.labels == result.config.attack.target)].min()
    assert f"class='ps-cut' style='left:{100 * float(axis.share(gone)):.1f}%'" in text
    assert f">{plots.figure_text(axis.ticks()[0])}</span>" in text


def test_scores_that_span_orders_of_magnitude_are_named_log(open_screen: Open, monkeypatch) -> None:
    monkeypatch.setattr(cuts.Scored, "spans_orders", True)
    job = stored.finished(stored.config())
    assert "outlier score (log) →" in told(open_screen("story", run=job.key))
