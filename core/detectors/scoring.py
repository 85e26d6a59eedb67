"""Scoring with any registered detector, after checking that what it is given fits together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.configuration import DETECTORS
from core.detectors.cost import check_fits
from core.detectors.judged import still, told
from core.detectors.members import block_rows
from core.types import BadRequest, Detection, Features, Labels, Logits

MOST_CLASSES = 10_000  # a label far beyond any class would ask for the memory of all the classes before it
LARGEST = float(np.finfo(np.float32).max)  # the squares of larger features could not be summed


class Kind(NamedTuple):
    """Evidence beyond features, labels and logits: what it is, how to get it, and which of its two axes is n."""

    what: str
    how: str
    axis: int


EVIDENCE = {
    "losses": Kind(
        "the losses of the training, [epochs, n]",
        "a run with this detector keeps them while it trains (array `losses` of its network)",
        1,
    ),
    "entropies": Kind(
        "the entropies of the network's answers to superimposed images, [n, others]",
        "a run with this detector asks its network (core.evidence.superimpose)",
        0,
    ),
}


def detect(
    detector: str,
    features: Features,
    labels: Labels,
    logits: Logits | None = None,
    parameters: Mapping[str, int | float | bool | str] | None = None,
    evidence: Mapping[str, NDArray[Any]] | None = None,
) -> Detection:
    """Score features [n, d] with a registered detector, after checking that they fit together.

    evidence: what its entry `needs` besides, by the names of EVIDENCE; what it does not need is not looked at.
    BadRequest where some is missing, or is not of these images; and where the detector would need more memory than is
    free, before any of it is asked for. Classes of which nothing can be told are `unjudged`, and `notes` say why.
    """
    entry = DETECTORS[detector]
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim != 2 or labels.shape != (len(features),) or not features.size:
        raise BadRequest(
            f"features must be [n, d] and labels [n], neither empty; got shapes {features.shape} and {labels.shape}"
        )
    if features.dtype.kind not in "fiu":
        raise BadRequest(f"features must be real numbers, got dtype {features.dtype}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise BadRequest(f"labels must be integers of at least 0; got dtype {labels.dtype}")
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise BadRequest(f"labels must lie in [0, {MOST_CLASSES - 1}]; got {labels.min()} to {labels.max()}")
    _check_finite(features)
    if logits is None:
        logits = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    if np.ndim(logits) != 2 or len(logits) != len(labels):
        raise BadRequest(f"logits must be [n, k] with n = {len(labels)}; got shape {np.shape(logits)}")
    given = {name: _evidence(detector, name, evidence or {}, len(labels)) for name in entry.needs}
    settings, labels = entry.settle(parameters or {}), labels.astype(np.int64, copy=False)
    check_fits(detector, features.shape, labels)
    found: Detection = entry.load()(features, labels, logits, **given, **settings)
    return told(found, labels, still(features, labels) if not entry.needs else None)


def _evidence(detector: str, name: str, evidence: Mapping[str, NDArray[Any]], count: int) -> NDArray[np.float32]:
    kind = EVIDENCE[name]
    if name not in evidence:
        raise BadRequest(f"{detector} needs {name}: {kind.what}; {kind.how}")
    array = np.asarray(evidence[name])
    if array.ndim != 2 or array.shape[kind.axis] != count or not array.size:
        raise BadRequest(f"{name} must be {kind.what}, with n = {count}; got shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise BadRequest(f"{name} must be real numbers, got dtype {array.dtype}")
    return array.astype(np.float32, copy=False)


def _check_finite(features: Features) -> None:
    bad = 0
    for start in range(0, len(features), rows := block_rows(features.shape[1])):
        block = features[start : start + rows]
        if block.dtype == np.float32:
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(block.sum()):  # one pass; whatever is not finite makes the sum so
                    continue
        bad += int((~(np.abs(block.astype(np.float64, copy=False)) <= LARGEST).all(1)).sum())  # also catches NaN
    if bad:
        raise BadRequest(f"features must be finite, in the range of float32; {bad} rows are not")
