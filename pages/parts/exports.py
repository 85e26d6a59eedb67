"""What a reviewer takes along: scores and decisions as a table, and the ids that are kept."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core import PoisonedSet

from .cuts import Scored


def table(
    found: Scored, flagged: NDArray[np.bool_], names: tuple[str, ...], truth: PoisonedSet | None = None
) -> pd.DataFrame:
    """One row an image, in the order of the ids; what only the attacker knows is there only with the truth."""
    columns = {
        "id": np.arange(len(found.labels)),
        "label": found.labels,
        "label_name": np.array(names)[found.labels],
        "score": found.scores,
        "rank": found.ranks,
        "flagged": flagged,
    }
    if truth is not None:
        columns |= {"source_id": truth.source_ids, "poisoned": truth.truth.poisoned}
    return pd.DataFrame(columns)


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def keep_list(flagged: NDArray[np.bool_]) -> bytes:
    """The ids that stay, one a line."""
    return "".join(f"{number}\n" for number in np.flatnonzero(~flagged)).encode()
