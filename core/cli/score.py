"""Scoring of features that came from elsewhere: files in, one table and what was found out; no training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from pydantic import ValidationError

from core.cli.options import files as files_of
from core.cli.options import settings
from core.cli.terminal import AsJson, err, out, shown
from core.configuration import DETECTORS, DefenceConfig, explain, reading
from core.types import BadRequest, Event, ignore

if TYPE_CHECKING:
    from core.cli.scored import Scored

LONG = 20.0  # seconds from which a detector's time and memory are said before it starts


def score(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FEATURES] [LABELS]",
            help="Features [n, d], a .npy, .npz (file.npz:name) or Parquet file, and labels [n], such a file; left "
            "out: `labels` or `label` in the features' (or images') file. With --images alone: labels.",
        ),
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Images [n, h, w, 3] uint8 (or [n, h, w], grey): a .npy or .npz file.")
    ] = None,
    to: Annotated[Path, typer.Option(help="The table to write: id,label,score,flagged.")] = Path("scores.csv"),
    detector: Annotated[str, typer.Option(help=f"One of {', '.join(DETECTORS)}.")] = "panel",
    detector_set: Annotated[list[str] | None, typer.Option(help="A detector's setting, as name=value.")] = None,
    assumed_ratio: float = 0.1,
    multiplier: float = 1.5,
    scope: str | None = None,
    cut: Annotated[str | None, typer.Option(help="budget or gap; by default the detector's usual one.")] = None,
    epsilon_of: Annotated[
        str, typer.Option(help="What assumed-ratio is a share of: own_class, or median_class as in Algorithm 1.")
    ] = "own_class",
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            help="What else a detector needs, as name=file.npy: losses [epochs, n], entropies [n, others], "
            "attributions [n, d]."
        ),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Also plant known triggers, and say which of them it would have found.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score any features with any detector and budget; nothing is trained.

    Labels may be names, whole numbers or one-hot rows; -1, NaN or null: no label, and no score.
    """
    from core.cli import scored

    features, labels = _placed(files or [], images, detector)
    found = score_files(
        features, labels, to, images=images, detector=detector, parameters=settings(detector_set),
        assumed_ratio=assumed_ratio, multiplier=multiplier, scope=scope, cut=cut, epsilon_of=epsilon_of,
        evidence=files_of(evidence), control=control,
    )  # fmt: skip
    if as_json:
        print(json.dumps(scored.document(found, to), allow_nan=False))
    else:
        scored.tell(found, to, out)


def _placed(files: list[str], images: str | None, detector: str) -> tuple[str | None, str | None]:
    """Which of the files given are features and labels: with images, one file alone is the labels."""
    if len(files) > 2:
        raise BadRequest(f"two files at most, of features and of labels, got {len(files)}: {reading.shown(files)}")
    if images is None:
        if not files:
            raise BadRequest("give a file of features, or --images, and the labels; got none")
        return files[0], files[1] if len(files) == 2 else None
    if len(files) == 2 or DETECTORS[detector].needs_features:
        return files[0] if files else None, files[1] if len(files) == 2 else None
    return None, files[0] if files else None


def score_files(
    features: str | Path | None,
    labels: str | Path | None,
    to: Path,
    *,
    detector: str,
    parameters: Mapping[str, Any],
    assumed_ratio: float,
    multiplier: float,
    scope: str | None,
    cut: str | None = None,
    epsilon_of: str = "own_class",
    evidence: Mapping[str, str | Path] | None = None,
    images: str | Path | None = None,
    control: bool = False,
) -> Scored:
    """Score a file of features [n, d] by a file of labels [n], and write `id,label,score,flagged`.

    Files are what core.cli.reading reads; labels None: they are in the file of the features. A row without a label
    has an empty label and score, and is not flagged.
    epsilon_of: what assumed_ratio is a share of, each class's own size or, as in Algorithm 1, the median one.
    evidence: files of what the detector needs besides, by the names of core.detectors.EVIDENCE; images, one of them.
    features None: there are none, and the detector must do without. control: plant known triggers, too (the panel on
    images alone).
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
    evidence = {**(evidence or {}), **({} if images is None else {"images": images})}
    unknown = sorted(set(evidence) - set(EVIDENCE))
    if unknown:
        raise BadRequest(f"unknown evidence {unknown}; allowed are {sorted(EVIDENCE)}")
    main = features or images
    if main is None or (features is None and DETECTORS[detector].needs_features):
        raise BadRequest(f"{detector} needs a file of features [n, d]; got none")
    if labels is None and not holds_labels(main):
        raise BadRequest(f"{main} holds one array; give the labels as a file of their own")
    matrix = None if features is None else read(features, "features")
    names = read(_beside(main) if labels is None else labels, "labels")
    more = {name: read(path, name) for name, path in evidence.items()}
    if "images" in more:
        more["images"] = _coloured(more["images"])
    with shown("planting known triggers") if control else nullcontext(ignore) as watch:
        found = scored.carry_out(
            scored.Asked(matrix, names, more, defence, share, control), _say_long,
            lambda done: watch(Event("control", done, "planting known triggers", {"overall": done})),
        )  # fmt: skip
    scored.write(found, to)
    return found


def _coloured(images: NDArray[Any]) -> NDArray[Any]:
    """Grey images [n, h, w] or [n, h, w, 1] as [n, h, w, 3]; all else as it is, for the detector to say."""
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    return np.repeat(images[..., None], 3, axis=3) if images.ndim == 3 else images


def _beside(features: str | Path) -> str | Path:
    """The file of the features without the name in it."""
    from core.cli.kinds import place

    return place(features).path


def _say_long(seconds: float, size: float) -> None:
    if seconds > LONG:
        wait = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        err.print(f"this takes about {wait} and {size / 1e9:.1f} GB of memory", markup=False, highlight=False)
