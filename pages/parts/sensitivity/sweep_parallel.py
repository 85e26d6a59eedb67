"""All axes of a sweep at once: a line for each cell through its settings to its figure, the axes by importance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from plotly.colors import label_rgb

import core
from core.configuration import Cell, Sweep
from core.sweeps import Importance
from pages.parts.around import words
from pages.parts.sensitivity import axes, curves, sweep_cells, sweep_heatmap, sweep_runs
from pages.parts.sensitivity.sweep_metrics import METRICS, order, rows_at

HEIGHT = 470
BINS = 6  # colours of the lines
SPACE = 3 * "\N{NO-BREAK SPACE}"  # between a value and its mark
EDGE = 0.02  # of the figure's axis, beyond its ends


def draw(sweep: Sweep, table: pd.DataFrame, name: str, points: Sequence[Cell]) -> None:
    """Every cell of the whole grid; the axis whose main effect explains most stands first, the figure last."""
    metric = METRICS[name]
    measured = core.sweeps.importance(table, list(sweep.axes), metric.column)
    axis_names = list(sweep.axes)
    if measured is not None:
        axis_names.sort(key=lambda axis: -measured.alone[axis])
    values = {axis: order(sweep, axis, table) for axis in axis_names}
    means = [mean(table, cell, metric.column) * (100 if metric.percent else 1) for cell in points]
    known = [place for place, value in enumerate(means) if np.isfinite(value)]
    low, high = metric.whole or (min(0.0, min(means[n] for n in known)), max(means[n] for n in known))
    heights = {n: [_height(values[axis], points[n].point[axis]) for axis in axis_names]
               + [(means[n] - low) / ((high - low) or 1.0)] for n in known}  # fmt: skip
    figure = curves.figure("", "", height=HEIGHT)
    paths(figure, heights, sweep_cells.chosen(points), sweep_heatmap.colours_of(metric))
    for place, axis in enumerate(axis_names):
        setting(figure, place, axis, values[axis], points, known, measured)
    result_axis(figure, len(axis_names), name, heights, points, means, (low, high))
    figure.update_layout(showlegend=False, clickmode="event+select", margin=dict(t=64, r=90, l=12))
    figure.update_xaxes(range=[-0.35, len(axis_names) + 0.2], visible=False)
    figure.update_yaxes(range=[-0.06, 1.06], visible=False)
    key = sweep_cells.key(sweep, {}, sweep_cells.CHART, f"parallel {name}")
    through = f"{words.count(len(known), 'cell')} through {', '.join(map(axes.title, axis_names))} to {name}"
    alt = f"{through}. {told(measured, name)}"
    curves.show(figure, key, alt, f"poisonscope-parallel-{metric.column}", on_select=lambda: sweep_cells.clicked(key))
    st.caption(f"{told(measured, name)} A click on a value chooses all cells that have it; on an end, that cell.")


def told(measured: Importance | None, name: str) -> str:
    """What the figure hangs on, in a sentence."""
    if measured is None:
        return f"{name} is the same in all runs: no setting has a part in it."
    parts = [f"{axes.title(axis)} alone {share:.0%}" for axis, share in
             sorted(measured.alone.items(), key=lambda one: -one[1])]  # fmt: skip
    rest = [f"together {measured.together:.0%}"] if len(measured.alone) > 1 else []
    return (
        f"Of the variance of {name} over {words.count(measured.runs, 'run')}: {', '.join([*parts, *rest])}, the seeds "
        f"{measured.seeds:.0%} (main effects, η²)."
    )


def mean(table: pd.DataFrame, cell: Cell, column: str) -> float:
    """A cell's mean over its seeds; NaN where there is none."""
    found = table.loc[rows_at(table, cell.point), column].dropna().astype(float)
    return float(found.mean()) if len(found) else float("nan")


def _height(values: Sequence[Any], value: Any) -> float:
    """A value's place on its axis, as a share from below."""
    return 0.5 if len(values) == 1 else values.index(value) / (len(values) - 1)


def paths(figure: Any, heights: dict[int, list[float]], chosen: Sequence[int], stops: sweep_heatmap.Stops) -> None:
    """The lines, in a few colours by their figure; the chosen ones above them in the colour of text."""
    bins: dict[int, list[int]] = {}
    for place, line in heights.items():
        bins.setdefault(min(int(line[-1] * BINS), BINS - 1), []).append(place)
    for number, places in sorted(bins.items()):
        colour = label_rgb(sweep_heatmap.colour_at(stops, (number + 0.5) / BINS))
        figure.add_scatter(**_joined(heights, places), mode="lines", hoverinfo="skip", name=f"{number}",
                           opacity=0.35 if chosen else 0.75, line=dict(color=colour, width=1.75))  # fmt: skip
    figure.add_scatter(**_joined(heights, [place for place in chosen if place in heights]), mode="lines", name="chosen",
                       hoverinfo="skip", line=dict(color=curves.ink(), width=3.5))  # fmt: skip


def _joined(heights: dict[int, list[float]], places: Sequence[int]) -> dict[str, list[float | None]]:
    x: list[float | None] = []
    y: list[float | None] = []
    for place in places:
        x += [*map(float, range(len(heights[place]))), None]
        y += [*heights[place], None]
    return dict(x=x, y=y)


def setting(
    figure: Any, place: int, axis: str, values: Sequence[Any], points: Sequence[Cell], known: Sequence[int],
    measured: Importance | None,
) -> None:  # fmt: skip
    """An axis with its values, each of which chooses its cells, and what it explains above it."""
    heights = [_height(values, value) for value in values]
    figure.add_scatter(
        x=[place] * len(values), y=heights, mode="markers+text",
        text=[f"{curves.plain(axes.label(axis, value))}{SPACE}" for value in values],
        textposition="middle left", cliponaxis=False, name=curves.plain(axes.title(axis)),
        textfont=dict(size=curves.SMALL - 2, color=curves.ink()), hovertemplate="%{text}<extra></extra>",
        customdata=["+".join(str(n) for n in known if points[n].point[axis] == value) for value in values],
        marker=dict(symbol="line-ew-open", size=12, color=curves.ink(), line=dict(width=3)),
        selected=dict(marker=dict(opacity=1)), unselected=dict(marker=dict(opacity=1)),
    )  # fmt: skip
    share = "" if measured is None else f"<br><b>{measured.alone[axis]:.0%}</b> of the variance"
    _above(figure, place, f"{curves.plain(axes.title(axis))}{share}")


def result_axis(
    figure: Any, place: int, name: str, heights: dict[int, list[float]], points: Sequence[Cell], means: Sequence[float],
    whole: tuple[float, float],
) -> None:  # fmt: skip
    """The figure's own axis: a mark at every cell's end."""
    metric = METRICS[name]
    ends = {n: line[-1] for n, line in heights.items()}
    figure.add_scatter(
        x=[place] * len(ends), y=list(ends.values()), mode="markers", cliponaxis=False, name=name,
        text=[f"{curves.plain(sweep_runs.place(points[n]))}: {metric.write(means[n])}" for n in ends],
        hovertemplate="%{text}<extra></extra>", customdata=[str(n) for n in ends],
        marker=dict(symbol="line-ew-open", size=14, color=curves.ink(), line=dict(width=2)),
        selected=dict(marker=dict(opacity=1)), unselected=dict(marker=dict(opacity=1)),
    )  # fmt: skip
    for share, value in zip((0.0, 1.0), whole, strict=True):
        figure.add_annotation(x=place, y=share, text=metric.write(value), showarrow=False, xanchor="left", xshift=12,
                              font=dict(size=curves.SMALL - 2, color=curves.ink()))  # fmt: skip
    _above(figure, place, name)


def _above(figure: Any, place: int, text: str) -> None:
    figure.add_shape(type="line", x0=place, x1=place, y0=0, y1=1, line=dict(color=curves.ink(), width=1), layer="below")
    figure.add_annotation(x=place, y=1.05, text=text, showarrow=False, yanchor="bottom", align="center",
                          font=dict(size=curves.SMALL - 1, color=curves.ink()))  # fmt: skip
