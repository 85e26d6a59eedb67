"""Pictures of before and after: two dots and the way between them."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from core import metrics

from . import colours, words

BEFORE, AFTER, BENIGN = "before: poisoned network", "after: cleaned network", "benign network, for comparison"
STYLES = {
    BEFORE: dict(color=colours.POISONED, symbol="x", size=15),
    AFTER: dict(color=colours.BENIGN, symbol="circle", size=16),
    BENIGN: dict(color=colours.REFERENCE, symbol="diamond-open", size=15, line=dict(width=3)),
}


def rates(before: metrics.Quality, after: metrics.Quality, benign: metrics.Quality | None) -> go.Figure:
    """ASR and Nat of the networks."""
    found = {BEFORE: before, AFTER: after} | ({BENIGN: benign} if benign else {})
    figure = dumbbells(["Nat", "ASR"], {name: [one.nat, one.asr] for name, one in found.items()})
    figure.update_layout(height=230)
    return figure


def per_class(names: Sequence[str], before: metrics.Quality, after: metrics.Quality) -> go.Figure:
    """Each class's accuracy on clean test images."""
    figure = dumbbells(names, {BEFORE: before.per_class, AFTER: after.per_class})
    figure.update_layout(height=100 + 34 * len(names))
    figure.update_yaxes(autorange="reversed")
    return figure


def dumbbells(rows: Sequence[str], values: dict[str, Sequence[float]]) -> go.Figure:
    """One line a row from its lowest to its highest value, and a mark for each; shares in [0, 1]."""
    figure = go.Figure()
    for place, row in enumerate(rows):
        ends = [100 * found[place] for name, found in values.items() if name != BENIGN]
        figure.add_scatter(
            x=[min(ends), max(ends)], y=[row, row], mode="lines", line=dict(color=colours.REFERENCE, width=3),
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    for place, (name, found) in enumerate(values.items()):
        figure.add_scatter(
            x=[100 * value for value in found], y=list(rows), name=name, mode="markers+text", marker=STYLES[name],
            text=[words.share(value) for value in found], cliponaxis=False,
            textposition=("top center", "bottom center", "middle right")[place],
            hovertemplate="%{y}: %{x:.1f}%",
        )  # fmt: skip
    figure.update_layout(
        margin=dict(l=8, r=24, t=8, b=8), legend=dict(orientation="h", y=1.02, yanchor="bottom", x=0),
        xaxis=dict(range=[-4, 106], ticksuffix="%"), yaxis=dict(type="category"),
    )  # fmt: skip
    return figure


def spoken(before: metrics.Quality, after: metrics.Quality) -> str:
    """The picture of the rates, for who cannot see it."""
    return (
        f"Attack success rate {words.share(before.asr)} before and {words.share(after.asr)} after the defence; "
        f"natural accuracy {words.share(before.nat)} before and {words.share(after.nat)} after"
    )
