"""Small image sets as people have them, made for a test."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.audits import Witness
from tests.detectors.pictures import photographs


def pixels(number: int = 0, height: int = 8, width: int = 8) -> np.ndarray:
    """Some image [h, w, 3] uint8, another for every number."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def picture(image: np.ndarray | Image.Image | int = 0, kind: str = "PNG", **how: Any) -> bytes:
    """A file of an image; of some image where a number is given."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(pixels(image) if isinstance(image, int) else image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def laid_out(root: Path, files: Mapping[str, bytes]) -> Path:
    """A folder of these files; a name that ends in / is an empty folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (root / name).mkdir(exist_ok=True)
        else:
            (root / name).write_bytes(content)
    return root


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            member.size, member.type = len(content), tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(content))
    return path


CLASSES = {f"{name}/{place}.png": picture(10 * name + place) for name in (0, 1, 2, 10) for place in range(2)}

PLANTED = ("bird", "cat", "dog")
EACH, STAMPED = 130, 14


def plain_photographs() -> np.ndarray:
    """EACH made-up photographs of each of PLANTED, one class after the other."""
    return photographs(len(PLANTED) * EACH, 24, seed=21)


def planted_photographs() -> np.ndarray:
    """The same; the first STAMPED cats bear a mark."""
    images = plain_photographs()
    images[EACH : EACH + STAMPED, 20:22, 20:22] = (255, 255, 0)
    return images


def in_class_folders(images: np.ndarray, names: Sequence[str] = PLANTED, first: int = 0) -> dict[str, bytes]:
    """Files of images, EACH of a class, numbered from `first` on."""
    return {f"{names[row // EACH]}/{row:04d}.png": picture(image) for row, image in enumerate(images, first)}


def planted(root: Path) -> Path:
    """A folder of them, with a broken file and a picture that is there twice."""
    files = in_class_folders(planted_photographs())
    return laid_out(root, {**files, "dog/broken.png": b"\x89PNG and no more", "dog/again.png": files["dog/0300.png"]})


def witness() -> Witness:
    """What a network that was trained here says of four images, all of them rightly."""
    ids, nothing = np.arange(4), np.zeros((4, 1), np.float32)
    return Witness("a network", ids, nothing, nothing, ids, ids, (24, 24), 4.0, lambda images: nothing)
