"""A sweep's figures as curves over one axis, several above each other, each with its spread and its name at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.configuration import Cell, Sweep
from pages.parts.around import words
from pages.parts.sensitivity import axes, curves, sweep_cells
from pages.parts.sensitivity.sweep_metrics import METRICS, Metric, order, same, spread

HEIGHT = 330  # pixels of one picture
ABOVE, BELOW = 24, 60  # of these, what the plot leaves
LETTER = 8.5  # pixels
WIDEST = 190  # of the names beside the plot
PAD = 0.04  # of an axis, beyond its ends


class Line(NamedTuple):
    """A line: its name, its rows (mean, std, runs and the value across), its look, and whether it can be chosen."""

    name: str
    rows: pd.DataFrame
    look: curves.Style
    own: bool = True


class Scale(NamedTuple):
    """Where values stand across: their places, and how the axis is written."""

    places: dict[Any, Any]
    axis: dict[str, Any]


def draw(
    sweep: Sweep, table: pd.DataFrame, across: str, other: str | None, names: Sequence[str], points: Sequence[Cell],
    fixed: dict[str, Any], beside: tuple[str, Sweep, pd.DataFrame] | None = None,
) -> None:  # fmt: skip
    """Means over the seeds with their standard deviations, the chosen figures above each other over one axis.

    beside: another sweep over the same axis, by its name, drawn thinner over it.
    """
    every = order(sweep, across, table)
    if beside is not None:
        every = list(dict.fromkeys([*every, *order(beside[1], across, beside[2])]))
    scale = placed(across, every)
    drawn = {name: lines(sweep, table, across, other, METRICS[name], beside) for name in names}
    longest = max((len(line.name) for one in drawn.values() for line in one), default=0)
    figure = curves.figure(curves.plain(axes.title(across)), "", height=BELOW + HEIGHT * len(names), rows=len(names))
    beside_it = min(LETTER * longest + 16, WIDEST) if longest else 12
    figure.update_layout(showlegend=False, clickmode="event+select", margin=dict(r=beside_it, t=ABOVE))
    figure.update_xaxes(**scale.axis)
    if other is not None:
        figure.add_annotation(
            x=1, y=1, xref="paper", yref="paper", xanchor="right", yanchor="bottom", showarrow=False,
            text=curves.plain(axes.title(other)), font=dict(size=curves.SMALL - 1, color=curves.ink()),
        )  # fmt: skip
    chosen = [points[place] for place in sweep_cells.chosen(points)]
    for number, name in enumerate(names, start=1):
        panel(figure, number, name, drawn[name], scale, across, other, points, chosen)
    key = sweep_cells.key(sweep, fixed, sweep_cells.CHART, f"curves {' '.join(names)} {bool(beside)}")
    curves.show(
        figure, key, spoken(drawn, names, across), f"poisonscope-sweep-{METRICS[names[0]].column}",
        on_select=lambda: sweep_cells.clicked(key),
    )  # fmt: skip


def placed(axis: str, values: Sequence[Any]) -> Scale:
    """Numbers where they are, ratios on a logarithmic axis, names one beside the other."""
    labels = [curves.plain(axes.label(axis, value)) for value in values]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not numbers or len(values) < 2:
        by_name = dict(type="category", categoryorder="array", categoryarray=labels)
        return Scale(dict(zip(values, labels, strict=True)), by_name | dict(range=[-0.5, len(values) - 0.5]))
    logarithmic = axes.logarithmic(axis, values)
    low, high = (math.log10(one) if logarithmic else one for one in (min(values), max(values)))
    pad = PAD * (high - low)
    written = dict(tickmode="array", tickvals=list(values), ticktext=labels, range=[low - pad, high + pad])
    return Scale({value: value for value in values}, dict(type="log" if logarithmic else "linear") | written)


def lines(
    sweep: Sweep, table: pd.DataFrame, across: str, other: str | None, metric: Metric,
    beside: tuple[str, Sweep, pd.DataFrame] | None,
) -> list[Line]:  # fmt: skip
    """The sweep's lines, one for each value of another axis, and those of the one beside it."""
    made = _of(sweep, table, across, other, metric)
    own = [Line(name, rows, curves.style(place)) for place, (name, rows) in enumerate(made[: curves.MOST_LINES])]
    if beside is None:
        return own
    title, sweep_too, table_too = beside
    shared = other if other in sweep_too.axes else None
    theirs = _of(sweep_too, table_too, across, shared, metric)[: curves.MOST_LINES]
    looks = {line.name: line.look for line in own}
    return own + [
        Line(f"{title}{f': {name}' if name else ''}", rows,
             looks.get(name, curves.style(len(own) + place))._replace(dash="dot"), own=False)
        for place, (name, rows) in enumerate(theirs)
    ]  # fmt: skip


def _of(
    sweep: Sweep, table: pd.DataFrame, across: str, other: str | None, metric: Metric
) -> list[tuple[str, pd.DataFrame]]:
    """A line's name and its rows, in the order of the axis."""
    found = spread(table, [across] if other is None else [across, other], metric)
    places = {value: place for place, value in enumerate(order(sweep, across, table))}
    found = found.assign(place=found[across].map(lambda value: places.get(_plain(value), -1))).sort_values("place")
    if other is None:
        return [("", found)]
    named = [(axes.label(other, value), value) for value in order(sweep, other, table)]
    return [(name, rows) for name, value in named if len(rows := found[same(found[other], value)])]


def _plain(value: Any) -> Any:
    return None if value != value else value  # a table has NaN for None


def panel(
    figure: go.Figure, number: int, name: str, drawn: Sequence[Line], scale: Scale, across: str, other: str | None,
    points: Sequence[Cell], chosen: Sequence[Cell],
) -> None:  # fmt: skip
    """One figure's lines, the chosen cells ringed."""
    metric = METRICS[name]
    low, high = ends(drawn, metric)
    places = {_name_of(cell, across, other): place for place, cell in enumerate(points)}
    rings = {_name_of(cell, across, other) for cell in chosen}
    row = number if figure._grid_ref is not None else None  # one picture has no rows
    at: list[tuple[Any, float, str, str]] = []
    for line in drawn:
        rows = line.rows
        x = [scale.places[_plain(value)] for value in rows[across]]
        names = [(_plain(value), _plain(rows[other].iloc[n]) if other in rows else None)
                 for n, value in enumerate(rows[across])]  # fmt: skip
        figure.add_scatter(
            x=x, y=rows["mean"].tolist(), mode="lines+markers", name=curves.plain(line.name), text=_says(rows, metric),
            cliponaxis=False, hovertemplate=f"{curves.plain(line.name or name)}, %{{x}}: %{{text}}<extra></extra>",
            customdata=[str(places.get(one, "")) if line.own else "" for one in names],
            line=dict(color=line.look.colour, dash=line.look.dash, width=3 if line.own else 2),
            marker=dict(symbol=[f"{line.look.symbol}{'-open' if runs == 1 else ''}" for runs in rows["runs"]], size=11,
                        color=line.look.colour, line=dict(width=2, color=line.look.colour)),
            error_y=dict(type="data", array=rows["std"].tolist(), thickness=2, width=7, color=line.look.colour),
            selected=dict(marker=dict(opacity=1)), unselected=dict(marker=dict(opacity=1)),
            row=row, col=None if row is None else 1,
        )  # fmt: skip
        ringed = [n for n, one in enumerate(names) if line.own and one in rings]
        figure.add_scatter(
            x=[x[n] for n in ringed], y=[rows["mean"].iloc[n] for n in ringed], mode="markers", hoverinfo="skip",
            name="chosen", marker=dict(symbol="circle-open", size=22, color=curves.ink(), line=dict(width=2.5)),
            cliponaxis=False, row=row, col=None if row is None else 1,
        )  # fmt: skip
        if line.name and len(rows):
            at.append((_end(x[-1], scale), float(rows["mean"].iloc[-1]), line.name, line.look.colour))
    figure.update_yaxes(title_text=f"{name}{' (%)' if metric.percent else ''}", range=[low, high], row=row,
                        col=None if row is None else 1)  # fmt: skip
    curves.named(figure, at, low, high, HEIGHT * 0.82, number)


def _end(x: Any, scale: Scale) -> Any:
    """Where an annotation stands across: of a logarithmic axis at the logarithm."""
    return math.log10(x) if scale.axis["type"] == "log" else x


def _name_of(cell: Cell, across: str, other: str | None) -> tuple[Any, Any]:
    return cell.point.get(across, cell.seed), None if other is None else cell.point.get(other)


def _says(rows: pd.DataFrame, metric: Metric) -> list[str]:
    return [
        f"{metric.write(mean)} ± {metric.write(std)}, {runs} seeds" if runs > 1 else f"{metric.write(mean)}, n = 1"
        for mean, std, runs in zip(rows["mean"], rows["std"], rows["runs"], strict=True)
    ]


def ends(drawn: Sequence[Line], metric: Metric) -> tuple[float, float]:
    """The ends of the y axis: those of the figure, else those of what is there, with its spread."""
    rows = pd.concat([line.rows for line in drawn])
    low, high = metric.whole or (
        min(0.0, float((rows["mean"] - rows["std"]).min())),
        float((rows["mean"] + rows["std"]).max()),
    )
    pad = PAD * ((high - low) or 1.0)
    return low - pad, high + pad


def alone(table: pd.DataFrame, by: Sequence[str], names: Sequence[str]) -> bool:
    """Whether some point rests on one run alone."""
    found = (spread(table, list(by), METRICS[name])["runs"] for name in names)
    return any(bool((runs == 1).any()) for runs in found)


def spoken(drawn: dict[str, list[Line]], names: Sequence[str], across: str) -> str:
    """The picture for who cannot see it."""
    said = []
    for name in names:
        for line in drawn[name]:
            of = f"{name}{f', {line.name}' if line.name else ''}"
            values = ", ".join(
                f"{METRICS[name].write(mean)} at {axes.label(across, value)}"
                for value, mean in zip(line.rows[across], np.asarray(line.rows["mean"], float), strict=True)
            )
            said.append(f"{of}: {values}")
    count = words.count(len(names), "figure")
    return f"{count} over {axes.title(across)}. {'; '.join(said)}."
