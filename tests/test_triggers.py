"""What each trigger does to an image; the contract over all triggers is in test_registry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import pictures, triggers
from core.types import BadRequest

SIDE = 12
BLACK = np.zeros((2, SIDE, SIDE, 3), np.uint8)
NOISE = np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
few = settings(max_examples=40, deadline=None, derandomize=True)
places = st.integers(-SIDE, SIDE - 1)
colours = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


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
