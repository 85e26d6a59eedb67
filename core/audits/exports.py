"""What an audit found, as files: a table of its images, a list of what to keep, a report, one object."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from core.audits.auditing import Audit
from core.audits.report import page
from core.audits.told import document
from core.store import as_csv, writing
from core.types import Mask

# Each file's content by its name.
FILES: dict[str, Callable[[Audit], bytes]] = {
    "audit.csv": lambda told: as_csv(table(told)),
    "keep.txt": lambda told: keep_list(told),
    "report.html": lambda told: page(told).encode(),
    "audit.json": lambda told: json.dumps(document(told), allow_nan=False).encode(),
}
WRITTEN = ("audit.csv", "keep.txt", "report.html")


def write(told: Audit, folder: Path) -> list[Path]:
    """`audit.csv` (path, label, score, flagged, reason), `keep.txt` (the paths that are not flagged), `report.html`."""
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


def keep_list(told: Audit, keep: Mask | None = None) -> bytes:
    """The paths of what is kept [n], by default all that is not flagged, in order, a line each."""
    kept = ~told.flagged if keep is None else keep
    return "".join(f"{_line(name)}\n" for name, stays in zip(told.brought.names, kept, strict=True) if stays).encode()


def _line(name: str) -> str:
    return name.replace("\n", "\\n").replace("\r", "\\r")
