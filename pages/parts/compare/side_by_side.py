"""Two runs or more beside each other: what differs in their settings first, then the figures, then the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

import core
from core import Job, Result
from pages.parts.around import address, current, link, words
from pages.parts.around.templates import render
from pages.parts.common import summaries
from pages.parts.compare import before_after

PARAMETER = link.WITH
NONE = "none"  # in the address where a person wants no second run
ORDER = ("Nat1", "ASR1", "Poisons", "#Pois left", "Clean removed", "Nat2", "ASR2", "TPR", "FPR", "AUROC", "AP")


class Side(NamedTuple):
    """One of two runs: which of them, what it is in words, its settings, and its figures (empty where damaged)."""

    which: str
    words: str
    config: core.RunConfig
    figures: dict[str, Any]


def show(result: Result) -> None:
    """This run beside a second one, which the address names (`with=…`)."""
    own = core.run_key(result.config)
    others = {job.key[: current.SHORT]: job for job in current.runs() if job.status == "done" and job.key != own}
    if not others:
        st.info("There is no second finished run yet. Start one on the Attack screen: another detector, say.")
        return
    other = _pick(result, others)
    if other is None:
        st.caption("Choose a second run to see what differs, in settings and in what came of it.")
        return
    this = f"{words.heading(result.config)} · {result.config.removed_by}, seed {result.config.seed}"
    pair = [
        Side("this run", this, result.config, result.summary or {}),
        Side("the other run", words.label(other), other.config, summaries.of(other.key, other.finished)),
    ]
    if not all(side.figures for side in pair):
        st.warning("What was stored of the other run is damaged or missing: open it and run it again.")
        return
    if other.config == result.config.base:  # what a review has changed is read from the run that it reviewed
        pair.reverse()
    sides = {f"{letter}: {side.which}": side for letter, side in zip("AB", pair, strict=True)}
    st.html(render("compare/runs.html.jinja", runs=[(name[0], side.words) for name, side in sides.items()]))
    st.markdown("**What differs in the settings**")
    differing({name: side.config for name, side in sides.items()})
    st.markdown("**What came of it**")
    st.table(compared(*(side.figures for side in pair)), hide_index=True, alt="Both runs' figures and the difference")
    for place, (name, side) in zip(st.columns(2), sides.items(), strict=True):
        with place:
            st.markdown(f"**{name}**")
            st.plotly_chart(
                before_after.rates(side.figures), key=f"rates of {name[0]}", config={"displayModeBar": False},
                alt=f"{name}. {before_after.spoken(side.figures)}",
            )  # fmt: skip


def _pick(result: Result, others: dict[str, Job]) -> Job | None:
    """The second run's menu; at first what the address names, or the nearest run."""
    wanted = address.get(PARAMETER) or ""
    if wanted not in (NONE, ""):
        wanted = next((short for short in others if short.startswith(wanted[: current.SHORT])), "")
        if not wanted:
            st.warning("The second run of this link is not here: it was deleted, or made on another machine.")
    if not wanted:
        wanted = _nearest(result, others)
    st.session_state["second run"] = None if wanted == NONE else wanted
    labels = words.labels(others)
    short = st.selectbox(
        "Second run", list(others), index=None, format_func=labels.__getitem__, key="second run",
        placeholder="Choose a run", on_change=_remember, help="All other finished runs; the link names the chosen one.",
    )  # fmt: skip
    return others.get(short) if short else None


def _remember() -> None:
    address.put(PARAMETER, st.session_state["second run"] or NONE)


def _nearest(result: Result, others: dict[str, Job]) -> str:
    """The run whose cut this one reviews, else that which shares most settings: another detector's, say."""
    base = core.run_key(result.config.base)[: current.SHORT]
    if base in others:
        return base
    own = core.report.settings(result.config)

    def distance(short: str) -> tuple[bool, int]:
        config = others[short].config
        same_network = Result(config, result.store).model_key("poisoned") == result.model_key("poisoned")
        return not same_network, len(_differing([own, core.report.settings(config)]))

    return min(list(others)[:50], key=distance)


def differing(configs: dict[str, core.RunConfig]) -> None:
    """A small table of the settings that are not the same in all runs."""
    settings = [core.report.settings(config) for config in configs.values()]
    names = _differing(settings)
    if not names:
        st.caption("Nothing: these are the same settings.")
        return
    columns = {run: [one.get(name, "—") for name in names] for run, one in zip(configs, settings, strict=True)}
    st.table(pd.DataFrame({"Setting": names, **columns}), hide_index=True, alt="The settings that differ")


def _differing(settings: Sequence[dict[str, str]]) -> list[str]:
    names = dict.fromkeys(name for one in sorted(settings, key=len, reverse=True) for name in one)
    return [name for name in names if len({one.get(name) for one in settings}) > 1]


def compared(mine: dict[str, Any], theirs: dict[str, Any]) -> pd.DataFrame:
    """Two runs' figures, the difference, and what each says."""
    rows = [
        {
            "Figure": figure.label,
            "A": figure.write(one),
            "B": figure.write(two),
            "B minus A": figure.change(one, two),
            "What it says": figure.meaning,
        }
        for figure, (one, two) in _figures([mine, theirs])
    ]
    return pd.DataFrame(rows)


def several(jobs: Sequence[Job]) -> None:
    """The figures of any number of runs, a column each, below what differs in their settings."""
    found = {f"{place} · {job.name or words.heading(job.config)}": job for place, job in enumerate(jobs, 1)}
    differing({words.plain(name): job.config for name, job in found.items()})  # a table's words are Markdown
    figures = _figures([summaries.of(job.key, job.finished) for job in found.values()])
    rows = {figure.label: [figure.write(value) for value in values] for figure, values in figures}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(found)).rename_axis("Figure").reset_index()
    st.dataframe(table, hide_index=True, height="content", alt="Figures of the chosen runs")


def _figures(summaries: Sequence[dict[str, Any]]) -> list[tuple[core.figures.Figure, list[Any]]]:
    """Each figure of each run; None where a run has none."""
    return [(words.figure(name), [one.get(words.FIGURES[name]) for one in summaries]) for name in ORDER]
