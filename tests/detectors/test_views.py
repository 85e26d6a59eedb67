"""Views: orthonormal spectra, tiles that cover the image, averages over areas."""

from __future__ import annotations

import numpy as np
import pytest

from core.configuration import VIEWS
from core.detectors import view, views
from core.types import BadRequest

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("channel", list(views.CHANNELS))
def test_a_spectrum_keeps_lengths_and_distances(channel):
    plane = IMAGES.astype(float) @ np.array(views.CHANNELS[channel])
    seen = views.spectrum(IMAGES, channel)
    assert seen.dtype == np.float32
    assert seen.shape == (5, 1024)
    assert np.allclose(seen @ seen.T, plane.reshape(5, -1) @ plane.reshape(5, -1).T, rtol=1e-4, atol=1)


def test_a_flat_image_has_only_its_mean():
    flat = np.full((1, 32, 32, 3), 90, np.uint8)
    seen = views.spectrum(flat, "luminance")[0]
    assert seen[0] == pytest.approx(90 * 32)
    assert np.abs(seen[1:]).max() < 1e-2
    assert np.abs(views.spectrum(flat, "blue-yellow")).max() < 1e-2


@pytest.mark.parametrize("size", [(32, 32), (28, 28), (17, 40), (8, 8), (64, 64), (224, 224), (300, 500), (1, 50)])
def test_tiles_cover_the_image_and_lie_inside(size):
    height, width = size
    tiles = views.tile_views(height, width)
    images = np.zeros((1, height, width, 3), np.uint8)
    seen = views.reduced(images, views.LARGEST).shape[1:3]
    covered = np.zeros(seen, bool)
    for tile in tiles:
        top, left, down, across = tile.place
        assert top + down <= seen[0]
        assert left + across <= seen[1]
        covered[top : top + down, left : left + across] = True
        assert tile.of(images).shape == (1, down * across * 3)
    assert covered.all() or not tiles
    assert bool(tiles) == (height * width > 256)


def test_tiles_of_small_images_overlap_and_those_of_photographs_are_few():
    assert len(views.tile_views(32, 32)) == 9
    assert len(views.tile_views(224, 224)) == 14 * 14


def test_reducing_averages_over_areas():
    images = RNG.integers(0, 256, (2, 64, 96, 3), np.uint8)
    halved = views.reduced(images, 48)
    exact = images.reshape(2, 32, 2, 48, 2, 3).mean((2, 4))
    assert halved.shape == (2, 32, 48, 3)
    assert np.abs(halved - exact).max() <= 0.5 + 1e-3
    assert views.reduced(images, 96) is images
    odd = views.reduced(np.full((1, 50, 70, 3), 77, np.uint8), 32)
    assert odd.shape == (1, 23, 32, 3)
    assert (odd == 77).all()


@pytest.mark.parametrize(("name", "width"), list(zip(VIEWS, (1024, 1024, 1024, 3072, *[768] * 9), strict=True)))
def test_a_view_is_a_representation(name, width):
    assert view(name, IMAGES).shape == (5, width)


@pytest.mark.parametrize("sides", [(32, 32), (40, 56), (9, 30), (300, 400)])
def test_tiles_stand_in_the_corners_in_the_middle_and_between(sides):
    """A gradient down and across says where a tile was cut; beyond 224 a side the image is reduced first."""
    height, width = sides
    ramp = np.zeros((1, height, width, 3), np.uint8)
    ramp[0, :, :, 0], ramp[0, :, :, 1] = np.arange(height)[:, None] * 255 // height, np.arange(width) * 255 // width
    shown = views.reduced(ramp, views.LARGEST)[0]
    seen = {name.removeprefix("image-tile-"): view(name, ramp)[0] for name in VIEWS if "-tile-" in name}
    assert len(seen) == 9
    high, wide = min(16, shown.shape[0]), min(16, shown.shape[1])
    middle = (shown.shape[0] - high) // 2, (shown.shape[1] - wide) // 2
    for where, (top, left) in {
        "top-left": (0, 0),
        "middle": middle,
        "right": (middle[0], shown.shape[1] - wide),
        "bottom": (shown.shape[0] - high, middle[1]),
        "bottom-right": (shown.shape[0] - high, shown.shape[1] - wide),
    }.items():
        assert np.array_equal(seen[where].reshape(high, wide, 3), shown[top : top + high, left : left + wide])


def test_an_unknown_view_is_refused_with_those_there_are():
    with pytest.raises(BadRequest, match=r"a view must be one of .*image-luminance.*, got 'penultimate'"):
        view("penultimate", IMAGES)
