"""By what the halves of a class are drawn that a test on features needs: usually by the features themselves.

Two runtimes agree on a network's features but for rounding, and rounding draws other halves. Where the images are known
that features are of, what is drawn by these is the same for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.detectors.split import by_content
from core.types import Images

Order = NDArray[np.uint64]


class _Lots:
    """Images [n, h, w, 3] and, once it is asked for, their order."""

    def __init__(self, images: Images) -> None:
        self.images = images

    @cached_property
    def order(self) -> Order:
        return by_content(self.images)


_lots: ContextVar[_Lots | None] = ContextVar("lots", default=None)


@contextmanager
def drawn_by(images: Images) -> Iterator[None]:
    """Within, halves of features [n, d] are drawn by the images [n, h, w, 3] that they are of."""
    token = _lots.set(_Lots(images))
    try:
        yield
    finally:
        _lots.reset(token)


def drawn(count: int) -> Order | None:
    """The order [n] that was chosen for so many rows, if one was; read from the images when it is first asked for."""
    lots = _lots.get()
    return lots.order if lots is not None and len(lots.images) == count else None
