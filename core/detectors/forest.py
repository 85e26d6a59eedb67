"""Isolation forest: Liu, Ting and Zhou, ICDM 2008, on each class.

Random cuts of random features part an image that lies apart from the others after few cuts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from core.detectors.classes import Vector, by_class, unit
from core.detectors.judged import FEWEST
from core.types import Detection, Features, Labels, Logits

SEED = 0  # the cuts are drawn anew in every class, and always the same
MANY = 50  # classes, beyond which scikit-learn's quarter of a second for each would be too long
SAMPLED = 256  # images that a tree is grown from at most
EULER = 0.5772156649015329

Points = NDArray[np.float32]


def isolation_forest(features: Features, labels: Labels, logits: Logits, *, trees: int) -> Detection:
    """Score features [n, d] of classes labels [n] by a forest of `trees` in each class; logits are not used.

    Scores lie in [0, 1]: 2 to the power of minus an image's mean depth, as a share of the usual depth. The forest is
    scikit-learn's, but in a set of more than fifty classes for classes of at most 256 images: there all trees of a
    class are grown at once, by the same rule and other lots. The scores of a class of one image or two are 0.
    """
    scores, sizes = np.zeros(len(labels)), np.bincount(labels)
    many = np.count_nonzero(sizes) > MANY
    for _, members, matrix in by_class(features, labels):
        if len(members) < FEWEST:
            continue
        points = unit(matrix).astype(np.float32)  # what the trees are made of; in its own units nothing overflows
        if many and len(points) <= SAMPLED:
            scores[members] = grown(points, trees)
            continue
        forest = IsolationForest(n_estimators=trees, random_state=SEED).fit(points)
        scores[members] = -forest.score_samples(points)
    return Detection(scores)


def grown(points: Points, trees: int) -> Vector:
    """The scores [m] of points [m, d] by a forest whose trees are grown together, level by level, from all points."""
    generator = np.random.default_rng(SEED)
    varying = points[:, np.ptp(points, axis=0) > 0]
    if not varying.shape[1]:
        return np.full(len(points), 0.5)
    images, features = varying.shape
    rows = np.tile(np.arange(images), trees)
    nodes = np.repeat(np.arange(trees), images)  # of each row in each tree; kept in ascending order
    depths = np.zeros(len(rows))
    for _ in range(int(np.ceil(np.log2(images)))):
        starts, which, _ = _runs(nodes)
        values = varying[rows, generator.integers(features, size=len(starts))[which]]
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        cuts = low + generator.random(len(starts)) * (high - low)
        depths += (high > low)[which]
        nodes = 2 * which + (values > cuts[which])
        order = np.argsort(nodes, kind="stable")
        rows, nodes, depths = rows[order], nodes[order], depths[order]
    _, which, counts = _runs(nodes)
    depths += usual_depth(counts)[which]
    mean = np.bincount(rows, depths, images) / trees
    return np.asarray(2.0 ** (-mean / usual_depth(np.array([images]))))


def _runs(nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """The different values [v] of an ascending array [r]: where each starts [v], which is where [r], how often [v]."""
    starts = np.flatnonzero(np.r_[True, nodes[1:] != nodes[:-1]])
    counts = np.diff(np.r_[starts, len(nodes)])
    return starts, np.repeat(np.arange(len(starts)), counts), counts


def usual_depth(images: NDArray[np.int64]) -> Vector:
    """The mean depth [c] at which a tree of so many images [c] parts one from the others: the paper's c(n)."""
    many = np.maximum(images, 3)
    depth = 2 * (np.log(many - 1) + EULER) - 2 * (many - 1) / many
    return np.where(images <= 1, 0.0, np.where(images == 2, 1.0, depth))
