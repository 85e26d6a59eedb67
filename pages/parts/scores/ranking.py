"""How well a detector's scores tell poisoned from benign: what needs the truth, looked up as the cut moves.

All is prepared once for a detector's scores of a run, so that a cut costs a look-up.
"""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

import core
from core import Result
from pages.parts.around import colours, cuts
from pages.parts.around.cuts import Cut, Scored
from pages.parts.around.templates import Markup, render
from pages.parts.around.words import share

Shares = NDArray[np.float64]

MOST_POINTS = 600  # of a curve that is drawn


def counts(result: Result, found: Scored, cut: Cut) -> core.metrics.Found:
    """What the cut does, measured against the truth."""
    removed, hits = _tally(result, found).at(cuts.budgets(found, cut), found.in_scope(cut.scope))
    return core.metrics.counted(len(found.labels), result.poisoned.truth.count, removed, hits)


def removed(found: Scored, cut: Cut) -> NDArray[np.int64]:
    """How many images the cut removes from each class, [k]; needs no truth."""
    gone = np.zeros(len(found.sizes), np.int64)
    scope = found.in_scope(cut.scope)
    gone[scope] = np.minimum(cuts.budgets(found, cut), found.sizes)[scope]
    return gone


def poisons(result: Result, found: Scored, label: int) -> NDArray[np.int64]:
    """How many of a class's b most suspicious images are poisoned, at place b."""
    return _tally(result, found).poisons[label]


def quality(result: Result, found: Scored) -> core.metrics.Ranking:
    """AUROC and average precision in the classes that hold poison."""
    truth = result.poisoned.truth.poisoned
    return found.once(("quality",), lambda: core.metrics.ranking(found.scores, found.labels, truth))


def curves(result: Result, found: Scored, label: int) -> core.metrics.Curves | None:
    """The class's ROC and precision-recall curves; None where only one kind of image is labelled so."""
    one, truth = found.ranked[label], result.poisoned.truth.poisoned
    return found.once(("curves", label), lambda: core.metrics.curves(truth[one.ids], one.scores))


def _tally(result: Result, found: Scored) -> core.views.Tally:
    return found.once(("tally",), lambda: core.views.tally(found.ranked, result.poisoned.truth.poisoned))


# --- the curves ------------------------------------------------------------------------------------------


def roc(curves: core.metrics.Curves, hits: int, count: int, poisoned: int, size: int, name: str) -> Markup:
    """The ROC curve, with the point at which the cut works: `hits` poisoned among `count` removed."""
    at = (count - hits) / (size - poisoned), hits / poisoned
    says = f"TPR {share(at[1])}", f"FPR {share(at[0])}"
    titles = f"FPR: benign of {name} removed", f"TPR: poisoned of {name} removed"
    return _picture(curves.fpr, curves.tpr, at, says, titles, "M0 100L100 0", "ROC", name)


def precision_recall(curves: core.metrics.Curves, hits: int, count: int, poisoned: int, size: int, name: str) -> Markup:
    """The precision-recall curve, with the point at which the cut works."""
    at = hits / poisoned, hits / count if count else 1.0
    says = f"precision {share(at[1])}", f"recall {share(at[0])}"
    titles = f"recall: poisoned of {name} removed", f"precision: of those removed from {name}"
    guess = f"M0 {100 - 100 * poisoned / size:.2f}H100"
    return _picture(curves.tpr, curves.precision, at, says, titles, guess, "Precision-recall", name)


def _picture(
    x: Shares, y: Shares, at: tuple[float, float], says: tuple[str, str], titles: tuple[str, str], guess: str,
    curve: str, name: str,
) -> Markup:  # fmt: skip
    """A class's curve in the unit square as HTML: it is redrawn with every move of the cut, and must cost nothing."""
    keep = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(int))
    line = "L".join(f"{100 * across:.2f} {100 - 100 * up:.2f}" for across, up in zip(x[keep], y[keep], strict=True))
    return render(
        "scores/curve.html.jinja", benign=colours.BENIGN, curve=curve, name=name, says=says, titles=titles,
        lines=_lines(f"M{line}", guess), x=100 * at[0], y=100 * at[1],
    )  # fmt: skip


def _lines(curve: str, guess: str) -> str:
    """The curve and the guess as an SVG picture in base64; `st.html` lets no other SVG through."""
    ink = colours.plotted()
    drawn = render(
        "scores/curve_lines.svg.jinja", curve=curve, guess=guess, reference=ink.reference, poisoned=ink.poisoned
    )
    return base64.b64encode(drawn.encode()).decode()
