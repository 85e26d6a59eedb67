"""Memory that does not suffice: how that is recognised, what is given back, and batches that shrink until they fit."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import torch

from core.training import devices
from core.types import PoisonscopeError

Found = TypeVar("Found")
# How an allocator says no where it has no class of error for it: CUDA's driver and libraries, Metal, the CPU.
REFUSALS = ("out of memory", "ALLOC_FAILED", "Invalid buffer size", "can't allocate memory", "not enough memory")
GIB = 2**30


def refused(error: BaseException) -> bool:
    """Whether an error says that there was no memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in REFUSALS)


def release(device: torch.device) -> None:
    """Give back what nobody holds any more. What failed must be out of sight: an error keeps its tensors alive."""
    gc.collect()
    with suppress(RuntimeError):  # torch refuses while it takes a recording for unfinished
        if device.type == "cuda":
            torch.cuda.empty_cache()
        elif device.type == "mps":
            torch.mps.empty_cache()


def owner(device: torch.device) -> str:
    """Whose memory it is."""
    return "this machine's memory" if device.type == "cpu" else f"the memory of the {devices.describe(device)}"


def named(device: torch.device) -> str:
    """Whose memory it is, and how much of it is free where that can be told."""
    if device.type == "cuda":
        with suppress(RuntimeError):
            free, total = torch.cuda.mem_get_info(device)
            return f"{owner(device)} ({free / GIB:.1f} of {total / GIB:.1f} GiB are free)"
    return owner(device)


def elsewhere(device: torch.device) -> str:
    """What else would fit, as the end of a sentence."""
    if device.type == "cpu":
        return "smaller images or a smaller network would fit"
    return f"a smaller network would fit, or the CPU: {devices.CPU_INSTEAD}"


@contextmanager
def needed(what: str, device: torch.device) -> Iterator[None]:
    """Say in words that there is no room for something that cannot be had in parts."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not refused(error):
            raise
        raise PoisonscopeError(f"{what} does not fit into {named(device)}; {elsewhere(device)}") from error


def in_batches(
    count: int,
    size: int,
    device: torch.device,
    look: Callable[[slice], Found],
    tell: Callable[[float], None] = lambda done: None,
) -> list[Found]:
    """What `look` makes of the rows [0, count), `size` at a time, in their order.

    Where there is no memory for so many, from there on it is asked of half as many. tell hears which share (0 to 1) is
    done. PoisonscopeError where there is none for a single row.
    """
    found: list[Found] = []
    done, size = 0, min(size, count)
    while done < count:
        some = slice(done, min(done + size, count))
        try:
            found.append(look(some))
        except (RuntimeError, MemoryError) as error:
            if not refused(error):
                raise
            if size == 1:
                raise PoisonscopeError(
                    f"not even one image at a time fits into {named(device)}; {elsewhere(device)}"
                ) from error
        else:
            done = some.stop
            tell(done / count)
            continue
        size = (size + 1) // 2
        release(device)
    return found
