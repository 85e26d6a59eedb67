"""The Story's fourth step: the scores of the target's images, on the scale that the Scores screen begins with."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from core import Result
from pages.parts.around import colours, cuts, plots
from pages.parts.common import sees

BINS, TICKS = 44, 4
APART = 0.9  # AUROC from which the poisoned images are said to stand apart

STYLE = f""".ps-chart {{display: grid; grid-template-rows: auto 5rem auto auto auto; width: 100%; font-size: .72rem;
  line-height: 1.2;}}
.ps-hist {{position: relative; border-bottom: 1px solid currentColor; border-left: 1px solid currentColor;}}
.ps-hist div {{position: absolute; bottom: 0; min-height: 2px;}}
.ps-hist .ps-cut {{top: 0; width: 0; border-left: 2px dashed currentColor; background: none;}}
.ps-b {{background: {colours.BENIGN};}}
.ps-p {{background: repeating-linear-gradient(45deg, {colours.POISONED} 0 3px, #fff 3px 4px);}}
.ps-ticks {{position: relative; height: 1.1rem; margin-top: .1rem;}}
.ps-ticks span {{position: absolute; transform: translateX(-50%); white-space: nowrap;}}
.ps-ticks span.ps-first {{transform: none;}}
.ps-ticks span.ps-last {{transform: translateX(-100%);}}
.ps-key {{display: flex; gap: .1rem .6rem; flex-wrap: wrap; justify-content: space-between; margin-top: .2rem;}}
.ps-key i {{display: inline-block; width: .65rem; height: .65rem;}}
"""


def told(result: Result, target: str, found: dict[str, Any]) -> str:
    """What the run's detector sees of the images labelled `target`, in its own words (HTML)."""
    defence = result.config.defence
    along = sees.along(defence, f"<b>{escape(target)}</b>")
    begin = f"Not in the pixels: {sees.of(defence).where}."
    if not found["poisons"]:
        return f"{begin} Some images are always the oddest {along}."
    apart = found.get("auroc") is not None and found["auroc"] >= APART
    return f"{begin} The poisoned images {'stand apart' if apart else 'do not stand clearly apart'} {along}."


def draw(result: Result, target: str) -> str:
    """The histogram of the target's scores with a named axis, and the cut through it (HTML)."""
    found = cuts.scored(result, result.config.defence.detector)
    if found is None or result.flagged is None:
        return "<p>The scores are not stored.</p>"
    members = found.labels == result.config.attack.target
    poisoned = result.poisoned.truth.poisoned[members]
    axis = plots.axis(found.scores, found.spans_orders)
    shown = plots.bars(found.scores[members], poisoned, axis, BINS)
    drawn = [
        f"<div class='ps-{kind[0]}' style='left:{100 * bin / BINS:.2f}%;width:{100 / BINS:.2f}%;"
        f"height:{100 * top:.1f}%'></div>"
        for kind, bin, _, top in plots.drawn(shown, log=False, stacked=False)
    ]
    gone = found.scores[members & result.flagged]
    if gone.size:
        drawn.append(f"<div class='ps-cut' style='left:{100 * float(axis.share(gone.min())):.1f}%'></div>")
    return (
        f"<div class='ps-chart'><div>{plots.heights(shown, False, False).top:,} images</div>"
        f"<div class='ps-hist' role='img' aria-label='{escape(_spoken(target, gone, poisoned), quote=True)}'>"
        f"{''.join(drawn)}</div>{_ticks(axis)}"
        f"<div>outlier score ({'log' if axis.log else 'linear'}) →</div>{_key(bool(poisoned.any()), gone.size)}</div>"
    )


def _spoken(target: str, gone: plots.Floats, poisoned: plots.Mask) -> str:
    says = f"Histogram of the outlier scores of the {len(poisoned):,} images labelled {target}"
    if poisoned.any():
        says += f", {int(poisoned.sum()):,} of them poisoned"
    return f"{says}; the cut removes {len(gone):,}."


def _ticks(axis: plots.Axis) -> str:
    """Some of the axis's ticks, those at its ends kept inside."""
    ticks = axis.ticks()
    chosen = ticks[:: -(-len(ticks) // TICKS)]
    marks = []
    for tick in chosen:
        share = float(np.clip(axis.share(tick), 0, 1))
        edge = " class='ps-first'" if share < 0.06 else " class='ps-last'" if share > 0.94 else ""
        marks.append(f"<span{edge} style='left:{100 * share:.1f}%'>{plots.figure_text(tick)}</span>")
    return f"<div class='ps-ticks' aria-hidden='true'>{''.join(marks)}</div>"


def _key(poisoned: bool, cut: int) -> str:
    entries = ["<span><i class='ps-b'></i> benign</span>"]
    entries += ["<span><i class='ps-p'></i> poisoned</span>"] if poisoned else []
    entries += ["<span>┆ cut</span>"] if cut else []
    return f"<div class='ps-key'>{''.join(entries)}</div>"
