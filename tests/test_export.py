"""A run's scores and decisions as files: they parse back, and hold what the screens show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core import configure
from core.configuration import stages
from core.evaluation import filter as filtering
from core.results import export, reviews
from core.results.result import Result
from core.store.stores import Store
from core.types import BadRequest, Detection

PLAIN = ["handle", "label", "label_name", "score", "rank", "flagged"]
TRUE = ["id", *PLAIN[1:], "dataset_row", "source_id", "source_name", "poisoned"]
CONFIG = configure(dataset="digits", target="two", ratio=0.2, training={"per_class": 20})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def finished(store: Store) -> Result:
    """A run on the real digits whose features are random numbers: nothing is trained."""
    run = Result(CONFIG, store)
    rng = np.random.default_rng(0)
    n = len(run.poisoned)
    features, logits = rng.normal(size=(n, 8)).astype(np.float32), rng.normal(size=(n, 10)).astype(np.float32)
    store.write("features", run.features_key, arrays={"features": features, "logits": logits}, document={})
    keep = filtering.keep_mask(run.detection(), run.poisoned.labels, CONFIG.defence)
    store.write("run", stages.run_key(CONFIG), arrays={"flagged": ~keep}, document={"nat1": 0.5})
    return Result(CONFIG, store)


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


def test_the_files_are_written_and_named(finished, tmp_path):
    written = export.files(finished, tmp_path / "deep" / "down")
    names = ["scores.csv", "scores.parquet", "flagged.csv", "flagged.parquet", "keep.txt"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "deep" / "down").iterdir()) == sorted(names)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("truth", [True, False], ids=["with truth", "without truth"])
def test_the_scores_parse_back_to_the_table_that_was_written(finished, tmp_path, kind, truth):
    export.files(finished, tmp_path, truth=truth)
    back = read(tmp_path / f"scores.{kind}")
    table = export.table(finished, finished.detection(), finished.flagged, truth=truth)
    assert list(back.columns) == (TRUE if truth else PLAIN)
    pd.testing.assert_frame_equal(back, table, check_dtype=kind == "parquet", rtol=1e-14)


def test_every_image_has_one_row_with_its_own_score_label_and_source(finished, tmp_path):
    export.files(finished, tmp_path)
    rows, poisoned = read(tmp_path / "scores.parquet").set_index("id").sort_index(), finished.poisoned
    assert rows.index.tolist() == list(range(len(poisoned)))
    assert np.array_equal(rows["score"], finished.detection().scores)
    assert np.array_equal(rows["label"], poisoned.labels)
    assert np.array_equal(rows["flagged"], finished.flagged)
    assert np.array_equal(rows["poisoned"], poisoned.truth.poisoned)
    assert np.array_equal(rows["source_id"], poisoned.source_ids)
    names = np.array(finished.dataset.class_names)
    assert rows["label_name"].tolist() == names[poisoned.labels].tolist()
    assert rows["source_name"].tolist() == names[poisoned.source_labels].tolist()
    assert np.array_equal(rows["dataset_row"][:200], finished.dataset.train_rows)
    assert rows["poisoned"].sum() == 4


def test_the_highest_score_stands_first(finished, tmp_path):
    export.files(finished, tmp_path)
    assert read(tmp_path / "scores.csv")["score"].is_monotonic_decreasing


def test_a_rank_counts_from_1_within_its_class(finished):
    table = export.table(finished, finished.detection(), finished.flagged)
    for _, rows in table.groupby("label"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["score"].is_monotonic_decreasing


def test_equal_scores_are_ranked_as_the_filter_takes_them(finished):
    labels = finished.poisoned.labels
    ties = Detection(np.zeros(len(labels)))
    flagged = filtering.flag(ties.scores, labels, 3, np.unique(labels))
    table = export.table(finished, ties, flagged)
    assert (table["flagged"] == (table["rank"] <= 3)).all()
    assert table["id"].tolist() == list(range(len(labels)))


def test_the_flagged_are_the_flagged(finished, tmp_path):
    export.files(finished, tmp_path)
    for kind in ("csv", "parquet"):
        rows = read(tmp_path / f"flagged.{kind}")
        assert rows["flagged"].all()
        assert sorted(rows["id"]) == np.flatnonzero(finished.flagged).tolist()
    assert len(rows) > 0


def test_the_keep_list_and_the_flagged_are_all_images_once(finished, tmp_path):
    export.files(finished, tmp_path)
    kept = np.loadtxt(tmp_path / "keep.txt", dtype=int)
    assert sorted([*kept, *read(tmp_path / "flagged.csv")["id"]]) == list(range(len(finished.poisoned)))
    assert (np.diff(kept) > 0).all()


def test_a_keep_list_is_one_id_a_line():
    assert export.keep_list(np.array([False, True, False, False])) == "0\n2\n3\n"
    assert export.keep_list(np.ones(3, bool)) == ""


def test_without_truth_nothing_in_the_table_tells_the_poison(finished):
    table = export.table(finished, finished.detection(), finished.flagged, truth=False)
    assert list(table.columns) == PLAIN
    handles = export.handles(finished)
    assert sorted(handles) == list(range(len(finished.poisoned)))
    assert np.array_equal(handles, export.handles(Result(CONFIG, finished.store)))  # the same in every export
    behind = handles[finished.poisoned.truth.poisoned]
    assert behind.min() < len(handles) / 2  # ids of stamped copies would be the highest
    scores = table.set_index("handle")["score"]
    assert np.array_equal(scores.loc[handles], finished.detection().scores)


def test_equal_scores_are_not_in_the_order_of_ids_without_truth(finished):
    ties = Detection(np.zeros(len(finished.poisoned)))
    table = export.table(finished, ties, finished.flagged, truth=False)
    assert table["handle"].tolist() == list(range(len(finished.poisoned)))
    for _, rows in table.groupby("label"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1)), "by handle, too"


def test_without_truth_there_is_no_keep_list(finished, tmp_path):
    written = export.files(finished, tmp_path, truth=False)
    assert [path.name for path in written] == ["scores.csv", "scores.parquet", "flagged.csv", "flagged.parquet"]
    assert not (tmp_path / "keep.txt").exists()


@pytest.mark.parametrize("truth", [True, False], ids=["with truth", "without truth"])
def test_what_reviewers_said_stands_beside_the_images(finished, truth):
    said = [
        reviews.Review(3, "Ada", "poisoned", "a corner", 1e9),
        reviews.Review(3, "Bo", None, "blurred", 1e9 + 1),
        reviews.Review(7, "Ada", "clean", "", 1e9),
        reviews.Review(10**6, "Ada", "clean", "", 1e9),  # of an image that this run does not have
    ]
    table = export.table(finished, finished.detection(), finished.flagged, truth=truth, reviews=said)
    assert list(table.columns) == [*(TRUE if truth else PLAIN), "reviewer", "verdict", "note", "reviewed"]
    assert len(table) == len(finished.poisoned) + 1  # image 3 twice
    numbers = np.arange(len(finished.poisoned)) if truth else export.handles(finished)
    by_image = table.set_index("id" if truth else "handle")
    both = by_image.loc[[numbers[3]]].set_index("reviewer")
    assert both.loc["Ada", ["verdict", "note"]].tolist() == ["poisoned", "a corner"]
    assert pd.isna(both.loc["Bo", "verdict"])
    assert both.loc["Ada", "reviewed"] == pd.Timestamp(1e9, unit="s", tz="UTC")
    assert by_image.loc[numbers[7], "verdict"] == "clean"
    assert table["reviewer"].notna().sum() == 3


def test_a_run_that_is_not_finished_has_nothing_to_export(store, tmp_path):
    with pytest.raises(BadRequest, match="not finished; there is nothing to export yet"):
        export.files(Result(CONFIG, store), tmp_path / "out")
    assert not (tmp_path / "out").exists()
