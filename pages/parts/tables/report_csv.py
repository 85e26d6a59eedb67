"""The report's tables as CSV, ours beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from core.reproduction import HEADS, TableRow


def as_csv(rows: Sequence[TableRow]) -> str:
    """One line a row: the report's figures, and the mean and spread of ours. Shares stay shares."""
    beside = ("random_left", "perfect_left", "poisons", "clean_removed", "auroc", "benign_asr")
    heads = ["trigger", "target", "ratio", "ratio_of", "detector", "recipe", "seeds"]
    for figure in HEADS:
        heads += [f"{figure}_report", f"{figure}_mean", f"{figure}_spread"]
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write([*heads, *beside])
    for row in rows:
        published = row.row
        done = sum(outcome is not None for outcome in row.outcomes)
        line = [published.trigger, published.target, published.ratio, row.reading, row.detector]
        line += [row.entries[0].config.training.recipe, done]
        for figure in HEADS:
            line += [getattr(published, figure), row.mean(figure), row.spread(figure)]
        write(["" if value is None else value for value in (*line, *map(row.mean, beside))])
    return text.getvalue()
