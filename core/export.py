"""A run's scores and decisions as tables and files, for reviewers and other tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from core.config import class_names
from core.results import Result
from core.types import BadRequest, Detection, Mask


def table(result: Result, found: Detection, flagged: Mask, *, truth: bool = True) -> pd.DataFrame:
    """One row an image of the poisoned training set, highest score first.

    Columns id, label, label_name, score, rank (1 = highest of its class), flagged; with truth also
    dataset_row (in the full data set), source_id, source_name and poisoned.
    """
    poisoned = result.poisoned
    names = np.array(class_names(result.config.dataset.name))
    rows = pd.DataFrame(
        {
            "id": np.arange(len(poisoned)),
            "label": poisoned.labels,
            "label_name": names[poisoned.labels],
            "score": found.scores,
            "flagged": flagged,
        }
    )
    ranks = rows.groupby("label")["score"].rank(method="first", ascending=False).astype(int)
    rows.insert(4, "rank", ranks)
    if truth:
        rows["dataset_row"] = result.dataset.train_rows[poisoned.source_ids]
        rows["source_id"] = poisoned.source_ids
        rows["source_name"] = names[poisoned.source_labels]
        rows["poisoned"] = poisoned.truth.poisoned
    return rows.sort_values(["score", "id"], ascending=[False, True], ignore_index=True)


def keep_list(flagged: Mask) -> str:
    """The ids of the images that stay, one a line."""
    return "".join(f"{row}\n" for row in np.flatnonzero(~flagged))


def files(result: Result, folder: Path, *, truth: bool = True) -> list[Path]:
    """Write scores.csv, scores.parquet, flagged.csv, flagged.parquet and keep.txt of a finished run."""
    found, flagged = result.detection(), result.flagged
    if found is None or flagged is None:
        raise BadRequest("this run is not finished; there is nothing to export yet")
    folder.mkdir(parents=True, exist_ok=True)
    rows = table(result, found, flagged, truth=truth)
    written = []
    for name, part in (("scores", rows), ("flagged", rows[rows["flagged"]])):
        part.to_csv(folder / f"{name}.csv", index=False)
        part.to_parquet(folder / f"{name}.parquet", index=False)
        written += [folder / f"{name}.csv", folder / f"{name}.parquet"]
    (folder / "keep.txt").write_text(keep_list(flagged))
    return [*written, folder / "keep.txt"]
