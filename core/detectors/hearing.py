"""Who wants to hear how far a detector is, and may end it.

A detector is a function of what it judges and nothing else, so its listener is no parameter of it: it is known in the
thread that asks, and called there, between pieces of the work (core.detectors.side_by_side).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[float], None]

_listener: ContextVar[Listener] = ContextVar("listener", default=lambda done: None)


@contextmanager
def listening(tell: Listener) -> Iterator[None]:
    """While detectors are asked in here, `tell` hears the share that is done, 0 to 1; what it raises ends them.

    A detector with several long parts tells of each of them from 0 to 1.
    """
    before = _listener.set(tell)
    try:
        yield
    finally:
        _listener.reset(before)


def tell(done: float) -> None:
    """Tell whoever listens in this thread."""
    _listener.get()(done)
