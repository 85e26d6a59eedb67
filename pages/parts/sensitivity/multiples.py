"""A small multiple: a figure over one setting, where it breaks, and a sentence that says so; drawn by its template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

import core
from core.evaluation.breaking import Breaking
from pages.parts.around import colours, words
from pages.parts.around.templates import Markup, render
from pages.parts.sensitivity.known import Row

WIDTH, LEFT, TOP, TALL = 240, 42, 22, 84  # of a picture, in its own units: about as wide as it is in a window of 1280
ROW, ROWS_LEFT = 19, 92
FITS = 14  # letters of a name beside its line; longer ones stand above it
_draw = st.components.v2.component(
    "poisonscope_answer",
    html="<div class='answer'></div>",
    css=Path(__file__).with_suffix(".css").read_text("utf-8").replace("REFERENCE", colours.REFERENCE),
    js="export default ({parentElement, data}) => {parentElement.querySelector('.answer').innerHTML = data.markup;};",
)


class Figure(NamedTuple):
    """What can stay: its name among the known runs' figures, where it breaks, and which side of that is good."""

    column: str
    threshold: float
    higher: bool
    percent: bool
    meaning: str

    def write(self, value: float) -> str:
        return core.figures.share(value) if self.percent else core.figures.FIGURES[self.column].write(value)

    @property
    def limit(self) -> str:
        threshold = words.exact(self.threshold) if self.percent else self.write(self.threshold)
        return f"{'at least' if self.higher else 'at most'} {threshold}"


LEFT_BEHIND = "Share of poison left"  # "Poison left" is a count
FIGURES = {
    LEFT_BEHIND: Figure("left", 0.1, False, True, "share of the poisoned images that the filter left; lower is better"),
    "AUROC": Figure("auroc", 0.95, True, False, "how well the scores rank poison above the rest; higher is better"),
    "TPR at 1% FPR": Figure("tpr_at_1", 0.9, True, True, "share of the poison found at 1% FPR; higher is better"),
}  # fmt: skip


class Point(NamedTuple):
    """A level on the picture: its place across, its figure up and its spread as shares, and its words."""

    x: float
    y: float
    low: float
    high: float
    label: str
    says: str
    holds: bool
    own: bool = False  # this run's level


class Panel(NamedTuple):
    """A small multiple: its points, where the figure breaks, a sentence, and where that comes from."""

    title: str
    figure: str
    said: Sequence[tuple[bool, str]]
    points: Sequence[Point] = ()
    limit: float = 0.0
    ticks_x: Sequence[tuple[str, float]] = ()
    ticks_y: Sequence[tuple[str, float]] = ()
    axis: str = ""
    breaks: float | None = None
    breaks_at: str = ""
    rows: bool = False
    above: bool = False  # the names stand above their lines
    dense: bool = False
    source: str = ""

    @property
    def spoken(self) -> str:
        """The picture for who cannot see it."""
        told = "; ".join(point.says for point in self.points if not self.dense)
        return f"{self.figure} by {self.title.lower()}. {''.join(text for _, text in self.said)} {told}".strip()


def draw(panel: Panel) -> None:
    _draw(key=f"answer {panel.title.split(':')[0]}", data={"markup": str(markup(panel))})


def markup(panel: Panel) -> Markup:
    """A multiple as HTML."""
    left = ROWS_LEFT if panel.rows and not panel.above else LEFT
    height = TOP + TALL + 34 if not panel.rows else ROW * len(panel.points) * (1 + panel.above) + 26
    places = dict(height=height, left=left, top=TOP, tall=TALL, wide=WIDTH - 8 - left)
    return render("sensitivity/multiples.html.jinja", panel=panel, **places)


def numeric(
    title: str, name: str, found: Row | None, write: Callable[[float], str], *, own: float, logarithmic: bool = False
) -> Panel:
    """Over numbers, from the largest down; true logarithms where asked for. own: this run's, which is ringed."""
    if found is None:
        return nothing(title)
    figure = FIGURES[name]
    levels = sorted(found.levels, reverse=True)
    values = [of(found, level, figure) for level in levels]
    breaks = core.breaking.point(levels, values, figure.threshold, higher=figure.higher, logarithmic=logarithmic)
    place = placer(levels, logarithmic)
    points = [
        point(place(level), write(level), one, figure, level == own) for level, one in zip(levels, values, strict=True)
    ]
    return Panel(
        title, inside(name), sentence(breaks, levels, points, write),
        points, figure.threshold, spaced([(write(level), place(level)) for level in levels]), ticks(figure),
        f"{title.lower()}{', log scale' if logarithmic else ''}", None if breaks.at is None else place(breaks.at),
        about(breaks, write), source=source(found),
    )  # fmt: skip


def categories(title: str, name: str, found: Row | None, own: str, more: str = "") -> Panel:
    """Over names, one line each, this run's own first and ringed."""
    if found is None:
        return nothing(title)
    figure, above = FIGURES[name], max(len(str(level)) for level in found.levels) > FITS
    points = [
        point(
            (ROW * 2 * (number + 0.75) if above else ROW * (number + 0.5)) + 2,
            str(level),
            of(found, level, figure),
            figure,
            level == own,
        )
        for number, level in enumerate(sorted(found.levels, key=lambda level: level != own))
    ]
    good = [one.label for one in points if one.holds]
    bad = [one.label for one in points if not one.holds]
    if not bad:
        said = [(True, f"Holds for all {len(good)}"), (False, f" that are known: {', '.join(good)}.")]
    elif not good:
        said = [(True, f"Fails for all {len(bad)}"), (False, f" that are known: {', '.join(bad)}.")]
    else:
        said = [(True, f"Holds for {', '.join(good)}"), (False, "; "), (True, f"breaks for {', '.join(bad)}"),
                (False, ".")]  # fmt: skip
    return Panel(
        title, inside(name), said, points, figure.threshold,
        ticks_y=ticks(figure), rows=True, above=above, source=source(found, more),
    )  # fmt: skip


def inside(name: str) -> str:
    """A figure's name inside a sentence: an abbreviation stays as it is."""
    return name if name[:2].isupper() else f"{name[:1].lower()}{name[1:]}"


def nothing(title: str, why: str = "") -> Panel:
    """A panel that has nothing to show yet, and says so."""
    why = why or "No two runs are known that differ from this one in it alone. This sweep would fill it:"
    return Panel(title, "", [(False, why)])


def of(found: Row, level: Any, figure: Figure) -> list[float]:
    return [one.figures[figure.column] for one in found.levels[level]]


def point(x: float, label: str, values: list[float], figure: Figure, own: bool) -> Point:
    middle = core.breaking.middle(values)
    assert middle is not None  # a level is known by its figures
    low, high = min(values), max(values)
    spread = f", {figure.write(low)} to {figure.write(high)} over {len(values)} seeds" if len(values) > 1 else ", n = 1"
    says = f"{label}: {figure.write(middle)}{spread}"
    good = core.breaking.holds(middle, figure.threshold, figure.higher)
    return Point(x, middle, low, high, label, f"{says}{', as in this run' if own else ''}", good, own)


def sentence(
    breaks: Breaking, levels: Sequence[float], points: Sequence[Point], write: Callable[[float], str]
) -> list[tuple[bool, str]]:
    """Down to where it holds, and where it breaks."""
    if breaks.holds is None:
        if breaks.breaks is None:
            return [(False, "Nothing is known of it.")]
        return [(True, "Fails from the first on"), (False, f": at {points[0].says} already.")]
    if breaks.breaks is None:
        return [(True, f"Holds down to {write(breaks.holds)}"), (False, ", the least that is known.")]
    at = "" if breaks.at is None else f", in between at about {about(breaks, write)}"
    return [(True, f"Holds down to {write(breaks.holds)}"), (False, "; "), (True, f"breaks at {write(breaks.breaks)}"),
            (False, f"{at}.")]  # fmt: skip


def about(breaks: Breaking, write: Callable[[float], str]) -> str:
    """A crossing, no more exact than it is known, but told from the levels beside it; empty where there is none."""
    if breaks.at is None:
        return ""
    beside = [write(level) for level in (breaks.holds, breaks.breaks) if level is not None]
    rounded = [write(float(f"{breaks.at:.{digits}g}")) for digits in (2, 3, 4)]
    return next((one for one in rounded if one not in beside), rounded[0])


def source(found: Row, more: str = "") -> str:
    """Whose figures these are, of how many seeds, and what else is not as in this run."""
    least, most = found.seeds
    if most == 1:
        seeds = "n = 1: one seed each, no spread"
    else:
        seeds = f"median and range of {most if least == most else f'{least} to {most}'} seeds"
    differs = "".join(f" There: {name.lower()} {value}." for name, value in found.differs.items())
    return f"{more or 'From ' + ' and '.join(found.where)}; {seeds}.{differs}"


def placer(levels: Sequence[float], logarithmic: bool) -> Callable[[float], float]:
    """Where a level stands between the least and the largest, as a share."""
    scale = np.log if logarithmic else float
    low, high = float(scale(min(levels))), float(scale(max(levels)))
    return lambda level: (float(scale(level)) - low) / (high - low)


def spaced(marks: list[tuple[str, float]], least: float = 0.15) -> list[tuple[str, float]]:
    """The marks below an axis that do not run into each other, from the right."""
    kept: list[tuple[str, float]] = []
    for mark in sorted(marks, key=lambda one: -one[1]):
        if not kept or kept[-1][1] - mark[1] >= least:
            kept.append(mark)
    return kept


def ticks(figure: Figure) -> list[tuple[str, float]]:
    return [(f"{share:.0%}" if figure.percent else f"{share:g}", share) for share in (0.0, 0.5, 1.0)]
