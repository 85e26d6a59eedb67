"""What a trained network makes of images: representations, attributions, logits. Evaluation mode, no augmentation."""

from __future__ import annotations

import numpy as np
import torch

from core.training import Network, devices, memory, to_float
from core.types import Event, Features, Images, Labels, Logits, Watcher, ignore

BATCH = 250  # larger ones make buffers that glibc hands back to the kernel each time: half the speed on a CPU


def represent(
    network: Network,
    images: Images,
    representation: str,
    *,
    bf16: bool = False,
    watch: Watcher = ignore,
    stage: str = "represent",
) -> tuple[Features, Logits]:
    """Representations [n, d] and logits [n, k] of images [n, h, w, 3], in the order given.

    bf16: computed in bfloat16, to about three digits; where the device has it, in half the time. Batches shrink where
    the memory is too small for them, which changes no more than rounding.
    """
    device = next(network.parameters()).device

    def look(rows: slice) -> tuple[Features, Logits]:
        batch = torch.from_numpy(np.array(images[rows])).to(device)  # a memory map is read-only
        pooled, answer = network.represent(to_float(batch), representation)
        return pooled.float().cpu().numpy(), answer.float().cpu().numpy()

    network.eval()
    with devices.settled(device), torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        return _joined(memory.in_batches(len(images), BATCH, device, look, lambda done: watch(Event(stage, done))))


def _joined(parts: list[tuple[Features, Logits]]) -> tuple[Features, Logits]:
    features, logits = zip(*parts, strict=True)
    return np.concatenate(features), np.concatenate(logits)


def attribute(
    network: Network, images: Images, labels: Labels, *, watch: Watcher = ignore, stage: str = "represent"
) -> tuple[Features, Logits]:
    """What of its first blocks a network's answer for labels [n] rests on, [n, d], and logits [n, k]; float32.

    images [n, h, w, 3]; see Network.attribute. A pass forward and one back, on the images alone; batches as in
    `represent`.
    """
    device = next(network.parameters()).device

    def look(rows: slice) -> tuple[Features, Logits]:
        batch = torch.from_numpy(np.array(images[rows])).to(device)  # a memory map is read-only
        some = torch.from_numpy(np.array(labels[rows])).to(device)
        attributed, answer = network.attribute(to_float(batch), some)
        return attributed.cpu().numpy(), answer.cpu().numpy()

    network.eval()
    with devices.settled(device):
        return _joined(memory.in_batches(len(images), BATCH, device, look, lambda done: watch(Event(stage, done))))


def predict(network: Network, images: Images, *, bf16: bool = False) -> Logits:
    """Logits [n, k] of images [n, h, w, 3]."""
    return represent(network, images, "penultimate", bf16=bf16)[1]
