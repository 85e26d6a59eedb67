"""Pictures as text: equal pixels give equal text, and whatever is no small visible picture is refused."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import core
from core.configuration import pictures
from core.types import BadRequest

few = settings(max_examples=60, deadline=None, derandomize=True)
RED = np.full((2, 3, 4), (255, 0, 0, 255), np.uint8)


def png(pixels: np.ndarray, mode: str = "RGBA", **how: object) -> bytes:
    """A PNG file as Pillow writes it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").convert(mode).save(buffer, "PNG", **how)
    return buffer.getvalue()


@st.composite
def visible(draw):
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    values = draw(st.binary(min_size=4 * height * width, max_size=4 * height * width))
    pixels = np.frombuffer(values, np.uint8).reshape(height, width, 4).copy()
    pixels[0, 0, 3] |= 1
    return pixels


@few
@given(pixels=visible())
def test_pixels_come_back_and_equal_pixels_give_equal_text(pixels):
    text = pictures.encode(pixels)
    shown = np.where(pixels[..., 3:] > 0, pixels, 0)
    assert np.array_equal(pictures.decode(text), shown)
    assert pictures.canonical(text) == text
    for how in ({"compress_level": 0}, {"compress_level": 9}, {"optimize": True}):
        assert pictures.encode(pictures.from_png(png(pixels, **how))) == text


def test_what_is_written_is_a_png_that_others_read():
    with Image.open(io.BytesIO(base64.b64decode(pictures.encode(RED)))) as image:
        image.load()
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (3, 2))
        assert np.array_equal(np.asarray(image), RED)


@pytest.mark.parametrize("mode", ["RGB", "P", "L", "1", "LA"])
def test_every_kind_of_png_is_read(mode):
    found = pictures.from_png(png(np.full((2, 3, 4), 255, np.uint8), mode))
    assert found.shape == (2, 3, 4)
    assert (found == 255).all()


def test_what_a_transparent_pixel_hides_makes_no_difference():
    hidden = RED.copy()
    hidden[0, 0] = (1, 2, 3, 0)
    other = RED.copy()
    other[0, 0] = (200, 100, 50, 0)
    assert pictures.encode(hidden) == pictures.encode(other)


@pytest.mark.parametrize("shape", [(33, 4), (4, 33)])
def test_a_picture_that_is_too_large_is_refused_with_both_sizes(shape):
    pixels = np.full((*shape, 4), 255, np.uint8)
    message = f"the picture must have 1 to 32 pixels a side, got {shape[1]} by {shape[0]}"
    with pytest.raises(BadRequest, match=message):
        pictures.encode(pixels)
    with pytest.raises(BadRequest, match=message):
        pictures.from_png(png(pixels))


def test_a_file_that_claims_to_be_huge_is_refused_before_it_is_unpacked():
    header = struct.pack(">II", 2**31 - 1, 2**31 - 1) + bytes([8, 6, 0, 0, 0])
    bomb = b"\x89PNG\r\n\x1a\n" + pictures._chunk(b"IHDR", header) + pictures._chunk(b"IDAT", zlib.compress(b"0" * 9))
    with pytest.raises(BadRequest, match="got 2147483647 by 2147483647"):
        pictures.from_png(bomb)


def test_nothing_visible_is_refused():
    with pytest.raises(BadRequest, match="at least one visible pixel, got only fully transparent ones"):
        pictures.encode(np.zeros((3, 3, 4), np.uint8))


def test_a_file_that_is_too_long_is_refused():
    with pytest.raises(BadRequest, match="at most 256 KiB, got 300"):
        pictures.from_png(png(RED) + bytes(300 * 1024))


def test_a_truncated_file_is_refused():
    with pytest.raises(BadRequest, match="the picture's file is damaged"):
        pictures.from_png(png(RED)[:50])


@few
@given(place=st.integers(8, 90), value=st.integers(0, 255))
def test_an_altered_file_is_a_picture_or_refused_and_nothing_else(place, value):
    altered = bytearray(png(RED))
    altered[place % len(altered)] = value
    refusal = ""
    try:
        found = pictures.from_png(bytes(altered))
    except BadRequest as error:
        refusal = str(error)
    assert "picture" in refusal if refusal else found.shape[2] == 4


def test_two_files_of_the_same_pixels_are_the_same_run():
    texts = [base64.b64encode(png(RED, compress_level=level)).decode() for level in (0, 9)]
    assert texts[0] != texts[1]
    first, second = (core.configure(trigger="drawing", trigger_parameters={"picture": text}) for text in texts)
    assert first == second
    assert core.run_key(first) == core.run_key(second)
    assert core.run_key(first) != core.run_key(core.configure(trigger="drawing"))
