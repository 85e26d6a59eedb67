"""Two axes of a sweep as a grid of colours with the figures written into it; a click on a cell opens its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from plotly.colors import convert_colors_to_same_type, unlabel_rgb
from plotly.colors import sequential as ramps

from core.configuration import Cell, Sweep
from pages.parts.sensitivity import axes, curves, sweep_cells
from pages.parts.sensitivity.sweep_metrics import METRICS, Metric, order, same, spread

CELL = 46  # pixels of a row
WRITTEN = 13  # pixels of the type in a cell
FEW = 4  # columns that leave room for the spread in a narrow window
MOST_WRITTEN = 6  # columns whose numbers have room in a narrow window; a wider grid is moved sideways in its frame
COLUMN, NAMES = 54, 170  # pixels of a column that its numbers need, and of the rows' names
GUESSING = 0.5  # AUROC
UNDEFINED, WORSE = "—", "↓"
_WIDE = '[class*="st-key-wide-grid"]'
_NARROW = "<style>WIDE {{overflow-x: auto;}} WIDE > * {{min-width: {width}px;}}</style>".replace("WIDE", _WIDE)
Stops = list[tuple[float, str]]


def draw(
    sweep: Sweep, table: pd.DataFrame, across: str, down: str, name: str, points: Sequence[Cell], fixed: dict[str, Any]
) -> None:
    """Means over the seeds, the spread below them; the chosen cells framed. `table` has the finished runs."""
    metric = METRICS[name]
    found = spread(table, [across, down], metric)
    xs, ys = order(sweep, across, table), order(sweep, down, table)
    means, texts = grid(found, table, across, down, xs, ys, metric)
    x_labels, y_labels = (
        [curves.plain(axes.label(across, x)) for x in xs],
        [curves.plain(axes.label(down, y)) for y in ys],
    )
    figure = curves.figure(
        curves.plain(axes.title(across)), curves.plain(axes.title(down)), height=150 + CELL * len(ys)
    )
    (low, high), stops = ends(means, metric), colours_of(metric)
    figure.add_heatmap(
        z=means.tolist(), x=x_labels, y=y_labels, colorscale=stops, zmin=low, zmax=high, xgap=2, ygap=2,
        hoverinfo="skip", showscale=False, hoverongaps=False,
    )  # fmt: skip
    written = [
        dict(x=x, y=len(ys) - 1 - y, text=texts[y][x], showarrow=False,  # by place: a name may be a number
             font=dict(size=WRITTEN, color=legible(stops, (means[y, x] - low) / (high - low))))
        for y in range(len(ys)) for x in range(len(xs)) if texts[y][x]
    ]  # fmt: skip
    figure.update_layout(annotations=written)  # all at once: one by one takes a second for a hundred
    places = {(cell.point[across], cell.point[down]): place for place, cell in enumerate(points)}
    cells = [(x, y) for y in range(len(ys)) for x in range(len(xs))]
    figure.add_scatter(
        x=[x_labels[x] for x, _ in cells], y=[y_labels[y] for _, y in cells], mode="markers", showlegend=False,
        marker=dict(symbol="square", size=CELL - 10, opacity=0), text=[spelt(texts[y][x]) for x, y in cells],
        customdata=[str(places[xs[x], ys[y]]) for x, y in cells],
        hovertemplate="%{x}, %{y}: %{text}<extra></extra>", selected=dict(marker=dict(opacity=0)),
        unselected=dict(marker=dict(opacity=0)),
    )  # fmt: skip
    frames = [(x, y) for x, y in cells if places[xs[x], ys[y]] in sweep_cells.chosen(points)]
    figure.update_layout(shapes=[
        dict(type="rect", x0=x - 0.48, x1=x + 0.48, y0=len(ys) - 1.46 - y, y1=len(ys) - 0.54 - y, layer="above",
             line=dict(color=colour, width=width))
        for x, y in frames for colour, width in ((curves.ground(), 7), (curves.ink(), 3))
    ])  # fmt: skip
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=x_labels, showgrid=False,
                        range=[-0.5, len(xs) - 0.5])  # fmt: skip
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=y_labels[::-1], showgrid=False,
                        ticklabelstandoff=6, range=[-0.5, len(ys) - 0.5])  # fmt: skip
    title = dict(text=f"{name}, mean over the seeds", font=dict(size=curves.SMALL, color=curves.ink()), x=0, y=0.99)
    figure.update_layout(clickmode="event+select", title=title)  # a saved picture says what it shows
    key = sweep_cells.key(sweep, fixed, sweep_cells.CHART, name)
    with st.container(key=f"wide-grid-{metric.column}" if len(xs) > MOST_WRITTEN else None):
        st.html(_NARROW.format(width=NAMES + COLUMN * len(xs)))
        curves.show(figure, key, spoken(found, across, down, name), f"poisonscope-sweep-{metric.column}",
                    on_select=lambda: sweep_cells.clicked(key))  # fmt: skip
    explained(name, texts, means, table, metric)


def explained(name: str, texts: list[list[str]], means: np.ndarray, table: pd.DataFrame, metric: Metric) -> None:
    """What the grid cannot say by itself: why a cell has no figure, and what grey means."""
    said = []
    if any(UNDEFINED in row for row in texts):
        clean = table["poisons"].eq(0) & table[metric.column].isna()
        why = "nothing was poisoned there, so it is not defined" if clean.any() else "not measured there"
        said.append(f"{UNDEFINED}: finished, but without {name}: {why}.")
    if any(not text for row in texts for text in row):
        said.append("An empty cell is still to come.")
    if metric.column == "auroc" and (means[np.isfinite(means)] < GUESSING).any():
        said.append(f"Lilac, and {WORSE}: below {GUESSING}, a ranking worse than guessing.")
    if said:
        st.caption(" ".join(said))


def spelt(written: str) -> str:
    """A cell's words in one line."""
    return {"": "not yet", UNDEFINED: "not defined"}.get(written, written.replace("<br>", " "))


def grid(
    found: pd.DataFrame, table: pd.DataFrame, across: str, down: str, xs: list[Any], ys: list[Any], metric: Metric
) -> tuple[np.ndarray, list[list[str]]]:
    """Means [y, x], NaN where there is none, and what is written into the cells: a dash where it is not defined."""
    means, texts = np.full((len(ys), len(xs)), np.nan), [["" for _ in xs] for _ in ys]
    for y, vertical in enumerate(ys):
        for x, level in enumerate(xs):
            rows = found[same(found[across], level) & same(found[down], vertical)]
            if len(rows):
                row = rows.iloc[0]
                means[y, x] = row["mean"]
                worse = WORSE if metric.column == "auroc" and row["mean"] < GUESSING else ""
                texts[y][x] = f"{metric.write(row['mean'])}{worse}"
                if len(xs) <= FEW:
                    texts[y][x] += f"<br>± {metric.write(row['std'])}" if row["runs"] > 1 else "<br>n = 1"
            elif (same(table[across], level) & same(table[down], vertical)).any():
                texts[y][x] = UNDEFINED
    return means, texts


def ends(means: np.ndarray, metric: Metric) -> tuple[float, float]:
    """The ends of the colours: those of the figure, else those of what is there."""
    if metric.whole:
        return metric.whole
    return min(0.0, float(np.nanmin(means))), max(1.0, float(np.nanmax(means)))


def colours_of(metric: Metric) -> Stops:
    """From dark to bright; what of AUROC is below guessing is lilac, and never looks like what is above."""
    if metric.column != "auroc":
        return _stops(ramps.Cividis, 0.0, 1.0)
    return [*_stops(ramps.Purples[3:7][::-1], 0.0, GUESSING), *_stops(ramps.Cividis, GUESSING, 1.0)]


def _stops(ramp: Sequence[str], low: float, high: float) -> Stops:
    colours, _ = convert_colors_to_same_type(list(ramp), colortype="rgb")
    return [(low + (high - low) * place / (len(ramp) - 1), colour) for place, colour in enumerate(colours)]


def colour_at(stops: Stops, share: float) -> tuple[float, float, float]:
    """Red, green and blue, 0 to 255, at a share of the scale; where two stops meet, the upper one's."""
    share = min(max(share, 0.0), 1.0)
    above = next((n for n, (at, _) in enumerate(stops) if at > share), len(stops) - 1)
    (low, dark), (high, bright) = stops[max(above - 1, 0)], stops[above]
    part = (share - low) / (high - low) if high > low else 1.0
    one, two = unlabel_rgb(dark), unlabel_rgb(bright)
    red, green, blue = (a + part * (b - a) for a, b in zip(one, two, strict=True))
    return red, green, blue


def legible(stops: Stops, share: float) -> str:
    """Black or white, whichever can be read on the colour at a share of the scale; without one, the colour of text."""
    if not np.isfinite(share):
        return curves.ink()
    red, green, blue = (_linear(part / 255) for part in colour_at(stops, share))
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (light + 0.05) ** 2 > 1.05 * 0.05 else "#FFFFFF"  # the greater of the two contrasts


def _linear(part: float) -> float:
    """A channel of sRGB as light."""
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def spoken(found: pd.DataFrame, across: str, down: str, name: str) -> str:
    metric = METRICS[name]
    low, high = found.loc[found["mean"].idxmin()], found.loc[found["mean"].idxmax()]

    def at(row: pd.Series) -> str:
        return f"{metric.write(row['mean'])} at {axes.label(across, row[across])}, {axes.label(down, row[down])}"

    where = f"{name} by {axes.title(across)} and {axes.title(down)}, {len(found)} cells"
    return f"{where}: lowest {at(low)}; highest {at(high)}."
