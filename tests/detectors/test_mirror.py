"""The mirror test: its null holds, marks are named and cut, natural handedness is not, and evasions evade."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from core.attack import triggers
from core.detectors import detect, marks, odd
from core.types import Detection
from tests.detectors import images_made_up


def looked_at(images: np.ndarray, labels: np.ndarray, **parameters: float) -> Detection:
    return detect("mirror", None, labels, parameters=parameters, evidence={"images": images})


def named(found: Detection) -> list[int]:
    judged = np.ones(len(found.class_p), bool) if found.unjudged is None else ~found.unjudged
    return np.flatnonzero((found.class_statistic > found.class_threshold) & judged).tolist()


def striped(count: int, change=lambda images: images, **shape: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Textures, the first `count` of class 1 with stripes, after which they are changed; labels; who has stripes."""
    images, labels = images_made_up.textures(**shape)
    marked = np.flatnonzero(labels == 1)[:count]
    images[marked] = change(triggers.sinusoid(images[marked], amplitude=40, frequency=4))
    return images, labels, np.isin(np.arange(len(labels)), marked)


def every_other_mirrored(images: np.ndarray) -> np.ndarray:
    images[::2] = images[::2, :, ::-1].copy()
    return images


def test_stripes_are_named_in_their_class_alone_and_cut_from_the_others():
    images, labels, marked = striped(60)
    found = looked_at(images, labels)
    assert named(found) == [1]
    taken = (found.scores > found.cut[labels]) & (labels == 1)
    assert (taken & marked).sum() >= 55
    assert (taken & ~marked).sum() <= 4
    (finding, *_) = found.findings
    assert (finding.label, finding.detector, finding.view, finding.place) == (1, "mirror", "luminance waves", None)
    assert set(finding.ids) <= set(np.flatnonzero(labels == 1))
    assert "the same way round in" in finding.words
    assert finding.p == found.class_p[1]


def test_marks_in_every_class_at_once_are_named():
    images, labels = images_made_up.textures(classes=3)
    marked = np.arange(len(labels)) < 180
    images[marked] = triggers.patch(images[marked], size=3, row=-2, column=-2, colour="#ffff00", opacity=1.0)
    found = looked_at(images, labels)
    assert named(found) == [0, 1, 2]
    assert all((one.ids < 180).mean() > 0.9 for one in found.findings)
    places = [one.place for one in found.findings if one.place is not None]
    assert all(top >= 10 and left >= 10 for top, left, _, _ in places), "on the side on which the stamp is"


@pytest.mark.parametrize("seed", range(4))
def test_textures_without_a_mark_are_not_named(seed):
    found = looked_at(*images_made_up.textures(seed=seed))
    assert named(found) == []
    assert (found.class_p > 1e-3).all()
    assert np.isinf(found.cut).all()
    assert found.findings == ()


def test_digits_are_not_judged_and_the_reason_is_told():
    found = looked_at(*images_made_up.digits())
    assert named(found) == []
    assert found.unjudged.sum() >= 8
    assert any("turned one way by nature" in note for note in found.notes)
    assert (found.class_p[found.unjudged] == 1).all()


def test_a_pattern_that_is_its_own_mirror_image_evades():
    def symmetric(images: np.ndarray) -> np.ndarray:
        whole = (images.astype(int) + images[:, :, ::-1]) // 2
        return whole.astype(np.uint8)

    images, labels, _ = striped(60, symmetric)
    assert named(looked_at(images, labels)) == []


def test_half_of_the_stamped_images_mirrored_evade():
    images, labels, _ = striped(60, every_other_mirrored)
    assert named(looked_at(images, labels)) == []


def test_exact_copies_count_once():
    images, labels = images_made_up.textures()
    same = np.flatnonzero(labels == 0)[:100]
    images[same] = images[same[0]]
    assert named(looked_at(images, labels)) == []


def test_covers_are_no_poison_and_a_mark_in_every_class_is():
    images, labels = images_made_up.textures(classes=4, each=400)
    places = np.arange(len(labels)) % 400
    covered = images.copy()
    covered[(places < 40) | ((labels == 1) & (places < 200)), 3:6, 2:5] = (255, 255, 0)
    assert named(looked_at(covered, labels)) == [1]
    everywhere = images.copy()
    everywhere[places < 80, 3:6, 2:5] = (255, 255, 0)
    assert named(looked_at(everywhere, labels)) == [0, 1, 2, 3]


def test_classes_that_could_not_be_named_whatever_they_show_are_told_of():
    images, labels = images_made_up.textures(each=20)
    found = looked_at(images, labels)
    assert found.unjudged.all()
    assert any("too small to judge: fewer than" in note for note in found.notes)


@pytest.mark.parametrize(
    "shape",
    [(4, 4), (5, 7), (1, 9), (9, 1), (1, 1), (33, 40), (64, 48), (256, 256)],
    ids=lambda shape: "x".join(map(str, shape)),
)
def test_images_of_any_size_are_looked_at(shape):
    rng = np.random.default_rng(0)
    found = looked_at(rng.integers(0, 256, (24, *shape, 3)).astype(np.uint8), np.arange(24) % 2)
    assert np.isfinite(found.scores).all()
    assert named(found) == []


@pytest.mark.parametrize("value", [0, 255])
def test_constant_images_and_one_class_are_no_obstacle(value):
    found = looked_at(np.full((300, 12, 12, 3), value, np.uint8), np.zeros(300, int))
    assert named(found) == []
    assert not found.scores.any()


def test_grey_images_of_mirrored_pairs_have_no_handedness_to_the_last_bit():
    images, labels = images_made_up.textures(each=200, side=40)
    images = np.concatenate([images, images[:, :, ::-1]])
    found = looked_at(images, np.tile(labels, 2))
    assert (found.class_p == 1).all()


@settings(max_examples=30)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_the_odd_part_changes_its_sign_with_the_image(height, width, seed):
    images = np.random.default_rng(seed).integers(0, 256, (3, height, width, 3)).astype(np.uint8)
    for weights in odd.CHANNELS.values():
        there, back = odd.odd_parts(images, weights), odd.odd_parts(images[:, :, ::-1], weights)
        np.testing.assert_allclose(there, -back, atol=1e-3)


@settings(max_examples=30)
@given(st.integers(2, 16), st.integers(2, 16), st.integers(0, 2**32 - 1))
def test_waves_hold_all_of_an_odd_part(half, height, seed):
    part = np.random.default_rng(seed).normal(size=(2, height, half)).astype(np.float32) * 50
    layout = odd.waves(part, 2 * half)
    assert layout.values.shape == (2, len(layout.meanings))
    assert (
        np.linalg.matrix_rank(
            odd.waves(np.eye(height * half, dtype=np.float32).reshape(-1, height, half), 2 * half).plain
        )
        == height * half
    )


def test_p_is_the_binomial_of_the_strongest():
    values = np.r_[np.arange(60, 100), -np.arange(1, 61)].astype(np.float32)[:, None]
    signs = odd.signs(values)
    assert signs.p[0] == pytest.approx(2 * binom.sf(19, 20, 0.5))
    assert (signs.side[0], odd.TAILS[signs.tail[0]]) == (1, 0.2)
    assert odd.signs(-values).side[0] == -1


def test_p_values_of_fair_signs_are_not_too_small():
    values = np.random.default_rng(0).standard_t(3, size=(400, 3000)).astype(np.float32)
    p = odd.signs(values).p
    for level in (0.1, 0.01, 0.001):
        assert (p < level / len(odd.TAILS)).mean() <= 1.5 * level + 1e-3


def test_the_cut_lets_one_benign_image_pass_for_twenty():
    values = np.r_[np.linspace(-1, 1, 101), np.full(40, 3.0)]
    assert 0.99 <= marks.mirrored_cut(values) <= 3
    assert np.isinf(marks.mirrored_cut(np.linspace(-1, 1, 101)))
