"""A picture of one's own, as a network wants it: the middle of it, as small as the data set's images."""

from __future__ import annotations

import warnings
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from core import BadRequest

FORMATS = ("PNG", "JPEG")
MOST = 40_000_000  # pixels of a file that is opened


def read(file: IO[bytes], height: int, width: int) -> NDArray[np.uint8]:
    """A PNG or JPEG file as an image [height, width, 3]; BadRequest says what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here
            picture = Image.open(file, formats=FORMATS)
        if picture.width * picture.height > MOST:
            size = f"{picture.width:,} by {picture.height:,}"
            raise BadRequest(f"the picture must have at most {MOST // 1_000_000} million pixels, got {size}")
        return _fitted(picture, height, width)
    except UnidentifiedImageError:
        raise BadRequest(f"the file must be a picture, {' or '.join(FORMATS)}; this one is neither") from None
    except Image.DecompressionBombError:  # so many that Pillow does not even say how many
        raise BadRequest(f"the picture must have at most {MOST // 1_000_000} million pixels, got far more") from None
    except BadRequest:
        raise
    except Exception:  # a damaged file makes Pillow raise many kinds, in words for programmers
        raise BadRequest("the picture cannot be read: its file is damaged or cut short") from None


def _fitted(picture: Any, height: int, width: int) -> NDArray[np.uint8]:
    upright = ImageOps.exif_transpose(picture).convert("RGBA")
    paper = Image.new("RGBA", upright.size, "white")  # what is transparent shows it
    flat = Image.alpha_composite(paper, upright).convert("RGB")
    return np.array(ImageOps.fit(flat, (width, height), Image.Resampling.BOX))
