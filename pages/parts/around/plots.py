"""Histograms of outlier scores, as fractions of a picture. What is sent is bars, never the scores themselves.

`poisoned` is None in blind review: then there is one neutral kind of bar, and no truth to leak. What is drawn
of it stands in histogram.py (one class in large) and cards.py (all classes in small).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pages.parts.around import cuts
from pages.parts.around.cuts import Cut, Scored

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

LARGE_BINS, SMALL_BINS = 64, 32
LEAST, TINY = 1e-9, 1e-30  # a log axis begins at this share of the largest score, and no axis is shorter
LOWEST = 1e-3  # of a bar in small, as a share of the picture; a style sheet makes it two pixels
GRID = 5  # lines across the picture, about


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

    def share(self, scores: Floats | float) -> Floats:
        """How far from the left a score stands: 0 is the lowest on the axis, 1 the highest."""
        low, high = self.place(self.low), self.place(self.high)
        return (self.place(scores) - low) / (high - low)

    def at(self, share: float) -> float:
        """The score that stands so far from the left."""
        low, high = float(self.place(self.low)), float(self.place(self.high))
        return float(self.score(low + share * (high - low)))

    def ticks(self) -> list[float]:
        """Round scores to write below the picture; on the log scale zero and powers of ten."""
        if not self.log:
            step = round_step((self.high - self.low) / 6)
            first = int(np.ceil(self.low / step))
            return [step * n for n in range(first, int(np.floor(self.high / step)) + 1)]
        top = max(abs(self.low), abs(self.high))
        first, last = int(np.ceil(np.log10(self.unit))), int(np.floor(np.log10(top))) if top > 0 else 0
        powers = [10.0**power for power in range(first, last + 1, max(1, (last - first) // 5))]
        return [tick for tick in [-p for p in powers[::-1]] + [0.0] + powers if self.low <= tick <= self.high]


class Bars(NamedTuple):
    """Counts between edges (places on the axis): benign and poisoned, or all images where poisoned is None."""

    edges: Floats
    benign: Counts
    poisoned: Counts | None


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


def round_step(about: float) -> float:
    """The round number (1, 2 or 5 times a power of ten) next above."""
    power = 10.0 ** np.floor(np.log10(about))
    return float(next(power * digit for digit in (1, 2, 5, 10) if power * digit >= about * (1 - 1e-9)))


class Heights(NamedTuple):
    """How counts become heights: shares of the picture, linear or log(1 + count)."""

    top: int
    log: bool

    def of(self, counts: Counts | float) -> Floats:
        values = np.asarray(counts, float)
        return np.log1p(values) / np.log1p(self.top) if self.log else values / self.top

    def ticks(self) -> list[list[Any]]:
        """[height, words] of the lines across the picture."""
        if self.log:
            counts = [10**power for power in range(int(np.log10(self.top)) + 1)]
        else:
            step = max(1, round(round_step(self.top / GRID)))
            counts = list(range(step, self.top + 1, step))
        return [[round(float(self.of(count)), 4), f"{count:,}"] for count in counts]


def heights(shown: Bars, log: bool, stacked: bool) -> Heights:
    """The scale on which the highest bar fills the picture."""
    other = np.zeros_like(shown.benign) if shown.poisoned is None else shown.poisoned
    return Heights(max(1, int((shown.benign + other if stacked else np.maximum(shown.benign, other)).max())), log)


def drawn(shown: Bars, log: bool, stacked: bool) -> list[list[Any]]:
    """The bars that are not empty: [kind, bin, bottom, top], bottom and top as shares of the picture."""
    scale = heights(shown, log, stacked)
    kinds = [("images" if shown.poisoned is None else "benign", shown.benign, np.zeros_like(shown.benign))]
    if shown.poisoned is not None:
        kinds.append(("poisoned", shown.poisoned, shown.benign if stacked else np.zeros_like(shown.benign)))
    return [
        [kind, int(n), _short(scale.of(base[n])), _short(scale.of(base[n] + counts[n]))]
        for kind, counts, base in kinds
        for n in np.flatnonzero(counts)
    ]


def _short(share: Any) -> float:
    return round(float(share), 4)


def picture(
    found: Scored, label: int, poisoned: Mask | None, axis: Axis, *, log_counts: bool, stacked: bool
) -> dict[str, Any]:
    """One class's histogram for the component: bars, what each says, and the ticks of both axes."""
    one = found.ranked[label]
    shown = bars(one.scores, None if poisoned is None else poisoned[one.ids], axis, LARGE_BINS)
    ends = [figure_text(float(score)) for score in axis.score(shown.edges)]
    says = []
    for n in range(LARGE_BINS):
        counts = f"{shown.benign[n]:,} images" if shown.poisoned is None else f"{shown.benign[n]:,} ● benign"
        more = "" if shown.poisoned is None else f", {shown.poisoned[n]:,} ✕ poisoned"
        says.append(f"score {ends[n]} to {ends[n + 1]}: {counts}{more}")
    return {
        "bins": LARGE_BINS,
        "bars": drawn(shown, log_counts, stacked),
        "says": says,
        "ticks": [[round(float(axis.share(tick)), 4), f"{tick:g}"] for tick in axis.ticks()],
        "lines": heights(shown, log_counts, stacked).ticks(),
    }


def cut_place(found: Scored, label: int, cut: Cut, axis: Axis) -> float:
    """How far from the left the cut through a class stands; at the right end where it removes nothing."""
    at = cuts.threshold(found, cut, label)
    return 1.0 if at is None else float(axis.share(at))


def verdict(found: Scored, label: int) -> str:
    """What the detector says of a class, in a few words."""
    if found.suspicion is None:
        return ""
    value = float(found.suspicion[label])
    if not found.names_classes:
        widest = "widest gap" if label in found.suspects else "gap"
        return f"{widest} {value:.1f} to 1"
    limit = float(found.detection.class_threshold or 0)
    digits = 1 if limit >= 1 else 2  # a silhouette is below 1
    said = round(value, digits) + 0.0  # not -0.0
    return f"{'NAMED' if label in found.suspects else 'passes'}: {said:,.{digits}f}, limit {limit:.{digits}f}"


def cards(
    found: Scored, labels: Sequence[int], names: Sequence[str], poisoned: Mask | None, axis: Axis, *, log_counts: bool
) -> list[dict[str, Any]]:
    """These classes' histograms on one score axis, in small, for the component: heights of the bars, 0 for none."""
    found_cards = []
    for label in labels:
        one = found.ranked[label]
        shown = bars(one.scores, None if poisoned is None else poisoned[one.ids], axis, SMALL_BINS)
        size = f"{len(one.ids):,} images"
        if shown.poisoned is not None and shown.poisoned.any():
            size += f", {int(shown.poisoned.sum()):,} ✕"
        found_cards.append(
            {
                "label": label,
                "name": names[label],
                "suspect": label in found.suspects,
                "says": verdict(found, label),
                "size": size,
                "bars": outlines(shown, log_counts),
            }
        )
    return found_cards


def outlines(shown: Bars, log: bool) -> dict[str, list[float]]:
    """The heights of each kind's bars, of kinds that there are; one that is not empty is never 0."""
    scale = heights(shown, log, stacked=False)
    kinds = {"images": shown.benign} if shown.poisoned is None else {"benign": shown.benign, "poisoned": shown.poisoned}
    return {
        kind: np.where(counts, np.maximum(scale.of(counts), LOWEST), 0).round(3).tolist()
        for kind, counts in kinds.items()
        if counts.any()
    }
