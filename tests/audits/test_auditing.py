"""An audit from end to end: each cause by its own word, and nothing else accused; what is written and printed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import core
from core import audits
from core.audits.copies import alike
from core.store import Store
from core.types import BadRequest
from tests.audits import made
from tests.audits.made import EACH, PLANTED, STAMPED, in_class_folders, laid_out
from tests.detectors.pictures import photographs

LABELS = np.repeat(PLANTED, EACH).tolist()


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """Those of which none is planted."""
    return made.plain_photographs()


@pytest.fixture(scope="module")
def accused(tmp_path_factory: pytest.TempPathFactory) -> audits.Audit:
    folder = tmp_path_factory.mktemp("set")
    others = {"dog/broken.png": b"\x89PNG\r\n\x1a\n and no more", "dog/.DS_Store": b""}
    laid_out(folder, in_class_folders(made.planted_photographs()) | others)
    return core.audit(folder, store=Store(folder.with_name("store")))


def causes(told: audits.Audit) -> list[str]:
    return [one.cause for one in told.findings]


def test_a_planted_class_is_named_with_its_images_and_the_reason(accused: audits.Audit) -> None:
    assert accused.named == ("cat",)
    assert "planted in class cat" in accused.verdict
    assert "1% are called so wrongly" in accused.verdict
    first = accused.findings[0]
    assert (first.cause, first.classes, first.place) == ("backdoor", ("cat",), (20, 20, 2, 2))
    assert first.p < 1e-4
    names = [accused.brought.names[row] for row in first.ids]
    assert names == [f"cat/{row:04d}.png" for row in range(EACH, EACH + STAMPED)]
    assert all("repeats: the same colour #ffff00" in accused.reasons[row] for row in first.ids)
    rebuilt = accused.trigger(first)
    assert rebuilt is not None
    assert rebuilt.place == (20, 20, 2, 2)


def test_a_broken_file_is_told_and_nothing_else_is_lost(accused: audits.Audit) -> None:
    assert len(accused.brought) == len(PLANTED) * EACH
    (broken,) = (one for one in accused.findings if one.cause == "unreadable")
    assert "dog/broken.png" in broken.sentence
    assert accused.brought.skipped


def test_one_object_holds_what_is_promised(accused: audits.Audit) -> None:
    told = json.loads(json.dumps(audits.document(accused), allow_nan=False))
    assert {"images", "classes", "unreadable", "findings", "named", "flagged", "seconds"} <= set(told)
    assert (told["images"], told["classes"]) == (390, dict.fromkeys(PLANTED, EACH))
    assert (told["unreadable"], told["named"], told["flagged"]) == (1, ["cat"], STAMPED)
    assert {one["cause"] for one in told["findings"]} <= set(audits.CAUSES)
    assert {"cause", "classes", "images", "p", "sentence"} <= set(told["findings"][0])
    assert len(told["findings"][0]["images"]) == STAMPED


def test_what_is_written_agrees(accused: audits.Audit, tmp_path: Path) -> None:
    table, keep, report, *_ = audits.write(accused, tmp_path / "out")
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert list(rows[0]) == ["path", "label", "score", "flagged", "reason"]
    flagged = [row["path"] for row in rows if row["flagged"] == "True"]
    assert flagged == [f"cat/{row:04d}.png" for row in range(EACH, EACH + STAMPED)]
    assert all(row["reason"] for row in rows if row["flagged"] == "True")
    assert sorted(keep.read_text().split("\n")[:-1] + flagged) == sorted(row["path"] for row in rows)
    page = report.read_text()
    assert "planted in class cat" in page
    assert page.count("<img") == STAMPED + 1, "those that are flagged, and what they share"


def test_arrays_say_the_same(photos: np.ndarray, accused: audits.Audit) -> None:
    told = core.audit(made.planted_photographs(), LABELS)
    assert told.named == accused.named
    assert np.array_equal(told.flagged, accused.flagged)


def test_copies_twins_leaks_and_blank_images_are_no_backdoor(photos: np.ndarray, tmp_path: Path) -> None:
    last = len(photos) - 20
    laid_out(tmp_path / "train", in_class_folders(photos[:last]))
    laid_out(tmp_path / "test", in_class_folders(photos[last:], first=last))
    for copy in range(30):
        Image.fromarray(photos[0]).save(tmp_path / "train" / "bird" / f"copy {copy}.png")
    Image.fromarray(photos[1]).save(tmp_path / "train" / "dog" / "twin.png")
    Image.fromarray(photos[2]).save(tmp_path / "test" / "dog" / "leaked.png")
    Image.fromarray(np.full((24, 24, 3), 7, np.uint8)).save(tmp_path / "train" / "cat" / "blank.png")
    told = core.audit(tmp_path)
    assert told.named == ()
    assert "Nothing planted was found" in told.verdict
    found = {one.cause: one for one in told.findings}
    assert set(found) == {"copies", "twins", "leak", "blank"}
    assert "31 images are in class bird more than once, the commonest 31 times" in found["copies"].sentence
    assert set(found["twins"].classes) == {"bird", "dog"}
    assert "in more than one split (test, train)" in found["leak"].sentence
    assert [told.brought.names[row] for row in found["blank"].ids] == ["train/cat/blank.png"]


def test_stamped_copies_beside_their_originals_are_twins_that_differ_in_one_place(photos: np.ndarray) -> None:
    copies = photos[:20].copy()
    copies[:, 18:22, 3:6] = (255, 0, 0)
    told = core.audit(np.concatenate([photos, copies]), [*LABELS, *["dog"] * 20])
    (twins,) = (one for one in told.findings if one.cause == "twins")
    assert 15 <= int(twins.sentence.split()[0]) <= 20
    assert twins.place == (18, 3, 4, 3)
    assert told.named == ("dog",)


def test_small_classes_are_told_and_not_named(photos: np.ndarray) -> None:
    told = core.audit(photos, ["a"] * 380 + ["b"] * 5 + ["c"] * 5)
    (small,) = (one for one in told.findings if one.cause == "small")
    assert small.classes == ("b", "c")
    assert "backdoor" not in causes(told)


def test_images_without_a_label_have_no_score_and_are_kept(photos: np.ndarray) -> None:
    told = core.audit(photos, [*LABELS[:-10], *[None] * 10])
    assert np.isnan(told.judged.scores(len(photos))[-10:]).all()
    assert not told.flagged[-10:].any()
    assert audits.document(told)["unlabelled"] == 10


def test_what_would_have_been_found(photos: np.ndarray) -> None:
    told = core.audit(photos[:260], LABELS[:260], planting=True)
    assert told.named == ()
    assert told.control
    assert any("what would have been found" in said for said in audits.sentences(told))
    assert audits.document(told)["control"][0]["label"] in PLANTED


def test_features_are_aligned_past_broken_files(photos: np.ndarray, tmp_path: Path) -> None:
    laid_out(tmp_path, in_class_folders(photos) | {"bird/0000.png": b"broken"})
    features = np.random.default_rng(0).normal(size=(390, 6)).astype(np.float32)
    features[260:300, 2] += 15  # dogs
    told = core.audit(tmp_path, features=features)
    assert told.named == ("dog",)
    assert [told.brought.names[row] for row in np.flatnonzero(told.flagged)] == [
        f"dog/{row:04d}.png" for row in range(260, 300)
    ]
    with pytest.raises(BadRequest, match=r"features must be \[390, d\], a row an image; got \[389, 6\]"):
        core.audit(tmp_path, features=features[1:])


@pytest.mark.parametrize(
    ("images", "given", "said"),
    [
        (np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1], r"images must be \[n, h, w, 3\] uint8"),
        (np.zeros((4, 8, 8, 3), np.uint8), [0, 1], r"labels must be \[4\], one an image; got 2"),
        (np.zeros((4, 8, 8, 3), np.uint8), None, r"an audit of images needs their labels"),
    ],
)
def test_what_cannot_be_audited_is_refused(images: np.ndarray, given: object, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        core.audit(images, given)


def test_near_copies_are_found_whatever_the_order() -> None:
    images = photographs(300, 24, seed=3)
    noise = np.random.default_rng(0).integers(-6, 7, images[:15].shape)
    near = np.clip(images[:15].astype(int) + noise, 0, 255).astype(np.uint8)
    order = np.random.default_rng(1).permutation(315)
    found = alike(np.concatenate([images, near])[order])
    place = np.argsort(order)
    wanted = {tuple(sorted((int(place[row]), int(place[300 + row])))) for row in range(15)}
    assert wanted <= {tuple(pair) for pair in found.near.tolist()}
    assert len(found.near) <= 17


def test_tables_for_other_programs(accused: audits.Audit) -> None:
    whole = pd.read_parquet(io.BytesIO(audits.FILES["audit.parquet"](accused)))
    assert whole.columns.tolist() == ["path", "label", "score", "flagged", "reason", "rank", "split"]
    assert sorted(whole["rank"]) == list(range(1, len(whole) + 1))
    assert whole["score"].iloc[whole["rank"].argmin()] == whole["score"].max()
    issues = pd.read_csv(io.BytesIO(audits.FILES["issues.csv"](accused)))
    meant = issues["is_backdoor_issue"]
    assert meant.sum() == STAMPED
    assert set(issues.loc[meant, "given_label"]) == {"cat"}
    assert issues["backdoor_score"].between(0, 1).all()
    assert (
        issues.loc[meant, "backdoor_score"].max()
        < issues.loc[~meant & (issues["given_label"] == "cat"), "backdoor_score"].min()
    )
    assert "is_copies_issue" not in issues.columns, "only what was found"
