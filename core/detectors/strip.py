"""STRIP: Gao, Xu, Wang, Chen, Ranasinghe and Nepal, ACSAC 2019, arXiv:1902.06531.

Superimposed with other images, a benign image is lost among them, and the network's answers waver. A trigger shows
through and decides every one of them: their entropy stays low.

The authors draw the other images from a clean set held out, and superimpose a hundred. This defender has no set but
the training set itself, so they are drawn from that: a stamped one among them makes the answers to all images surer,
and hardly changes their order. There are six if nothing else is said, and the same for every image (each of the six
also meets itself), so that two images differ by themselves alone. They are drawn by their places in the set: in another
order others are drawn. core.evidence.superimpose asks the network; here is what its answers say.
"""

from __future__ import annotations

import numpy as np

from core.types import BadRequest, Detection, Entropies, Features, Labels, Logits


def strip(
    features: Features, labels: Labels, logits: Logits, *, entropies: Entropies, others: int, seed: int
) -> Detection:
    """Score images by entropies [n, others] in bits, at least 0; features, labels and logits are not used.

    A score is minus the mean entropy. `seed` has chosen the other images. BadRequest where there are not `others` of
    them, or where entropies are not finite.
    """
    del seed  # a part of the scores' key: other images, other entropies
    if entropies.shape[1] != others:
        raise BadRequest(f"entropies must be of {others} superimposed images each, got {entropies.shape[1]}")
    if not np.isfinite(entropies).all():
        raise BadRequest(f"entropies must be finite, {int((~np.isfinite(entropies)).any(1).sum())} rows are not")
    return Detection(-entropies.astype(np.float64).mean(1))
