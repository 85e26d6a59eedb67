"""A sweep's figures as pictures: a curve with its spread over one axis, a heatmap over two, AUROC and gap by ratio.

Every point and every cell leads to its runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

import core
from core.configuration import Sweep
from pages.parts.around import cuts, words
from pages.parts.images import picked
from pages.parts.sensitivity import axes, curves, sweep_runs, sweep_verdicts
from pages.parts.sensitivity.sweep_metrics import METRICS, Metric, meaning, order, rows_at, same, spread

RATIO, DETECTOR = "ratio", "detector"
CELL = 46  # pixels of a heatmap's row
WRITTEN = 13  # pixels of the type in a cell
BRIGHT = 0.5  # share of the colours from which on black is legible, below it white
FEW = 4  # columns that leave room for the spread in a narrow window
MOST_WRITTEN = 6  # columns whose numbers have room in a narrow window; a wider grid is moved sideways in its frame
COLUMN, NAMES = 54, 170  # pixels of a column that its numbers need, and of the rows' names
_NARROW = "<style>.st-key-wide-grid {{overflow-x: auto;}} .st-key-wide-grid > * {{min-width: {width}px;}}</style>"


def show(sweep: Sweep, table: pd.DataFrame) -> None:
    """The chosen figure over the sweep's axes, and the runs behind a point."""
    told(table)
    done = table[table["status"] == "done"]
    known = [name for name, metric in METRICS.items() if done[metric.column].notna().any()]
    if not known:
        st.info("No run of it is finished yet: the picture grows from the first on.", icon=":material/hourglass_empty:")
        return
    name = picked.choice("Figure", "metric", known)
    fixed = rest(sweep)
    here = done[rows_at(done, fixed)]
    shown = here[here[METRICS[name].column].notna()]
    varied = list(sweep.axes)[:2]
    if not len(shown):
        st.info("Nothing of this part of the grid is finished yet.", icon=":material/hourglass_empty:")
    elif len(varied) == 2:
        heatmap(sweep, shown, varied[0], varied[1], name, fixed)
    else:
        lines(sweep, shown, varied[0] if varied else "seed", None, name, "sweep curve")
    if len(shown):
        st.caption(f"{name}: {meaning(name)}. Means over the seeds that are finished, with their standard deviation.")
    if DETECTOR in varied and len(varied) == 2:
        other = next(axis for axis in varied if axis != DETECTOR)
        sweep_verdicts.who_finds(here, other, len(sweep.axes[DETECTOR]))
        sweep_verdicts.who_cleans(here, other, len(sweep.axes[DETECTOR]))
    if RATIO in varied and len(here):
        phases(sweep, here, next((axis for axis in varied if axis != RATIO), None))
    sweep_runs.cell(sweep, table, fixed)


def told(table: pd.DataFrame) -> None:
    """How many runs are finished, and what went wrong."""
    counts = table["status"].value_counts()
    said = [f"**{counts.get('done', 0)} of {words.count(len(table), 'run')} finished**"]
    said += [f"{counts[status]} {status}" for status in ("failed", "waiting") if status in counts]
    st.markdown(" · ".join(said))
    failed = table[table["status"] == "failed"]
    for error in failed["error"].dropna().unique()[:3]:
        st.warning(words.sentence(str(error)), icon=":material/error:")


def rest(sweep: Sweep) -> dict[str, Any]:
    """One value of every axis behind the second; the address has its place (`axis3=1`)."""
    fixed: dict[str, Any] = {}
    with st.container(horizontal=True):
        for number, axis in list(enumerate(sweep.axes, start=1))[2:]:
            values, option = list(sweep.axes[axis]), f"axis{number}"
            key = f"sweep rest {option}"
            at = cuts.option(option, "0", [str(place) for place in range(len(values))])
            st.session_state[key] = int(at)
            st.selectbox(
                axes.title(axis), range(len(values)), key=key, width=200, on_change=_moved, args=(key, option),
                format_func=lambda place, axis=axis, values=values: axes.label(axis, values[place]),
            )  # fmt: skip
            fixed[axis] = values[int(at)]
    return fixed


def _moved(key: str, option: str) -> None:
    cuts.set_option(option, str(st.session_state[key]), "0")
    cuts.set_option(sweep_runs.CELL_AT, "0", "0")


# --- one axis --------------------------------------------------------------------------------------------


def lines(sweep: Sweep, table: pd.DataFrame, axis: str, other: str | None, name: str, key: str) -> None:
    """Means with their spread over one axis; a line for each value of another, if one is named."""
    metric = METRICS[name]
    labels = [axes.label(axis, value) for value in order(sweep, axis, table)]
    figure = curves.figure(axes.title(axis), name, percent_y=metric.percent, height=360)
    by = [axis] if other is None else [axis, other]
    found = spread(table, by, metric)
    said = []
    for place, value in enumerate([None] if other is None else list(sweep.axes[other])[: curves.MOST_LINES]):
        rows = found if other is None else found[same(found[other], value)]
        label = name if other is None else axes.label(other, value)
        one_line(figure, axis, rows, label, metric, curves.style(place))
        said += [f"{label} at {axes.label(axis, row[axis])} {metric.write(row['mean'])}" for _, row in rows.iterrows()]
    figure.update_layout(showlegend=other is not None)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=labels, range=[-0.4, len(labels) - 0.6])
    if metric.whole:
        low, high = metric.whole
        figure.update_yaxes(range=[low - 0.04 * (high - low), high + 0.06 * (high - low)])
    else:
        figure.update_yaxes(rangemode="tozero")
    curves.show(
        figure, key, f"{name} by {axes.title(axis)}: {'; '.join(said[:20])}.", f"poisonscope-sweep-{metric.column}"
    )


def one_line(figure: go.Figure, axis: str, rows: pd.DataFrame, name: str, metric: Metric, look: curves.Style) -> None:
    x = [axes.label(axis, value) for value in rows[axis]]
    says = [f"{metric.write(row['mean'])} ± {metric.write(row['std'])}, {words.count(int(row['runs']), 'seed')}"
            for _, row in rows.iterrows()]  # fmt: skip
    figure.add_scatter(
        x=x, y=rows["mean"].tolist(), name=name, mode="lines+markers", text=says, cliponaxis=False,
        hovertemplate=f"{name}, %{{x}}: %{{text}}<extra></extra>",
        line=dict(color=look.colour, dash=look.dash, width=3), marker=dict(symbol=look.symbol, size=11),
        error_y=dict(type="data", array=rows["std"].tolist(), thickness=2, width=7, color=look.colour),
    )  # fmt: skip


def phases(sweep: Sweep, table: pd.DataFrame, other: str | None) -> None:
    """Where the poison becomes findable: AUROC and spectral gap against the ratio."""
    st.markdown("**Where the poison becomes findable**: AUROC and spectral gap against the ratio")
    left, right = st.columns(2, gap="medium")
    with left:
        lines(sweep, table, RATIO, other, "AUROC", "phase auroc")
    with right:
        lines(sweep, table, RATIO, other, "Spectral gap", "phase gap")
    more = "" if other is None else dropped(len(sweep.axes[other]))
    sweep_verdicts.from_which_ratio(table, RATIO, other)
    st.caption(
        f"{more}Poisoned images that are too few have no direction of their own: the scores follow some other trait of "
        "the class, and AUROC may lie on either side of 0.5. Where they have one, AUROC is near 1, and the gap of the "
        "raw representations may be wide or not."
    )


def dropped(values: int) -> str:
    """Which of an axis's values have a line, where there are too many."""
    return f"Lines for the first {curves.MOST_LINES} of {values}. " if values > curves.MOST_LINES else ""


# --- two axes --------------------------------------------------------------------------------------------


def heatmap(sweep: Sweep, table: pd.DataFrame, across: str, down: str, name: str, fixed: Mapping[str, Any]) -> None:
    """Means over the seeds in a grid, written into it; a click on a cell shows its runs."""
    metric = METRICS[name]
    found = spread(table, [across, down], metric)
    xs, ys = order(sweep, across, table), order(sweep, down, table)
    means, texts = grid(found, across, down, xs, ys, metric)
    x_labels, y_labels = [axes.label(across, x) for x in xs], [axes.label(down, y) for y in ys]
    figure = curves.figure(axes.title(across), "", height=150 + CELL * len(ys))
    low, high = ends(means, metric)
    figure.add_heatmap(
        z=means.tolist(), x=x_labels, y=y_labels, colorscale="Cividis", zmin=low, zmax=high, xgap=2, ygap=2,
        hoverinfo="skip", showscale=False, hoverongaps=False,
    )  # fmt: skip
    written = [
        dict(
            x=int(x), y=len(ys) - 1 - int(y), text=texts[y][x], showarrow=False,  # by place: a name may be a number
            font=dict(size=WRITTEN, color="#000000" if means[y, x] > low + BRIGHT * (high - low) else "#FFFFFF"),
        )
        for y, x in np.argwhere(np.isfinite(means))
    ]  # fmt: skip
    figure.update_layout(annotations=written)  # all at once: one by one takes a second for a hundred
    places = [(x, y) for y in range(len(ys)) for x in range(len(xs))]
    figure.add_scatter(
        x=[x_labels[x] for x, _ in places], y=[y_labels[y] for _, y in places], mode="markers", showlegend=False,
        marker=dict(symbol="square", size=CELL - 10, opacity=0), text=[spelt(texts[y][x]) for x, y in places],
        hovertemplate="%{x}, %{y}: %{text}<extra></extra>", selected=dict(marker=dict(opacity=0)),
        unselected=dict(marker=dict(opacity=0)),
    )  # fmt: skip
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=x_labels, showgrid=False,
                        range=[-0.5, len(xs) - 0.5])  # fmt: skip
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=y_labels[::-1], showgrid=False,
                        ticklabelstandoff=6, range=[-0.5, len(ys) - 0.5])  # fmt: skip
    title = dict(text=f"{name}, mean over the seeds", font=dict(size=curves.SMALL, color=curves.ink()), x=0, y=0.99)
    figure.update_layout(clickmode="event+select", title=title)  # a saved picture says what it shows
    key = f"sweep grid {core.grid.key(sweep)[:8]} {name}"

    def take() -> None:
        points = st.session_state[key].selection["points"]
        if points:
            x, y = places[points[0]["point_index"]]
            sweep_runs.choose(sweep_runs.points_of(sweep, fixed), {across: xs[x], down: ys[y]})

    with st.container(key="wide-grid" if len(xs) > MOST_WRITTEN else "grid"):
        st.html(_NARROW.format(width=NAMES + COLUMN * len(xs)))
        curves.show(
            figure, key, spoken(found, across, down, name), f"poisonscope-sweep-{metric.column}", on_select=take
        )


def spelt(written: str) -> str:
    """A cell's words in one line."""
    return written.replace("<br>", " ") or "not yet"


def grid(
    found: pd.DataFrame, across: str, down: str, xs: list[Any], ys: list[Any], metric: Metric
) -> tuple[np.ndarray, list[list[str]]]:
    """Means [y, x], NaN where there is none yet, and what is written into the cells."""
    means, texts = np.full((len(ys), len(xs)), np.nan), [["" for _ in xs] for _ in ys]
    for y, vertical in enumerate(ys):
        for x, level in enumerate(xs):
            rows = found[same(found[across], level) & same(found[down], vertical)]
            if len(rows):
                row = rows.iloc[0]
                means[y, x] = row["mean"]
                several = row["runs"] > 1 and len(xs) <= FEW
                texts[y][x] = metric.write(row["mean"]) + (f"<br>± {metric.write(row['std'])}" if several else "")
    return means, texts


def ends(means: np.ndarray, metric: Metric) -> tuple[float, float]:
    """The ends of the colours: those of the figure, else those of what is there."""
    if metric.column == "auroc":
        return 0.5, 1.0
    if metric.whole:
        return metric.whole
    return min(0.0, float(np.nanmin(means))), max(1.0, float(np.nanmax(means)))


def spoken(found: pd.DataFrame, across: str, down: str, name: str) -> str:
    metric = METRICS[name]
    low, high = found.loc[found["mean"].idxmin()], found.loc[found["mean"].idxmax()]

    def at(row: pd.Series) -> str:
        return f"{metric.write(row['mean'])} at {axes.label(across, row[across])}, {axes.label(down, row[down])}"

    where = f"{name} by {axes.title(across)} and {axes.title(down)}, {len(found)} cells"
    return f"{where}: lowest {at(low)}; highest {at(high)}."
