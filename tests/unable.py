"""Stand-ins, on the CPU, for devices that cannot do as wished: they record no graph, refuse memory, or have no bf16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core.training import devices, graphs
from core.training.graphs import Work

SYNCHRONISES = "CUDA error: operation not permitted when stream is capturing\nCUDA kernel errors might be ...\n"
# What a training says where each of its steps is launched by itself.
RECORDING = (
    "The steps are not replayed as a CUDA graph (recording it failed: CUDA error: operation not permitted when stream "
    "is capturing). Each is launched by itself: that takes longer, and the figures are the same."
)
REFUSES = "CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of 7.79 GiB"


class Tape:
    """A recorder of which a replay does the work. Each of `record` and `replay` may be told to do something before."""

    def __init__(self) -> None:
        self.aside_of, self.recordings, self.replays = 0, 0, 0
        self.on_record: Callable[[Work], None] = lambda work: None
        self.on_replay: Callable[[int], None] = lambda number: None

    def aside(self, work: Work) -> None:
        self.aside_of += 1
        work()

    def record(self, work: Work) -> Work:
        self.recordings += 1
        self.on_record(work)

        def replay() -> None:
            self.replays += 1
            self.on_replay(self.replays)
            work()

        return replay


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> Tape:
    """The recorder that every device has in a test."""
    found = Tape()
    monkeypatch.setattr(graphs, "recorder", lambda device: found)
    return found


class Allocator(TorchDispatchMode):
    """Refuses what is larger than `most` bytes, and whatever error it is told to refuse with."""

    def __init__(self, most: float, error: Callable[[], Exception] = lambda: torch.OutOfMemoryError(REFUSES)) -> None:
        super().__init__()
        self.most, self.error = most, error
        self.refused, self.largest = 0, 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        found = function(*arguments, **(named or {}))
        sizes = [one.numel() * one.element_size() for one in tree_leaves(found) if isinstance(one, torch.Tensor)]
        self.largest = max([self.largest, *sizes])
        if max(sizes, default=0) > self.most:
            self.refused += 1
            raise self.error()
        return found


@contextmanager
def without_bf16() -> Iterator[None]:
    """As on a device that has no bfloat16 at all: making a tensor of it raises."""
    real = torch.ones

    def ones(*size: Any, **options: Any) -> torch.Tensor:
        if options.get("dtype") is torch.bfloat16:
            raise TypeError("BFloat16 is not supported on MPS")
        return real(*size, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "ones", ones)
        patch.setattr(devices, "fast_bf16", lambda device: False)
        yield
