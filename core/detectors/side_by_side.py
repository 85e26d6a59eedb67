"""Work of many small matrices on several cores: a thread a piece, and within it one thread of the linear algebra.

Threads of the linear algebra wait for each other after every product; with matrices of about a thousand a side that
costs more than it brings (image-spectral on 10,000 images and two cores: 33 seconds, 17 with one thread).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

AT_ONCE = 4  # each holds matrices of its own

One = TypeVar("One")
Found = TypeVar("Found")


_heard: ContextVar[Callable[[float], None]] = ContextVar("_heard", default=lambda done: None)


@contextmanager
def hearing(tell: Callable[[float], None]) -> Iterator[None]:
    """Within, tell hears of the share of such work that is done, 0 to 1; it may raise to end it soon."""
    before = _heard.set(tell)
    try:
        yield
    finally:
        _heard.reset(before)


def side_by_side(work: Callable[[One], Found], pieces: Sequence[One]) -> list[Found]:
    """work(piece) of every piece, in their order, on as many cores as the linear algebra may use, at most four."""
    cores = max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)
    found = list[Found]()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(min(AT_ONCE, cores, len(pieces))) as threads:
        try:
            for one in threads.map(work, pieces):
                found.append(one)
                _heard.get()(len(found) / len(pieces))
        finally:
            threads.shutdown(cancel_futures=True)
    return found
