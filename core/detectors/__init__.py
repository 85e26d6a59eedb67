"""Detectors: features, labels, logits -> `Detection`, with scores of which higher is more suspicious.

One file each. A detector is a function

    detector(features [n, d] float32, labels [n] int64, logits [n, k] float32, **parameters) -> Detection

that sees what the defender has and nothing else: never the truth.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.registry import DETECTORS
from core.types import BadRequest, Detection, Features, Labels, Logits


def detect(
    detector: str,
    features: Features,
    labels: Labels,
    logits: Logits | None = None,
    parameters: Mapping[str, int | float | bool | str] | None = None,
) -> Detection:
    """Score features [n, d] with a registered detector, after checking that they fit together."""
    entry = DETECTORS[detector]
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim != 2 or labels.shape != (len(features),):
        raise BadRequest(f"features must be [n, d] and labels [n]; got shapes {features.shape} and {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer) or (labels < 0).any():
        raise BadRequest(f"labels must be integers of at least 0; got dtype {labels.dtype}, lowest {labels.min()}")
    if not np.isfinite(features).all():
        raise BadRequest(f"features must be finite; {int((~np.isfinite(features)).any(1).sum())} rows are not")
    if logits is None:
        logits = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    detection: Detection = entry.load()(features, labels.astype(np.int64), logits, **entry.settle(parameters or {}))
    return detection
