"""In which way a training's steps are carried out: as wished, or as a device allows that cannot do so.

A way is given up for the next gentler one; there are finitely many, and the last one's failure is told in words.
Without graphs the arithmetic is the same. In parts it is the same but for batch norm, which takes its statistics of a
part: so a part has at least `SMALLEST` images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from core.training import devices, graphs, memory
from core.types import DeviceLost, PoisonscopeError

# Of how many images batch norm takes statistics that are good for something: Wu, He, Group normalization, ECCV 2018,
# figure 1: the error is that of large batches down to 16 and rises below.
SMALLEST = 16


@dataclass(frozen=True)
class Way:
    """Whether steps may be recorded as a CUDA graph, and in how many parts a batch is computed.

    why: what torch said where they may not.
    """

    graphs: bool = True
    parts: int = 1
    why: str = ""

    def notes(self, size: int, device: torch.device) -> tuple[str, ...]:
        """What a person should know of it, in sentences, with batches of `size` images."""
        told = []
        if not self.graphs:
            told.append(
                f"The steps are not replayed as a CUDA graph ({self.why}). Each is launched by itself: that takes "
                "longer, and the figures are the same."
            )
        if self.parts > 1:
            told.append(
                f"{size} images at once do not fit into {memory.owner(device)}. Each step takes them in {self.parts} "
                f"parts and adds up the gradients. Batch norm sees one part at a time, {size // self.parts} images: so "
                "the figures are not quite those of a device with more memory."
            )
        return tuple(told)


def gentler(way: Way, error: BaseException, size: int, network: str, device: torch.device) -> Way | None:
    """The next way after a step of `size` images of a network failed in this one; None where no way helps.

    PoisonscopeError where it was memory and there is no smaller step, where the device lacks an operation, and where it
    is at its end (DeviceLost).
    """
    if isinstance(error, graphs.Failed):
        return replace(way, graphs=False, why=str(error))
    if isinstance(error, torch.AcceleratorError) and not memory.refused(error):
        raise _lost(error, device) from error
    if isinstance(error, NotImplementedError) and device.type != "cpu":
        raise PoisonscopeError(
            f"the {devices.describe(device)} lacks an operation of this training ({devices.first_line(error)}); use "
            f"the CPU: {devices.CPU_INSTEAD}"
        ) from error
    if not memory.refused(error):
        return None
    if size // (2 * way.parts) >= SMALLEST:
        return replace(way, parts=2 * way.parts)
    part = size // way.parts
    raise PoisonscopeError(
        f"a training step of {network} does not fit into {memory.named(device)}, not even with {part} of its {size} "
        f"images at a time; {memory.elsewhere(device)}"
    ) from error


@contextmanager
def answering(device: torch.device) -> Iterator[None]:
    """Say in words that a device cannot even take back what was computed before."""
    try:
        yield
    except RuntimeError as error:
        raise _lost(error, device) from error


def _lost(error: BaseException, device: torch.device) -> DeviceLost:
    return DeviceLost(
        f"the {devices.describe(device)} gave up in the middle of the training ({devices.first_line(error)}). Start "
        f"the run again: it goes on from its last checkpoint. If that happens again, use the CPU: {devices.CPU_INSTEAD}"
    )
