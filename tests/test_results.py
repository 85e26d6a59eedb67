"""What is read back of a run: all of it when it is finished, and what is there of it before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import pipeline
from core.configuration import stages
from core.configuration.config import DefenceConfig, RunConfig
from core.configuration.settings import configure
from core.evaluation import filter as filtering
from core.results import detections
from core.results.result import Result, summarise
from core.store.stores import Store
from core.types import Cancelled, Detection, Event


def config(**settings: Any) -> RunConfig:
    training = {"per_class": 20, "epochs": 1, "batch_size": 20}
    usual = dict(dataset="digits", trigger="pattern", target=3, ratio=0.3, assumed_ratio=0.3, training=training)
    return configure(**(usual | settings))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with one finished run and its benign reference."""
    found = Store(tmp_path_factory.mktemp("results"))
    pipeline.run(config(), found)
    pipeline.benign(config(), found)
    return found


@pytest.fixture
def result(store: Store) -> Result:
    return Result(config(), store)


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr(pipeline, "train", refuse)


def test_everything_has_a_row_an_image(result: Result) -> None:
    total = 200 + 6
    assert len(result.poisoned) == total
    assert result.features is not None
    assert result.features.shape == (total, 64)
    assert result.logits is not None
    assert result.logits.shape == (total, 10)
    found = result.detection()
    assert found is not None
    assert found.scores.shape == (total,)
    assert found.scores.dtype == np.float64
    assert result.flagged is not None
    assert result.flagged.shape == (total,)
    assert result.flagged.dtype == bool


def test_quality_is_the_summary_s(result: Result) -> None:
    assert result.summary is not None
    for which, number in (("poisoned", 1), ("clean", 2)):
        quality = result.quality(which)
        assert quality is not None
        assert (quality.nat, quality.asr) == (result.summary[f"nat{number}"], result.summary[f"asr{number}"])
        assert quality.per_class == result.summary[f"per_class{number}"]
        assert len(result.history(which)) == 1


def test_the_benign_reference(result: Result) -> None:
    assert result.model_key("benign") == stages.model_key(stages.benign(config()))
    assert len(result.history("benign")) == 1
    predictions = result.predictions("benign")
    assert predictions is not None
    assert [logits.shape for logits in predictions] == [(296, 10), (296, 10)]
    poisoned = result.predictions("poisoned")
    assert poisoned is not None
    assert (predictions[0] != poisoned[0]).any()


def test_another_detector_scores_without_training(result: Result, store: Store, no_training: None) -> None:
    other = DefenceConfig(detector="spectral-released", assumed_ratio=0.3)
    key = stages.scores_key(result.features_key, other)
    assert not store.has("scores", key)
    found = result.detection(other)
    assert found is not None
    assert store.has("scores", key)
    again = result.detection(other)
    assert again is not None
    np.testing.assert_array_equal(again.scores, found.scores)
    mine = result.detection()
    assert mine is not None
    assert (mine.scores != found.scores).any()


@pytest.mark.parametrize("detector", ["spectral", "whitened-spectral"])
def test_a_detection_comes_back_as_it_was(result: Result, detector: str) -> None:
    from core.detectors import detect

    defence = DefenceConfig(detector=detector)
    assert result.features is not None
    fresh = detect(detector, result.features, result.poisoned.labels, result.logits, defence.parameters)
    for stored in (result.detection(defence), result.detection(defence)):
        assert stored is not None
        np.testing.assert_array_equal(stored.scores, fresh.scores)
        assert stored.class_threshold == fresh.class_threshold
        for name in ("class_statistic", "spectrum"):
            mine, theirs = getattr(stored, name), getattr(fresh, name)
            assert (mine is None) == (theirs is None)
            if mine is not None:
                np.testing.assert_array_equal(mine, theirs)


def test_nothing_is_there_of_what_never_ran(tmp_path: Path) -> None:
    nothing = Result(config(), Store(tmp_path))
    assert nothing.summary is None
    assert nothing.flagged is None
    assert nothing.features is None
    assert nothing.logits is None
    assert nothing.detection() is None
    assert nothing.model_key("clean") is None
    assert nothing.model_key("poisoned") == stages.model_key(config())
    for which in ("poisoned", "clean", "benign"):
        assert nothing.history(which) == []
        assert nothing.predictions(which) is None
        assert nothing.quality(which) is None
    assert len(nothing.poisoned) == 206


def test_half_a_run_can_be_read(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def watch(event: Event) -> None:
        if event.stage == "retrain":
            raise Cancelled("before the second training")

    with pytest.raises(Cancelled):
        pipeline.run(config(), store, watch)
    half = Result(config(), store)
    assert half.summary is None
    assert half.model_key("clean") is None
    assert half.detection() is not None
    assert half.quality("poisoned") is not None
    assert len(half.history("poisoned")) == 1
    assert half.quality("clean") is None


def test_a_damaged_summary_is_none(tmp_path: Path, result: Result) -> None:
    store = Store(tmp_path)
    key = stages.run_key(config())
    assert result.summary is not None
    artefact = store.write("run", key, document=result.summary)
    path = artefact.folder / "document.json"
    path.write_text(path.read_text().replace('"asr1"', '"asr3"'))
    assert Result(config(), store).summary is None
    assert not store.has("run", key)


def test_a_cut_at_the_gap_has_neither_epsilon_nor_budget(result: Result) -> None:
    found = result.detection(DefenceConfig(detector="whitened-spectral"))
    quality = result.quality("poisoned")
    assert found is not None
    assert quality is not None
    for cut, known in (("budget", True), ("gap", False)):
        wanted = config(detector="whitened-spectral", cut=cut)
        keep = filtering.keep_mask(found, result.poisoned.labels, wanted.defence)
        summary = summarise(wanted, result.dataset, result.poisoned, found, ~keep, quality, quality)
        assert (summary["epsilon"] is not None) == (summary["budget"] is not None) == known
        assert summary["flagged"] == (~keep).sum()
        assert summary["config"]["defence"]["cut"] == cut


def test_what_a_run_removed_is_counted_by_class(result: Result, tmp_path: Path) -> None:
    assert result.flagged is not None
    assert result.removed == dict.fromkeys(range(10), 9)  # 1.5 times 30% of 20
    assert sum(result.removed.values()) == result.flagged.sum()
    assert Result(config(), Store(tmp_path)).removed is None


def test_what_could_not_be_judged_is_stored_with_the_scores_and_takes_no_place_where_all_was(tmp_path) -> None:
    store = Store(tmp_path)
    words = Detection(np.zeros(4), unjudged=np.array([True, False]), notes=("1 class is too small to judge",))
    for key, found in (("a" * 64, words), ("b" * 64, Detection(np.arange(4.0)))):
        detections.keep(store, key, found)
        again = detections.kept(store, key)
        assert (again.notes, again.unjudged is None) == (found.notes, found.unjudged is None)
    assert again.notes == ()
    assert set(store.read("scores", "b" * 64).document) >= {"arrays", "class_threshold"}
    assert "notes" not in store.read("scores", "b" * 64).document
