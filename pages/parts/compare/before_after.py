"""Before and after the defence: two dots and the way between them, and the figures with what each says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core import metrics
from pages.parts.around import colours, words
from pages.parts.around.templates import Markup, render

BEFORE, AFTER, BENIGN = "before: poisoned network", "after: cleaned network", "benign network, for comparison"
NAMED = (  # what stands above a mark, below it, and a line lower
    (BEFORE, "top", "before"),
    (AFTER, "bottom", "after"),
    (BENIGN, "bottom", "<br>never poisoned"),
)
NEAR_END = 35  # percent
SMALL = 14  # pixels, the type
MOST_CLASSES = 20
STYLES = {  # in the order of drawing: the cross stays visible on the disc
    AFTER: dict(symbol="circle", size=22),
    BEFORE: dict(symbol="x", size=14),
    BENIGN: dict(symbol="diamond-open", size=24, line=dict(width=3)),
}


def rates(found: dict[str, Any], benign: metrics.Quality | None = None) -> go.Figure:
    """ASR and Nat of the networks of a run's summary."""
    values = {AFTER: [found["asr2"], found["nat2"]], BEFORE: [found["asr1"], found["nat1"]]}
    rows = [words.figure(name).name.replace(" (", "<br>(") for name in ("ASR", "Nat")]
    figure = dumbbells(rows, values | ({BENIGN: [benign.asr, benign.nat]} if benign else {}))
    for name, level, says in NAMED:
        figure.for_each_trace(lambda mark, level=level, says=says: _name(mark, level, says), selector={"name": name})
    figure.update_layout(height=230, xaxis_range=[-7, 107], yaxis_range=[1.6, -0.45], showlegend=False)
    return figure


def _name(mark: go.Scatter, level: str, says: str) -> None:
    """Each mark's name and figure beside it, towards the middle of the picture where it is near an end."""
    sides = ["right" if x < NEAR_END else "left" if x > 100 - NEAR_END else "center" for x in mark.x]
    mark.update(
        mode="markers+text", text=[f"{says} {text}" for text in mark.text],
        textposition=[f"{level} {side}" for side in sides], textfont=dict(size=SMALL, color=colours.plotted().ink),
    )  # fmt: skip


def per_class(names: Sequence[str], found: dict[str, Any]) -> go.Figure:
    """Each class's accuracy on clean test images, from a run's summary; of many classes those that changed most."""
    shown = most_changed(found)
    before, after = ([found[which][label] for label in shown] for which in ("per_class1", "per_class2"))
    triples = zip(shown, before, after, strict=True)
    rows = [f"{names[label]}  {words.share(one)} → {words.share(two)}" for label, one, two in triples]
    figure = dumbbells(rows, {AFTER: after, BEFORE: before})
    lowest = 100 * min(before + after)
    figure.update_layout(height=110 + 34 * len(rows), xaxis_range=[max(-2.0, lowest - 8), 100.8])
    return figure


def most_changed(found: dict[str, Any]) -> list[int]:
    """The classes whose accuracy changed most, or all of a few; in the order of their numbers."""
    change = np.abs(np.subtract(found["per_class2"], found["per_class1"]))
    return [int(label) for label in np.sort(np.argsort(-change, kind="stable")[:MOST_CLASSES])]


def dumbbells(rows: Sequence[str], values: dict[str, Sequence[float]]) -> go.Figure:
    """One line a row from before to after, and a mark for each network; shares in [0, 1]."""
    figure, ink = go.Figure(), colours.plotted()
    inks = {AFTER: ink.benign, BEFORE: ink.poisoned, BENIGN: ink.reference}
    lines = zip(rows, values[BEFORE], values[AFTER], strict=True)
    ends = [end for row, one, two in lines for end in ((100 * one, row), (100 * two, row), (None, row))]
    figure.add_scatter(
        x=[end for end, _ in ends], y=[row for _, row in ends], mode="lines", line=dict(color=ink.reference, width=4),
        showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    for name, found in values.items():
        figure.add_scatter(
            x=[100 * value for value in found], y=list(rows), name=name, mode="markers",
            marker=STYLES[name] | {"color": inks[name]}, legendrank=[BEFORE, AFTER, BENIGN].index(name),
            text=[words.share(value) for value in found], cliponaxis=False, hovertemplate="%{y}: %{x:.1f}%",
        )  # fmt: skip
    figure.update_layout(
        margin=dict(l=8, r=24, t=8, b=8),
        legend=dict(orientation="h", y=1.02, yanchor="bottom", x=0, font=dict(size=SMALL)),
        xaxis=dict(ticksuffix="%", fixedrange=True, **colours.axis(SMALL)),
        yaxis=dict(type="category", range=[len(rows) - 0.35, -0.65], fixedrange=True, **colours.axis(SMALL)),
    )  # fmt: skip
    return figure


def spoken(found: dict[str, Any]) -> str:
    """The picture of the rates, for who cannot see it."""
    return (
        f"Backdoor success {words.share(found['asr1'])} before and {words.share(found['asr2'])} after the defence; "
        f"accuracy {words.share(found['nat1'])} before and {words.share(found['nat2'])} after"
    )


def figures(found: dict[str, Any]) -> Markup:
    """How well poisoned and clean were told apart: each figure in large, with what it says and which way is good."""
    says = {
        "#Pois left": f"of {found['poisons']:,} poisoned images are still in the set",
        "Clean removed": f"of {found['flagged']:,} removed: the price of the defence",
        "TPR": "of the poisoned images were removed",
        "FPR": "of the clean images of all classes were removed",
        "AUROC": "chance that poison scores above clean; 0.5 is guessing",
        "AP": "average precision over all cuts; 1 is perfect",
    }
    if found.get("covers"):
        says["Covers removed"] = f"of {found['covers']:,}: stamped, true label"
    rows = [(words.figure(name), found[words.FIGURES[name]], text) for name, text in says.items()]
    return render("compare/figures.html.jinja", rows=rows)
