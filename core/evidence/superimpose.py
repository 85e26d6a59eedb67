"""What a network answers to images superimposed with others: the queries of STRIP (core.detectors.strip)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from core.training import Network, devices, memory, to_float
from core.types import BadRequest, Entropies, Event, Images, Watcher, ignore

BATCH = 250  # as in core.evidence.representations
WHITE = 255


def entropies(
    network: Network,
    images: Images,
    others: int,
    seed: int,
    *,
    bf16: bool = False,
    watch: Watcher = ignore,
    stage: str = "score",
) -> Entropies:
    """Entropies [n, others] in bits of the softmax for images [n, h, w, 3], each superimposed with the same others.

    Those are drawn from the images by `seed`, none twice. Superimposing adds the pixels, and what is brighter than
    white is white. bf16: computed in bfloat16. Batches shrink where the memory is too small for them.
    BadRequest where there are fewer images than `others`.
    """
    if len(images) < others:
        raise BadRequest(f"there must be at least {others} images to superimpose, got {len(images)}")
    device = next(network.parameters()).device
    drawn = np.random.default_rng([seed, 0x57121]).choice(len(images), others, replace=False)
    overlays = torch.from_numpy(images[drawn]).to(device)

    def look(rows: slice) -> Entropies:
        batch = torch.from_numpy(np.array(images[rows])).to(device)  # a memory map is read-only
        answers = [network(to_float(superimposed(batch, overlay))) for overlay in overlays]
        return torch.stack([entropy(one) for one in answers], 1).cpu().numpy()

    def tell(done: float) -> None:
        watch(Event(stage, done, f"superimposed with {others} others"))

    network.eval()
    with devices.settled(device), torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        return np.concatenate(memory.in_batches(len(images), BATCH, device, look, tell))


def superimposed(images: Tensor, overlay: Tensor) -> Tensor:
    """images [b, h, w, 3] with overlay [h, w, 3] added to each, uint8 all."""
    room = WHITE - overlay
    return torch.minimum(images, room) + overlay  # never beyond white, so that nothing overflows


def entropy(logits: Tensor) -> Tensor:
    """Of the softmax of logits [b, k], in bits, [b]."""
    logs = logits.float().log_softmax(1)
    nats: Tensor = -(logs.exp() * logs).sum(1)
    return nats / math.log(2)
