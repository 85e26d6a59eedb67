"""Histograms of outlier scores. What is sent is bars, never the scores themselves.

`poisoned` is None in blind review: then there is one neutral kind of bar, and no truth to leak.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from . import colours
from .cuts import Scored

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LARGE_BINS, SMALL_BINS = 60, 32
LEAST, TINY = 1e-9, 1e-30  # a log axis begins at this share of the largest score, and no axis is shorter

_STYLE = f"""<style>
.ps-cards {{display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem;}}
.ps-card {{margin: 0; padding: .45rem .55rem; border: 1px solid rgba(128,128,128,.35); border-radius: .5rem;}}
.ps-card.ps-suspect {{border: 3px solid currentColor; padding: .33rem .43rem;}}
.ps-card figcaption {{font-size: .82rem; line-height: 1.3; margin-bottom: .3rem;}}
.ps-card figcaption b {{font-size: .95rem;}}
.ps-bars {{position: relative; height: 3.6rem; border-bottom: 1px solid currentColor;}}
.ps-bars div {{position: absolute; bottom: 0; min-height: 2px;}}
.ps-benign-bar {{background: {colours.BENIGN};}}
.ps-images-bar {{background: {colours.REFERENCE};}}
.ps-poisoned-bar {{background: repeating-linear-gradient(45deg, {colours.POISONED} 0 3px, #fff 3px 4px);}}
.ps-ends {{display: flex; justify-content: space-between; font-size: .72rem; opacity: .8;}}
</style>"""


class Axis(NamedTuple):
    """Where a score stands on the picture: as it is, or by its magnitude.

    "log" is the inverse hyperbolic sine: logarithmic for large scores, linear below `unit`, so that zero
    and one-sided (negative) scores have a place too.
    """

    log: bool
    unit: float
    low: float
    high: float

    def place(self, scores: Floats | float) -> Floats:
        values = np.asarray(scores, float)
        return np.arcsinh(values / self.unit) if self.log else values

    def score(self, places: Floats | float) -> Floats:
        values = np.asarray(places, float)
        return np.sinh(values) * self.unit if self.log else values

    def ticks(self) -> list[float]:
        """Round scores to write below the picture, on the log scale: zero and powers of ten."""
        top = max(abs(self.low), abs(self.high))
        first, last = int(np.ceil(np.log10(self.unit))), int(np.floor(np.log10(top))) if top > 0 else 0
        powers = [10.0**power for power in range(first, last + 1, max(1, (last - first) // 5))]
        return [tick for tick in [-p for p in powers[::-1]] + [0.0] + powers if self.low <= tick <= self.high]


class Bars(NamedTuple):
    """Counts between edges (places on the axis): benign and poisoned, or all images where poisoned is None."""

    edges: Floats
    benign: NDArray[np.int64]
    poisoned: NDArray[np.int64] | None


def axis(scores: Floats, log: bool) -> Axis:
    """An axis that all the given scores fit on."""
    sizes = np.abs(scores[scores != 0])
    unit = max(float(np.quantile(sizes, 0.1)), float(sizes.max()) * LEAST, TINY) if len(sizes) else 1.0
    low, high = min(float(scores.min()), 0.0), float(scores.max())
    return Axis(log, unit, low, high if high - low > TINY else low + 1.0)


def bars(scores: Floats, poisoned: Mask | None, axis: Axis, count: int) -> Bars:
    """Counts in bins of equal width on the axis."""
    edges = np.linspace(axis.place(axis.low), axis.place(axis.high), count + 1)
    places = np.clip(axis.place(scores), edges[0], edges[-1])
    if poisoned is None:
        return Bars(edges, np.histogram(places, edges)[0], None)
    return Bars(edges, np.histogram(places[~poisoned], edges)[0], np.histogram(places[poisoned], edges)[0])


def figure_text(value: float) -> str:
    """A score as it is written: three digits that count."""
    size = abs(value)
    return f"{value:,.0f}" if 1000 <= size < 1e7 else f"{value:.3g}"


# --- one class in large ----------------------------------------------------------------------------------


def large(found: Scored, label: int, name: str, poisoned: Mask | None, axis: Axis, log_counts: bool) -> go.Figure:
    """One class's histogram: bars on the score axis, benign and poisoned laid over each other."""
    members = found.labels == label
    shown = bars(found.scores[members], None if poisoned is None else poisoned[members], axis, LARGE_BINS)
    figure = go.Figure()
    kinds = [(f"images labelled {name}", shown.benign, colours.REFERENCE, "")]
    if shown.poisoned is not None:
        kinds = [
            ("benign ●", shown.benign, colours.BENIGN, ""),
            ("poisoned ✕", shown.poisoned, colours.POISONED, "/"),
        ]
    lows, highs = axis.score(shown.edges[:-1]), axis.score(shown.edges[1:])
    ranges = [f"{figure_text(low)} to {figure_text(high)}" for low, high in zip(lows, highs, strict=True)]
    for kind, counts, colour, pattern in kinds:
        figure.add_bar(
            x=(shown.edges[:-1] + shown.edges[1:]) / 2,
            y=counts,
            width=np.diff(shown.edges),
            name=kind,
            customdata=ranges,
            marker={"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern, "size": 6, "solidity": 0.35}},
            opacity=0.8,
            hovertemplate=f"score %{{customdata}}<br>%{{y:,}} {kind}<extra></extra>",
        )
    top = max(1, int(shown.benign.max()), 0 if shown.poisoned is None else int(shown.poisoned.max()))
    _lay_out(figure, axis, name, top, log_counts)
    return figure


def _lay_out(figure: go.Figure, axis: Axis, name: str, top: int, log_counts: bool) -> None:
    scale = "log" if axis.log else "linear"
    figure.update_layout(
        barmode="overlay",
        bargap=0,
        height=380,
        margin={"l": 10, "r": 10, "t": 44, "b": 10},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        uirevision=f"{name} {axis.log} {log_counts}",
        modebar={"remove": ["select2d", "lasso2d", "autoScale2d"]},
    )
    ticks = axis.ticks() if axis.log else []
    figure.update_xaxes(
        title=f"outlier score ({scale}) →",
        range=[float(axis.place(axis.low)), float(axis.place(axis.high))],
        **({"tickvals": axis.place(np.array(ticks)), "ticktext": [figure_text(t) for t in ticks]} if ticks else {}),
    )
    span = [np.log10(0.6), np.log10(top) + 0.15] if log_counts else [0, top * 1.08]
    figure.update_yaxes(title="images in a bar", type="log" if log_counts else "linear", range=span)


def draw_cut(figure: go.Figure, axis: Axis, cut: float | None, removed: int) -> None:
    """A line where the budget cuts; nothing where no image of the class is kept, or none removed."""
    if cut is None:
        return
    figure.add_vline(x=cut, line={"color": colours.REFERENCE, "width": 3, "dash": "dash"})
    late = (cut - axis.place(axis.low)) > 0.4 * (axis.place(axis.high) - axis.place(axis.low))
    figure.add_annotation(
        x=cut, y=1, yref="paper", yanchor="top", xanchor="right" if late else "left", showarrow=False,
        text=f"cut: {removed:,} removed →", xshift=-8 if late else 8,
    )  # fmt: skip


def cut_place(found: Scored, label: int, flagged: Mask, axis: Axis) -> float | None:
    """Where the cut through a class stands on the axis: between the lowest flagged and the highest kept score."""
    members = found.labels == label
    gone, kept = found.scores[members & flagged], found.scores[members & ~flagged]
    if not len(gone):
        return None
    lowest = axis.place(gone.min())
    return float(lowest if not len(kept) else (lowest + axis.place(kept.max())) / 2)


# --- all classes in small --------------------------------------------------------------------------------


def verdict(found: Scored, label: int) -> str:
    """What the detector says of a class, in a few words."""
    if found.suspicion is None:
        return ""
    value = found.suspicion[label]
    if not found.names_classes:
        widest = "widest gap" if label in found.suspects else "gap"
        return f"{widest} {value:.1f} to 1"
    threshold = found.detection.class_threshold
    return f"{'NAMED' if label in found.suspects else 'passes'}: {value:.1f}, limit {threshold:.1f}"


def small_multiples(found: Scored, names: tuple[str, ...], poisoned: Mask | None, axis: Axis, log_counts: bool) -> str:
    """Every class's histogram on one score axis, as a grid of small pictures that fits any width."""
    cards = "".join(
        _card(found, label, name, poisoned, axis, log_counts) for label, name in enumerate(names) if found.sizes[label]
    )
    return f"{_STYLE}<div class='ps-cards'>{cards}</div>"


def _card(found: Scored, label: int, name: str, poisoned: Mask | None, axis: Axis, log_counts: bool) -> str:
    members = found.labels == label
    shown = bars(found.scores[members], None if poisoned is None else poisoned[members], axis, SMALL_BINS)
    suspect = label in found.suspects
    says = verdict(found, label)
    kinds = [(shown.benign, "images" if shown.poisoned is None else "benign")]
    size = f"{int(members.sum()):,} images"
    if shown.poisoned is not None:
        kinds.append((shown.poisoned, "poisoned"))
        size += f", {int(shown.poisoned.sum()):,} ✕ poisoned" if shown.poisoned.any() else ""
    top = max(int(counts.max()) for counts, _ in kinds)
    drawn = "".join(_bars(counts, top, kind, shown.edges, axis, log_counts) for counts, kind in kinds)
    words = f"{'⚠ ' if suspect else ''}<b>{escape(name)}</b><br>{escape(says)}{'<br>' if says else ''}{size}"
    alt = f"Histogram of the scores of {name}. {says}. {size}."
    return (
        f"<figure class='ps-card{' ps-suspect' if suspect else ''}'><figcaption>{words}</figcaption>"
        f"<div class='ps-bars' role='img' aria-label='{escape(alt, quote=True)}'>{drawn}</div>"
        f"<div class='ps-ends'><span>{figure_text(axis.low)}</span><span>{figure_text(axis.high)}</span></div></figure>"
    )


def _bars(counts: NDArray[np.int64], top: int, kind: str, edges: Floats, axis: Axis, log_counts: bool) -> str:
    width = 100 / len(counts)
    heights = 100 * (np.log1p(counts) / np.log1p(top) if log_counts else counts / max(top, 1))
    drawn = []
    for at in np.flatnonzero(counts):
        low, high = figure_text(float(axis.score(edges[at]))), figure_text(float(axis.score(edges[at + 1])))
        drawn.append(
            f"<div class='ps-{kind}-bar' title='score {low} to {high}: {counts[at]:,} {kind}' "
            f"style='left:{at * width:.1f}%;width:{width:.1f}%;height:{heights[at]:.1f}%'></div>"
        )
    return "".join(drawn)
