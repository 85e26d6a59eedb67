"""By what the halves of a class are drawn that a test on features needs: usually by the features themselves.

Two runtimes agree on a network's features but for rounding, and rounding draws other halves. Where the images are known
that features are of, what is drawn by these is the same for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray

from core.detectors.split import by_content
from core.types import Images

Order = NDArray[np.uint64]

_drawn: ContextVar[Order | None] = ContextVar("drawn", default=None)


@contextmanager
def drawn_by(images: Images) -> Iterator[None]:
    """Within, halves of features [n, d] are drawn by the images [n, h, w, 3] that they are of."""
    token = _drawn.set(by_content(images))
    try:
        yield
    finally:
        _drawn.reset(token)


def drawn(count: int) -> Order | None:
    """The order [n] that was chosen for so many rows, if one was."""
    order = _drawn.get()
    return order if order is not None and len(order) == count else None
