"""Pixels: every mode as a network sees it, upright, at one size; what hides is named, what is broken fails alone."""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import audits
from core.audits import pixels as audited
from core.types import BadRequest
from tests.audits.made import CLASSES, laid_out, picture, pixels

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def one(tmp_path: Path, content: bytes, name: str = "cat/a.png", **how: int) -> audits.Brought:
    """A set of this picture and another of 8 x 8 pixels."""
    return audits.read(laid_out(tmp_path / "set", {name: content, "dog/z.png": picture()}), **how)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose head says so, and next to nothing behind it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", 99)
        + b"IDAT"
        + b"\x78\x01"
    )


@pytest.mark.parametrize(
    ("image", "kind", "mode"),
    [
        (Image.fromarray(GREY), "PNG", "L"),
        (Image.fromarray(GREY.astype(np.uint16) * 257), "PNG", "I;16"),
        (Image.fromarray(GREY.astype(np.float32) / 255), "TIFF", "F"),
        (Image.fromarray(GREY.astype(np.int32) * 257), "TIFF", "I"),
        (Image.fromarray(np.stack([GREY, GREY * 0 + 255], 2), "LA"), "PNG", "LA"),
        (Image.fromarray(GREY).convert("P"), "GIF", None),
        (Image.fromarray(np.stack([GREY * 0, GREY * 0, GREY * 0, 255 - GREY], 2), "CMYK"), "TIFF", "CMYK"),
        (Image.fromarray(GREY).convert("RGBA"), "PNG", "RGBA"),
        (Image.fromarray(GREY).convert("RGB"), "BMP", "RGB"),
        (Image.fromarray(GREY).convert("RGB"), "PPM", "RGB"),
    ],
)
def test_every_mode(image: Image.Image, kind: str, mode: str | None, tmp_path: Path) -> None:
    brought = one(tmp_path, picture(image, kind))
    assert not brought.unreadable
    assert not brought.doubtful
    assert np.array_equal(brought.images[0], np.stack([GREY] * 3, 2)), brought.modes
    assert mode is None or brought.modes[0] == mode
    assert brought.digests[0] == hashlib.blake2b(picture(image, kind), digest_size=16).digest()


def test_black_and_white_and_palettes(tmp_path: Path) -> None:
    halves = np.zeros((8, 8), bool)
    halves[:, 4:] = True
    brought = one(tmp_path, picture(Image.fromarray(halves)))
    assert brought.modes[0] == "1"
    assert np.array_equal(brought.images[0, ..., 1], halves * 255)
    colours = Image.fromarray(pixels(3)).quantize(64)
    brought = one(tmp_path / "more", picture(colours))
    assert brought.modes[0] == "P"
    assert np.array_equal(brought.images[0], np.asarray(colours.convert("RGB")))
    assert any("Kinds of pixels: P (1), RGB (1)" in said for said in brought.sentences)


# --- transparency -----------------------------------------------------------------------------------------


def test_what_lies_under_transparency_is_seen_and_named(tmp_path: Path) -> None:
    secret = np.dstack([pixels(5), np.full((8, 8), 255, np.uint8)])
    secret[2:6, 2:6, 3] = 0
    brought = one(tmp_path, picture(Image.fromarray(secret)))
    assert np.array_equal(brought.images[0], secret[..., :3]), "as convert('RGB') hands it to a network"
    (doubt,) = brought.doubtful
    assert doubt.name == "cat/a.png"
    assert "25.0% of its pixels look otherwise on white than to a network" in doubt.why


@pytest.mark.parametrize(
    ("under", "doubtful"),
    [((255, 255, 255, 0), False), ((250, 250, 250, 0), False), ((0, 0, 0, 0), True), ((0, 0, 0, 250), False)],
)
def test_transparency_that_hides_nothing_is_not_named(under: tuple[int, ...], doubtful: bool, tmp_path: Path) -> None:
    image = np.full((8, 8, 4), 255, np.uint8)
    image[:4] = under
    brought = one(tmp_path, picture(Image.fromarray(image)))
    assert bool(brought.doubtful) == doubtful
    assert not any("picture of its own" in doubt.why for doubt in brought.doubtful)


def test_transparency_of_grey_and_of_palettes(tmp_path: Path) -> None:
    grey = picture(Image.fromarray(GREY), transparency=100)
    palette = picture(Image.fromarray(pixels(3)).quantize(8), transparency=bytes([0, 0, 0, 0, 255, 255, 255, 255]))
    brought = audits.read(
        laid_out(tmp_path / "set", {"a/grey.png": grey, "b/palette.png": palette, "c.png": picture()})
    )
    assert not brought.unreadable
    assert {doubt.name for doubt in brought.doubtful} == {"a/grey.png", "b/palette.png"}
    assert np.array_equal(brought.images[0, ..., 0], GREY)


# --- orientation, frames ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pictures_stand_upright(kind: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 8), "red")
    image.paste("blue", (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    brought = one(tmp_path, picture(image, kind, exif=exif))
    assert brought.sizes[0].tolist() == [16, 8]
    brought = audits.read(laid_out(tmp_path / "alone", {"a.png": picture(image, kind, exif=exif)}))
    assert brought.images.shape == (1, 16, 8, 3)
    assert brought.images[0, 2, 4, 2] > 200, "blue is at the top"
    assert brought.images[0, 13, 4, 0] > 200


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(range(200)), b"x"])
def test_damaged_exif_is_no_damaged_picture(exif: bytes, tmp_path: Path) -> None:
    brought = one(tmp_path, picture(0, "JPEG", exif=exif))
    assert not brought.unreadable


@pytest.mark.parametrize(("kind", "name"), [("GIF", "a.gif"), ("PNG", "a.png"), ("TIFF", "a.tif"), ("WEBP", "a.webp")])
def test_of_several_frames_the_first_is_taken(kind: str, name: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    brought = one(tmp_path, picture(frames[0], kind, save_all=True, append_images=frames[1:]), f"cat/{name}")
    assert brought.doubtful == (audits.Unreadable(f"cat/{name}", "has more than one frame; the first is taken"),)
    assert abs(brought.images[0].astype(int) - (255, 0, 0)).max() < 8


def test_a_phones_preview_is_no_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    brought = one(tmp_path, picture(frames[0], "MPO", save_all=True, append_images=frames[1:]), "cat/a.jpg")
    assert not brought.doubtful
    assert not brought.unreadable


# --- broken files fail alone ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (picture(0, "JPEG")[:-200], "damaged or cut short"),
        (picture(np.zeros((64, 64, 3), np.uint8) + pixels(1, 64, 64))[:3000], "damaged or cut short"),
        (b"", "must be a picture"),
        (b"no picture", "must be a picture, PNG, JPEG, BMP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "must be a picture"),
        (bomb(8000, 8000), "at most 40 million pixels, got 8,000 by 8,000"),
        (bomb(60_000, 60_000), "at most 40 million pixels"),
        (bomb(8, 8), "damaged or cut short"),
    ],
)
@pytest.mark.parametrize("side", [None, 8])
def test_one_broken_file_fails_alone(content: bytes, words: str, side: int | None, tmp_path: Path) -> None:
    files = {**CLASSES, "1/0.png": content}
    brought = audits.read(laid_out(tmp_path / "set", files), side=side)
    (broken,) = brought.unreadable
    assert broken.name == "1/0.png"
    assert words in broken.why
    order = sorted(files)
    assert brought.names == tuple(name for name in order if name != "1/0.png")
    assert [order[row] for row in brought.rows] == list(brought.names)
    for row, name in enumerate(brought.names):
        label, place = name.removesuffix(".png").split("/")
        assert brought.classes[brought.labels[row]] == label
        assert np.array_equal(brought.images[row], pixels(10 * int(label) + int(place)))
    assert any("1 image could not be read: 1/0.png" in said for said in brought.sentences)


def test_a_set_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "set", {"cat/a.png": b"x", "cat/b.png": b""})
    assert audits.recognise(root).images == 2
    for side in (None, 8):
        with pytest.raises(
            BadRequest, match=r"none of the 2 images could be read; cat/a.png: the file must be a picture"
        ):
            audits.read(root, side=side)


# --- the working size -------------------------------------------------------------------------------------


def sized(tmp_path: Path, *sizes: tuple[int, int], side: int | None = None) -> audits.Brought:
    files = {f"cat/{place:04}.png": picture(pixels(place, *size)) for place, size in enumerate(sizes)}
    return audits.read(laid_out(tmp_path / "set", files), side=side)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(10, 12)] * 3, (10, 12)),
        ([(10, 12)] * 99 + [(30, 30)], (10, 12)),
        ([(10, 12)] * 9 + [(30, 40)], (10, 10)),
        ([(9, 12), (20, 11), (40, 30)], (11, 11)),
        ([(2, 50), (3, 3)], (8, 8)),
        ([(300, 400)] * 2, (224, 224)),
        ([(1, 1)] * 2, (1, 1)),
    ],
)
def test_the_working_size(sizes: list[tuple[int, int]], expected: tuple[int, int], tmp_path: Path) -> None:
    brought = sized(tmp_path, *sizes)
    assert brought.images.shape == (len(sizes), *expected, 3)
    assert brought.sizes.tolist() == [list(size) for size in sizes]
    assert any(f"{expected[0]} x {expected[1]}" in said for said in brought.sentences)


def test_another_side_and_one_that_is_none(tmp_path: Path) -> None:
    assert sized(tmp_path, (10, 12), (30, 40), side=16).images.shape == (2, 16, 16, 3)
    for side in (0, 7, 2000, True, 9.5):
        with pytest.raises(BadRequest, match="side must be a whole number of pixels from 8 to 1,024"):
            audits.read(tmp_path / "set", side=side)  # type: ignore[arg-type]


def test_areas_are_averaged_and_the_middle_is_cut_out(tmp_path: Path) -> None:
    image = pixels(0, 32, 64)
    brought = audits.read(laid_out(tmp_path / "set", {"cat/a.png": picture(image)}), side=8)
    middle = image[:, 16:48].reshape(8, 4, 8, 4, 3).mean((1, 3))
    assert np.abs(brought.images[0] - middle).max() <= 1


def test_thin_pictures(tmp_path: Path) -> None:
    brought = sized(tmp_path, (1, 5000), (5000, 1), (1, 1), (16, 16), side=32)
    assert not brought.unreadable
    assert [doubt.name for doubt in brought.doubtful] == ["cat/0000.png", "cat/0001.png"]
    assert "of which only the middle is looked at" in brought.doubtful[0].why


shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=150, derandomize=True)
@given(shapes, shapes, st.tuples(*[st.integers(0, 255)] * 3))
def test_any_size_fits_any_working_size(size: tuple[int, int], shape: tuple[int, int], colour: tuple[int, ...]) -> None:
    seen = audited.seen(picture(np.full((*size, 3), colour, np.uint8)), shape)
    assert seen.pixels.shape == (*shape, 3)
    assert (seen.height, seen.width) == size
    assert (seen.pixels == colour).all()


@settings(max_examples=150, derandomize=True)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_whatever_the_bytes_are_nothing_else_is_raised(noise: bytes, at: int) -> None:
    whole = picture(pixels(0, 8, 8))
    for content in (noise, whole[:at] + noise, whole[:at] + noise + whole[at + len(noise) :]):
        for read in (lambda data: audited.seen(data, (8, 8)), lambda data: audited.size_of(io.BytesIO(data))):
            with contextlib.suppress(BadRequest):
                read(content)
