"""Scoring of features that came from elsewhere: files in, one table and what was found out; no training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from core.cli.options import files as files_of
from core.cli.options import settings
from core.cli.terminal import AsJson, err, out
from core.configuration import DefenceConfig, explain
from core.types import BadRequest

if TYPE_CHECKING:
    from core.cli.scored import Scored

LONG = 20.0  # seconds from which a detector's time and memory are said before it starts


def score(
    features: Annotated[str, typer.Argument(help="Features [n, d]: a .npy, .npz (file.npz:name) or Parquet file.")],
    labels: Annotated[
        str | None,
        typer.Argument(help="Labels [n], as such a file; left out: `labels` or `label` in the features' file."),
    ] = None,
    to: Annotated[Path, typer.Option(help="The table to write: id,label,score,flagged.")] = Path("scores.csv"),
    detector: str = "spectral",
    detector_set: Annotated[list[str] | None, typer.Option(help="A detector's setting, as name=value.")] = None,
    assumed_ratio: float = 0.1,
    multiplier: float = 1.5,
    scope: str | None = None,
    cut: Annotated[str, typer.Option(help="budget or gap.")] = "budget",
    epsilon_of: Annotated[
        str, typer.Option(help="What assumed-ratio is a share of: own_class, or median_class as in Algorithm 1.")
    ] = "own_class",
    evidence: Annotated[
        list[str] | None,
        typer.Option(help="What else a detector needs, as name=file.npy: losses [epochs, n], entropies [n, others]."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score any features with any detector and budget; nothing is trained.

    Labels may be names, whole numbers or one-hot rows; -1, NaN or null: no label, and no score.
    """
    from core.cli import scored

    found = score_files(
        features, labels, to, detector=detector, parameters=settings(detector_set), assumed_ratio=assumed_ratio,
        multiplier=multiplier, scope=scope, cut=cut, epsilon_of=epsilon_of, evidence=files_of(evidence),
    )  # fmt: skip
    if as_json:
        print(json.dumps(scored.document(found, to), allow_nan=False))
    else:
        scored.tell(found, to, out)


def score_files(
    features: str | Path,
    labels: str | Path | None,
    to: Path,
    *,
    detector: str,
    parameters: Mapping[str, Any],
    assumed_ratio: float,
    multiplier: float,
    scope: str | None,
    cut: str = "budget",
    epsilon_of: str = "own_class",
    evidence: Mapping[str, str | Path] | None = None,
) -> Scored:
    """Score a file of features [n, d] by a file of labels [n], and write `id,label,score,flagged`.

    Files are what core.cli.reading reads; labels None: they are in the file of the features. A row without a label
    has an empty label and score, and is not flagged.
    epsilon_of: what assumed_ratio is a share of, each class's own size or, as in Algorithm 1, the median one.
    evidence: files of what the detector needs besides, by the names of core.detectors.EVIDENCE.
    """
    from core.cli import scored
    from core.cli.reading import holds_labels, read
    from core.detectors import EVIDENCE
    from core.store import check_target

    given = {
        "detector": detector,
        "parameters": dict(parameters),
        "assumed_ratio": assumed_ratio,
        "multiplier": multiplier,
        "scope": scope,
        "cut": cut,
    }
    check_target(to)
    try:
        defence = DefenceConfig.model_validate(given)
    except ValidationError as error:
        raise explain(error) from None
    share = scored.checked_share(epsilon_of)
    unknown = sorted(set(evidence or {}) - set(EVIDENCE))
    if unknown:
        raise BadRequest(f"unknown evidence {unknown}; allowed are {sorted(EVIDENCE)}")
    if labels is None and not holds_labels(features):
        raise BadRequest(f"{features} holds one array; give the labels as a file of their own")
    matrix = read(features, "features")
    names = read(_beside(features) if labels is None else labels, "labels")
    more = {name: read(path, name) for name, path in (evidence or {}).items()}
    found = scored.carry_out(scored.Asked(matrix, names, more, defence, share), _say_long)
    scored.write(found, to)
    return found


def _beside(features: str | Path) -> str | Path:
    """The file of the features without the name in it."""
    from core.cli.kinds import place

    return place(features).path


def _say_long(seconds: float, size: float) -> None:
    if seconds > LONG:
        wait = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        err.print(f"this takes about {wait} and {size / 1e9:.1f} GB of memory", markup=False, highlight=False)
