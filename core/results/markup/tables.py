"""Tables: words and figures, and confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from core.results.templates import render

FAINTEST, STRONGEST = 0.05, 0.65  # of the blue, below text in the reader's own colour
WHITE_FROM = 0.8  # from this share on the ground is the full blue, and the text on it white

MATRIX_STYLE = render("markup/matrix.css")  # the looks of `matrix`, to stand once in a page's <style>


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Markup:
    """Words and figures in a table; the first column says what a row is."""
    return render("markup/table.html.jinja", heads=heads, rows=rows, caption=caption)


def matrix(
    counts: NDArray[np.int64], names: Sequence[str], caption: str, target: int | Sequence[int] | None = None
) -> Markup:
    """A confusion matrix [k, k] (row: true class, column: answer) as a table; each row's shares in percent.

    The target class's column is marked, if one is given; of one target for each true class [k] the cells are.
    """
    wanted = [target] * len(names) if target is None or isinstance(target, int) else target
    heads = [(name, label == target) for label, name in enumerate(names)]
    rows = [(names[true], _cells(row, names, true, wanted[true])) for true, row in enumerate(counts)]
    return render("markup/matrix.html.jinja", caption=caption, heads=heads, rows=rows)


def _cells(row: NDArray[np.int64], names: Sequence[str], true: int, target: int | None) -> list[dict[str, str]]:
    total = int(row.sum())
    cells = []
    for answer, count in enumerate(row.tolist()):
        share = count / total if total else 0.0
        kinds = ["ps-target"] * (answer == target) + ["ps-full"] * (share >= WHITE_FROM)
        alpha = 0 if not count else 1 if share >= WHITE_FROM else FAINTEST + share * (STRONGEST - FAINTEST) / WHITE_FROM
        says = f"{names[true]} taken for {names[answer]}: {count:,} of {total:,}"
        cells.append(dict(kinds=" ".join(kinds), alpha=f"{alpha:.2f}", says=says, percent=_percent(share)))
    return cells


def _percent(share: float) -> str:
    """A share in as few signs as a small cell allows: nothing at all is a dot."""
    if not share:
        return "·"
    return "<1" if share < 0.005 else f"{int(100 * share + 0.5)}"
