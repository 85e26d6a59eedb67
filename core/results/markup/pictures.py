"""Pictures and tables as HTML and SVG text, for what must stand without a plotting library: reports, and screens.

Every function returns markup in which all that was given is escaped. Colours follow the reader's light or
dark ground (`currentColor`), and never stand alone: poisoned is orange, hatched, ✕; benign is blue, plain, ●.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BENIGN, POISONED, REFERENCE = "#0072B2", "#D55E00", "#7A7A7A"
FAINTEST, STRONGEST = 0.05, 0.65  # of the blue, below text in the reader's own colour
WHITE_FROM = 0.8  # from this share on the ground is the full blue, and the text on it white
BINS = 60

MATRIX_STYLE = """
.ps-matrix {border-collapse: collapse; width: 100%; table-layout: fixed; font-variant-numeric: tabular-nums;}
.ps-matrix caption {text-align: left; font-weight: 600; padding-bottom: .4rem;}
.ps-matrix th {font-weight: 400; padding: .15rem .3rem; border: 0;}
.ps-matrix thead th {vertical-align: bottom;}
.ps-matrix thead th span {writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap;}
.ps-matrix tbody th {text-align: right; white-space: nowrap;}
.ps-matrix th:first-child {width: 6.4em;}
.ps-matrix td {text-align: center; padding: .3rem 0; border: 1px solid rgba(128, 128, 128, .3);}
.ps-matrix td.ps-full {color: #fff;}
.ps-matrix .ps-target {font-weight: 700;}
.ps-matrix td.ps-target {border-left: 2px solid #D55E00; border-right: 2px solid #D55E00;}
@media (max-width: 640px) {
  .ps-matrix {font-size: .68rem;} .ps-matrix th:first-child {width: 5.6em;} .ps-matrix th {padding: .1rem;}
}
"""


def matrix(
    counts: NDArray[np.int64], names: Sequence[str], caption: str, target: int | Sequence[int] | None = None
) -> str:
    """A confusion matrix [k, k] (row: true class, column: answer) as a table; each row's shares in percent.

    The target class's column is marked, if one is given; of one target for each true class [k] the cells are.
    """
    wanted = [target] * len(names) if target is None or isinstance(target, int) else target
    kinds = [" class='ps-target'" if label == target else "" for label in range(len(names))]
    heads = "".join(
        f"<th scope='col'{kind}><span>{escape(name)}{' ✕' if kind else ''}</span></th>"
        for kind, name in zip(kinds, names, strict=True)
    )
    rows = "".join(
        f"<tr><th scope='row'>{escape(names[true])}</th>{_cells(row, names, true, wanted[true])}</tr>"
        for true, row in enumerate(counts)
    )
    corner = "<th scope='col'><small>true ↓<br>answer →</small></th>"
    return (
        f"<table class='ps-matrix'><caption>{escape(caption)}</caption>"
        f"<thead><tr>{corner}{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cells(row: NDArray[np.int64], names: Sequence[str], true: int, target: int | None) -> str:
    total = int(row.sum())
    cells = []
    for answer, count in enumerate(row.tolist()):
        share = count / total if total else 0.0
        kinds = ["ps-target"] * (answer == target) + ["ps-full"] * (share >= WHITE_FROM)
        alpha = 0 if not count else 1 if share >= WHITE_FROM else FAINTEST + share * (STRONGEST - FAINTEST) / WHITE_FROM
        says = f"{names[true]} taken for {names[answer]}: {count:,} of {total:,}"
        cells.append(
            f"<td{_classes(kinds)} style='background:rgba(0,114,178,{alpha:.2f})' title='{escape(says)}'>"
            f"{_percent(share)}</td>"
        )
    return "".join(cells)


def _classes(kinds: Sequence[str]) -> str:
    return f" class='{' '.join(kinds)}'" if kinds else ""


def _percent(share: float) -> str:
    """A share in as few signs as a small cell allows: nothing at all is a dot."""
    if not share:
        return "·"
    return "&lt;1" if share < 0.005 else f"{int(100 * share + 0.5)}"


# --- lines from before to after --------------------------------------------------------------------------


def dumbbells(
    rows: Mapping[str, tuple[float, float]], alt: str, marks: Mapping[str, float] | None = None, low: float = 0.0
) -> str:
    """A line a row from before (✕) to after (●), shares in [0, 1]; `marks` adds a diamond to a row."""
    height, left, right = 42, 150, 560

    def x(share: float) -> float:
        return left + (right - left) * (share - low) / (1.0 - low)

    drawn = [_axis(low, x, height * len(rows) + 8)]
    for number, (name, (before, after)) in enumerate(rows.items()):
        y = height * number + 26
        diamond = (marks or {}).get(name)
        drawn.append(
            f"<text x='0' y='{y + 5}' font-weight='600'>{escape(name)}</text>"
            f"<line x1='{x(before):.1f}' x2='{x(after):.1f}' y1='{y}' y2='{y}' stroke='{REFERENCE}' stroke-width='3'/>"
            + ("" if diamond is None else _diamond(x(diamond), y))
            + f"<circle cx='{x(after):.1f}' cy='{y}' r='9' fill='{BENIGN}'/>{_cross(x(before), y)}"
            f"<text x='{right + 18}' y='{y + 5}'>{100 * before:.1f}% → {100 * after:.1f}%</text>"
        )
    return svg("".join(drawn), 720, height * len(rows) + 34, alt)


def _axis(low: float, x: object, bottom: float) -> str:
    """The axis below, with a line at every so many percent."""
    assert callable(x)
    step = 0.25 if low < 0.5 else 0.1
    ticks = np.arange(np.ceil(low / step) * step, 1.0001, step)
    return "".join(
        f"<line x1='{x(t):.1f}' x2='{x(t):.1f}' y1='4' y2='{bottom}' stroke='currentColor' stroke-opacity='.18'/>"
        f"<text x='{x(t):.1f}' y='{bottom + 18}' text-anchor='middle' font-size='13'>{100 * t:.0f}%</text>"
        for t in ticks
    )


def _cross(x: float, y: float) -> str:
    return (
        f"<path d='M{x - 6:.1f} {y - 6}l12 12M{x - 6:.1f} {y + 6}l12 -12' stroke='{POISONED}' stroke-width='5' "
        "fill='none'/>"
    )


def _diamond(x: float, y: float) -> str:
    return f"<path d='M{x:.1f} {y - 13}l13 13l-13 13l-13 -13z' stroke='{REFERENCE}' stroke-width='2.5' fill='none'/>"


# --- histograms ------------------------------------------------------------------------------------------


class Scale:
    """Where a score stands on a picture: the inverse hyperbolic sine, logarithmic for all but small scores."""

    def __init__(self, scores: NDArray[np.float64]) -> None:
        sizes = np.abs(scores[scores != 0])
        self.unit = max(float(np.quantile(sizes, 0.1)), float(sizes.max()) * 1e-9, 1e-30) if len(sizes) else 1.0
        places = self.place(scores)
        self.low, self.high = float(min(places.min(), 0.0)), float(places.max())
        if self.high - self.low < 1e-9:
            self.high = self.low + 1.0

    def place(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Scores as places on the axis, the same shape."""
        return np.asarray(np.arcsinh(np.asarray(scores, float) / self.unit))

    def ticks(self, most: int) -> list[float]:
        """Round scores to write below the picture: zero and powers of ten."""
        top = float(np.sinh(max(abs(self.low), abs(self.high))) * self.unit)
        first, last = int(np.ceil(np.log10(self.unit))), int(np.floor(np.log10(top)))
        powers = [10.0**power for power in range(first, last + 1, max(1, (last - first) // most))]
        return [t for t in [-p for p in powers[::-1]] + [0.0] + powers if self.low <= self.place(t) <= self.high]


def histogram(
    scores: NDArray[np.float64],
    poisoned: NDArray[np.bool_] | None,
    scale: Scale,
    alt: str,
    cut: float | None = None,
    size: tuple[int, int] = (720, 230),
) -> str:
    """A class's scores [n] as bars; poisoned ones over the benign, one neutral kind where poisoned is None.

    `cut` draws the line from which on images are removed. The page needs PATTERNS for the hatching.
    """
    width, height = size
    large = width > 400
    bins = BINS if large else BINS // 2
    edges = np.linspace(scale.low, scale.high, bins + 1)
    places = np.clip(scale.place(scores), scale.low, scale.high)
    kinds = [(places, REFERENCE)] if poisoned is None else [
        (places[~poisoned], BENIGN), (places[poisoned], "url(#hatched)")
    ]  # fmt: skip
    counts = [np.histogram(found, edges)[0] for found, _ in kinds]
    top = max(1, max(int(found.max()) for found in counts))
    bottom = height - 24

    def x(place: float) -> float:
        return width * (place - scale.low) / (scale.high - scale.low)

    drawn = [
        f"<rect x='{x(edges[at]):.1f}' y='{bottom - high:.1f}' width='{width / bins - 0.6:.1f}' height='{high:.1f}' "
        f"fill='{fill}'/>"
        for found, (_, fill) in zip(counts, kinds, strict=True)
        for at in np.flatnonzero(found)
        for high in [max(2.0, (bottom - 16) * found[at] / top)]
    ]
    drawn.append(f"<line x1='0' x2='{width}' y1='{bottom}' y2='{bottom}' stroke='currentColor'/>")
    for tick in scale.ticks(5 if large else 2):
        at = x(float(scale.place(tick)))
        anchor = "start" if at < 12 else "end" if at > width - 12 else "middle"
        drawn.append(f"<text x='{at:.1f}' y='{height - 6}' font-size='13' text-anchor='{anchor}'>{tick:g}</text>")
    if large:
        drawn.append(f"<text x='{width}' y='12' font-size='13' text-anchor='end'>tallest bar: {top:,} images</text>")
    if cut is not None:
        at = x(float(np.clip(scale.place(cut), scale.low, scale.high)))
        drawn.append(
            f"<line x1='{at:.1f}' x2='{at:.1f}' y1='16' y2='{bottom}' stroke='currentColor' stroke-width='2' "
            f"stroke-dasharray='6 4'/>"
        )
    return svg("".join(drawn), width, height, alt)


# Stands once in a page with histograms: an id may not be given twice.
PATTERNS = (
    "<svg width='0' height='0' style='position:absolute' aria-hidden='true'><defs>"
    "<pattern id='hatched' width='5' height='5' patternUnits='userSpaceOnUse' patternTransform='rotate(45)'>"
    f"<rect width='5' height='5' fill='{POISONED}'/><rect width='1.4' height='5' fill='#fff'/></pattern></defs></svg>"
)


# --- pieces ----------------------------------------------------------------------------------------------


def svg(drawn: str, width: float, height: float, alt: str) -> str:
    """A picture that scales with the page, and what it says for who cannot see it."""
    return (
        f"<svg viewBox='0 0 {width:g} {height:g}' role='img' aria-label='{escape(alt)}' "
        f"style='max-width:{width:g}px' font-size='16' fill='currentColor'>{drawn}</svg>"
    )


def picture(pixels: NDArray[np.uint8], alt: str, side: int) -> str:
    """An image [h, w, 3] as an inline PNG, drawn `side` pixels wide without smoothing."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"<img src='data:image/png;base64,{data}' alt='{escape(alt)}' width='{side}' height='{side}'>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Words and figures in a table; the first column says what a row is."""
    head = "".join(f"<th scope='col'>{escape(name)}</th>" if name else "<td></td>" for name in heads)
    body = "".join(
        f"<tr><th scope='row'>{escape(row[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
