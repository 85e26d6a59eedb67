"""How a network that was trained elsewhere is asked: nobody says how it wants its pixels, so ways are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from core.types import Features, Images, Logits

if TYPE_CHECKING:
    from torch import Tensor

SCALINGS = {  # mean and standard deviation of a channel, of pixels from 0 to 1
    "as ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "from 0 to 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "from -1 to 1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
RAW = "as they are"  # from 0 to 255, as this program's networks take them
BATCH = 125


class Way(NamedTuple):
    """How pixels are handed over: their scaling, and whether channels come before height and width."""

    scaling: str
    channels_first: bool = True


Answer = Callable[[Images, Way], tuple[Features, Logits]]


@dataclass(frozen=True)
class Asker:
    """A network that was seen to take images of a set's size and to answer as many classes as the set has.

    what: for a sentence. ways: those worth trying. answer(images [b, h, w, 3] uint8, way) -> features [b, d], answers
    [b, k], for at most `batch` images at once. side: height and width that images are brought to, None where they stay.
    """

    what: str
    ways: tuple[Way, ...]
    answer: Answer
    batch: int = BATCH
    side: tuple[int, int] | None = None


class Own(Protocol):
    """A network in a file, read and checked before anything of a set was."""

    @property
    def file(self) -> str:
        """The file's name."""

    def asker(self, images: Images, classes: int) -> Asker:
        """The network, tried on a few images of a set; BadRequest where it does not fit them, or their classes."""


def answered(
    asker: Asker, images: Images, way: Way, tell: Callable[[int], None] = lambda images: None
) -> tuple[Features, Logits]:
    """What goes into the answering layer [n, d], and answers [n, k], of images [n, h, w, 3]; tell hears how many."""
    seen, answers = list[Features](), list[Logits]()
    for start in range(0, len(images), asker.batch):
        batch = np.array(images[start : start + asker.batch])
        features, logits = asker.answer(batch, way)
        seen.append(features)
        answers.append(logits)
        tell(len(batch))
    return np.concatenate(seen), np.concatenate(answers)


def scaled(batch: Tensor, scaling: str) -> Tensor:
    """Pixels [b, 3, h, w] from 0 to 255, as a network wants them."""
    if scaling == RAW:
        return batch
    mean, std = (batch.new_tensor(one)[:, None, None] for one in SCALINGS[scaling])
    return (batch / 255 - mean) / std


def array(tensor: Tensor) -> Any:
    """A tensor as an array of float32."""
    return tensor.float().cpu().numpy()
