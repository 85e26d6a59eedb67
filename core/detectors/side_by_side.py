"""Work of many small matrices on several cores: a thread a piece, and within it one thread of the linear algebra.

Threads of the linear algebra wait for each other after every product; with matrices of about a thousand a side that
costs more than it brings (image-spectral on 10,000 images and two cores: 33 seconds, 17 with one thread).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

from core.detectors import hearing

AT_ONCE = 4  # each holds matrices of its own

One = TypeVar("One")
Found = TypeVar("Found")


def side_by_side(work: Callable[[One], Found], pieces: Sequence[One]) -> list[Found]:
    """work(piece) of every piece, in their order, on as many cores as the linear algebra may use, at most four.

    Whoever listens (core.detectors.hearing) hears of each; where that raises, pieces that were not begun are left.
    """
    cores = max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)
    found: list[Found] = []
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(min(AT_ONCE, cores, len(pieces))) as threads,
        closing(threads.map(work, pieces)) as coming,  # type: ignore[type-var]  # a generator, whatever typeshed says
    ):
        for one in coming:
            found.append(one)
            hearing.tell(len(found) / len(pieces))
    return found
