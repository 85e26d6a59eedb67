"""Pictures that a person brings: any file as pixels, and a small one as text, as it stands in a configuration.

A picture is [h, w, 4] uint8, red, green, blue and alpha, at most 32 by 32 pixels. Its text is a PNG in base64, in
one canonical form that this module writes itself: uncompressed, and black where it is fully transparent. So
equal pixels give equal text, and equal stage keys, whatever program or compressor the file came from.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.configuration.reading import shown
from core.types import BadRequest

Picture = NDArray[np.uint8]  # [h, w, 4]

SIDE = 32  # pixels, the longest side
MAX_BYTES = 256 * 1024  # of a file: what its pixels need, and what an editor may write beside them
FORMATS = ("PNG", "JPEG")  # of files that are read
MOST_BYTES, MOST_PIXELS = 64 * 2**20, 40_000_000  # of a file of any size

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA8 = bytes([8, 6, 0, 0, 0])  # 8 bits a channel, red green blue alpha, not interlaced
_HEAD = struct.Struct(">8xI4sII")  # behind the signature: length and name of the first chunk, width, height


def encode(pixels: Picture) -> str:
    """The canonical text of a picture [h, w, 4]; BadRequest where it is too large or nothing in it is visible."""
    if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        raise BadRequest(f"a picture must be [h, w, 4] uint8, got {list(pixels.shape)} {pixels.dtype}")
    height, width = pixels.shape[:2]
    _check_size(width, height)
    visible = pixels[..., 3:] > 0
    if not visible.any():
        raise BadRequest("the picture must have at least one visible pixel, got only fully transparent ones")
    rows = np.where(visible, pixels, 0).astype(np.uint8).reshape(height, -1)
    unfiltered = np.pad(rows, ((0, 0), (1, 0))).tobytes()  # each row begins with its filter: 0, none
    header = struct.pack(">II", width, height) + _RGBA8
    png = _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(unfiltered)) + _chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


def decode(text: str) -> Picture:
    """The pixels [h, w, 4] of a picture's text; BadRequest says what is wrong with it."""
    if not text:
        raise BadRequest("the picture must have at least one visible pixel, got an empty one")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"a picture must be a PNG in base64, got {shown(text)}") from None
    return from_png(data)


def from_png(data: bytes) -> Picture:
    """The pixels [h, w, 4] of a PNG file of any kind; BadRequest where it is none, damaged or too large."""
    if len(data) > MAX_BYTES:
        raise BadRequest(f"the picture's file must have at most {MAX_BYTES // 1024} KiB, got {len(data) / 1024:.0f}")
    if len(data) < 24 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise BadRequest(f"the picture must be a PNG file, got {len(data):,} bytes that are none")
    _, _, width, height = _HEAD.unpack_from(data)
    _check_size(width, height)  # before anything is unpacked
    return read(data, ("PNG",))


def read(data: bytes, formats: Sequence[str] = FORMATS) -> Picture:
    """The pixels [h, w, 4] of a picture's file, as it is meant to be seen; BadRequest says what is wrong with it.

    Upright as its EXIF says, the first of several frames, more bits than 8 scaled down to them. The number of its
    pixels is looked at before anything is unpacked.
    """
    from PIL import ImageOps

    with opened(data, formats) as image:
        return _as_rgba(ImageOps.exif_transpose(image))


class _Quiet:
    """No warnings while somebody is within. Python has one list of filters for all threads; whoever comes first puts
    ours there, and whoever goes last takes it away.
    """

    def __init__(self) -> None:
        self._lock, self._within = threading.Lock(), 0
        self._caught: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._within:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                self._caught.__exit__()


_QUIET = _Quiet()


@contextmanager
def opened(data: bytes | IO[bytes], formats: Sequence[str] = FORMATS) -> Iterator[Any]:
    """A picture's file, or its bytes, as Pillow opens it: nothing is unpacked yet, and not too many pixels are to come.

    BadRequest says what is wrong with it, also of what comes to light while it is unpacked within the block.
    """
    from PIL import Image, UnidentifiedImageError  # not at the top: a menu needs no image library

    if isinstance(data, bytes) and len(data) > MOST_BYTES:
        raise BadRequest(f"the picture's file must have at most {MOST_BYTES >> 20} MiB, got {len(data) / 2**20:.0f}")
    try:
        with _QUIET:  # sizes are checked here, and odd files may be read
            file = io.BytesIO(data) if isinstance(data, bytes) else data
            with Image.open(file, formats=list(formats)) as image:
                _check_pixels(image.width, image.height)
                yield image
    except UnidentifiedImageError:
        some = f"{', '.join(formats[:-1])} or {formats[-1]}" if len(formats) > 1 else formats[0]
        raise BadRequest(f"the file must be a picture, {some}; this one is none") from None
    except Image.DecompressionBombError:
        raise BadRequest(
            f"the picture must have at most {MOST_PIXELS // 1_000_000} million pixels, got far more"
        ) from None
    except BadRequest:
        raise
    except Exception:  # a damaged file makes Pillow raise many kinds, in words for programmers
        raise BadRequest("the picture's file is damaged or cut short; save it anew") from None


def _as_rgba(image: Any) -> Picture:
    """The pixels of any kind of image. Pillow's own conversion cuts off what is above 255 instead of scaling it."""
    if not image.mode.startswith(("I", "F")):
        return np.array(image.convert("RGBA"))
    values = np.asarray(image)
    grey = in_eight_bits(values)
    hidden = image.info.get("transparency")  # of a grey PNG: the one value that is
    alpha = np.where(values == hidden, 0, 255) if isinstance(hidden, int) else np.full(values.shape, 255)
    return np.stack([grey, grey, grey, alpha.astype(np.uint8)], axis=-1)


def in_eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values [h, w] of 16 or 32 bits as 0 to 255.

    Whole numbers from 0 to 65,535 are 16 bits, fractions from 0 to 1 shares of white; others span their own range.
    """
    if not np.isfinite(values).all():
        raise BadRequest("the picture must hold finite numbers, got some that are not")
    low, high = float(values.min()), float(values.max())
    white = 1.0 if values.dtype.kind == "f" else 65_535.0
    if low < 0 or high > white:
        return np.rint((values.astype(np.float64) - low) * (255 / (high - low or 1.0))).astype(np.uint8)
    return np.rint(values.astype(np.float64) * (255 / white)).astype(np.uint8)


def canonical(text: str) -> str:
    """The one text of what a text shows; BadRequest says what is wrong with it."""
    return encode(decode(text))


def _check_pixels(width: int, height: int) -> None:
    if not 0 < width * height <= MOST_PIXELS:
        size = f"{width:,} by {height:,}"
        raise BadRequest(f"the picture must have at most {MOST_PIXELS // 1_000_000} million pixels, got {size}")


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= SIDE and 0 < height <= SIDE):
        raise BadRequest(f"the picture must have 1 to {SIDE} pixels a side, got {width} by {height}")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _stored(data: bytes) -> bytes:
    """A zlib stream that holds the data as they are, in one block: at most 65,535 bytes (RFC 1950, 1951)."""
    return (
        b"\x78\x01\x01"
        + struct.pack("<HH", len(data), len(data) ^ 0xFFFF)
        + data
        + struct.pack(">I", zlib.adler32(data))
    )


def _face() -> Picture:
    colours = {".": (0, 0, 0, 0), "y": (255, 221, 0, 255), "k": (0, 0, 0, 255)}
    lines = (".yyyyy.", "yyyyyyy", "yykykyy", "yyyyyyy", "ykyyyky", "yykkkyy", ".yyyyyy")
    return np.array([[colours[letter] for letter in line] for line in lines], np.uint8)


FACE = encode(_face())  # a small face in a speech bubble, whose tail is the lower right pixel
