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

Order = NDArray[np.uint64]

_drawn: ContextVar[Order | None] = ContextVar("drawn", default=None)


@contextmanager
def drawn_by(order: Order) -> Iterator[None]:
    """Within, halves of features [n, d] are drawn by numbers [n] of what they are of (split.by_content of images)."""
    token = _drawn.set(order)
    try:
        yield
    finally:
        _drawn.reset(token)


def drawn(count: int) -> Order | None:
    """The order [n] that was chosen for so many rows, if one was."""
    order = _drawn.get()
    return order if order is not None and len(order) == count else None
