"""The same run read off at every layer of its network: what a detector finds there, and each class's spectral gap.

A layer that nobody asked for yet needs a pass of all images through the stored network, not a training. Beside the
layers stand, where that is asked for, the views of the images themselves, which no network has a part in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

import core
from core import PoisonscopeError, Result
from pages.parts.around import colours, current, cuts, trouble, words
from pages.parts.common import profiles
from pages.parts.sensitivity import curves, rivals

LAYERS = (*core.LAYERS, core.ATTRIBUTION)
PLAIN = "spectral"  # whose singular values are those of the centred representations
WHOLE = dict.fromkeys(("#Pois left", "Clean removed"), "Int64")
REAL = dict.fromkeys(("AUROC", "AP", "TPR at 1% FPR", "Spectral gap", "Widest other gap"), "Float64")


class Layer(NamedTuple):
    """A layer, the run as seen there, and what is stored of it."""

    name: str
    seen: Result
    read: bool
    scored: bool
    gaps: np.ndarray | None


@st.fragment
@trouble.said()
def show(result: Result) -> None:
    """The picture of the gaps, the table of the layers, and buttons for what is missing."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        detector = choose(result)
        views = with_views()
    for name in profiles.asked(result):
        read_off(result, name, detector)
    layers = [look(result, name, detector) for name in (*LAYERS, *(core.VIEWS if views else ()))]
    table = pd.DataFrame([row(result, layer, detector) for layer in layers]).astype(WHOLE | REAL)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw(result, [layer for layer in layers if layer.gaps is not None])
    with right:
        st.markdown(SAYS)
        st.markdown(measured(result, layers))
        with st.expander("Is a wide gap a proof?", icon=":material/help:"):
            st.markdown(PROOF)
    st.dataframe(table, hide_index=True, column_config=columns(), height="content", placeholder="—",
                 alt=f"What {detector} finds at each layer")  # fmt: skip
    st.download_button(
        "Layers as CSV", lambda: as_csv(result, table, layers),
        f"poisonscope-layers-{detector}-{core.run_key(result.config)[:8]}.csv", "text/csv",
        icon=":material/download:", on_click="ignore", help="The table, and beside it the gap of every class.",
    )  # fmt: skip
    offer(result, [layer for layer in layers if not (layer.read and layer.scored and layer.gaps is not None)], detector)


SAYS = (
    "Each mark is a class (● benign, ✕ poisoned), at the **spectral gap** of its representations: the leading singular "
    "value over the next."
)
PROOF = (
    "No. Benign classes have gaps too: two kinds of pictures in a class are enough. And a gap may open late, in the "
    "last layer alone, since early layers describe edges and colours, where a small trigger weighs little."
)


def choose(result: Result) -> str:
    """The detector that scores the layers; at first the run's own."""
    own = result.config.defence.detector
    st.session_state["layers picker"] = cuts.option("by", own, list(core.DETECTORS))
    return st.selectbox(
        "Detector", list(core.DETECTORS), key="layers picker", width=280,
        format_func=lambda name: f"{name} (this run's)" if name == own else name,
        on_change=lambda: cuts.set_option("by", st.session_state["layers picker"], own),
        help="It scores the representations of each layer. The spectral gap does not depend on it.",
    )  # fmt: skip


def with_views() -> bool:
    """Whether the views of the images stand beside the layers; kept in the address."""
    st.session_state["views switch"] = cuts.option("views", "0", ["0", "1"]) == "1"
    return st.toggle(
        "The images themselves, too", key="views switch",
        on_change=lambda: cuts.set_option("views", "1" if st.session_state["views switch"] else "0", "0"),
        help="Spectra of the whole image and tiles of it: representations like a layer, made without a network.",
    )  # fmt: skip


def look(result: Result, name: str, detector: str) -> Layer:
    """What is stored of a layer."""
    own = name == result.config.defence.representation
    seen = result if own else seen_at(result, name)
    return Layer(
        name,
        seen,
        seen.store.has("features", seen.features_key),
        seen.has_scores(cuts.defence_of(seen, detector)),
        gaps_of(seen),
    )


def seen_at(result: Result, name: str) -> Result:
    """The run at another layer; the poisoned set is the run's own, which the screen has loaded by now."""
    return _seen(str(result.store.folder), core.run_key(result.config), name, result)


@st.cache_resource(max_entries=12, show_spinner=False)
def _seen(store: str, run: str, name: str, _result: Result) -> Result:
    return _result.at(name)


def gaps_of(seen: Result) -> np.ndarray | None:
    """Each class's spectral gap at a layer [k]; None where Algorithm 1 has not scored it."""
    defence = core.DefenceConfig(detector=PLAIN, representation=seen.config.defence.representation)
    if not seen.has_scores(defence):
        return None
    known = cuts.key(seen, PLAIN)
    found = _gaps(*known, seen, defence)
    if found is None:
        _gaps.clear(*known)
    return found


@st.cache_resource(max_entries=32, show_spinner=False)
def _gaps(
    store: str, features_key: str, detector: str, parameters: str, _seen: Result, _defence: core.DefenceConfig
) -> np.ndarray | None:
    found = _seen.detection(_defence)
    return None if found is None else core.sensitivity.spectral_gaps(found.spectrum)


def row(result: Result, layer: Layer, detector: str) -> dict[str, Any]:
    own = " (this run)" if layer.name == result.config.defence.representation else ""
    found = profiles.of(layer.seen, detector) if layer.scored else None
    gap, other = (None, None) if layer.gaps is None else core.sensitivity.contrast(layer.gaps, targets(result))
    left, clean = (None, None) if found is None else rivals.cut_of(layer.seen, detector, found)
    return {
        "Layer": f"{layer.name}{own}",
        "AUROC": None if found is None else found.auroc,
        "AP": None if found is None else found.average_precision,
        "TPR at 1% FPR": None if found is None else words.percent(found.tpr_at_1),
        "#Pois left": left,
        "Clean removed": clean,
        "Class named": None if found is None else profiles.named(result, found),
        "Spectral gap": curves.finite(gap),
        "Widest other gap": curves.finite(other),
    }


def targets(result: Result) -> list[int]:
    """The classes that hold poison; where none does, the one that was aimed at."""
    poisoned = result.poisoned
    found = np.unique(poisoned.labels[poisoned.truth.poisoned]).tolist()
    return found or [result.config.attack.target]


def columns() -> dict[str, Any]:
    help = "spectral gap of the poisoned class, of several the mean"
    gaps = {
        "Spectral gap": st.column_config.NumberColumn(format="%.2f", help=f"{help}: {words.explain('Spectral gap')}"),
        "Widest other gap": st.column_config.NumberColumn(format="%.2f", help="the same, widest of the other classes"),
    }
    return words.columns() | gaps


def measured(result: Result, layers: list[Layer]) -> str:
    """Where the poisoned class stands among the others in this run, layer by layer."""
    lines = [f"- *{layer.name}*: {place(result, layer.gaps)}" for layer in layers if layer.gaps is not None]
    if not lines:
        return ""
    return "\n".join(["**In this run**, of the layers that are read off:", *lines])


def place(result: Result, gaps: np.ndarray) -> str:
    """A layer's gaps [k] in words: the poisoned class's, its place among all, and the widest benign one."""
    names, poisoned = core.class_names(result.config.dataset.name), targets(result)
    known = np.flatnonzero(np.isfinite(gaps))
    benign = [label for label in known if label not in poisoned]
    if not result.poisoned.truth.count:
        widest = known[np.argmax(gaps[known])]
        return f"nothing was poisoned; widest is {names[widest]}, {gaps[widest]:.2f}"
    own, other = core.sensitivity.contrast(gaps, poisoned)
    if not np.isfinite(own):
        return "the poisoned class has no gap here"
    if not benign:
        return f"every class is poisoned, {own:.2f} on average: there is no benign one to compare with"
    beside = f"{names[max(benign, key=lambda label: gaps[label])]}, {other:.2f}"
    if len(poisoned) > 1:
        return f"the {len(poisoned)} poisoned classes {own:.2f} on average, the widest benign one {beside}"
    wider = int((gaps[benign] > own).sum())
    if not wider:
        return f"**{names[poisoned[0]]}** {own:.2f}, the widest of {len(known)}; next is {beside}"
    order = words.ordinal(wider + 1)
    return f"**{names[poisoned[0]]}** {own:.2f}, only the {order} widest of {len(known)}; widest is {beside}"


# --- the picture -----------------------------------------------------------------------------------------


def draw(result: Result, layers: list[Layer]) -> None:
    """A line for each layer, a mark for each class at its gap."""
    if not layers:
        st.info("No layer's singular values are stored yet: the buttons below compute them.")
        return
    names, poisons = core.class_names(result.config.dataset.name), result.poisoned.truth.count
    wanted = targets(result)
    picture = curves.figure("spectral gap of a class", "", height=150 + 56 * len(layers))
    ink = colours.plotted()
    kinds = [("benign class", ink.benign, "circle", 13, False)]
    if poisons:
        kinds.append(("poisoned class", ink.poisoned, "x", 15, True))
    for kind, colour, symbol, size, poisoned in kinds:
        points = [
            (float(layer.gaps[label]), layer.name, names[label])
            for layer in layers
            for label in np.flatnonzero(np.isfinite(layer.gaps))
            if bool(poisons and label in wanted) == poisoned
        ]
        picture.add_scatter(
            x=[gap for gap, _, _ in points], y=[layer for _, layer, _ in points], name=kind, showlegend=False,
            mode="markers+text" if poisoned and len(wanted) == 1 else "markers", textposition="top center",
            textfont=dict(size=curves.SMALL - 1, color=curves.ink()),
            marker=dict(symbol=symbol, size=size, color=colour, opacity=1 if poisoned else 0.8),
            text=[name for _, _, name in points], hovertemplate="%{text}: gap %{x:.2f}<extra></extra>",
            cliponaxis=False,
        )  # fmt: skip
    picture.update_xaxes(rangemode="normal")
    picture.update_yaxes(type="category", categoryorder="array", categoryarray=[layer.name for layer in layers[::-1]],
                         ticklabelstandoff=6, range=[-0.6, len(layers) - 0.4])  # fmt: skip
    curves.show(picture, "gaps of the layers", spoken(result, layers), "poisonscope-spectral-gaps")


def spoken(result: Result, layers: list[Layer]) -> str:
    said = []
    for layer in layers:
        gap, other = core.sensitivity.contrast(layer.gaps, targets(result))
        said.append(f"{layer.name} {gap:.2f}, widest other {other:.2f}")
    names = ", ".join(words.class_name(result.config, label) for label in targets(result))
    return f"Spectral gap of {names} at each layer: {'; '.join(said)}."


def as_csv(result: Result, table: pd.DataFrame, layers: list[Layer]) -> bytes:
    """The table, with a column for every class's gap."""
    names = core.class_names(result.config.dataset.name)
    gaps = [dict.fromkeys(names) if one.gaps is None else dict(zip(names, one.gaps, strict=True)) for one in layers]
    classes = pd.DataFrame(gaps).add_prefix("gap of ")
    return core.as_csv(pd.concat([table, classes], axis=1))


# --- what is not there yet -------------------------------------------------------------------------------


def offer(result: Result, missing: list[Layer], detector: str) -> None:
    """Buttons that read a layer off and score it; what stands in the way where they cannot."""
    if not missing:
        return
    passes = [layer for layer in missing if not layer.read]
    stopped = obstacle(result) if passes else ""
    st.caption(
        "A dash: not computed yet. A layer is read off by showing every image to the stored network once; nothing is "
        "trained, and what is computed is kept. Roughly:"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for layer in missing:
            st.button(
                f"{layer.name} ({words.duration(seconds(result, layer, detector))})", key=f"read {layer.name}",
                on_click=profiles.ask, args=(result, layer.name), icon=":material/play_arrow:",
                disabled=bool(stopped) and not layer.read,
            )  # fmt: skip
        if len(missing) > 1:
            st.button(
                f"All {len(missing)} ({words.duration(sum(seconds(result, one, detector) for one in missing))})",
                key="read all", on_click=profiles.ask, args=(result, *(layer.name for layer in missing)),
                icon=":material/playlist_play:", disabled=bool(stopped),
            )  # fmt: skip
    if stopped:
        st.caption(stopped)
        st.page_link(current.ATTACK, label="Fetch the data on the Attack screen", icon=":material/cloud_download:")


def obstacle(result: Result) -> str:
    """Why no other layer can be read off here; empty where it can."""
    name = result.config.dataset.name
    if not core.datasets.available(name):
        return f"Another layer needs the images themselves, and {name} is not on this machine."
    if not result.store.has("model", str(result.model_key("poisoned"))):
        return "Another layer needs this run's network, which is not stored here."
    return ""


def seconds(result: Result, layer: Layer, detector: str) -> float:
    """About how long a layer takes: a pass is a third of an epoch, then the detectors."""
    epochs = result.history("poisoned") if not layer.read else []
    passing = sum(record["seconds"] for record in epochs) / max(3 * len(epochs), 1)
    images = len(result.poisoned)
    scoring = 0.0 if layer.scored else profiles.seconds(detector, images)
    return passing + scoring + (0.0 if layer.gaps is not None or detector == PLAIN else profiles.seconds(PLAIN, images))


def read_off(result: Result, name: str, detector: str) -> None:
    """One layer: its representations, its singular values, and the detector's scores."""
    try:
        made = f"Making {name} of the images" if name in core.VIEWS else f"Reading {name} off the network"
        with st.spinner(f"{made}, once …", show_time=True):
            seen = core.represent_run(result.config, name, store=result.store)
        for one in dict.fromkeys((PLAIN, detector)):
            profiles.score(seen, one)
    except PoisonscopeError as error:
        st.warning(f"{name}: {words.sentence(str(error))}", icon=":material/warning:")
