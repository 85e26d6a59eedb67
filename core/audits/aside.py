"""The flagged images of a set as a folder to look through: class folders of them, and a table that says why."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from core.audits.auditing import Audit
from core.audits.copying import check_copy, copy_some
from core.audits.exports import table
from core.audits.finding import rank
from core.store import as_csv, writing
from core.types import BadRequest

TABLE = "flagged.csv"


def set_aside(told: Audit, to: Path, *, links: bool = False) -> str:
    """Write the flagged images to `to/class/…`, and `to/flagged.csv` (file, path, label, score, reason), worst first.

    Nothing is written where nothing is flagged. links: link to the pictures, where they are files. Returns what was
    written, in a sentence. BadRequest as core.audits.copy.
    """
    check_copy(told.brought, to, links)
    rows = np.flatnonzero(told.flagged)
    if not len(rows):
        return f"nothing is flagged, so nothing is in {to}"
    files = copy_some(told.brought, rows, to, links=links)
    listed = table(told).loc[rows].drop(columns="flagged")
    listed.insert(0, "file", files)
    with writing(to):
        (to / TABLE).write_bytes(as_csv(listed.iloc[np.argsort(rank(listed["score"].to_numpy()))]))
    return f"{len(rows):,} flagged images are in {to}, and in {TABLE} why"


def check_apart(clean: Path | None, flagged: Path | None, to: Path | None = None) -> None:
    """BadRequest where one of two folders of copies, which are to be empty, lies within the other, or `to` within one.

    Links are followed. `to` is where the files that tell of an audit go, before the copies.
    """
    copies = [folder for folder in (clean, flagged) if folder is not None]
    if len(copies) == 2 and (_within(*copies) or _within(*reversed(copies))):
        raise BadRequest(f"two copies need two folders, neither within the other; got {clean} and {flagged}")
    for folder in copies:
        if to is not None and _within(to, folder):
            raise BadRequest(f"a copy needs a folder of its own; {to}, for the files of the audit, lies in {folder}")


def _within(inner: Path, outer: Path) -> bool:
    return Path(os.path.realpath(inner)).is_relative_to(os.path.realpath(outer))
