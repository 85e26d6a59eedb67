"""The whitened, halved test on images and features: what it names, what it must not, and where it is silent."""

from __future__ import annotations

import numpy as np
import pytest

from core.detectors import detect
from core.detectors.lines import Cloud, divided, judged
from core.detectors.split import Split, by_content, by_order
from tests.detectors.pictures import photographs

CLASSES, SIZE = 3, 500


def flagged(found, labels):
    return found.scores > found.cut[labels]


def named(found):
    return np.flatnonzero(found.class_statistic > found.class_threshold).tolist()


@pytest.fixture(scope="module")
def photos():
    images = photographs(CLASSES * SIZE, 16, seed=0)
    return images, np.repeat(np.arange(CLASSES), SIZE)


def waved(images, amplitude=40.0):
    wave = amplitude * np.sin(2 * np.pi * 3 * np.arange(images.shape[2]) / images.shape[2])
    return np.clip(images + wave[None, None, :, None], 0, 255).astype(np.uint8)


def test_a_wave_in_a_class_is_named_and_cut(photos):
    images, labels = photos
    poisoned = np.zeros(len(labels), bool)
    poisoned[SIZE : SIZE + 80] = True
    images = np.where(poisoned[:, None, None, None], waved(images), images)
    found = detect("image-spectral", None, labels, evidence={"images": images})
    assert named(found) == [1]
    assert (flagged(found, labels) == poisoned).mean() > 0.995
    assert found.class_p[1] < 1e-3 < found.class_p[[0, 2]].min()
    best = found.findings[0]
    assert (best.label, best.detector, best.view) == (1, "image-spectral", "luminance spectrum")
    assert set(best.ids) <= set(np.flatnonzero(labels == 1))


def test_nothing_is_named_where_nothing_is_planted(photos):
    images, labels = photos
    found = detect("image-spectral", None, labels, evidence={"images": images})
    assert named(found) == []
    assert not flagged(found, labels).any()
    assert not found.findings


def test_the_order_of_rows_has_no_part_in_it(photos):
    images, labels = photos
    images = np.concatenate([images, waved(images[:80])])
    labels = np.r_[labels, np.full(80, 2)]
    order = np.random.default_rng(1).permutation(len(labels))
    first = detect("image-spectral", None, labels, evidence={"images": images})
    second = detect("image-spectral", None, labels[order], evidence={"images": images[order]})
    assert named(first) == named(second) == [2]
    assert np.allclose(first.class_p, second.class_p, rtol=1e-2)
    assert (flagged(first, labels)[order] == flagged(second, labels[order])).all()


def test_copies_of_one_image_are_not_taken_for_a_second_kind(photos):
    images, labels = photos
    images = images.copy()
    images[5:25] = images[5]
    assert named(detect("image-spectral", None, labels, evidence={"images": images})) == []


def test_one_class_alone_and_small_ones_are_told(photos):
    images, labels = photos
    alone = detect("image-spectral", None, labels[:SIZE], evidence={"images": images[:SIZE]})
    assert alone.unjudged.all()
    assert "only one class" in " ".join(alone.notes)
    few = detect("image-spectral", None, labels[::20], evidence={"images": images[::20]})
    assert few.unjudged.all()
    assert "fewer than 40 images" in " ".join(few.notes)


@pytest.mark.parametrize("level", [0.001, 0.2])
def test_split_spectral_names_every_class_where_every_class_is_poisoned(level):
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(3), 600)
    features = rng.normal(size=(1800, 20)) * np.linspace(0.2, 2, 20)
    poisoned = np.arange(1800) % 600 < 90
    features[poisoned, 4] += 9
    found = detect("split-spectral", features.astype(np.float32), labels, parameters={"level": level})
    assert named(found) == [0, 1, 2]
    assert (flagged(found, labels) == poisoned).mean() > 0.99


def test_features_wider_than_a_class_are_judged_all_the_same():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(3), 80)
    features = rng.normal(size=(240, 300)).astype(np.float32)
    features[:16, 7] += 40
    found = detect("split-spectral", features, labels)
    assert named(found) in ([], [0])
    assert np.argsort(-found.scores[:80])[:8].max() < 16


@pytest.mark.parametrize("shape", ["t", "skewed", "two near components"])
def test_odd_shapes_of_benign_classes_are_not_named(shape):
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(6), 300)
    features = {
        "t": rng.standard_t(3, (1800, 10)),
        "skewed": rng.lognormal(size=(1800, 10)),
        "two near components": rng.normal(size=(1800, 10)) + 2.0 * rng.integers(0, 2, (1800, 1)),
    }[shape]
    assert named(detect("split-spectral", features.astype(np.float32), labels)) == []


def test_a_class_is_whitened_by_the_others_without_their_outliers():
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(2), 1000)
    features = rng.normal(size=(2000, 3)).astype(np.float32)
    features[1000:1030, 0] += 50  # covers: 3% of the other class
    order = by_content(features)
    ((_, seen),) = Split(features, by_order(labels, order), order).whitened([0])
    assert isinstance(seen, Cloud)
    assert divided(seen.rows, seen.metric).std(0) == pytest.approx(1, abs=0.15)


def test_an_e_value_needs_a_second_group_on_both_halves():
    rng = np.random.default_rng(6)
    points = rng.normal(size=(400, 5)).astype(np.float32)
    halves = np.arange(200), np.arange(200, 400)
    itself = np.eye(5, dtype=np.float32)
    assert judged(Cloud(points, itself), halves)[0] < 0
    points[::10, 2] += 10
    assert judged(Cloud(points, itself), halves)[0] > 3
