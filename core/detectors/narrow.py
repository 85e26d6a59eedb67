"""Features that are more than there are images, in as many coordinates as there are images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.types import Features


def narrow(features: Features) -> Features:
    """Features [n, d] as they are where d is at most n; else the same points in coordinates of their span, [n, c]
    float64.

    c is the number of different rows. Distances and inner products stay, so for what asks for nothing else (not
    for trees, which cut along features) this changes only the memory: matrices are [c, c] and not [d, d]. By the QR
    decomposition of the different rows in the order of their bytes: the same rows stay the same to the last bit, and
    their places have no part in it.
    """
    if features.shape[1] <= len(features):
        return features
    rows = np.ascontiguousarray(features)
    kinds = rows.view(np.dtype((np.void, rows.strides[0]))).ravel()
    _, first, which = np.unique(kinds, return_index=True, return_inverse=True)
    corner: NDArray[Any] = np.asarray(np.linalg.qr(features[first].T.astype(np.float64), mode="r"))
    return corner.T[which]
