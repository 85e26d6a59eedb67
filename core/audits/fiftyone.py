"""What an audit found in the form that FiftyOne reads as a FiftyOneImageClassificationDataset: one JSON file of labels.

Where the pictures are files they are named by their whole paths, so that no copy is needed. FiftyOne's documentation of
the form: user guide, "Loading datasets from disk", FiftyOne Image Classification.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from core.audits.auditing import Audit
from core.audits.brought import Brought
from core.audits.copying import ON_DISK
from core.audits.finding import rank

FLAGGED = "flagged"  # the tag of those that are


def labels(told: Audit) -> bytes:
    """`labels.json`: the classes, and for each image its label and what an audit says of it.

    `labels` maps an image to {"label": a place in `classes`, "attributes": {"flagged", "score", "rank", "reason",
    "split", "tags"}}, or to null where it has no label. An image is named by its absolute path where it is a file, else
    by its name within the set without the ending, as FiftyOne names those of a folder. Of a path that is there several
    times one entry stays, a flagged one if there is one.
    """
    brought, entries = told.brought, dict[str, Any]()
    scores = np.full(len(brought), np.nan) if told.judged is None else told.judged.scores(len(brought))
    ranks = rank(scores)
    for row in range(len(brought)):
        name = _named(brought, row)
        if name not in entries or told.flagged[row]:
            entries[name] = _entry(told, row, float(scores[row]), int(ranks[row]))
    return json.dumps({"classes": list(brought.classes), "labels": entries}, allow_nan=False).encode()


def _named(brought: Brought, row: int) -> str:
    """The image's name: where it lies, or which it is."""
    name = brought.names[row]
    if brought.kind not in ON_DISK:
        return os.path.splitext(name)[0]
    folder = brought.source if os.path.isdir(brought.source) else os.path.dirname(brought.source)
    return os.path.abspath(os.path.join(folder, name))


def _entry(told: Audit, row: int, score: float, rank: int) -> dict[str, Any] | None:
    brought = told.brought
    if brought.labels[row] < 0:
        return None
    said: dict[str, Any] = {"flagged": bool(told.flagged[row]), "reason": told.reasons.get(row, "")}
    if not np.isnan(score):
        said |= {"score": score, "rank": rank}
    if split := brought.split_names[brought.splits[row]]:
        said["split"] = split
    if told.flagged[row]:
        said["tags"] = [FLAGGED]
    return {"label": int(brought.labels[row]), "attributes": said}
