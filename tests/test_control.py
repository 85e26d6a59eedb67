"""The positive control: what is said to be found is what the panel finds; nothing is changed; what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from core.detectors import Ground, detect, grown
from core.detectors.lines import divided
from core.detectors.split import Split, by_content, by_order
from core.evaluation.control import PLANTED, control, plant, reach
from core.types import BadRequest
from tests.detectors.pictures import photographs

CLASSES, SIZE, LEVEL = 3, 400, 0.01
LABELS = np.repeat(np.arange(CLASSES), SIZE)
SHARES = (0.1, 0.005, 0.05)  # in any order


@pytest.fixture(scope="module")
def photos():
    return photographs(CLASSES * SIZE, 24, seed=11)


@pytest.fixture(scope="module")
def clean(photos):
    return detect("panel", None, LABELS, evidence={"images": photos})


@pytest.fixture(scope="module")
def rows(photos, clean):
    return control(photos, LABELS, clean, level=LEVEL, shares=SHARES)


def named(found):
    return np.flatnonzero(found.class_statistic > found.class_threshold).tolist()


def test_every_trigger_share_and_class_has_a_row(rows):
    assert len(rows) == len(PLANTED) * len(SHARES) * CLASSES
    assert {(row.trigger, row.share, row.label) for row in rows} == {
        (trigger, share, label) for trigger in PLANTED for share in SHARES for label in range(CLASSES)
    }
    assert {row.planted for row in rows if row.share == 0.05} == {20}
    assert {row.planted for row in rows if row.share == 0.005} == {2}


def test_an_opaque_stamp_is_found_whole_and_two_images_are_not(rows):
    stamps = [row for row in rows if row.trigger in ("pixel", "patch")]
    assert all(row.named and row.found == 1.0 for row in stamps if row.share >= 0.05)
    assert not any(row.named or row.found for row in stamps if row.share == 0.005)


def test_what_is_named_at_no_larger_share_is_not_asked_about(rows):
    for row in rows:
        larger = [one for one in rows if (one.trigger, one.label) == (row.trigger, row.label) and one.share > row.share]
        assert row.tried == all(one.named for one in larger)
        assert row.tried or not row.named


def test_the_panel_finds_what_the_control_says(photos, clean, rows):
    """Each trigger where it is named at its smallest share, planted for good and shown to the whole panel."""
    faintest = {row.trigger: row for row in rows if row.named and row.label == 1}
    assert set(faintest) == set(PLANTED)
    for row in faintest.values():
        one = plant(photos, LABELS, row.label, row.trigger, row.share, 0)
        images = photos.copy()
        images[one.ids] = one.pixels
        found = detect("panel", None, LABELS, evidence={"images": images})
        assert named(found) == [1]
        assert (found.scores[one.ids] > found.cut[1]).mean() >= row.found - 1e-9


def test_the_images_stay_as_they_are(photos, clean):
    before = photos.copy()
    control(photos, LABELS, clean, level=LEVEL, planted=["patch"], shares=[0.05])
    assert np.array_equal(photos, before)


def test_a_named_class_is_left_out(photos):
    images = photos.copy()
    images[:40, 13:15, 13:15] = (255, 255, 0)
    found = detect("panel", None, LABELS, evidence={"images": images})
    assert named(found) == [0]
    rows = control(images, LABELS, found, level=LEVEL, planted=["patch"], shares=[0.05])
    assert [(row.label, row.named) for row in rows] == [(1, True), (2, True)]


def test_a_class_too_small_to_judge_is_left_out(photos):
    labels = np.r_[np.zeros(798, int), np.ones(398, int), 2, 2, 2, 2]
    found = detect("panel", None, labels, evidence={"images": photos})
    rows = control(photos, labels, found, level=LEVEL, planted=["patch"], shares=[0.05])
    assert [row.label for row in rows] == [0, 1]


def test_progress_rises_to_the_end(photos, clean):
    told: list[float] = []
    control(photos, LABELS, clean, level=LEVEL, planted=["pixel"], shares=[0.05, 0.02], tell=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_reach_is_over_the_classes(rows):
    for one in reach(rows):
        some = [row for row in rows if (row.trigger, row.share) == (one.trigger, one.share)]
        assert (one.classes, one.named) == (len(some), sum(row.named for row in some))
        assert one.found == pytest.approx(np.mean([row.found for row in some]))
    assert [(one.trigger, one.share) for one in reach(rows)][:2] == [("pixel", 0.1), ("pixel", 0.05)]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"planted": ["sticker"]}, r"unknown triggers \['sticker'\]; allowed are"),
        ({"shares": [0.0, 0.1]}, r"shares of a class must lie between 0 and 1, got \[0.0\]"),
        ({"shares": [5]}, r"between 0 and 1, got \[5\]"),
    ],
)
def test_what_cannot_be_planted_is_refused(photos, clean, wanted, said):
    with pytest.raises(BadRequest, match=said):
        control(photos, LABELS, clean, level=LEVEL, **wanted)


def test_another_detector_s_word_is_refused(photos):
    other = detect("spectral", photos.reshape(len(photos), -1)[:, :32].astype(np.float32), LABELS)
    with pytest.raises(BadRequest, match="needs the panel's own detection"):
        control(photos, LABELS, other, level=LEVEL)


def test_rows_in_their_own_place_are_whitened_as_before():
    rows = np.random.default_rng(5).normal(size=(600, 8))
    labels, order = np.repeat(np.arange(3), 200), by_content(rows)
    members = by_order(labels, order)
    split = Split(rows, members, order)
    for label, ids in members.items():
        again = split.placed(rows[ids], split.metric(label))
        ((_, seen),) = split.whitened([label])
        assert divided(again.rows, again.metric) == pytest.approx(divided(seen.rows, seen.metric), abs=1e-9)


def test_no_plants_no_words(photos, clean):
    told: list[float] = []
    assert grown(Ground(photos, LABELS, clean, LEVEL), [], told.append) == []
    assert told[-1] == 1.0
