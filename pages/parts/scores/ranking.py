"""How well a detector's scores tell poisoned from benign: what needs the truth, looked up as the cut moves.

All is prepared once for a run's features and a detector (cuts.key), so that a cut costs a look-up.
"""

from __future__ import annotations

import base64
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts.around import colours, cuts
from pages.parts.around.cuts import Cut, Scored

Shares = NDArray[np.float64]

MOST_POINTS = 600  # of a curve that is drawn


def counts(result: Result, found: Scored, cut: Cut) -> core.metrics.Found:
    """What the cut does, measured against the truth."""
    known = _tally(*cuts.key(result, cut.detector), result, found)
    removed, hits = known.at(cuts.budgets(found, cut), found.in_scope(cut.scope))
    return core.metrics.counted(len(found.labels), result.poisoned.truth.count, removed, hits)


def removed(found: Scored, cut: Cut) -> NDArray[np.int64]:
    """How many images the cut removes from each class, [k]; needs no truth."""
    gone = np.zeros(len(found.sizes), np.int64)
    scope = found.in_scope(cut.scope)
    gone[scope] = np.minimum(cuts.budgets(found, cut), found.sizes)[scope]
    return gone


def poisons(result: Result, found: Scored, detector: str, label: int) -> NDArray[np.int64]:
    """How many of a class's b most suspicious images are poisoned, at place b."""
    return _tally(*cuts.key(result, detector), result, found).poisons[label]


def quality(result: Result, found: Scored, detector: str) -> core.metrics.Ranking:
    """AUROC and average precision in the classes that hold poison."""
    return _quality(*cuts.key(result, detector), result, found)


def curves(result: Result, found: Scored, detector: str, label: int) -> core.metrics.Curves | None:
    """The class's ROC and precision-recall curves; None where only one kind of image is labelled so."""
    return _curves(*cuts.key(result, detector), label, result, found)


@st.cache_resource(max_entries=12, show_spinner=False)
def _tally(
    store: str, features_key: str, detector: str, parameters: str, _result: Result, _found: Scored
) -> core.views.Tally:
    return core.views.tally(_found.ranked, _result.poisoned.truth.poisoned)


@st.cache_resource(max_entries=12, show_spinner=False)
def _quality(
    store: str, features_key: str, detector: str, parameters: str, _result: Result, _found: Scored
) -> core.metrics.Ranking:
    truth = _result.poisoned.truth.poisoned
    return core.metrics.ranking(_found.scores, _found.labels, truth)


@st.cache_resource(max_entries=48, show_spinner=False)
def _curves(
    store: str, features_key: str, detector: str, parameters: str, label: int, _result: Result, _found: Scored
) -> core.metrics.Curves | None:
    one = _found.ranked[label]
    return core.metrics.curves(_result.poisoned.truth.poisoned[one.ids], one.scores)


# --- the curves ------------------------------------------------------------------------------------------

_STYLE = f"""<style>
.ps-curve {{position: relative; margin: .4rem .8rem 3.1rem 3.9rem; height: 15rem; font-size: .82rem;}}
.ps-curve img {{position: absolute; inset: 0; width: 100%; height: 100%; box-sizing: border-box; max-width: none;
  border: solid currentColor; border-width: 0 0 1.5px 1.5px; border-radius: 0;}}
.ps-curve span {{position: absolute; white-space: nowrap;}}
.ps-curve .ps-point {{width: 14px; height: 14px; margin: -7px; transform: rotate(45deg); background: {colours.BENIGN};
  border: 2px solid #fff; outline: 1px solid {colours.BENIGN}; box-sizing: border-box;}}
.ps-curve .ps-says {{line-height: 1.35;}}
</style>"""


def roc(curves: core.metrics.Curves, hits: int, count: int, poisoned: int, size: int, name: str) -> str:
    """The ROC curve, with the point at which the cut works: `hits` poisoned among `count` removed."""
    at = (count - hits) / (size - poisoned), hits / poisoned
    says = f"TPR {at[1]:.1%}", f"FPR {at[0]:.1%}"
    titles = f"FPR: benign of {name} removed", f"TPR: poisoned of {name} removed"
    return _picture(curves.fpr, curves.tpr, at, says, titles, "M0 100L100 0", "ROC", name)


def precision_recall(curves: core.metrics.Curves, hits: int, count: int, poisoned: int, size: int, name: str) -> str:
    """The precision-recall curve, with the point at which the cut works."""
    at = hits / poisoned, hits / count if count else 1.0
    says = f"precision {at[1]:.1%}", f"recall {at[0]:.1%}"
    titles = f"recall: poisoned of {name} removed", f"precision: of those removed from {name}"
    guess = f"M0 {100 - 100 * poisoned / size:.2f}H100"
    return _picture(curves.tpr, curves.precision, at, says, titles, guess, "Precision-recall", name)


def _picture(
    x: Shares, y: Shares, at: tuple[float, float], says: tuple[str, str], titles: tuple[str, str], guess: str,
    curve: str, name: str,
) -> str:  # fmt: skip
    """A class's curve in the unit square as HTML: it is redrawn with every move of the cut, and must cost nothing."""
    keep = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(int))
    line = "L".join(f"{100 * across:.2f} {100 - 100 * up:.2f}" for across, up in zip(x[keep], y[keep], strict=True))
    marks = "".join(
        f"<span style='top:100%;left:{n}%;transform:translateX(-50%);padding-top:.25rem'>{n}%</span>"
        f"<span style='right:100%;bottom:{n}%;transform:translateY(50%);padding-right:.45rem'>{n}%</span>"
        for n in (0, 50, 100)
    )
    side = "left" if at[0] < 0.5 else "right"
    across = 100 * at[0] if side == "left" else 100 - 100 * at[0]
    words = (
        f"<span class='ps-says' style='{side}:calc({across:.2f}% + 14px);text-align:{side};"
        f"{'bottom' if at[1] < 0.5 else 'top'}:calc({100 * min(at[1], 1 - at[1]):.2f}% + 6px)'>"
        f"<b>this cut in {escape(name)}</b><br>{says[0]}<br>{says[1]}</span>"
    )
    side_title = "right:calc(100% + 2.3rem);top:0;writing-mode:vertical-rl;transform:rotate(180deg)"
    alt = escape(f"{curve} curve of {name}; this cut in {name}: {', '.join(says)}", quote=True)
    return (
        f"{_STYLE}<div class='ps-curve' role='img' aria-label='{alt}'>"
        f"<img alt='' role='presentation' src='data:image/svg+xml;base64,{_lines(f'M{line}', guess)}'>{marks}{words}"
        f"<span class='ps-point' style='left:{100 * at[0]:.2f}%;top:{100 - 100 * at[1]:.2f}%'></span>"
        f"<span style='top:calc(100% + 1.6rem);right:0'>{escape(titles[0])}</span>"
        f"<span style='{side_title}'>{escape(titles[1])}</span></div>"
    )


def _lines(curve: str, guess: str) -> str:
    """The curve and the guess as an SVG picture in base64; `st.html` lets no other SVG through."""
    thin = "fill='none' vector-effect='non-scaling-stroke'"
    drawn = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100' preserveAspectRatio='none'>"
        f"<path {thin} stroke='{colours.REFERENCE}' stroke-width='1.5' stroke-dasharray='2 4' d='{guess}'/>"
        f"<path {thin} stroke='{colours.POISONED}' stroke-width='3' stroke-linejoin='round' d='{curve}'/></svg>"
    )
    return base64.b64encode(drawn.encode()).decode()
