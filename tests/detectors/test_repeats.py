"""Repeats: stamps of few pixels in few images are named, whose they are, and what repeats by nature is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detectors import detect, pairs
from core.types import Detection
from tests.detectors import images_made_up

YELLOW = (255, 255, 0)


def looked_at(images: np.ndarray, labels: np.ndarray) -> Detection:
    return detect("repeats", None, labels, evidence={"images": images})


def named(found: Detection) -> list[int]:
    judged = np.ones(len(found.class_p), bool) if found.unjudged is None else ~found.unjudged
    return np.flatnonzero((found.class_statistic > found.class_threshold) & judged).tolist()


def taken(found: Detection, labels: np.ndarray) -> list[int]:
    return np.flatnonzero(np.isin(labels, named(found)) & (found.scores > found.cut[labels])).tolist()


@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_stamp_on_ten_images_is_named_and_they_alone_are_cut(side):
    images, labels = images_made_up.textures(classes=3)
    stamped = np.flatnonzero(labels == 2)[5:15]
    images[stamped, 12 : 12 + side, 11 : 11 + side] = YELLOW
    found = looked_at(images, labels)
    assert named(found) == [2]
    assert taken(found, labels) == stamped.tolist()
    (finding,) = found.findings
    assert (finding.label, finding.place, finding.ids.tolist()) == (2, (12, 11, side, side), stamped.tolist())
    where = "the same place" if side == 1 else f"the same {side * side} places"
    assert finding.words == f"the same colour #ffff00 in {where} in 10 images"


def test_covers_are_told_from_poison_by_their_labels():
    images, labels = images_made_up.textures(classes=4)
    poison = np.flatnonzero(labels == 1)[:60]
    covers = np.flatnonzero(labels != 1)[:60]
    images[np.r_[poison, covers], 3, 3] = YELLOW
    found = looked_at(images, labels)
    assert named(found) == [1]
    assert taken(found, labels) == poison.tolist()
    assert (found.scores[covers] > 1).all(), "seen, but not of a class that is named"


def test_stamps_whatever_the_label_are_named_everywhere_and_it_is_said():
    images, labels = images_made_up.textures(classes=4)
    images[:200, 3, 3] = YELLOW
    found = looked_at(images, labels)
    assert named(found) == [0, 1, 2, 3]
    assert taken(found, labels) == list(range(200))
    assert any("whatever the label" in note for note in found.notes)
    assert all(finding.words.endswith("in other classes as often") for finding in found.findings)


def test_several_stamps_are_several_findings():
    images, labels = images_made_up.textures()
    first, second = np.flatnonzero(labels == 0)[:12], np.flatnonzero(labels == 0)[12:26]
    images[first, 2:4, 2:4] = YELLOW
    images[second, 12, 12] = (255, 0, 255)
    found = looked_at(images, labels)
    assert {(one.place, len(one.ids)) for one in found.findings} == {((2, 2, 2, 2), 12), ((12, 12, 1, 1), 14)}


@pytest.mark.parametrize("seed", range(3))
def test_textures_without_a_stamp_are_not_named(seed):
    found = looked_at(*images_made_up.textures(seed=seed))
    assert named(found) == []
    assert found.findings == ()


def drawings(seed: int) -> np.ndarray:
    """Rectangles of eight colours on white, [900, 16, 16, 3]."""
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (8, 3))
    images = np.full((900, 16, 16, 3), 255, np.uint8)
    for image in images:
        for _ in range(4):
            top, left, height, width = rng.integers(0, 12, 4)
            image[top : top + height + 1, left : left + width + 1] = palette[rng.integers(8)]
    return images


def framed() -> np.ndarray:
    images, _ = images_made_up.textures(classes=1, each=900)
    for side in (images[::5, 0], images[::5, -1], images[::5, :, 0], images[::5, :, -1]):
        side[:] = 0
    return images


def on_white() -> np.ndarray:
    images, _ = images_made_up.textures(classes=1, each=900)
    rows, columns = np.indices((16, 16)) - 7.5
    images[:, rows**2 + columns**2 > 40] = 255
    return images


@pytest.mark.parametrize(
    "images",
    [drawings(0), framed(), on_white(), images_made_up.digits()[0]],
    ids=["drawings", "frames", "white", "digits"],
)
def test_what_repeats_by_nature_is_not_named(images):
    labels = images_made_up.digits()[1] if len(images) == 1797 else np.arange(len(images)) % 3
    assert named(looked_at(images, labels)) == []


def test_exact_copies_count_once_and_near_copies_not_at_all():
    images, labels = images_made_up.textures()
    exact, near = np.flatnonzero(labels == 0)[:40], np.flatnonzero(labels == 1)[:40]
    images[exact] = images[exact[0]]
    images[near, :8] = images[near[0], :8]
    found = looked_at(images, labels)
    assert named(found) == []
    assert any("40 images are nearly copies" in note for note in found.notes)


def faded(images: np.ndarray, rng: np.random.Generator) -> None:
    images[:, 5, 5] = np.rint(0.5 * images[:, 5, 5] + 0.5 * np.array(YELLOW))


def noisy(images: np.ndarray, rng: np.random.Generator) -> None:
    images[:, 5, 5] = np.clip(np.array((240, 240, 20)) + rng.integers(-12, 13, (len(images), 3)), 0, 255)


def scattered(images: np.ndarray, rng: np.random.Generator) -> None:
    images[np.arange(len(images)), rng.integers(0, 16, len(images)), rng.integers(0, 16, len(images))] = YELLOW


@pytest.mark.parametrize("evasion", [faded, noisy, scattered])
def test_what_changes_the_colour_or_the_place_evades(evasion):
    images, labels = images_made_up.textures()
    stamped = images[labels == 0][:30]
    evasion(stamped, np.random.default_rng(0))
    images[np.flatnonzero(labels == 0)[:30]] = stamped
    assert named(looked_at(images, labels)) == []


@pytest.mark.parametrize(
    "shape", [(4, 4), (1, 1), (1, 9), (5, 33), (256, 256)], ids=lambda shape: "x".join(map(str, shape))
)
def test_images_of_any_size_are_looked_at(shape):
    rng = np.random.default_rng(0)
    found = looked_at(rng.integers(0, 256, (24, *shape, 3)).astype(np.uint8), np.arange(24) % 2)
    assert np.isfinite(found.scores).all()
    assert named(found) == []


@pytest.mark.parametrize("classes", [1, 2])
def test_constant_images_are_no_obstacle(classes):
    found = looked_at(np.full((60, 9, 9, 3), 7, np.uint8), np.arange(60) % classes)
    assert named(found) == []


def test_a_single_class_is_looked_at_too():
    images, _ = images_made_up.textures(classes=1)
    images[:12, 3, 3] = YELLOW
    assert named(looked_at(images, np.zeros(len(images), int))) == [0]


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 5), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_pairs_are_counted_as_by_hand(count, height, width, levels, seed):
    images = (np.random.default_rng(seed).integers(0, levels, (count, height, width, 1)) * np.ones(3)).astype(np.uint8)
    codes = pairs.code(images).reshape(count, -1)
    found, tries = pairs.count(images)
    assert tries == sum(len(np.unique(codes[:, place])) for place in range(codes.shape[1]))
    for place, colour, number in zip(found.places, found.colours, found.counts, strict=True):
        assert (codes[:, place] == colour).sum() == number
    listed = set(found.keys.tolist())
    for place in range(codes.shape[1]):
        colours, numbers = np.unique(codes[:, place], return_counts=True)
        assert all(place * pairs.COLOURS + colour in listed for colour in colours[numbers >= pairs.FEWEST].astype(int))


def test_the_order_of_the_images_has_no_part():
    images, labels = images_made_up.textures()
    images[np.flatnonzero(labels == 0)[:10], 3, 3] = YELLOW
    order = np.random.default_rng(0).permutation(len(labels))
    straight, shuffled = looked_at(images, labels), looked_at(images[order], labels[order])
    np.testing.assert_allclose(shuffled.scores, straight.scores[order])
    np.testing.assert_allclose(shuffled.class_p, straight.class_p)
