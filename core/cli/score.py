"""Scoring of features that came from elsewhere: two arrays in, one table out, no training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from core.configuration import DefenceConfig, explain
from core.detectors import EVIDENCE, detect
from core.evaluation import filter as filtering
from core.store import check_target, writing
from core.types import BadRequest


def score_files(
    features: Path,
    labels: Path,
    to: Path,
    *,
    detector: str,
    parameters: Mapping[str, Any],
    assumed_ratio: float,
    multiplier: float,
    scope: str | None,
    cut: str = "budget",
    epsilon_of: filtering.EpsilonOf = "own_class",
    evidence: Mapping[str, Path] | None = None,
) -> tuple[int, int]:
    """Score features.npy [n, d] with labels.npy [n], write `id,label,score,flagged`; returns (flagged, n).

    epsilon_of: what assumed_ratio is a share of, each class's own size or, as in Algorithm 1, the median one.
    evidence: files of what the detector needs besides, by the names of core.detectors.EVIDENCE.
    """
    settings = {
        "detector": detector,
        "parameters": dict(parameters),
        "assumed_ratio": assumed_ratio,
        "multiplier": multiplier,
        "scope": scope,
        "cut": cut,
    }
    check_target(to)
    try:
        defence = DefenceConfig.model_validate(settings)
    except ValidationError as error:
        raise explain(error) from None
    matrix, given = _load(features), _load(labels)
    more = {name: _load(path) for name, path in (evidence or {}).items()}
    unknown = sorted(set(more) - set(EVIDENCE))
    if unknown:
        raise BadRequest(f"unknown evidence {unknown}; allowed are {sorted(EVIDENCE)}")
    found = detect(defence.detector, matrix, given, None, defence.parameters, more)
    flagged = ~filtering.keep_mask(found, given.astype(np.int64), defence, epsilon_of)
    rows = {"id": np.arange(len(given)), "label": given, "score": found.scores, "flagged": flagged}
    with writing(to):
        pd.DataFrame(rows).to_csv(to, index=False)
    return int(flagged.sum()), len(given)


def _load(path: Path) -> NDArray[Any]:
    try:
        loaded: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadRequest(f"{path} must be a NumPy .npy file of plain numbers: {error}") from None
    if not isinstance(loaded, np.ndarray):
        raise BadRequest(f"{path} must be a single .npy array, got an archive")
    return loaded
