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

few = settings(max_examples=60, derandomize=True)
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


# --- any file --------------------------------------------------------------------------------------------

RAMP = np.linspace(0, 1, 6 * 4).reshape(4, 6)
GREY = np.rint(255 * RAMP).astype(np.uint8)


def saved(image: Image.Image, format: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **how)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("image", "format"),
    [
        (Image.fromarray(np.rint(65_535 * RAMP).astype(np.uint16)), "PNG"),
        (Image.fromarray(np.rint(65_535 * RAMP).astype(np.uint16)), "TIFF"),
        (Image.fromarray(np.rint(65_535 * RAMP).astype(">u2")), "TIFF"),
        (Image.fromarray(np.rint(65_535 * RAMP).astype(np.int32)), "TIFF"),
        (Image.fromarray(np.rint(2e9 * RAMP - 1e9).astype(np.int32)), "TIFF"),
        (Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
        (Image.fromarray((300 * RAMP - 7).astype(np.float32)), "TIFF"),
        (Image.fromarray(GREY), "PNG"),
        (Image.fromarray(GREY).convert("LA"), "PNG"),
        (Image.fromarray(GREY).convert("P"), "PNG"),
        (Image.fromarray(GREY).convert("RGB"), "TIFF"),
        (Image.fromarray(GREY).convert("RGB").convert("CMYK"), "TIFF"),
    ],
    ids=lambda value: getattr(value, "mode", value),
)
def test_a_ramp_of_grey_is_that_ramp_whatever_holds_it(image: Image.Image, format: str) -> None:
    found = pictures.read(saved(image, format), (format,))
    assert np.abs(found[..., :3].astype(int) - GREY[..., None]).max() <= 1
    assert (found[..., 3] == 255).all()


def test_a_small_picture_of_16_bits_is_no_white_one() -> None:
    found = pictures.from_png(saved(Image.fromarray(np.rint(65_535 * RAMP).astype(np.uint16))))
    np.testing.assert_array_equal(found[..., 0], GREY)


def test_a_cmyk_jpeg_has_its_colours() -> None:
    for mode in ("RGB", "CMYK"):
        found = pictures.read(saved(Image.new("RGB", (8, 8), (200, 30, 60)).convert(mode), "JPEG", quality=95))
        assert np.abs(found[0, 0].astype(int) - (200, 30, 60, 255)).max() <= 6


def test_one_grey_of_16_bits_can_be_transparent() -> None:
    image = Image.fromarray(np.array([[0, 40_000]], np.uint16))
    found = pictures.read(saved(image, transparency=40_000))
    np.testing.assert_array_equal(found[0, :, 3], [255, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright(orientation: int, dtype: type) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    values = (np.arange(6).reshape(2, 3) * (np.iinfo(dtype).max // 5)).astype(dtype)
    found = pictures.read(saved(Image.fromarray(values), exif=exif))[..., 0]
    grey = (51 * np.arange(6).reshape(2, 3)).astype(np.uint8)
    turned = {1: grey, 2: grey[:, ::-1], 3: grey[::-1, ::-1], 4: grey[::-1], 5: grey.T, 6: grey[::-1].T,
              7: grey[::-1, ::-1].T, 8: grey[:, ::-1].T}  # fmt: skip
    np.testing.assert_array_equal(found, turned[orientation])


def test_of_several_frames_the_first_is_taken() -> None:
    first, second = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    content = saved(first, save_all=True, append_images=[second], default_image=False)
    assert (pictures.read(content)[..., :3] == (255, 0, 0)).all()


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_file_that_was_cut_off_is_one_sentence(format: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    content = saved(noise, format)
    with pytest.raises(BadRequest, match=r"picture") as refused:
        pictures.read(content[: int(share * len(content))])
    assert "\n" not in str(refused.value)
    assert " at 0x" not in str(refused.value)


def test_what_is_no_number_is_no_picture() -> None:
    with pytest.raises(BadRequest, match="must hold finite numbers"):
        pictures.read(saved(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"), ("TIFF",))


def test_a_file_that_is_too_large_is_refused_by_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_BYTES", 100)
    with pytest.raises(BadRequest, match="at most 0 MiB"):
        pictures.read(bytes(101))


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
