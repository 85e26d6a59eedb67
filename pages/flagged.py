"""Flagged: the images that the cut removes, the most suspicious first, and whether they really were poisoned.

The cut is the run's own until the Scores screen changes it (pages/parts/cuts.py). In blind review ids are
not shown either: stamped copies have ids behind those of the clean images, so an id would tell.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts import current, cuts, gallery, picked, shell, words
from pages.parts.cuts import Cut, Scored

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

ALL, HITS, FALSE, MISSED = "All flagged", "True positives ✕", "False positives ●", "Missed poisons ✕"
PAGE_SIZES = [24, 48, 96, 192]


def page() -> None:
    result = current.need_run()
    st.title("Flagged images")
    cut = cuts.chosen(result)
    found = picked.need_scores(result)
    flagged = cuts.flag(found, cut)
    say_cut(result, cut, flagged)
    truth = cuts.truth_switch()
    if not flagged.any():
        nothing(cut, found)
    if flagged.any() or (truth and result.poisoned.truth.count):
        view(result, found, flagged, truth)
    export(result, found, flagged, truth)


def say_cut(result: Result, cut: Cut, flagged: Mask) -> None:
    """Which cut this is, and whether it is what the run removed."""
    own = result.flagged is not None and bool((result.flagged == flagged).all())
    what = "This is what the run removed" if own else "**Tried on**, not what the run removed"
    st.markdown(
        f"{words.count(int(flagged.sum()), 'image')} flagged by **{cut.detector}**: the "
        f"**{cut.budget:,}** highest scores of {cuts.SCOPES[cut.scope]}. {what}."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("pages/scores.py", label="Change the cut on the Scores screen", icon=":material/bar_chart:")
        if not own:
            own_cut = cuts.usual(result, result.config.defence.detector)
            st.button("Back to the run's own cut", on_click=lambda: cuts.choose(result, own_cut))


def nothing(cut: Cut, found: Scored) -> None:
    """Nothing found is an answer too."""
    if not cut.budget:
        reason = "the budget is 0, so no image is flagged"
    else:
        reason = "the detector names no class as poisoned" if found.names_classes else "no class is in scope"
    st.info(f"Nothing found: {reason}.", icon=":material/search_off:")


@st.fragment
def view(result: Result, found: Scored, flagged: Mask, truth: bool) -> None:
    """Filter, grid, pager and detail; reruns alone."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = ALL
        if truth:
            kind = st.segmented_control(
                "Show", [ALL, HITS, FALSE, MISSED], default=ALL, required=True, key="show",
                help="✕ marks poisoned images, ● benign ones.",
            )  # fmt: skip
        present = [None, *(int(label) for label in np.flatnonzero(found.sizes))]
        label = st.selectbox(
            "Label", present, key="label filter", width=180,
            format_func=lambda n: "every label" if n is None else words.class_name(result.config, n),
        )  # fmt: skip
        per_page = st.selectbox("Images on a page", PAGE_SIZES, key="page size", width=150)
        size = st.slider("Thumbnail size", 32, 192, 96, step=16, key="thumbnail size", width=200)
    chosen = select(result, found, flagged, kind, label)
    if not len(chosen):
        st.info("No image fits this filter.", icon=":material/filter_alt_off:")
        return
    shown = turn_pages(chosen, per_page)
    st.html(gallery.grid([thumbnail(result, found, flagged, id, truth) for id in shown], size))
    detail(result, found, flagged, shown, truth)


def select(result: Result, found: Scored, flagged: Mask, kind: str, label: int | None) -> Ids:
    """Ids of what the filter lets through, highest score first; ties go to the lower id."""
    poisoned = result.poisoned.truth.poisoned
    wanted = {ALL: flagged, HITS: flagged & poisoned, FALSE: flagged & ~poisoned, MISSED: ~flagged & poisoned}[kind]
    if label is not None:
        wanted = wanted & (found.labels == label)
    ids = np.flatnonzero(wanted)
    return ids[np.argsort(-found.scores[ids], kind="stable")]


def turn_pages(chosen: Ids, per_page: int) -> Ids:
    """The ids on the page that the pager shows."""
    pages = -(-len(chosen) // per_page)
    at = 1
    if pages > 1:
        at = min(st.pagination(pages, key=f"pager {pages}"), pages)
    first = (at - 1) * per_page
    shown = chosen[first : first + per_page]
    st.caption(f"{first + 1:,} to {first + len(shown):,} of {words.count(len(chosen), 'image')}, highest score first")
    return shown


def thumbnail(result: Result, found: Scored, flagged: Mask, id: int, truth: bool) -> gallery.Thumbnail:
    poisoned = result.poisoned
    label = words.class_name(result.config, int(found.labels[id]))
    seen = gallery.Thumbnail(
        poisoned.images[id], int(found.ranks[id]), float(found.scores[id]), label, bool(flagged[id])
    )
    if not truth:
        return seen
    origin = f"{words.class_name(result.config, int(poisoned.source_labels[id]))}, id {poisoned.source_ids[id]}"
    stamped = bool(poisoned.truth.poisoned[id])
    return seen._replace(id=int(id), made_from=origin if stamped else None, poisoned=stamped)


def detail(result: Result, found: Scored, flagged: Mask, shown: Ids, truth: bool) -> None:
    """One image of the page, enlarged; with the truth, beside what it was made from."""
    st.subheader("One image in detail")

    def name(id: int) -> str:
        handle = f"id {id} · " if truth else ""
        return f"{handle}{words.class_name(result.config, int(found.labels[id]))} #{found.ranks[id]}"

    id = st.selectbox("Image", [int(id) for id in shown], format_func=name, key="image", width=280)
    seen = thumbnail(result, found, flagged, id, truth)
    if not truth:
        st.image(gallery.enlarged(seen.pixels), caption=f"labelled {seen.label}, rank {seen.rank}", alt=seen.alt)
        return
    original = result.dataset.train_images[result.poisoned.source_ids[id]]
    change, factor = gallery.difference(original, seen.pixels)
    source = words.class_name(result.config, int(result.poisoned.source_labels[id]))
    pictures = [
        (original, f"Original: {source}, id {result.poisoned.source_ids[id]}"),
        (seen.pixels, f"In the training set: labelled {seen.label}"),
        (change, f"Difference, amplified {factor:.1f} times" if change.any() else "Difference: nothing was changed"),
    ]
    with st.container(horizontal=True):
        for pixels, caption in pictures:
            st.image(gallery.enlarged(pixels), caption=caption, alt=f"{caption}. {seen.alt}")
    verdict = "✕ **poisoned**" if seen.poisoned else "● **benign**"
    others = int(found.sizes[found.labels[id]])
    st.markdown(
        f"{verdict} · score **{gallery.figure_text(seen.score)}**, rank {seen.rank:,} of {others:,} "
        f"labelled {seen.label} · {'flagged' if seen.flagged else 'not flagged'}"
    )


def export(result: Result, found: Scored, flagged: Mask, truth: bool) -> None:
    """Downloads, made when asked for."""
    st.subheader("Export")
    st.caption(
        "One row an image: id, label, label_name, score, rank (within its label, 1 = most suspicious), flagged"
        + (
            ", dataset_row, source_id, source_name, poisoned."
            if truth
            else ". Without the truth, as this is blind review."
        )
        + " The keep-list has the ids that stay, one a line."
    )

    def table() -> pd.DataFrame:
        return core.export.table(result, found.detection, flagged, truth=truth)

    stem = f"poisonscope-{core.run_key(result.config)[:8]}"
    with st.container(horizontal=True):
        st.download_button(
            "Scores as CSV", lambda: table().to_csv(index=False), f"{stem}-scores.csv", "text/csv", on_click="ignore"
        )
        st.download_button(
            "Scores as Parquet",
            lambda: table().to_parquet(index=False),
            f"{stem}-scores.parquet",
            "application/vnd.apache.parquet",
            on_click="ignore",
        )
        st.download_button(
            "Keep-list", lambda: core.export.keep_list(flagged), f"{stem}-keep.txt", "text/plain", on_click="ignore"
        )


shell.ensure()
page()
