"""Triggers made of frequencies: what they add, to which frequencies, and at any size of image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn

from core.attack import triggers
from core.configuration import TriggerConfig
from core.types import BadRequest

few = settings(max_examples=30, derandomize=True)
SHAPES = [(8, 8), (32, 32), (20, 33), (96, 64)]
TO_YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]  # BT.601
)


def change(trigger: str, shape: tuple[int, int], **parameters: object) -> np.ndarray:
    """What a trigger adds to a grey image, [h, w, 3]."""
    grey = np.full((1, *shape, 3), 128, np.uint8)
    return triggers.apply(trigger, parameters, grey)[0].astype(float) - 128


@few
@given(shape=st.sampled_from(SHAPES), amplitude=st.integers(20, 120), cutoff=st.integers(2, 8), seed=st.integers(0, 99))
def test_a_low_frequency_pattern_has_no_other_frequency_and_the_amplitude_asked_for(shape, amplitude, cutoff, seed):
    added = change("low-frequency", shape, amplitude=amplitude, cutoff=cutoff, seed=seed)
    assert np.abs(added).max() == amplitude
    found = dctn(added, axes=(0, 1), norm="ortho")
    low = found[:cutoff, :cutoff].copy()
    assert abs(low[0, 0]).max() < 0.5 * np.sqrt(np.prod(shape)), "the mean stays as it was, but for rounding"
    found[:cutoff, :cutoff] = 0
    assert np.abs(found).max() < 4, "what rounding leaves"
    assert np.linalg.norm(low) > 20 * np.abs(found).max()


def test_a_low_frequency_pattern_is_the_same_at_every_size():
    small, large = (change("low-frequency", (side, side), amplitude=100) for side in (32, 224))
    coarse = large.reshape(32, 7, 32, 7, 3).mean((1, 3))
    assert np.abs(small - coarse * (np.abs(small).max() / np.abs(coarse).max())).max() < 3


def test_another_seed_is_another_smooth_pattern():
    one, two, again = (change("low-frequency", (32, 32), seed=seed) for seed in (1, 2, 1))
    assert np.array_equal(one, again)
    assert np.abs(one - two).max() > 10


def test_a_smooth_pattern_on_one_pixel_is_nothing():
    assert not change("low-frequency", (1, 1)).any()


@pytest.mark.parametrize("shape", [(32, 32), (64, 96)])
def test_the_frequency_trigger_adds_its_magnitude_to_two_coefficients_of_both_colour_channels(shape):
    added = change("frequency", shape, magnitude=200.0)
    luminance, *colours = (added @ TO_YCBCR.T).transpose(2, 0, 1)
    assert np.abs(luminance).max() < 0.6, "rounding"
    for square in (channel[:32, :32] for channel in colours):
        found = dctn(square, norm="ortho")
        assert found[15, 15] == pytest.approx(200, abs=4)
        assert found[31, 31] == pytest.approx(200, abs=4)
        found[[15, 31], [15, 31]] = 0
        assert np.abs(found).max() < 4
    assert np.array_equal(added, np.tile(added[:32, :32], (shape[0] // 32, shape[1] // 32, 1)))


def test_blocks_of_eight_pixels_have_a_middle_and_a_high_frequency_of_their_own_and_the_rest_is_left():
    added = change("frequency", (20, 33), block=8, magnitude=100.0)
    found = dctn((added @ TO_YCBCR.T)[8:16, 24:32, 2], norm="ortho")
    assert found[3, 3] == pytest.approx(100, abs=2)
    assert found[7, 7] == pytest.approx(100, abs=2)
    assert not added[16:].any()
    assert not added[:, 32:].any()


def test_a_block_larger_than_the_image_is_the_image():
    assert np.array_equal(change("frequency", (8, 8)), change("frequency", (8, 8), block=8))


def test_in_training_the_frequency_trigger_is_as_faint_as_asked_and_alike_for_poison_and_covers():
    grey = np.full((2, 32, 32, 3), 128, np.uint8)
    one = TriggerConfig(trigger="frequency", parameters={"magnitude": 200.0, "trained_magnitude": 80.0})
    as_test = triggers.apply("frequency", {"magnitude": 80.0}, grey)
    for cover in (False, True):
        assert np.array_equal(triggers.apply_training(one, grey, np.arange(2), 0, cover=cover), as_test)


@pytest.mark.parametrize(
    ("trigger", "bad", "said"),
    [
        ("low-frequency", {"cutoff": 1}, r"cutoff must lie in \[2, 16\], got 1"),
        ("low-frequency", {"amplitude": 0}, r"amplitude must lie in \[1, 255\], got 0"),
        ("frequency", {"high": 1.5}, r"high must lie in \[0, 1\], got 1.5"),
        ("frequency", {"block": 1}, r"block must lie in \[2, 512\], got 1"),
    ],
)
def test_settings_that_make_no_pattern_are_refused(trigger, bad, said):
    with pytest.raises(BadRequest, match=said):
        change(trigger, (32, 32), **bad)
