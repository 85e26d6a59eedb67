"""Pictures of before and after: two dots and the way between them."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from core import metrics

from . import colours, words

BEFORE, AFTER, BENIGN = "before: poisoned network", "after: cleaned network", "benign network, for comparison"
STYLES = {  # in the order of drawing: the cross stays visible on the disc
    AFTER: dict(color=colours.BENIGN, symbol="circle", size=18),
    BEFORE: dict(color=colours.POISONED, symbol="x", size=11),
    BENIGN: dict(color=colours.REFERENCE, symbol="diamond-open", size=20, line=dict(width=3)),
}


def rates(before: metrics.Quality, after: metrics.Quality, benign: metrics.Quality | None) -> go.Figure:
    """ASR and Nat of the networks."""
    found = {AFTER: after, BEFORE: before} | ({BENIGN: benign} if benign else {})
    figure = dumbbells(["ASR", "Nat"], {name: [one.asr, one.nat] for name, one in found.items()})
    for name, place in ((BEFORE, "top center"), (AFTER, "bottom center")):
        figure.update_traces(selector={"name": name}, mode="markers+text", textposition=place, textfont_size=15)
    figure.update_layout(height=270, xaxis_range=[-6, 106])
    return figure


def per_class(names: Sequence[str], before: metrics.Quality, after: metrics.Quality) -> go.Figure:
    """Each class's accuracy on clean test images."""
    pairs = zip(names, before.per_class, after.per_class, strict=True)
    rows = [f"{name}  {words.share(one)} → {words.share(two)}" for name, one, two in pairs]
    figure = dumbbells(rows, {AFTER: after.per_class, BEFORE: before.per_class})
    lowest = 100 * min(before.per_class + after.per_class)
    figure.update_layout(height=110 + 34 * len(names), xaxis_range=[max(-2.0, lowest - 8), 100.8])
    return figure


def dumbbells(rows: Sequence[str], values: dict[str, Sequence[float]]) -> go.Figure:
    """One line a row from before to after, and a mark for each network; shares in [0, 1]."""
    figure = go.Figure()
    for row, one, two in zip(rows, values[BEFORE], values[AFTER], strict=True):
        figure.add_scatter(
            x=[100 * one, 100 * two], y=[row, row], mode="lines", line=dict(color=colours.REFERENCE, width=3),
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    for name, found in values.items():
        figure.add_scatter(
            x=[100 * value for value in found], y=list(rows), name=name, mode="markers", marker=STYLES[name],
            legendrank=[BEFORE, AFTER, BENIGN].index(name),
            text=[words.share(value) for value in found], cliponaxis=False, hovertemplate="%{y}: %{x:.1f}%",
        )  # fmt: skip
    figure.update_layout(
        margin=dict(l=8, r=24, t=8, b=8), legend=dict(orientation="h", y=1.02, yanchor="bottom", x=0),
        xaxis=dict(ticksuffix="%"), yaxis=dict(type="category", range=[len(rows) - 0.35, -0.65], tickfont_size=14),
    )  # fmt: skip
    return figure


def spoken(before: metrics.Quality, after: metrics.Quality) -> str:
    """The picture of the rates, for who cannot see it."""
    return (
        f"Attack success rate {words.share(before.asr)} before and {words.share(after.asr)} after the defence; "
        f"natural accuracy {words.share(before.nat)} before and {words.share(after.nat)} after"
    )
