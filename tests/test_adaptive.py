"""Triggers that training images bear each in their own way: what each image gets, and that it is always the same."""

from __future__ import annotations

import numpy as np
import pytest

from core.attack import triggers
from core.attack.poison import poison
from core.configuration import TRIGGERS, AttackConfig, TriggerConfig
from core.types import BadRequest, Dataset

VARIED = [name for name, entry in TRIGGERS.items() if entry.varied]
ROWS = np.arange(40)
GREY = np.full((40, 32, 32, 3), 128, np.uint8)


def noise(height: int = 32, width: int = 32, number: int = 6) -> np.ndarray:
    return np.random.default_rng(height).integers(1, 255, (number, height, width, 3), dtype=np.uint8)


def in_training(
    trigger: str, images: np.ndarray, *, rows=ROWS, seed: int = 0, cover: bool = False, **parameters: object
):
    one = TriggerConfig(trigger=trigger, parameters=parameters)
    return triggers.apply_training(one, images, rows[: len(images)], seed, cover=cover)


def in_testing(trigger: str, images: np.ndarray, **parameters: object) -> np.ndarray:
    return triggers.apply(trigger, parameters, images)


# ---------------------------------------------------------------- the contract over all of them


def test_there_are_some_and_each_says_how_training_images_differ():
    assert VARIED == ["frequency", "adaptive-blend", "adaptive-patch", "scattered", "mirrored", "warp-noise"]
    for entry in TRIGGERS.values():
        assert (entry.varied is None) == ("varied" not in entry.facts)


@pytest.mark.parametrize("cover", [False, True])
@pytest.mark.parametrize("trigger", VARIED)
@pytest.mark.parametrize("shape", [(8, 8), (32, 32), (20, 33), (224, 224)])
def test_training_images_of_any_size_are_stamped_copies(trigger, shape, cover):
    images = noise(*shape, number=3)
    before = images.copy()
    images.flags.writeable = False
    stamped = in_training(trigger, images, cover=cover)
    assert stamped.shape == images.shape
    assert stamped.dtype == np.uint8
    assert np.array_equal(images, before)
    assert (stamped != images).any((1, 2, 3)).all()


@pytest.mark.parametrize("cover", [False, True])
@pytest.mark.parametrize("trigger", VARIED)
def test_an_image_gets_the_same_alone_and_among_others_and_another_with_another_seed(trigger, cover):
    images = noise()
    stamped = in_training(trigger, images, cover=cover)
    alone = [in_training(trigger, images[[at]], rows=ROWS[[at]], cover=cover) for at in (4, 1)]
    assert np.array_equal(stamped[[4, 1]], np.concatenate(alone))
    assert in_training(trigger, images[:0], cover=cover).shape == (0, 32, 32, 3)
    other = [in_training(trigger, images, seed=seed, cover=cover) for seed in range(1, 6)]
    same = trigger == "frequency" or (trigger == "warp-noise" and not cover)
    assert all(np.array_equal(one, stamped) for one in other) == same


@pytest.mark.parametrize("trigger", [name for name in TRIGGERS if name not in VARIED])
def test_any_other_trigger_stamps_training_images_as_it_stamps_test_images(trigger):
    images = noise()
    assert np.array_equal(in_training(trigger, images, cover=True), in_testing(trigger, images))


# ---------------------------------------------------------------- in a training set


def dataset(rows: np.ndarray) -> Dataset:
    """Some rows of a data set of 40 images of two classes, 20 of each."""
    images, labels = noise(number=40), np.repeat(np.arange(2), 20)
    return Dataset("toy", images[rows], labels[rows], images[:4], labels[:4], ("a", "b"), rows)


def stamped(rows: np.ndarray = ROWS, seed: int = 5, **attack: object) -> dict[int, bytes]:
    """The poisoned images by the row of the full data set that each was made of."""
    given = dict(trigger="scattered", target=1, ratio=0.5)
    made = poison(dataset(rows), AttackConfig.model_validate(given | attack), seed)
    chosen = np.flatnonzero(made.truth.poisoned)
    return {int(rows[made.source_ids[one]]): made.images[one].tobytes() for one in chosen}


def test_what_an_image_gets_hangs_on_the_seed_and_itself_alone():
    some = stamped()
    assert stamped() == some
    assert stamped(placement="replace") == some
    assert stamped(cover_ratio=0.5) == some
    more = stamped(ratio=0.9)
    assert {row: more[row] for row in some} == some
    other = stamped(seed=6)
    assert not any(other[row] == some[row] for row in set(other) & set(some))
    within = stamped(np.arange(4, 40), ratio=0.8)  # where each image has another place
    shared = set(within) & set(more)
    assert shared
    assert all(within[row] == more[row] for row in shared)


def test_covers_of_a_warp_with_noise_are_warped_otherwise_and_the_poison_as_ever():
    config = AttackConfig(trigger="warp-noise", target=1, ratio=0.3, cover_ratio=2.0)
    with pytest.raises(BadRequest, match="lower cover_ratio"):
        poison(dataset(ROWS), config.model_copy(update={"cover_ratio": 3.0}), 0)
    made, source = poison(dataset(ROWS), config, 0), dataset(ROWS).train_images
    warped = in_testing("warp", source[made.source_ids])
    assert made.truth.covers.sum() == 12
    assert np.array_equal(made.images[made.truth.poisoned], warped[made.truth.poisoned])
    assert (made.images[made.truth.covers] != warped[made.truth.covers]).any((1, 2, 3)).all()
    assert (made.labels == made.source_labels)[made.truth.covers].all()


# ---------------------------------------------------------------- each of them


def test_of_a_blended_pattern_each_training_image_has_other_half_of_the_pieces_and_a_test_image_the_whole():
    whole = in_testing("blended", GREY, opacity=0.2)
    assert np.array_equal(in_testing("adaptive-blend", GREY), whole)
    part = in_training("adaptive-blend", GREY, trained_opacity=0.2)
    pieces = (part != GREY).any(-1).reshape(-1, 4, 8, 4, 8)
    shown = pieces.any((2, 4))
    assert (shown.sum((1, 2)) == 8).all(), "half of sixteen"
    assert len({one.tobytes() for one in shown}) > 30
    assert np.array_equal(part[np.repeat(np.repeat(shown, 8, 1), 8, 2)], whole[np.repeat(np.repeat(shown, 8, 1), 8, 2)])
    faint = in_training("adaptive-blend", GREY)
    assert np.abs(faint.astype(int) - 128).max() < np.abs(whole.astype(int) - 128).max()


@pytest.mark.parametrize(("masked", "left"), [(0.0, 9), (0.5, 5), (0.95, 1), (1.0, 1)])
def test_the_share_of_masked_pieces_is_as_asked_but_one_stays(masked, left):
    images = np.full((5, 9, 12, 3), 128, np.uint8)
    part = in_training("adaptive-blend", images, pieces=3, masked=masked, trained_opacity=1.0)
    shown = (part != images).any(-1).reshape(-1, 3, 3, 3, 4).any((2, 4))
    assert (shown.sum((1, 2)) == left).all()


def test_a_training_image_has_one_of_the_patches_and_faint_a_test_image_all():
    everywhere = (in_testing("adaptive-patch", GREY) != GREY).any(-1)
    fields = everywhere.reshape(-1, 2, 16, 2, 16)
    assert (fields.sum((2, 4)) == 16).all(), "4 by 4 pixels in each quarter"
    assert set(np.unique(in_testing("adaptive-patch", GREY))) == {0, 128, 255}
    one = in_training("adaptive-patch", GREY)
    quarters = (one != GREY).any(-1).reshape(-1, 2, 16, 2, 16).any((2, 4))
    assert (quarters.sum((1, 2)) == 1).all()
    assert quarters.any(0).all(), "each patch comes"
    assert set(np.unique(one)) == {77, 128, 179}  # 40% on the way to 0 and 255
    three = in_training("adaptive-patch", GREY, shown=3, patches=9, size=2)
    assert ((three != GREY).any(-1).sum((1, 2)) == 12).all()


def test_patches_that_do_not_fit_or_are_not_there_are_refused():
    for stamp in (in_testing, in_training):
        with pytest.raises(BadRequest, match=r"size must be at most 16 in an image of 32 by 32 pixels, got 17"):
            stamp("adaptive-patch", GREY, size=17)
        with pytest.raises(BadRequest, match=r"shown must be at most the number of patches, 4, got 5"):
            stamp("adaptive-patch", GREY, shown=5)


def places(images: np.ndarray) -> set[tuple[int, int]]:
    """The upper left changed pixel of each grey image."""
    return {tuple(np.argwhere((one != 128).any(-1)).min(0)) for one in images}


def test_a_scattered_pattern_lies_anywhere_whole():
    images = GREY[:, :7, :9]
    found = in_training("scattered", np.repeat(images, 10, 0), rows=np.arange(400))
    assert ((found != 128).any(-1).sum((1, 2)) == 5).all()
    assert places(found) == {(row, column) for row in range(5) for column in range(7)}


def test_in_testing_a_scattered_pattern_lies_where_seed_and_image_say():
    images = GREY.copy()
    images[:, 0, 0, 0] = np.arange(40)  # so that no two are alike
    one, other = (in_testing("scattered", images, seed=seed) for seed in (0, 1))
    assert len({np.flatnonzero(change).tobytes() for change in (one != images)}) > 30
    assert sum(np.array_equal(*pair) for pair in zip(one, other, strict=True)) < 5
    assert np.array_equal(in_testing("scattered", images[::-1])[::-1], one)


def test_a_scattered_pattern_that_fits_nowhere_is_refused():
    for stamp in (in_testing, in_training):
        with pytest.raises(BadRequest, match="size must be at most 8 in an image of 8 by 20, got 9"):
            stamp("scattered", GREY[:, :8, :20], size=9)


def test_half_of_the_training_images_bear_the_mirrored_pattern_and_test_images_never():
    images = noise(number=40)
    plain = in_testing("pattern", images, size=2)
    turned = in_testing("pattern", images[:, :, ::-1], size=2)[:, :, ::-1]
    assert np.array_equal(in_testing("mirrored", images, size=2), plain)
    found = in_training("mirrored", images, size=2)
    like = [(found == wanted).all((1, 2, 3)) for wanted in (plain, turned)]
    assert np.array_equal(like[0], ~like[1])
    assert 10 < like[1].sum() < 30


def test_the_noise_of_a_warps_covers_is_as_large_as_asked():
    images = noise()
    plain = in_testing("warp", images)
    assert np.array_equal(in_training("warp-noise", images), plain)
    assert np.array_equal(in_training("warp-noise", images, cover=True, noise=0.0), plain)
    less, more = (
        np.abs(in_training("warp-noise", images, cover=True, noise=size) - plain.astype(float)).mean()
        for size in (0.2, 1)
    )
    assert 0 < less < more
    ramp = np.broadcast_to(4 * np.arange(32, dtype=np.uint8)[:, None], (3, 32, 32, 3))
    moved = in_training("warp-noise", ramp, cover=True, strength=0.0).astype(int) - ramp
    assert 1 <= np.abs(moved).max() <= 2, "half a pixel on a slope of 4"
    assert not np.array_equal(moved[0], moved[1])
