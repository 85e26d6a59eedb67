"""A picture of one's own, as a network wants it: the middle of it, as small as the data set's images."""

from __future__ import annotations

from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

import core


def read(file: IO[bytes], height: int, width: int) -> NDArray[np.uint8]:
    """A PNG or JPEG file as an image [height, width, 3]; BadRequest says what is wrong with it."""
    file.seek(0)  # at every turn of the page it is the same one
    upright = Image.fromarray(core.pictures.read(file.read(core.pictures.MOST_BYTES + 1)), "RGBA")
    paper = Image.new("RGBA", upright.size, "white")  # what is transparent shows it
    flat = Image.alpha_composite(paper, upright).convert("RGB")
    return np.array(ImageOps.fit(flat, (width, height), Image.Resampling.BOX))
