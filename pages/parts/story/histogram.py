"""The Story's fourth step: the scores of the target's images, on the scale that the Scores screen begins with."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

import core
from core import Result
from pages.parts.around import colours, cuts, plots
from pages.parts.around.templates import Markup, render
from pages.parts.common import sees
from pages.parts.story.facts import APART

BINS, TICKS = 44, 4
PLACE = "\N{OBJECT REPLACEMENT CHARACTER}"  # where the class goes into what was escaped

STYLE = f""".ps-chart {{display: grid; grid-template-rows: auto 5rem auto auto auto; width: 100%; font-size: .72rem;
  line-height: 1.2;}}
.ps-hist {{position: relative; border-bottom: 1px solid currentColor; border-left: 1px solid currentColor;}}
.ps-hist div {{position: absolute; bottom: 0; min-height: 2px;}}
.ps-hist .ps-cut {{top: 0; width: 0; border-left: 2px dashed currentColor; background: none;}}
.ps-b {{background: {colours.BENIGN};}}
.ps-p {{background: {colours.HATCHED};}}
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
    along = escape(sees.along(defence, PLACE)).replace(PLACE, f"<b>{escape(target)}</b>")
    where = escape(sees.of(defence).where)
    begin = f"{where[0].upper()}{where[1:]}." if where.startswith("in the images") else f"Not in the pixels: {where}."
    if not found["poisons"]:
        return f"{begin} Some images are always the oddest {along}."
    apart = found.get("auroc") is not None and found["auroc"] >= APART
    return f"{begin} The poisoned images {'stand apart' if apart else 'do not stand clearly apart'} {along}."


def draw(result: Result, target: str, bins: int = BINS, count: int = TICKS) -> Markup | str:
    """The histogram of the target's scores with a named axis, and the cut through it."""
    found = cuts.scored(result, result.config.defence.detector)
    if found is None:
        return "The scores are not stored."
    members = found.labels == result.config.attack.target
    poisoned = result.poisoned.truth.poisoned[members]
    axis = plots.axis(found.scores, found.spans_orders)
    shown = plots.bars(found.scores[members], poisoned, axis, bins)
    gone = found.scores[members & removed(result, found)]
    bars = [
        (kind[0], 100 * place / bins, 100 * top) for kind, place, _, top in plots.drawn(shown, log=False, stacked=False)
    ]
    return render(
        "story/histogram.html.jinja",
        top=plots.heights(shown, False, False).top, says=_spoken(target, gone, poisoned), bars=bars, width=100 / bins,
        cut=100 * float(axis.share(gone.min())) if gone.size else None, ticks=ticks(axis, count),
        scale="log" if axis.log else "linear", poisoned=bool(poisoned.any()),
    )  # fmt: skip


def removed(result: Result, found: cuts.Scored) -> plots.Mask:
    """What the run removed, [n]; of one that is on its way, what it will."""
    if result.flagged is not None:
        return result.flagged
    return ~core.filter.keep_mask(found.detection, found.labels, result.config.defence)


def _spoken(target: str, gone: plots.Floats, poisoned: plots.Mask) -> str:
    says = f"Histogram of the outlier scores of the {len(poisoned):,} images labelled {target}"
    if poisoned.any():
        says += f", {int(poisoned.sum()):,} of them poisoned"
    return f"{says}; the cut removes {len(gone):,}."


def ticks(axis: plots.Axis, count: int) -> list[tuple[float, str]]:
    """So many of the axis's ticks at most: where, in percent of its length, and the figure."""
    every = axis.ticks()
    chosen = every[:: -(-len(every) // count)]
    return [(100 * float(np.clip(axis.share(tick), 0, 1)), plots.figure_text(tick)) for tick in chosen]
