"""A run's scores and decisions as tables and files, for reviewers and other tools.

An id tells who is poisoned, since stamped copies stand behind the clean images. Without the truth images
therefore go by a *handle*, a number from a shuffle that is the same whenever the run is exported.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from core.configuration import class_names, run_key
from core.results import keeping
from core.results import reviews as said_of
from core.results.result import Result
from core.results.reviews import Review
from core.store import as_csv
from core.types import BadRequest, Detection, Ids, Mask


def handles(result: Result) -> Ids:
    """What each image of a run is called where the truth is hidden, [n]: a shuffle of 0 to n - 1."""
    lots = np.random.default_rng(list(bytes.fromhex(run_key(result.config)[:32])))
    return lots.permutation(len(result.poisoned))


def table(
    result: Result,
    found: Detection,
    flagged: Mask,
    *,
    truth: bool = True,
    reviews: Iterable[Review] = (),
    keep: Mask | None = None,
    only: Ids | None = None,
) -> pd.DataFrame:
    """One row an image of the poisoned training set, highest score first; `only` names the ids that are asked for.

    Columns id (without truth: handle), label, label_name, score, rank (1 = highest of its class), flagged; where a
    keep-mask [n] is given also kept, whether the image stays; with truth also dataset_row (in the full data set),
    source_id, source_name and poisoned. Where there are reviews also reviewer, verdict, note and reviewed (UTC): an
    image that several reviewed has a row for each.
    """
    poisoned = result.poisoned
    names = np.array(class_names(result.config.dataset.name))
    name, numbers = ("id", np.arange(len(poisoned))) if truth else ("handle", handles(result))
    rows = pd.DataFrame(
        {
            name: numbers,
            "label": poisoned.labels,
            "label_name": names[poisoned.labels],
            "score": found.scores,
            "flagged": flagged,
        }
    )
    # By what the images are called here, where scores are alike: by id it would tell what the handles hide.
    ordered = rows.sort_values(["score", name], ascending=[False, True])
    rows.insert(4, "rank", ordered.groupby("label").cumcount() + 1)
    if keep is not None:
        rows["kept"] = keep
    if truth:
        rows["dataset_row"] = result.dataset.train_rows[poisoned.source_ids]
        rows["source_id"] = poisoned.source_ids
        rows["source_name"] = names[poisoned.source_labels]
        rows["poisoned"] = poisoned.truth.poisoned
        if poisoned.truth.covers.any():
            rows["cover"] = poisoned.truth.covers
    if only is not None:
        rows = rows.iloc[np.sort(only)]
    said = _reviewed(reviews, numbers, name)
    if said is not None:
        rows = rows.merge(said, how="left", on=name)
    return rows.sort_values(["score", name], ascending=[False, True], ignore_index=True)


def _reviewed(reviews: Iterable[Review], numbers: Ids, name: str) -> pd.DataFrame | None:
    """Reviews as rows, by what the images are called; None where there are none."""
    kept = [review for review in reviews if 0 <= review.image < len(numbers)]
    if not kept:
        return None
    return pd.DataFrame(
        {
            name: [numbers[review.image] for review in kept],
            "reviewer": [review.reviewer for review in kept],
            "verdict": [review.verdict for review in kept],
            "note": [review.note for review in kept],
            "reviewed": pd.to_datetime([review.time for review in kept], unit="s", utc=True).floor("s"),
        }
    )


def keep_list(flagged: Mask) -> str:
    """The ids of the images that stay, one a line."""
    return "".join(f"{row}\n" for row in np.flatnonzero(~flagged))


def files(result: Result, folder: Path, *, truth: bool = True, reviewer: str | None = None) -> list[Path]:
    """Write scores.csv, scores.parquet, flagged.csv and flagged.parquet of a finished run, and with truth keep.txt.

    What is flagged is what the run removed. With a reviewer it is what the detector's cut takes; column `kept` and the
    keep-list follow that cut with the reviewer's verdicts, which stand in the tables. A keep-list is one of ids, so
    without truth there is none. BadRequest where the run is not finished, or the reviewer gave no verdict on it.
    """
    found, flagged = result.detection(), result.flagged
    if found is None or flagged is None:
        raise BadRequest("this run is not finished; there is nothing to export yet")
    keep, told = ~flagged, []
    if reviewer is not None:
        flagged, keep = _decided(result, reviewer)
        told = said_of.of(said_of.desk(result.config), reviewer)
    folder.mkdir(parents=True, exist_ok=True)
    rows = table(result, found, flagged, truth=truth, reviews=told, keep=None if reviewer is None else keep)
    written = []
    for name, part in (("scores", rows), ("flagged", rows[rows["flagged"]])):
        (folder / f"{name}.csv").write_bytes(as_csv(part))
        part.to_parquet(folder / f"{name}.parquet", index=False)
        written += [folder / f"{name}.csv", folder / f"{name}.parquet"]
    if truth:
        (folder / "keep.txt").write_text(keep_list(~keep))
        written.append(folder / "keep.txt")
    return written


def _decided(result: Result, reviewer: str) -> tuple[Mask, Mask]:
    """What the cut of a run takes, and what stays after a reviewer's verdicts on it, [n] each."""
    verdicts = said_of.verdicts(said_of.desk(result.config), reviewer)
    cut = keeping.cut_of(result)
    if not verdicts or cut is None:
        known = {one.reviewer for one in said_of.of(said_of.desk(result.config)) if one.verdict}
        names = ", ".join(sorted(known)) or "nobody did"
        raise BadRequest(f"reviewer must be one who gave verdicts on this run ({names}), got {reviewer}")
    return cut, keeping.decided(cut, verdicts).keep
