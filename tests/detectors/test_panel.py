"""The panel: one verdict of tests, on images, on features, on both; its reasons, its error rate, its silence."""

from __future__ import annotations

import numpy as np
import pytest

from core.detectors import detect, panel
from core.types import BadRequest, Detection
from tests.detectors.pictures import photographs

CLASSES, SIZE, STAMPED = 3, 400, 40
LABELS = np.repeat(np.arange(CLASSES), SIZE)


def named(found):
    return np.flatnonzero(found.class_statistic > found.class_threshold).tolist()


@pytest.fixture(scope="module")
def photos():
    return photographs(CLASSES * SIZE, 16, seed=7)


@pytest.fixture(scope="module")
def stamped(photos):
    images = photos.copy()
    images[2 * SIZE : 2 * SIZE + STAMPED, 13:15, 13:15] = (255, 255, 0)
    return images


def features_of(seed: int, poisoned: slice | None = None) -> np.ndarray:
    features = np.random.default_rng(seed).normal(size=(len(LABELS), 12))
    if poisoned is not None:
        features[poisoned, 3] += 12
    return features.astype(np.float32)


def test_from_images_alone_with_reasons(stamped):
    found = detect("panel", None, LABELS, evidence={"images": stamped})
    flagged = found.scores > found.cut[LABELS]
    assert named(found) == [2]
    assert np.flatnonzero(flagged).tolist() == list(range(2 * SIZE, 2 * SIZE + STAMPED))
    assert {finding.detector for finding in found.findings} >= {"repeats", "mirror"}
    first = next(finding for finding in found.findings if finding.detector == "repeats")
    assert first.place == (13, 13, 2, 2)
    assert sorted(first.ids) == list(range(2 * SIZE, 2 * SIZE + STAMPED))
    assert found.class_p[2] < 1e-6 < found.class_p[[0, 1]].min()
    assert "tests that ran: repeats, mirror, image-spectral" in found.notes


def test_every_flagged_image_has_a_reason(stamped):
    found = detect("panel", features_of(1, slice(0, 60)), LABELS, evidence={"images": stamped})
    flagged = np.flatnonzero(found.scores > found.cut[LABELS])
    assert named(found) == [0, 2]
    assert set(flagged) == set(np.concatenate([finding.ids for finding in found.findings])), "and no other has one"
    assert {finding.detector for finding in found.findings if finding.label == 0} == {"split-spectral"}


def test_its_parts_are_what_the_tests_say_alone(stamped):
    features, level = features_of(1, slice(0, 60)), {"level": 0.01}
    found = detect("panel", features, LABELS, evidence={"images": stamped})
    assert sorted(found.parts) == ["image-spectral", "mirror", "repeats", "split-spectral"]
    for name, part in found.parts.items():
        alone = detect(name, features, LABELS, None, level, {"images": stamped})
        np.testing.assert_array_equal(part.scores, alone.scores)
        np.testing.assert_array_equal(part.class_p, alone.class_p)
        assert (part.notes, part.class_threshold) == (alone.notes, alone.class_threshold)
        assert (part.unjudged is None) == (alone.unjudged is None)


def test_what_tests_said_before_is_not_asked_again(stamped, monkeypatch):
    features, evidence = features_of(1, slice(0, 60)), {"images": stamped}
    first = detect("panel", features, LABELS, evidence=evidence)
    monkeypatch.setattr(panel, "ON_IMAGES", dict.fromkeys(panel.ON_IMAGES, None))
    monkeypatch.setattr(panel, "split_spectral", None)
    again = detect("panel", features, LABELS, None, None, evidence, first.parts)
    np.testing.assert_array_equal(again.scores, first.scores)
    np.testing.assert_array_equal(again.class_p, first.class_p)
    assert again.notes == first.notes


def heard(test: str, scores: np.ndarray) -> panel.Heard:
    return panel.Heard(test, Detection(scores, cut=np.array([1.0])), np.array([1e-9]))


def test_where_an_opaque_stamp_is_seen_what_another_test_adds_must_score_as_high_as_what_bears_it():
    exact, other = np.zeros(200), np.zeros(200)
    exact[:50], other[:50] = 2.0, np.linspace(3, 5, 50)
    other[50:55], other[55:58] = 2.0, 4.0  # at the edge of the other's cut, and in the midst of what bears the stamp
    together = panel._together([heard("mirror", other), heard("repeats", exact)], 0, np.arange(200))
    assert np.flatnonzero(together > 0).tolist() == [*range(50), *range(55, 58)]
    alone = panel._together([heard("mirror", other)], 0, np.arange(200))
    assert (alone > 0).sum() == 58


def test_from_features_alone():
    found = detect("panel", features_of(2, slice(0, 60)), LABELS)
    assert named(found) == [0]
    assert found.notes[0] == "tests that ran: split-spectral"


def test_what_answers_rest_on_is_a_test_of_its_own():
    found = detect("panel", features_of(2), LABELS, evidence={"attributions": features_of(5, slice(0, 60))})
    assert named(found) == [0]
    assert found.notes[0] == "tests that ran: split-spectral, split-spectral of the attribution"
    (told,) = found.findings
    assert (told.detector, told.view, sorted(told.ids)) == ("split-spectral", "attribution", list(range(60)))
    alone = detect("panel", None, LABELS, evidence={"attributions": features_of(5, slice(0, 60))})
    assert named(alone) == [0]
    assert alone.class_p[0] < found.class_p[0], "one test pays for no other"


def test_nothing_is_named_without_a_mark(photos):
    evidence = {"images": photos, "attributions": features_of(4)}
    found = detect("panel", features_of(3), LABELS, evidence=evidence)
    assert named(found) == []
    assert np.isinf(found.cut).all()
    assert not found.findings
    assert np.isfinite(found.scores).all()


def test_neither_images_nor_features_is_refused():
    with pytest.raises(BadRequest, match=r"panel needs images \[n, h, w, 3\], features .* or several; got none"):
        detect("panel", None, LABELS)


@pytest.mark.parametrize("wrong", [np.zeros((1200, 16, 16), np.uint8), np.zeros((1200, 16, 16, 3), np.float32)])
def test_images_of_another_kind_are_refused(wrong):
    with pytest.raises(BadRequest, match=r"images must be the images as the training gets them, \[n, h, w, 3\] uint8"):
        detect("panel", None, LABELS, evidence={"images": wrong})


def test_names_as_labels_and_rows_without_one(stamped):
    words = np.array(["ant", "bee", "cow"], object)[LABELS]
    words[:5] = None
    found = detect("panel", None, words, evidence={"images": stamped})
    assert named(found) == [2]
    assert np.isnan(found.scores[:5]).all()


def test_a_stamp_in_every_class_names_every_class(photos):
    images = photos.copy()
    images[np.arange(len(LABELS)) % SIZE < STAMPED, 13:15, 13:15] = (255, 255, 0)
    found = detect("panel", None, LABELS, evidence={"images": images})
    assert named(found) == [0, 1, 2]
    assert ((found.scores > found.cut[LABELS]) == (np.arange(len(LABELS)) % SIZE < STAMPED)).all()
