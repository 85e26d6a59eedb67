"""What an audit found, as files: a table of its images, a list of what to keep, a report, one object."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.audits.auditing import Audit
from core.audits.fiftyone import labels
from core.audits.finding import CAUSES, rank
from core.audits.report import page
from core.audits.told import document
from core.store import as_csv, writing
from core.types import Mask, Scores

# Each file's content by its name.
FILES: dict[str, Callable[[Audit], bytes]] = {
    "audit.csv": lambda told: as_csv(table(told)),
    "keep.txt": lambda told: keep_list(told),
    "report.html": lambda told: page(told).encode(),
    "audit.parquet": lambda told: parquet(told),
    "issues.csv": lambda told: as_csv(issues(told)),
    "labels.json": lambda told: labels(told),
    "audit.json": lambda told: json.dumps(document(told), allow_nan=False).encode(),
}
WRITTEN = ("audit.csv", "keep.txt", "report.html", "audit.parquet", "issues.csv", "labels.json")


def write(told: Audit, folder: Path) -> list[Path]:
    """`audit.csv` (path, label, score, flagged, reason), `keep.txt` (the paths that are not flagged), `report.html`.

    And, for other programs, `audit.parquet` (see `parquet`), `issues.csv` (see `issues`) and `labels.json` (see
    core.audits.fiftyone).
    """
    files = {name: FILES[name](told) for name in WRITTEN}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    return [folder / name for name in files]


def table(told: Audit) -> pd.DataFrame:
    """A row an image, in the order of the set."""
    brought = told.brought
    names = np.array([*brought.classes, None], object)
    scores = np.full(len(brought.labels), np.nan) if told.judged is None else told.judged.scores(len(brought.labels))
    return pd.DataFrame(
        {
            "path": brought.names,
            "label": names[brought.labels],
            "score": scores,
            "flagged": told.flagged,
            "reason": [told.reasons.get(row, "") for row in range(len(brought.labels))],
        }
    )


def parquet(told: Audit) -> bytes:
    """The table as Parquet, with each image's rank (1: the most suspicious) and its split, and names as they are."""
    ranked = table(told)
    splits = np.array(told.brought.split_names, object)[told.brought.splits]
    buffer = io.BytesIO()
    ranked.assign(rank=rank(ranked["score"].to_numpy()), split=splits).to_parquet(buffer, index=False)
    return buffer.getvalue()


def issues(told: Audit) -> pd.DataFrame:
    """A row an image in the form of cleanlab's issues: for each cause that was found `is_…_issue` and `…_score`.

    Scores are from 0 to 1, low is bad. That of a backdoor follows the ranks of its class, that of a label is the chance
    that it is right (1 where it was not looked at); of other causes it is 0 or 1. Labels are there, with
    `predicted_label`, wherever they were looked at, whether errors were found or not.
    """
    brought = told.brought
    found = pd.DataFrame(
        {"path": brought.names, "given_label": np.array([*brought.classes, None], object)[brought.labels]}
    )
    for cause in CAUSES:
        if cause == "labels":
            found = found.assign(**_labels(told))
            continue
        ids = [one.ids for one in told.findings if one.cause == cause and len(one.ids)]
        if not ids:
            continue
        meant = np.zeros(len(brought), bool)
        meant[np.concatenate(ids)] = True
        found[f"is_{cause}_issue"] = meant
        found[f"{cause}_score"] = _ranks(told) if cause == "backdoor" else 1.0 - meant
    return found


def _labels(told: Audit) -> dict[str, Any]:
    """cleanlab's columns of label errors; none where no label was looked at."""
    brought, doubted = told.brought, told.doubted
    if not len(doubted.ids):
        return {}
    right, likely = np.ones(len(brought)), brought.labels.copy()
    right[doubted.ids], likely[doubted.ids] = 1 - doubted.wrong, doubted.likely
    return {
        "predicted_label": np.array([*brought.classes, None], object)[likely],
        "is_label_issue": likely != brought.labels,
        "label_score": right,
    }


def _ranks(told: Audit) -> Scores:
    """The share of its class that is more suspicious than an image [n]; 1 where nothing was judged."""
    ranks = np.ones(len(told.brought))
    if told.judged is None:
        return ranks
    scores = told.judged.scores(len(told.brought))
    for label in range(len(told.brought.classes)):
        rows = np.flatnonzero((told.brought.labels == label) & ~np.isnan(scores))
        ranks[rows[np.argsort(-scores[rows], kind="stable")]] = np.arange(len(rows)) / max(len(rows) - 1, 1)
    return ranks


def keep_list(told: Audit, keep: Mask | None = None) -> bytes:
    """The paths of what is kept [n], by default all that is not flagged, in order, a line each."""
    kept = ~told.flagged if keep is None else keep
    return "".join(f"{_line(name)}\n" for name, stays in zip(told.brought.names, kept, strict=True) if stays).encode()


def _line(name: str) -> str:
    return name.replace("\n", "\\n").replace("\r", "\\r")
