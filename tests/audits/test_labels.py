"""Likely label errors: told with the class that they look like, never as poison; and silence where nothing is known."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import core
from core import audits, datasets
from core.audits import mislabelled, noise, represented
from core.audits.finding import Judged
from core.audits.given import given
from core.configuration import DatasetConfig
from core.detectors import members
from core.types import Detection, Finding
from tests.detectors import planted
from tests.detectors.pictures import photographs
from tests.traced import memory
from tests.trainings import HALF, trainings_made_lean

NAMES, EACH = ("ant", "bee", "cat", "dog", "elk"), 130
TRUE = np.repeat(np.arange(len(NAMES)), EACH)


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return photographs(len(TRUE), 16, seed=3)


def features(seed: int = 0) -> np.ndarray:
    return planted.clean(seed, (EACH,) * len(NAMES))[0].astype(np.float32)


def moved(count: int, origin: int, to: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which some of one class are called another; and which."""
    able = np.flatnonzero(origin == TRUE)
    rows = np.random.default_rng(seed).choice(able, count, replace=False)
    labels = TRUE.copy()
    labels[rows] = to
    return labels, np.sort(rows)


def named(labels: np.ndarray) -> list[str]:
    return [NAMES[label] for label in labels]


def of(told: audits.Audit, cause: str) -> list[audits.Found]:
    return [one for one in told.findings if one.cause == cause]


@pytest.fixture(scope="module")
def confused(photos: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[audits.Audit, np.ndarray]:
    labels, rows = moved(12, 0, 3)
    store = core.Store(tmp_path_factory.mktemp("store"))
    return core.audit(photos, named(labels), features=features(), store=store), rows


def test_errors_of_one_origin_are_told_with_their_class_and_nothing_is_accused(
    confused: tuple[audits.Audit, np.ndarray],
) -> None:
    told, rows = confused
    (found,) = of(told, "labels")
    assert found.classes == ("dog",)
    assert set(found.ids) == set(rows)
    assert set(found.looks_like) == {"ant"}
    assert found.sentence == "12 images of class dog look like class ant. Their labels are likely errors."
    assert told.named == ()
    assert not told.flagged.any()
    assert not of(told, "group"), "the second kind of dogs are the errors"
    assert told.reasons[int(rows[0])] == "labels: looks like class ant"


def test_they_are_in_every_file(confused: tuple[audits.Audit, np.ndarray]) -> None:
    told, rows = confused
    issues = pd.read_csv(io.BytesIO(audits.FILES["issues.csv"](told)))
    assert np.flatnonzero(issues["is_label_issue"]).tolist() == rows.tolist()
    wrong = issues.loc[issues["is_label_issue"]]
    assert set(wrong["predicted_label"]) == {"ant"}
    assert set(wrong["given_label"]) == {"dog"}
    assert issues["label_score"].between(0, 1).all()
    assert wrong["label_score"].max() < 0.5 <= issues.loc[~issues["is_label_issue"], "label_score"].min()
    rest = issues.loc[~issues["is_label_issue"]]
    assert (rest["predicted_label"] == rest["given_label"]).all()
    table = list(csv.DictReader(io.StringIO(audits.FILES["audit.csv"](told).decode())))
    assert [row for row, line in enumerate(table) if line["reason"] == "labels: looks like class ant"] == rows.tolist()
    (found,) = [one for one in json.loads(audits.FILES["audit.json"](told))["findings"] if one["cause"] == "labels"]
    assert found["looks_like"] == ["ant"] * len(rows)
    assert len(found["images"]) == len(rows)
    page = audits.FILES["report.html"](told).decode()
    assert page.count("dog, looks like ant") == len(rows)
    assert audits.FILES["keep.txt"](told).count(b"\n") == len(TRUE), "an error is no poison: nothing is removed"


def test_of_right_labels_none_is_doubted(photos: np.ndarray) -> None:
    told = core.audit(photos, named(TRUE), features=features(1))
    assert not of(told, "labels")
    issues = pd.read_csv(io.BytesIO(audits.FILES["issues.csv"](told)))
    assert not issues["is_label_issue"].any()
    assert (issues["label_score"] > 0.5).all()


def test_what_the_panel_flags_is_the_backdoors_and_errors_are_told_among_the_others(photos: np.ndarray) -> None:
    generator = np.random.default_rng(1)
    labels, errors = moved(10, 0, 1)
    poison = generator.choice(np.flatnonzero((TRUE != 3) & (labels == TRUE)), 14, replace=False)
    labels[poison] = 3
    marked = photos.copy()
    marked[poison, 12:14, 12:14] = (255, 255, 0)
    told = core.audit(marked, named(labels), features=features())  # to which poison is but a wrong label
    assert told.named == ("dog",)
    assert set(np.flatnonzero(told.flagged)) == set(poison)
    meant = np.concatenate([one.ids for one in of(told, "labels")])
    assert set(meant) == set(errors)
    assert "labels" not in told.reasons[int(poison[0])]


def test_a_class_named_by_features_alone_is_not_accused_where_one_confusion_explains_it(photos: np.ndarray) -> None:
    labels, rows = moved(30, 0, 3)
    brought = given(photos, named(labels))
    doubted = mislabelled.Doubts(np.arange(len(TRUE)), (labels != TRUE) * 0.9, TRUE)
    flagged = labels != TRUE

    def judged(test: str) -> Judged:
        one = Finding(3, test, "", None, 1e-9, rows, "two kinds of images")
        return Judged(np.arange(len(TRUE)), Detection(np.zeros(len(TRUE)), findings=(one,)), flagged)

    assert not mislabelled.spared(brought, judged("split-spectral"), doubted).flagged.any()
    assert mislabelled.spared(brought, judged("mirror"), doubted).flagged.sum() == 30, "a mark was seen"
    several = replace(doubted, likely=np.where(flagged, np.arange(len(TRUE)) % 3, TRUE))
    assert mislabelled.spared(brought, judged("split-spectral"), several).flagged.sum() == 30, "no one confusion"
    unsure = replace(doubted, likely=labels)
    assert mislabelled.spared(brought, judged("split-spectral"), unsure).flagged.sum() == 30, "they look like dogs"


def test_they_are_looked_for_once_where_what_is_flagged_has_another_reason(
    photos: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, marked = moved(10, 0, 1)[0], photos.copy()
    marked[np.flatnonzero(TRUE == 3)[:14], 12:14, 12:14] = (255, 255, 0)
    judged, count = noise.judged, list[int]()
    monkeypatch.setattr(noise, "judged", lambda seen, *rest: (count.append(len(seen)), judged(seen, *rest))[1])
    told = core.audit(marked, named(labels), features=features())
    assert told.named == ("dog",)
    assert len(of(told, "labels")) == 1
    assert count == [len(TRUE) - 14], "without what the panel flags"


def test_a_cancel_ends_the_search_on_its_way(photos: np.ndarray) -> None:
    heard: list[float] = []

    def tell(done: float, of: str) -> None:
        if of == "looking for label errors":
            heard.append(done)
            if len(heard) == 4:
                raise core.Cancelled("enough")

    with pytest.raises(core.Cancelled, match="enough"):
        core.audit(photos, named(moved(12, 0, 3)[0]), features=features(), tell=tell)
    assert heard == sorted(set(heard))


def test_features_in_a_file_are_looked_at_in_blocks(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, width = 20_000, 1_024
    held = np.random.default_rng(1).normal(size=(count, width)).astype(np.float32)
    held[7], held[:, 3] = np.nan, 0.1
    np.save(tmp_path / "features.npy", held)
    brought = given(np.zeros((count, 4, 4, 3), np.uint8), np.arange(count) % 10)
    seen: list[np.ndarray] = []

    def judged(view: np.ndarray, labels: np.ndarray, *_: object) -> noise.Moved:
        seen.append(noise.points_of(view))
        return noise.Moved(np.zeros(len(labels)), labels, 0.0)

    monkeypatch.setattr(noise, "judged", judged)
    monkeypatch.setattr(members, "FETCHED", 2**24)  # by the faults: 128 MB elsewhere
    with memory() as taken:
        mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
        mislabelled.doubts(brought, represented.represented(brought, mapped))
    assert taken.peak < held.nbytes, "of 82 MB never all were in memory"
    mislabelled.doubts(brought, represented.represented(brought, held))
    assert seen[0].shape == (count - 1, noise.WIDEST)
    assert np.allclose(seen[0], seen[1], atol=1e-8)


def test_features_that_do_not_know_the_classes_are_not_asked(photos: np.ndarray) -> None:
    seen = np.random.default_rng(0).normal(size=(len(TRUE), 12))
    told = core.audit(photos, named(TRUE), features=seen)
    assert not of(told, "labels")
    assert any("label errors are not looked for: the features tell" in note for note in told.notes)
    assert "is_label_issue" not in pd.read_csv(io.BytesIO(audits.FILES["issues.csv"](told))).columns


def test_without_features_nothing_is_said_of_labels(photos: np.ndarray) -> None:
    told = core.audit(photos, named(moved(12, 0, 3)[0]))
    assert not of(told, "labels")
    assert not len(told.doubted.ids)


def test_small_classes_have_no_part_in_it(photos: np.ndarray) -> None:
    labels = np.array(named(moved(12, 0, 3)[0]), object)
    labels[np.flatnonzero(TRUE == 4)[:6]] = "rare"
    told = core.audit(photos, labels, features=features())
    (found,) = of(told, "labels")
    assert found.classes == ("dog",)
    assert any("in 1 class of fewer than 10 images" in note for note in told.notes)


# --- the statistics ---------------------------------------------------------------------------------------------


def keys(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in np.random.default_rng(5).permutation(count).tolist()]


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_of_overlapping_classes_as_many_labels_are_doubted_as_were_moved(share: float) -> None:
    generator = np.random.default_rng(2)
    true = np.repeat(np.arange(6), 400)
    points = generator.normal(size=(len(true), 8)) + 3 * np.eye(6, 8)[true]
    labels = true.copy()
    rows = generator.choice(len(true), round(share * len(true)), replace=False)
    labels[rows] = (true[rows] + generator.integers(1, 6, len(rows))) % 6
    found = noise.judged(points, labels, keys(len(true)))
    assert found.wrong.sum() == pytest.approx(len(rows), rel=0.5)
    told = found.wrong > noise.WRONG
    assert (labels != true)[told].mean() > 0.8
    assert told.sum() > 0.6 * len(rows)
    clean = noise.judged(points, true, keys(len(true)))
    assert not (clean.wrong > noise.WRONG).any()
    assert clean.right < 0.97


def test_the_order_of_the_rows_has_no_part_in_it() -> None:
    labels = moved(15, 1, 2)[0]
    seen, marks = features(), np.array(keys(len(labels)))
    order = np.random.default_rng(0).permutation(len(labels))
    straight = noise.judged(seen, labels, list(marks))
    turned = noise.judged(seen[order], labels[order], list(marks[order]))
    assert np.allclose(straight.wrong[order], turned.wrong, atol=0.02)
    assert np.array_equal(straight.likely[order], turned.likely)


def test_copies_are_not_asked_of_their_copies() -> None:
    """Twenty copies lie where another class does: told apart they vouch for each other's label, as one they cannot."""
    labels, seen = TRUE.copy(), features()
    copies = np.flatnonzero(labels == 3)[:20]
    seen[copies] = seen[labels == 1].mean(0)
    marks = keys(len(labels))
    same = list(marks)
    for row in copies:
        same[row] = marks[copies[0]]
    apart, together = (noise.out_of_sample(noise.points_of(seen), labels, one)[copies, 3] for one in (marks, same))
    assert len(np.unique(apart)) == noise.FOLDS, "each fit has seen the others"
    assert len(np.unique(together)) == 1, "one fit for all of them"
    assert apart.min() > together.max() + 1


def test_two_classes_can_be_judged() -> None:
    generator = np.random.default_rng(3)
    true = np.repeat([0, 1], 200)
    points = generator.normal(size=(400, 5)) + 4 * true[:, None]
    labels = true.copy()
    labels[:6] = 1
    found = noise.judged(points, labels, keys(400))
    assert np.flatnonzero(found.wrong > noise.WRONG).tolist() == list(range(6))
    assert (found.likely == true).all()


# --- of a network -------------------------------------------------------------------------------------------------


def test_a_network_trained_on_the_errors_tells_them() -> None:
    """One that is too small to learn them by heart, as `quick`'s does with some of so few images."""
    data = datasets.load(DatasetConfig(name="digits", per_class=60))
    true = np.array(data.train_labels)
    labels, generator = true.copy(), np.random.default_rng(4)
    rows = np.concatenate([generator.choice(np.flatnonzero(true == label), 8, replace=False) for label in (1, 3)])
    labels[rows] = np.repeat([7, 8], 8)
    with trainings_made_lean(HALF):
        told = core.audit(np.array(data.train_images), [data.class_names[label] for label in labels], network="train")
    assert told.named == ()
    assert told.network is not None
    found = of(told, "labels")
    meant = {int(row): like for one in found for row, like in zip(one.ids, one.looks_like, strict=True)}
    right = [row for row in meant if row in rows]
    assert len(right) >= 5
    assert len(right) >= 0.8 * len(meant)
    assert sum(meant[row] == data.class_names[true[row]] for row in right) >= 0.8 * len(right)
