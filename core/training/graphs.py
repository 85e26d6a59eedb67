"""CUDA graphs: a step is recorded once and then replayed, so that launching its kernels costs next to nothing.

Not every driver records every step. What goes wrong here is `Failed`, after which a training goes on without
(core.training.ways).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from core.training import devices

WARM_UP = 3  # steps before the recording, in which libraries choose their kernels and optimisers make their state
Work = Callable[[], None]


class Failed(Exception):
    """A step could not be recorded or replayed; says which, and what torch said."""


class Recorder(Protocol):
    """What is asked of a device that records."""

    def aside(self, work: Work) -> None:
        """Carry out work that is to be recorded later."""

    def record(self, work: Work) -> Work:
        """Note what the work would have the device do, without doing it; returns what has it done."""


class Cuda:
    """CUDA's own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def aside(self, work: Work) -> None:
        """Off the default stream, where CUDA wants the warm-up of what is to be recorded."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            work()
        torch.cuda.current_stream().wait_stream(self.stream)

    def record(self, work: Work) -> Work:
        """On a stream of torch's own, in a memory pool of the graph's own."""
        current = torch.cuda.current_stream(self.device)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                work()
        finally:
            torch.cuda.set_stream(current)  # where the end of a recording fails, torch may leave its stream in place
        return graph.replay


def recorder(device: torch.device) -> Recorder | None:
    """The device's recorder; None where it has none: there every step is launched by itself."""
    return Cuda(device) if device.type == "cuda" else None


class Graph:
    """Work that is done again and again: a few times by itself, then recorded, then replayed."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.warm = 0
        self.replay: Work | None = None

    def __call__(self, work: Work, before: Work) -> None:
        """Once more; the same work each time. before: what has to be done ahead of the recording, and not recorded.

        Failed where it cannot be recorded or replayed; what it raises before the recording goes through.
        """
        if self.replay is None and self.warm < WARM_UP:
            self.warm += 1
            self.recorder.aside(work)
            return
        if self.replay is None:
            before()
            try:
                self.replay = self.recorder.record(work)
            except RuntimeError as error:
                raise Failed(f"recording it failed: {devices.first_line(error)}") from error
        try:
            self.replay()
        except RuntimeError as error:
            raise Failed(f"replaying it failed: {devices.first_line(error)}") from error
