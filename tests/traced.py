"""How much memory Python's own allocations take, within a test."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


class Memory:
    """peak: the most bytes at once of what was allocated within, once it is left."""

    peak = 0


@contextmanager
def memory() -> Iterator[Memory]:
    found = Memory()
    tracemalloc.start()
    try:
        yield found
    finally:
        found.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
