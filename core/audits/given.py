"""A set that is in memory already, as it would have been read."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from core.audits.brought import Brought
from core.detectors import as_labels
from core.types import BadRequest, Images

MEMORY, ARRAYS = "memory", "arrays"  # where arrays come from, and what kind of set they are


def given(images: Images, labels: Any) -> Brought:
    """Images [n, h, w, 3] uint8 with labels as people have them; BadRequest where they do not fit together."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not images.size:
        raise BadRequest(f"images must be [n, h, w, 3] uint8, got {list(images.shape)} {images.dtype}")
    if labels is None:
        raise BadRequest("an audit of images needs their labels [n]; got none")
    read = as_labels(labels)
    if len(read.labels) != len(images):
        raise BadRequest(f"labels must be [{len(images)}], one an image; got {len(read.labels)}")
    count, height, width = images.shape[:3]
    return Brought(
        source=MEMORY, kind=ARRAYS, names=tuple(map(str, range(count))), labels=read.labels.astype(np.int64),
        classes=tuple(read.names), splits=np.zeros(count, np.int64), split_names=("",), images=images,
        sizes=np.tile(np.array([[height, width]], np.int32), (count, 1)), modes=("RGB",),
        digests=tuple(blake2b(image.tobytes(), digest_size=16).digest() for image in images),
        rows=np.arange(count), listed=count, unreadable=(), skipped={}, doubtful=(), sentences=tuple(read.notes),
    )  # fmt: skip
