"""Scoring of features that came from elsewhere: two files in, one table out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.cli.score import score_files
from core.detectors import detect
from core.types import BadRequest

SETTINGS: dict[str, Any] = dict(detector="spectral", parameters={}, assumed_ratio=0.1, multiplier=1.5, scope=None)


@pytest.fixture
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Features of four classes, of which class 2 has ten that lie apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    features = rng.normal(size=(400, 5)).astype(np.float32)
    features[np.flatnonzero(labels == 2)[:10], 3] += 15.0
    return features, labels


@pytest.fixture
def files(tmp_path: Path, arrays) -> tuple[Path, Path, Path]:
    features, labels = arrays
    np.save(tmp_path / "features.npy", features)
    np.save(tmp_path / "labels.npy", labels)
    return tmp_path / "features.npy", tmp_path / "labels.npy", tmp_path / "scores.csv"


def test_the_table_has_one_row_an_image_in_the_order_given(files, arrays):
    found = score_files(*files, **SETTINGS)
    table = pd.read_csv(files[2])
    assert list(table.columns) == ["id", "label", "score", "flagged"]
    assert table["id"].tolist() == list(range(400))
    assert table["label"].tolist() == arrays[1].tolist()
    np.testing.assert_allclose(table["score"], detect("spectral", *arrays).scores, rtol=1e-12)
    assert table["flagged"].dtype == bool
    assert (found.flagged, found.rows) == (table["flagged"].sum(), 400)


def test_every_class_loses_the_budget_and_the_ones_apart_are_among_them(files, arrays):
    score_files(*files, **SETTINGS)
    table = pd.read_csv(files[2])
    assert table.groupby("label")["flagged"].sum().tolist() == [15] * 4
    assert table["flagged"][np.flatnonzero(arrays[1] == 2)[:10]].all()


def test_a_detector_that_names_classes_flags_in_those_alone(files):
    settings = {**SETTINGS, "detector": "whitened-spectral"}
    found = score_files(*files, **{**settings, "parameters": {"threshold": 100.0}})
    assert (found.flagged, found.named) == (0, [])
    found = score_files(*files, **settings)
    table = pd.read_csv(files[2])
    assert (found.flagged, found.named) == (15, [2])
    assert set(table["label"][table["flagged"]]) == {2}


def test_small_integers_and_double_precision_are_taken_too(files, arrays):
    np.save(files[0], arrays[0].astype(np.float64))
    np.save(files[1], arrays[1].astype(np.uint8))
    assert score_files(*files, **SETTINGS).flagged == 60


def test_of_uneven_classes_each_loses_a_share_of_its_own_size(files, arrays):
    labels = np.repeat(np.arange(3), [300, 90, 10])
    np.save(files[1], labels)
    assert score_files(*files, **SETTINGS).flagged == 45 + 13 + 1
    table = pd.read_csv(files[2])
    assert table.groupby("label")["flagged"].sum().tolist() == [45, 13, 1]
    assert score_files(*files, **SETTINGS, epsilon_of="median_class").flagged == 13 + 13 + 10


def test_features_that_do_not_vary_flag_nothing(files):
    np.save(files[0], np.full((400, 5), 0.1))
    assert score_files(*files, **SETTINGS).flagged == 0


def bad_file(kind: str, path: Path) -> None:
    """Put something in a file's place that is no array of plain numbers."""
    if kind == "missing":
        path.unlink()
    elif kind == "a folder":
        path.unlink()
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("1,2,3\n")
    elif kind == "cut short":
        path.write_bytes(path.read_bytes()[:-20])
    elif kind == "header cut short":
        path.write_bytes(path.read_bytes()[:30])
    elif kind == "objects":
        np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    elif kind == "an archive":
        with path.open("wb") as file:
            np.savez(file, one=np.zeros((3, 2)), other=np.zeros(3))


BAD = ["missing", "a folder", "empty", "text", "cut short", "header cut short", "objects", "an archive"]


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("which", [0, 1], ids=["features", "labels"])
def test_a_file_that_is_no_array_is_refused_by_its_name_and_nothing_is_written(which, kind, files):
    bad_file(kind, files[which])
    with pytest.raises(BadRequest, match=files[which].name):
        score_files(*files, **SETTINGS)
    assert not files[2].exists()


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.zeros((4, 2)), np.zeros(3, int), r"got shapes \(4, 2\) and \(3,\)"),
        (np.zeros(4), np.zeros(4, int), r"features must be \[n, d\]"),
        (np.zeros((0, 2)), np.zeros(0, int), "labels must have at least one row"),
        (np.full((4, 2), np.nan), np.zeros(4, int), "features must be finite, .* 4 rows are not"),
        (np.zeros((4, 2)), np.full(4, 0.5), "labels must be whole numbers or text, got 0.5"),
        (np.zeros((4, 2)), np.full(4, -1), "no row has a label; all are -1"),
        (np.full((4, 2), "a"), np.zeros(4, int), "features must be real numbers"),
    ],
    ids=["lengths", "one axis", "empty", "nan", "fractions", "negative", "words"],
)
def test_arrays_that_cannot_be_scored_are_refused_and_nothing_is_written(features, labels, message, files):
    np.save(files[0], features)
    np.save(files[1], labels)
    with pytest.raises(BadRequest, match=message):
        score_files(*files, **SETTINGS)
    assert not files[2].exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(detector="autoencoder"), "unknown detector 'autoencoder'"),
        (dict(parameters={"threshold": 1}), "unknown settings"),
        (dict(assumed_ratio=2), "assumed_ratio: .*got 2"),
        (dict(multiplier=0), "multiplier: .*got 0"),
        (dict(scope="suspicious_class"), "does not name a suspicious class"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_do_not_fit_are_refused_before_any_file_is_read(change, message, tmp_path):
    nowhere = tmp_path / "nowhere.npy"
    with pytest.raises(BadRequest, match=message):
        score_files(nowhere, nowhere, nowhere, **{**SETTINGS, **change})


def test_a_detector_that_needs_more_takes_it_from_a_file_and_says_so_where_there_is_none(files):
    settings = {**SETTINGS, "detector": "loss-isolation"}
    with pytest.raises(BadRequest, match="loss-isolation needs losses: the losses of the training"):
        score_files(*files, **settings)
    losses = np.ones((2, 400), np.float32)
    losses[1, [2, 6]] = 0.01
    np.save(files[0].parent / "losses.npy", losses)
    score_files(*files, **settings, evidence={"losses": files[0].parent / "losses.npy"})
    scores = pd.read_csv(files[2])["score"]
    assert set(np.flatnonzero(scores > 1)) == {2, 6}
    with pytest.raises(
        BadRequest,
        match=r"unknown evidence \['loss'\]; allowed are \['attributions', 'entropies', 'images', 'losses'\]",
    ):
        score_files(*files, **settings, evidence={"loss": files[0].parent / "losses.npy"})
