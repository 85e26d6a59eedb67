"""What a sweep over detectors comes to, in sentences: which of them finds what, and after whose filter it is gone."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts.around import words
from pages.parts.sensitivity import axes

FOUND = 0.95  # AUROC from which poison counts as found
LEARNED = 0.5  # ASR from which a backdoor counts as learned


def who_finds(table: pd.DataFrame, axis: str, detectors: int) -> None:
    """For each value of the axis beside the detectors: the best of them, or, of all of them, that none finds it."""
    found, missed = [], []
    for value, rows in table.groupby(axis, sort=False, dropna=False):
        means = rows.assign(auroc=rows["auroc"].astype(float)).groupby("detector")["auroc"].mean().dropna()
        if means.empty:
            continue
        best, auroc, asr = means.idxmax(), float(means.max()), float(rows["asr1"].astype(float).mean())
        told = f"{words.plain(axes.label(axis, value))} ({best}, {words.score(auroc)}"
        if auroc >= FOUND:
            found.append(f"{told})")
        elif len(means) == detectors:
            learned = "" if asr >= LEARNED else f"; hardly learned, ASR {words.share(asr)}"
            missed.append(f"{told}{learned})")
    if found:
        st.markdown(f"**Found**, with the best detector and its AUROC: {', '.join(found)}.")
    if missed:
        st.warning(
            f"**Found by none of them** (AUROC below {FOUND:g}), with the best there is: {', '.join(missed)}.",
            icon=":material/search_off:",
        )


def who_cleans(table: pd.DataFrame, axis: str, detectors: int) -> None:
    """For each value of the axis beside the detectors, of those that were learned: after whose filter ASR is gone."""
    gone, stays = [], []
    for value, rows in table[table["asr2"].notna()].groupby(axis, sort=False, dropna=False):
        if rows["asr1"].astype(float).mean() < LEARNED:
            continue
        after = rows.assign(asr2=rows["asr2"].astype(float)).groupby("detector", sort=False)["asr2"].mean()
        by = [str(name) for name, asr in after.items() if asr < words.GONE]
        what = words.plain(axes.label(axis, value))
        if by:
            gone.append(f"{what} ({', '.join(by)})")
        elif len(after) == detectors:
            stays.append(f"{what} (at best {words.share(float(after.min()))}, {after.idxmin()})")
    if gone:
        st.markdown(
            f"**Gone after cleaning** (mean ASR below {words.share(words.GONE, 0)}), and by whom: {'; '.join(gone)}."
        )
    if stays:
        st.warning(f"**Left by all of them**, though learned: {'; '.join(stays)}.", icon=":material/search_off:")


def from_which_ratio(table: pd.DataFrame, ratio: str, other: str | None) -> None:
    """The least ratio from which on the mean AUROC of every ratio counts as found, for each value of another axis."""
    groups = [(None, table)] if other is None else list(table.groupby(other, sort=False, dropna=False))
    said = []
    for value, rows in groups:
        means = rows["auroc"].astype(float).groupby(rows[ratio]).mean().dropna().sort_index()
        if means.empty:
            continue
        missed = means.index[means < FOUND]
        found = means.index if not len(missed) else means.index[means.index > missed.max()]
        where = f"from {axes.label(ratio, found[0])} on" if len(found) else "at no ratio yet"
        said.append(where if other is None else f"{words.plain(axes.label(other, value))} {where}")
    if said:
        st.markdown(f"**Found** (mean AUROC at least {FOUND:g}): {'; '.join(said)}.")
