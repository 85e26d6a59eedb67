"""Where the SVD of a class's representations shows: its singular values, and its images on the first two directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts.around import colours
from pages.parts.around.cuts import Scored
from pages.parts.images import brush

HEIGHT, SMALL = 400, 14  # pixels: a picture and its type
SIGMA = "σ"  # noqa: RUF001


def spectrum(found: Scored, label: int, name: str) -> go.Figure | None:
    """The class's leading singular values beside the other classes' median; None where the detector gives none."""
    values = found.detection.spectrum
    if values is None:
        return None
    size, own = values.shape[1], values[label]
    others = [n for n in np.flatnonzero(found.sizes) if n != label]
    numbers = [f"{SIGMA}{n}" for n in range(1, size + 1)]
    figure, ink = go.Figure(), colours.plotted()
    square = {"symbol": "square", "size": 9, "line": {"color": ink.ground, "width": 1.5}}
    figure.add_bar(
        x=numbers, y=own, name=name, opacity=0.6, marker={"color": ink.reference},
        hovertemplate="%{x} = %{y:.4g}<extra></extra>",
    )  # fmt: skip
    if others:
        usual = np.median(values[others], axis=0)
        figure.add_scatter(
            x=numbers, y=usual, name="median of the other classes", mode="lines+markers",
            line={"color": ink.reference, "dash": "dash", "width": 2}, marker=square,
            hovertemplate="other classes: %{y:.4g}<extra></extra>",
        )  # fmt: skip
        end = 2 * size // 3  # the words stand above the end of the line, and of the bars
        figure.add_annotation(
            x=numbers[-1], y=float(max(usual[end:].max(), own[end:].max())), text="■ median of the other classes",
            showarrow=False, xanchor="right", yanchor="bottom", yshift=12, font={"color": ink.ink},
        )  # fmt: skip
    ratio = gap(found, label)
    if ratio is not None:
        figure.add_annotation(
            x=0.5, y=float(values[label, 0]), text=f"<b>gap: {SIGMA}1 is {ratio:.2f} times {SIGMA}2</b>",
            showarrow=False, xanchor="left", yanchor="top", xshift=14,
        )  # fmt: skip
    figure.update_layout(
        height=HEIGHT, margin={"l": 10, "r": 10, "t": 10, "b": 10}, dragmode=False, showlegend=False,
        font={"size": SMALL, "color": ink.ink},
    )  # fmt: skip
    figure.update_xaxes(title=f"singular values of {name}, largest first", fixedrange=True, **colours.axis(SMALL))
    figure.update_yaxes(title="size", rangemode="tozero", fixedrange=True, **colours.axis(SMALL))
    return figure


def gap(found: Scored, label: int) -> float | None:
    """The leading singular value against the next."""
    values = found.detection.spectrum
    if values is None or values.shape[1] < 2 or values[label, 1] <= 0:
        return None
    return float(values[label, 0] / values[label, 1])


# --- the scatter -----------------------------------------------------------------------------------------


def places(result: Result, found: Scored, label: int) -> NDArray[np.float32] | None:
    """The class's images (in the order of their ids) on its first two singular directions; None without features."""
    known = str(result.store.folder), result.features_key, label
    plane = _plane(*known, result)
    if plane is None:
        _plane.clear(*known)
    return plane


@st.cache_resource(max_entries=24, show_spinner=False)
def _plane(store: str, features_key: str, label: int, _result: Result) -> NDArray[np.float32] | None:
    features = _result.features
    return None if features is None else core.views.plane(features[_result.poisoned.labels == label])


def scatter(result: Result, found: Scored, label: int, truth: bool) -> go.Figure | None:
    """The picture of the class's images in their plane; with the truth, ● and ✕. None without features."""
    plane = places(result, found, label)
    if plane is None:
        return None
    return _scatter(str(result.store.folder), result.features_key, label, truth, colours.plotted(), result, plane)


@st.cache_resource(max_entries=12, show_spinner=False)
def _scatter(
    store: str,
    features_key: str,
    label: int,
    truth: bool,
    ink: colours.Palette,
    _result: Result,
    _plane: NDArray[np.float32],
) -> go.Figure:
    figure = go.Figure()
    kinds = [("images", ink.reference, "circle")]
    if truth:
        kinds = [
            ("benign ●", ink.benign, colours.BENIGN_SYMBOL), ("poisoned ✕", ink.poisoned, colours.POISONED_SYMBOL),
        ]  # fmt: skip
    for rows, (name, colour, symbol) in zip(parts(_result, label, truth), kinds, strict=True):
        figure.add_scatter(
            x=_plane[rows, 0], y=_plane[rows, 1], mode="markers", name=name, hoverinfo="skip",
            marker={"color": colour, "symbol": symbol, "size": 7 if symbol == "x" else 6, "opacity": 0.65},
            unselected={"marker": {"opacity": 0.15}}, selected={"marker": {"opacity": 0.9}},
        )  # fmt: skip
    figure.update_layout(
        height=HEIGHT, margin={"l": 10, "r": 10, "t": 10, "b": 10}, dragmode="lasso",
        font={"size": SMALL, "color": ink.ink},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": SMALL}},
    )  # fmt: skip
    figure.update_xaxes(title="first singular direction →", zeroline=True, **colours.axis(SMALL))
    figure.update_yaxes(title="second", **colours.axis(SMALL))
    return figure


def parts(result: Result, label: int, truth: bool) -> list[NDArray[np.int64]]:
    """The rows of the plane that each kind of mark stands for: benign and poisoned, or all."""
    poisoned = result.poisoned.truth.poisoned[result.poisoned.labels == label]
    return [np.flatnonzero(~poisoned), np.flatnonzero(poisoned)] if truth else [np.arange(len(poisoned))]


def draw(result: Result, found: Scored, label: int, truth: bool, name: str) -> bool:
    """The scatter with its lasso; returns whether there was anything to draw."""
    figure = scatter(result, found, label, truth)
    if figure is None:
        return False
    key = f"scatter {result.features_key[:8]} {label} {truth} {brush.turn()}"

    def encircle() -> None:
        ids = selected(result, found, label, truth, st.session_state[key].selection)
        if len(ids):
            brush.keep_lasso(brush.Lasso(result.features_key, label, ids))

    st.plotly_chart(
        figure, key=key, on_select=encircle, selection_mode=("lasso", "box"), config={"displaylogo": False},
        alt=f"Scatter of the images labelled {name} on their first two singular directions.",
    )  # fmt: skip
    return True


def selected(result: Result, found: Scored, label: int, truth: bool, selection: Any) -> NDArray[np.int64]:
    """The ids of the selected points, most suspicious first."""
    kinds = parts(result, label, truth)
    members = np.flatnonzero(found.labels == label)
    chosen = [members[kinds[point["curve_number"]][point["point_index"]]] for point in selection["points"]]
    ids = np.array(chosen, np.int64)
    return ids[np.argsort(found.ranks[ids], kind="stable")]
