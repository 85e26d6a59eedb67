"""What a trained network makes of images: representations, logits. Evaluation mode, no augmentation."""

from __future__ import annotations

import numpy as np
import torch

from core import devices
from core.models import Network
from core.train import to_float
from core.types import Event, Features, Images, Logits, Watcher, ignore

BATCH = 500


def represent(
    network: Network, images: Images, representation: str, *, watch: Watcher = ignore, stage: str = "represent"
) -> tuple[Features, Logits]:
    """Representations [n, d] and logits [n, k] of images [n, h, w, 3], in the order given."""
    features, logits = [], []
    device = next(network.parameters()).device
    network.eval()
    with devices.settled(device), torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(np.array(images[start : start + BATCH])).to(device)  # a memory map is read-only
            pooled, answer = network.represent(to_float(batch), representation)
            features.append(pooled.float().cpu().numpy())
            logits.append(answer.float().cpu().numpy())
            watch(Event(stage, min(1.0, (start + BATCH) / len(images))))
    return np.concatenate(features), np.concatenate(logits)


def predict(network: Network, images: Images, *, watch: Watcher = ignore, stage: str = "evaluate") -> Logits:
    """Logits [n, k] of images [n, h, w, 3]."""
    return represent(network, images, "penultimate", watch=watch, stage=stage)[1]
