"""What each trigger does to an image; the contract over all triggers is in test_registry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attack import triggers
from core.configuration import pictures
from core.configuration.registry import TRIGGERS
from core.types import BadRequest

SIDE = 12
BLACK = np.zeros((2, SIDE, SIDE, 3), np.uint8)
NOISE = np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
few = settings(max_examples=40, derandomize=True)
places = st.integers(-SIDE, SIDE - 1)
colours = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
WHOLE = [name for name, entry in TRIGGERS.items() if entry.facts.get("whole_image")]
SHAPES = [(12, 12), (5, 9), (9, 5), (1, 7), (7, 1), (32, 48)]


def random_images(height: int, width: int, number: int = 3) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (number, height, width, 3), dtype=np.uint8)


def test_a_pixel_is_one_pixel_of_the_colour_asked_for():
    stamped = triggers.apply("pixel", {"row": 4, "column": 7, "colour": "#01ff80"}, BLACK)
    assert stamped[:, 4, 7].tolist() == [[1, 255, 128]] * 2
    assert (stamped != BLACK).any((0, 3)).sum() == 1


def test_by_default_the_pixel_is_bright_and_near_the_lower_right_corner():
    stamped = triggers.apply("pixel", {}, BLACK)
    ((row, column),) = np.argwhere(stamped[0].any(2))
    assert (row, column) == (SIDE - 2, SIDE - 2)
    assert stamped[0, row, column].max() == 255


def test_a_pattern_is_a_checkerboard_lit_at_its_corners():
    stamped = triggers.apply("pattern", {"size": 3, "row": 5, "column": 6, "colour": "#ffffff"}, BLACK)
    lit = stamped[0, 3:6, 4:7, 0] == 255
    assert lit.tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    assert (stamped != BLACK).any((0, 3)).sum() == 5


@pytest.mark.parametrize(("size", "lit"), [(2, 2), (3, 5), (4, 8), (12, 72)])
def test_a_pattern_lights_half_of_its_square(size, lit):
    stamped = triggers.apply("pattern", {"size": size, "row": -1, "column": -1}, BLACK)
    assert stamped[0].any(2).sum() == lit


def test_the_dark_pixels_of_a_pattern_show_the_image():
    stamped = triggers.apply("pattern", {"size": 3, "row": 5, "column": 6}, NOISE)
    assert np.array_equal(stamped[:, 4, 4], NOISE[:, 4, 4])


@few
@given(row=places, column=places, colour=colours, opacity=st.floats(0, 1))
def test_a_pixel_changes_only_itself_and_mixes_by_its_opacity(row, column, colour, opacity):
    stamped = triggers.apply("pixel", dict(row=row, column=column, colour=colour, opacity=opacity), NOISE)
    elsewhere = np.ones((SIDE, SIDE), bool)
    elsewhere[row, column] = False
    assert np.array_equal(stamped[:, elsewhere], NOISE[:, elsewhere])
    paint = np.array([int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)])
    mixed = NOISE[:, row, column] + opacity * (paint - NOISE[:, row, column].astype(float))
    assert np.abs(stamped[:, row, column] - mixed).max() <= 0.5 + 1e-9


@few
@given(
    size=st.integers(1, 6),
    row=st.integers(5, SIDE - 1),
    column=st.integers(5, SIDE - 1),
    colour=colours,
    opacity=st.floats(0, 1),
)
def test_a_patch_fills_exactly_its_square(size, row, column, colour, opacity):
    asked = dict(size=size, row=row, column=column, colour=colour, opacity=opacity)
    square = np.s_[:, row - size + 1 : row + 1, column - size + 1 : column + 1]
    paint = np.array([int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)])
    wanted = NOISE.copy()
    wanted[square] = np.rint((1 - opacity) * NOISE[square] + opacity * paint)
    assert np.array_equal(triggers.apply("patch", asked, NOISE), wanted)


def test_a_patch_of_one_pixel_is_the_pixel_trigger():
    assert np.array_equal(triggers.apply("patch", {"size": 1}, NOISE), triggers.apply("pixel", {}, NOISE))


@st.composite
def drawings(draw):
    """Pictures of at most 5 by 5 pixels of which something is visible."""
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    pixels = np.array(draw(st.lists(st.integers(0, 255), min_size=4 * height * width, max_size=4 * height * width)))
    pixels = pixels.astype(np.uint8).reshape(height, width, 4)
    pixels[-1, -1, 3] = draw(st.integers(1, 255))
    return pixels


@few
@given(pixels=drawings(), row=st.integers(4, SIDE - 1), column=st.integers(4, SIDE - 1), opacity=st.floats(0, 1))
def test_a_drawing_mixes_by_alpha_times_opacity_and_changes_nothing_else(pixels, row, column, opacity):
    height, width = pixels.shape[:2]
    parameters = dict(picture=pictures.encode(pixels), row=row, column=column, opacity=opacity)
    stamped = triggers.apply("drawing", parameters, NOISE)
    box = np.s_[:, row - height + 1 : row + 1, column - width + 1 : column + 1]
    alpha = opacity * pixels[..., 3:] / 255
    mixed = NOISE[box] + alpha * (pixels[..., :3] - NOISE[box].astype(float))
    assert np.abs(stamped[box] - mixed).max() <= 0.5 + 1e-9
    elsewhere = NOISE.copy()
    elsewhere[box] = stamped[box]
    assert np.array_equal(stamped, elsewhere)


def test_a_drawing_shows_the_image_where_it_is_transparent_and_itself_where_it_is_not():
    pixels = np.array([[[9, 9, 9, 0], [1, 2, 3, 255]]], np.uint8)
    stamped = triggers.apply("drawing", {"picture": pictures.encode(pixels), "row": 3, "column": 5}, NOISE)
    assert np.array_equal(stamped[:, 3, 4], NOISE[:, 3, 4])
    assert stamped[:, 3, 5].tolist() == [[1, 2, 3]] * 2


def test_a_drawing_as_large_as_the_image_fits_only_at_its_corner():
    whole = pictures.encode(np.full((SIDE, SIDE, 4), 255, np.uint8))
    assert (triggers.apply("drawing", {"picture": whole, "row": -1, "column": -1}, NOISE) == 255).all()
    with pytest.raises(BadRequest, match=r"got rows -1 to 10, columns -1 to 10"):
        triggers.apply("drawing", {"picture": whole}, NOISE)


@few
@given(row=places, column=places)
def test_a_negative_place_counts_from_the_lower_right(row, column):
    wrapped = dict(row=row % SIDE, column=column % SIDE)
    assert np.array_equal(
        triggers.apply("pixel", dict(row=row, column=column), NOISE), triggers.apply("pixel", wrapped, NOISE)
    )


@few
@given(size=st.integers(2, SIDE + 3), row=st.integers(-2 * SIDE, 2 * SIDE), column=st.integers(-2 * SIDE, 2 * SIDE))
def test_a_pattern_fits_or_is_refused_with_its_own_place(size, row, column):
    bottom, right = (place + SIDE if place < 0 else place for place in (row, column))
    fits = size - 1 <= bottom < SIDE and size - 1 <= right < SIDE
    settled = dict(size=size, row=row, column=column)
    if fits:
        changed = (triggers.apply("pattern", settled, BLACK) != BLACK).any((0, 3))
        inside = np.zeros((SIDE, SIDE), bool)
        inside[bottom - size + 1 : bottom + 1, right - size + 1 : right + 1] = True
        assert changed.any()
        assert not changed[~inside].any()
    else:
        got = f"got rows {bottom - size + 1} to {bottom}, columns {right - size + 1} to {right}"
        with pytest.raises(BadRequest) as refused:
            triggers.apply("pattern", settled, BLACK)
        assert got in str(refused.value)


def test_the_image_need_not_be_square():
    wide = np.zeros((1, 4, 9, 3), np.uint8)
    stamped = triggers.apply("pixel", {"row": -1, "column": 8}, wide)
    assert stamped[0, 3, 8].any()
    with pytest.raises(BadRequest, match="rows 0 to 3, columns 0 to 8"):
        triggers.apply("pixel", {"row": 8, "column": 3}, wide)


def test_an_unknown_trigger_and_a_bad_parameter_are_refused():
    with pytest.raises(BadRequest, match="unknown trigger 'sticker'; allowed are"):
        triggers.apply("sticker", {}, BLACK)
    with pytest.raises(BadRequest, match="size"):
        triggers.apply("pixel", {"size": 3}, BLACK)
    with pytest.raises(BadRequest, match="opacity must lie in"):
        triggers.apply("pixel", {"opacity": 1.5}, BLACK)


# ---------------------------------------------------------------- over the whole image


def test_the_triggers_over_the_whole_image_are_known_as_such():
    assert WHOLE == ["blended", "sinusoid", "warp", "low-frequency", "frequency", "adaptive-blend", "warp-noise"]
    assert not any({"row", "column"} & set(TRIGGERS[name].parameters) for name in WHOLE)


@pytest.mark.parametrize("trigger", WHOLE)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_trigger_over_the_whole_image_takes_any_size_and_any_number(trigger, shape):
    images = random_images(*shape, triggers.BATCH + 2)
    stamped = triggers.apply(trigger, {}, images)
    assert stamped.shape == images.shape
    assert stamped.dtype == np.uint8
    for at in (0, triggers.BATCH - 1, triggers.BATCH, triggers.BATCH + 1):
        assert np.array_equal(stamped[at : at + 1], triggers.apply(trigger, {}, images[at : at + 1]))


@pytest.mark.parametrize("trigger", WHOLE)
def test_a_trigger_over_the_whole_image_is_faint_by_default_and_everywhere(trigger):
    images = random_images(32, 32)
    change = np.abs(triggers.apply(trigger, {}, images).astype(int) - images)
    assert 0 < np.median(change) < 40
    thirds = change.any(-1)[:, :30, :30].reshape(-1, 3, 10, 3, 10)
    assert thirds.any((2, 4)).all(), "some part of an image bears nothing of the trigger"


@pytest.mark.parametrize("trigger", ["blended", "warp", "low-frequency", "adaptive-blend", "warp-noise"])
def test_another_seed_is_another_trigger(trigger):
    images = random_images(32, 32)
    first, second, again = (triggers.apply(trigger, {"seed": seed}, images) for seed in (1, 2, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_the_blended_pattern_is_the_same_for_every_image():
    pattern = triggers.apply("blended", {"opacity": 1.0, "seed": 5}, NOISE)
    assert np.array_equal(pattern[0], pattern[1])
    assert np.array_equal(pattern, triggers.apply("blended", {"opacity": 1.0, "seed": 5}, BLACK))
    assert pattern.std() > 60  # uniform over 0..255, each channel on its own
    assert not np.array_equal(pattern[..., 0], pattern[..., 1])


@few
@given(opacity=st.floats(0, 1), seed=st.integers(0, 2**31 - 1))
def test_a_blended_image_is_linear_in_the_opacity(opacity, seed):
    pattern = triggers.apply("blended", {"opacity": 1.0, "seed": seed}, NOISE).astype(float)
    stamped = triggers.apply("blended", {"opacity": opacity, "seed": seed}, NOISE)
    assert np.abs(stamped - ((1 - opacity) * NOISE + opacity * pattern)).max() <= 0.5 + 1e-9


@few
@given(amplitude=st.integers(1, 127), frequency=st.integers(1, 12), shape=st.sampled_from(SHAPES))
def test_a_sinusoid_is_the_papers_wave_on_every_row_and_channel(amplitude, frequency, shape):
    grey = np.full((2, *shape, 3), 128, np.uint8)
    change = triggers.apply("sinusoid", dict(amplitude=amplitude, frequency=frequency), grey).astype(int) - 128
    assert (change == change[:1, :1, :, :1]).all(), "not the same on every row, channel and image"
    assert np.abs(change).max() <= amplitude
    width = shape[1]
    wave = [amplitude * np.sin(2 * np.pi * column * frequency / width) for column in range(width)]
    assert np.abs(change[0, 0, :, 0] - wave).max() <= 0.5 + 1e-9


def test_a_sinusoid_stays_within_the_range_of_pixels():
    asked = {"amplitude": 255, "frequency": 3}
    assert np.array_equal(np.unique(triggers.apply("sinusoid", asked, BLACK)[:, :, :2]), [0, 255])
    white = np.full_like(BLACK, 255)
    assert triggers.apply("sinusoid", asked, white)[:, :, 1].min() == 255


@few
@given(grid=st.integers(2, 9), strength=st.floats(0, 16), seed=st.integers(0, 999), shape=st.sampled_from(SHAPES))
def test_a_warp_keeps_an_even_image_and_only_moves_what_is_there(grid, strength, seed, shape):
    asked = dict(grid=grid, strength=strength, seed=seed)
    even = np.full((1, *shape, 3), 77, np.uint8)
    assert np.array_equal(triggers.apply("warp", asked, even), even)
    images = random_images(*shape)
    moved = triggers.apply("warp", asked, images)
    assert (moved.min((1, 2)) >= images.min((1, 2))).all()
    assert (moved.max((1, 2)) <= images.max((1, 2))).all()


def test_a_warp_without_strength_changes_nothing_and_one_by_default_little():
    smooth = np.clip(np.indices((32, 32)).sum(0)[None, ..., None] * np.array([1, 2, 4]), 0, 255).astype(np.uint8)
    assert np.array_equal(triggers.apply("warp", {"strength": 0.0}, smooth), smooth)
    change = np.abs(triggers.apply("warp", {}, smooth).astype(int) - smooth)
    assert 0 < change.max() <= 4  # less than a pixel's step of 4


def test_a_warp_moves_every_image_by_the_same_field():
    ramp = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[:, None], (32, 32, 3))
    images = np.stack([ramp, 255 - ramp])
    first, second = triggers.apply("warp", {"strength": 4.0}, images).astype(int)
    assert np.abs(first + second - 255).max() <= 1  # what one ramp gains the other loses


@pytest.mark.parametrize(
    ("height", "width", "grid", "strength"), [(32, 32, 4, 0.5), (20, 33, 7, 5.0), (9, 40, 2, 16.0)]
)
def test_a_warp_is_the_papers_recipe(height, width, grid, strength):
    """The published recipe in torch: bicubic upsampling, a clipped grid, grid_sample, corners aligned."""
    import torch
    from torch.nn import functional

    images = random_images(height, width)
    offsets = torch.from_numpy(np.random.default_rng(1).uniform(-1, 1, (2, grid, grid)))
    offsets = (offsets / offsets.abs().mean())[None]
    field = functional.interpolate(offsets, size=(height, width), mode="bicubic", align_corners=True)[0]
    ends = (torch.linspace(-1, 1, side, dtype=torch.float64) for side in (height, width))
    rows, columns = torch.meshgrid(*ends, indexing="ij")
    places = torch.stack([columns + strength * field[1] / width, rows + strength * field[0] / height], -1)
    sampled = functional.grid_sample(
        torch.from_numpy(images).double().permute(0, 3, 1, 2),
        places.clamp(-1, 1).expand(len(images), -1, -1, -1),
        align_corners=True,
    )
    stamped = triggers.apply("warp", dict(grid=grid, strength=strength, seed=1), images)
    assert np.abs(stamped - sampled.permute(0, 2, 3, 1).numpy()).max() <= 0.5 + 1e-6
