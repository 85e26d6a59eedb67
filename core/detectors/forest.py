"""Isolation forest: Liu, Ting and Zhou, ICDM 2008, on each class.

Random cuts of random features part an image that lies apart from the others after few cuts.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest

from core.detectors.classes import by_class, unit
from core.types import Detection, Features, Labels, Logits

SEED = 0  # the cuts are drawn anew in every class, and always the same


def isolation_forest(features: Features, labels: Labels, logits: Logits, *, trees: int) -> Detection:
    """Score features [n, d] of classes labels [n] by scikit-learn's forest of `trees`; logits are not used.

    Scores lie in [0, 1]: 2 to the power of minus an image's mean depth, as a share of the usual depth.
    """
    scores = np.zeros(len(labels))
    for _, members, matrix in by_class(features, labels):
        points = unit(matrix).astype(np.float32)  # what the trees are made of; in its own units nothing overflows
        forest = IsolationForest(n_estimators=trees, random_state=SEED).fit(points)
        scores[members] = -forest.score_samples(points)
    return Detection(scores)
