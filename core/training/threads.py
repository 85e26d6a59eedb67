"""The cores, and how torch's threads share them with others; to be said before torch is loaded."""

from __future__ import annotations

import os

SPINS = "10000"  # some microseconds
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def cores() -> int:
    """The CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_cores() -> None:
    """Have threads that wait for each other let go of their cores soon, unless the environment says otherwise.

    By its default GNU OpenMP, which torch computes with on Linux, keeps a waiting thread on its core for milliseconds.
    With another process on the same cores the thread that all wait for then seldom gets one:
    benchmarks/shared_cores.py measures what that costs.
    """
    if not any(name in os.environ for name in SETTINGS):
        os.environ["GOMP_SPINCOUNT"] = SPINS
