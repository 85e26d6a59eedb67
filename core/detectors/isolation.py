"""Isolation by loss: Li, Lyu, Koren, Lyu, Li and Ma, Anti-backdoor learning, NeurIPS 2021, arXiv:2110.11571.

A trigger is a shortcut, so poisoned images are learned sooner than the rest: early in training their loss is the
lowest. The authors train in a way that widens the difference: local gradient ascent keeps an image's loss from
falling below 0.5, and only what falls in spite of it, the poison, stays low; then they isolate the lowest losses
after a fifth of the training. Here the training is the victim's own, nothing in it is changed, and only its record
of losses is read. So the difference is the natural one. It is clear while benign images still cost something, and
goes once the network has learned those, too.

Early training is the first four epochs if nothing else is said, or both where a training has two; the authors' fifth
of a hundred epochs says little of trainings this short. In the very first an image's loss says mostly how late its
turn came, so that epoch is left out where there is another. Losses are averaged as logarithms: one epoch in which a
poisoned image was not yet learned would outweigh all in which its loss was next to nothing. (On handwritten digits
both choices ranked better than two epochs and plain averages did.)
"""

from __future__ import annotations

import numpy as np

from core.types import BadRequest, Detection, Features, Labels, Logits, Losses

LEAST, LARGEST = 1e-8, 1e30  # between which losses count: rounded to nothing, and overflowed


def loss_isolation(features: Features, labels: Labels, logits: Logits, *, losses: Losses, epochs: int) -> Detection:
    """Score images of classes labels [n] by losses [e, n], NaN where an epoch passed an image over.

    features and logits are not used. A score is by how much the logarithm of an image's loss lies below the median
    of its class, each the mean over the epochs 2 to `epochs` (or the first, where there is no other). It is 0 for an
    image that none of them has seen. BadRequest where they saw no image at all.
    """
    early = losses[: min(epochs, len(losses))].astype(np.float64)
    early = np.log(np.clip(early[1:] if len(early) > 1 else early, LEAST, LARGEST))  # NaN stays
    seen = ~np.isnan(early)
    if not seen.any():
        raise BadRequest("losses say nothing of early training: no image has one there")
    mean = np.where(seen, early, 0.0).sum(0) / np.maximum(seen.sum(0), 1)
    known = seen.any(0)
    scores = np.zeros(len(labels))
    for label in np.unique(labels[known]):
        members = np.flatnonzero(known & (labels == label))
        scores[members] = np.median(mean[members]) - mean[members]
    return Detection(scores)
