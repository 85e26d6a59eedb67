"""Scoring with any registered detector, after checking that what it is given fits together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.configuration import DETECTORS
from core.detectors.cost import check_fits
from core.detectors.judged import still, told
from core.detectors.labels import MOST_CLASSES, Labelled, as_labels
from core.detectors.members import blocks, taken
from core.types import BadRequest, Detection, Features, Images, Labels, Logits, Mask, Scores

LARGEST = float(np.finfo(np.float32).max)  # the squares of larger features could not be summed


class Kind(NamedTuple):
    """Evidence beyond features, labels and logits: what it is, how to get it; which axis is n, of how many."""

    what: str
    how: str
    axis: int
    axes: int = 2
    dtype: type = np.float32


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
    "attributions": Kind(
        "the attributions of the network's answers for the labels, [n, d]",
        "a run with this detector asks its network (core.evidence.attribute)",
        0,
    ),
    "images": Kind(
        "the images as the training gets them, [n, h, w, 3] uint8",
        "a run has them; from files: core score --images images.npy labels.npy",
        0,
        4,
        np.uint8,
    ),
}


def detect(
    detector: str,
    features: Features | None,
    labels: Labels,
    logits: Logits | None = None,
    parameters: Mapping[str, int | float | bool | str] | None = None,
    evidence: Mapping[str, NDArray[Any]] | None = None,
    known: Mapping[str, Detection] | None = None,
) -> Detection:
    """Score features [n, d] with a registered detector, after checking that they fit together.

    labels: whatever `as_labels` reads. Where the classes are whole numbers below 10,000, what is said of classes
    ([k], as class_statistic and cut) stands at the class's own number, and k is the largest of them plus one; else
    (text, longer ids) at its place in `as_labels(labels).names`. Columns of logits [n, k] are the same classes. A row
    without a label has no part in anything, and NaN for a score.
    known: what detectors that this one is made of (its entry's `parts`) said of the same, at the same settings.
    evidence: what its entry `needs` besides, by the names of EVIDENCE; what it does not need is not looked at.
    features may be None for a detector that can do without: one of images alone, or panel with images or attributions.
    BadRequest where some is missing, or is not of these images; and where the detector would need more memory than is
    free, before any of it is asked for. Classes of which nothing can be told are `unjudged`, and `notes` say why.
    """
    entry = DETECTORS[detector]
    (labels, read) = _indexed(labels)
    none = features is None and not entry.needs_features
    features = np.zeros((len(labels), 0), np.float32) if none else np.asarray(features)
    if features.ndim != 2 or labels.shape != (len(features),) or not (features.size or (none and len(labels))):
        raise BadRequest(
            f"features must be [n, d] and labels [n], neither empty; got shapes {features.shape} and {labels.shape}"
        )
    if features.dtype.kind not in "fiu":
        raise BadRequest(f"features must be real numbers, got dtype {features.dtype}")
    if logits is None:  # one nought, seen [n, k] times: a million rows of a thousand classes would be 4 GB
        logits = np.broadcast_to(np.float32(0.0), (len(labels), int(labels.max()) + 1))
    if np.ndim(logits) != 2 or len(logits) != len(labels):
        raise BadRequest(f"logits must be [n, k] with n = {len(labels)}; got shape {np.shape(logits)}")
    wanted = (*entry.needs, *(name for name in entry.may if name in (evidence or {})))
    given = {name: _evidence(detector, name, evidence or {}, len(labels)) for name in wanted}
    settings, kept = entry.settle(parameters or {}), labels >= 0
    if not kept.all():
        features = taken("what has a label", features, np.flatnonzero(kept))
        labels = labels[kept]
        logits = logits[: len(labels)] if logits.strides[0] == 0 else logits[kept]
        given = {name: array.compress(kept, EVIDENCE[name].axis) for name, array in given.items()}
    _check_finite(features)
    pixels = int(np.prod(given["images"].shape[1:3])) if "images" in given else 0
    check_fits(detector, features.shape, labels, pixels)
    asked_before = {"known": known} if known and entry.parts else {}
    found: Detection = entry.load()(features, labels, logits, **given, **settings, **asked_before)
    parts = {name: _told(name, part, features, labels, {}) for name, part in found.parts.items()}
    found = replace(_told(detector, found, features, labels, given), parts=parts)
    return found if read is None else replace(found, scores=_apart(found.scores, kept), notes=read.notes + found.notes)


def _told(
    detector: str, found: Detection, features: Features, labels: Labels, given: Mapping[str, NDArray[Any]]
) -> Detection:
    """A detection with what can be told of no class added (see `told`)."""
    entry = DETECTORS[detector]
    by_features = features.shape[1] and entry.reads_features and not given
    return told(found, labels, still(features, labels) if by_features else None)


def _indexed(given: Any) -> tuple[Labels, Labelled | None]:
    """Each row's place [n] int64 in what is said of classes, -1 without one; and what was read, if they were not so."""
    array = given if isinstance(given, np.ndarray) and not isinstance(given, np.ma.MaskedArray) else np.empty(0)
    if array.dtype.kind in "iu" and array.ndim == 1 and array.size and 0 <= array.min() <= array.max() < MOST_CLASSES:
        return array.astype(np.int64, copy=False), None
    read = as_labels(given)
    if read.numbers is None or read.numbers[-1] >= MOST_CLASSES:
        return read.labels, read
    return np.array([*read.numbers, -1])[read.labels], read


def _apart(scores: Scores, kept: Mask) -> Scores:
    """Scores [n] with NaN where there is none."""
    every = np.full(len(kept), np.nan)
    every[kept] = scores
    return every


def _evidence(detector: str, name: str, evidence: Mapping[str, NDArray[Any]], count: int) -> NDArray[Any]:
    kind = EVIDENCE[name]
    if name not in evidence:
        raise BadRequest(f"{detector} needs {name}: {kind.what}; {kind.how}")
    array = np.asarray(evidence[name])
    if array.ndim != kind.axes or array.shape[kind.axis] != count or not array.size:
        raise BadRequest(f"{name} must be {kind.what}, with n = {count}; got shape {array.shape}")
    if kind.dtype == np.uint8:
        return _pixels(name, kind, array)
    if array.dtype.kind not in "fiu":
        raise BadRequest(f"{name} must be real numbers, got dtype {array.dtype}")
    return array.astype(np.float32, copy=False)


def _pixels(name: str, kind: Kind, array: NDArray[Any]) -> Images:
    if array.dtype != np.uint8 or array.shape[3] != 3:
        raise BadRequest(f"{name} must be {kind.what}; got shape {array.shape}, dtype {array.dtype}")
    return array


def _check_finite(features: Features) -> None:
    bad = 0
    for _, block in blocks(features):
        if block.dtype == np.float32:
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(block.sum()):  # one pass; whatever is not finite makes the sum so
                    continue
        bad += int((~(np.abs(block.astype(np.float64, copy=False)) <= LARGEST).all(1)).sum())  # also catches NaN
    if bad:
        raise BadRequest(f"features must be finite, in the range of float32; {bad} rows are not")
