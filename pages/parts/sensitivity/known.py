"""The runs that are known beside the current one, stored or recorded, and rows of them that differ in one thing alone.

From the sweeps that ship and those of the ledger, the report's tables, and the finished runs: of the same data set,
recipe and detector. Nothing is computed for them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

import core
from core import Result, RunConfig
from pages.parts.common import summaries

FIGURES = ("auroc", "tpr_at_1", "poisons", "poisons_left")
SEEDS, READING = 20, ("target_class",)  # of the report's tables
TOLERATED = {"Training images of each class", "Assumed ratio"}  # said where they are others
OF_THE_CUT = ("Cut", "Assumed ratio", "Budget", "Removed from")  # a ranking does not hang on them
OWN = "the attacker's own"
PATIENCE = 30.0  # seconds, after which a sweep that goes on is read anew
TABLES, RUNS = "the report's tables", "your runs"


class Known(NamedTuple):
    """A finished run: its settings, its figures by their columns, and where they come from."""

    config: RunConfig
    figures: Mapping[str, float]
    where: str


class Row(NamedTuple):
    """Runs that differ in one thing alone, by its value, and in what they differ from the current run beside it."""

    levels: dict[Any, list[Known]]
    differs: dict[str, str]

    @property
    def where(self) -> list[str]:
        """The sources, each once."""
        return list(dict.fromkeys(one.where for runs in self.levels.values() for one in runs))

    @property
    def seeds(self) -> tuple[int, int]:
        """The fewest and the most runs at a level."""
        counts = [len(runs) for runs in self.levels.values()]
        return min(counts), max(counts)


def row(
    result: Result, level: Callable[[RunConfig], Any], free: Callable[[str], bool], column: str,
    runs: Sequence[Known] | None = None,
) -> Row | None:  # fmt: skip
    """The known runs that differ from this one in what `level` reads off them, and in their seeds.

    free: the settings, by their names (core.report.settings), that may differ with it. column: the figure that is
    asked for. runs: those that are known, where they were asked for already. Of several rows the longest, and of those
    the one that differs least from this run. None where no two levels are known.
    """
    config = result.config.base
    own = rest(config, free, column)
    rows: dict[str, Row] = {}
    for one in known(result) if runs is None else runs:
        value = level(one.config)
        if value is None or column not in one.figures:
            continue
        settings = rest(one.config, free, column)
        differs = {name: settings[name] for name in settings if settings[name] != own.get(name)}
        if settings.keys() != own.keys() or set(differs) - TOLERATED:
            continue
        found = rows.setdefault(repr(sorted(differs.items())), Row({}, differs))
        found.levels.setdefault(value, []).append(one)
    long = [one for one in rows.values() if len(one.levels) > 1]
    return max(long, key=lambda one: (len(one.levels), -len(one.differs)), default=None)


def rest(config: RunConfig, free: Callable[[str], bool], column: str) -> dict[str, str]:
    """A run's settings that must be the same; an assumed ratio that is the attacker's own is no number."""
    settings = core.report.settings(config)
    if "Assumed ratio" in settings and math.isclose(config.defence.assumed_ratio, config.attack.ratio):
        settings["Assumed ratio"] = OWN
    gone = ("Seed", *(() if column == "left" else OF_THE_CUT))
    return {name: value for name, value in settings.items() if name not in gone and not free(name)}


def known(result: Result) -> list[Known]:
    """All that is known of runs with this one's data set, recipe and detector, this one among them; each run once."""
    config = result.config
    kind = config.dataset.name, config.training.recipe, config.defence.detector
    found = dict(_known(str(result.store.folder), *kind, _state()))
    if result.summary and core.run_key(config) not in found and config.keep is None:
        found[core.run_key(config)] = Known(config, _figures(result.summary), "this run")
    return list(found.values())


def _state() -> str:
    """What of the ledger changes what is known; while a sweep goes on, the time."""
    finished = hash(
        frozenset((job.key, job.finished) for job in core.jobs.listing(start=False) if job.status == "done")
    )
    sweeps = core.sweeps.listing()
    now = int(time.time() / PATIENCE) if any(job.active for job in sweeps) else 0
    return f"{finished} {[(job.id, job.status) for job in sweeps]} {now}"


@st.cache_resource(max_entries=8, show_spinner=False)
def _known(store: str, dataset: str, recipe: str, detector: str, state: str) -> dict[str, Known]:
    """By the runs' keys; what a sweep measured of a run comes before what was summarised of it."""
    found: dict[str, Known] = {}
    for key, one in (*_of_sweeps(), *_of_tables(recipe, detector), *_of_the_ledger()):
        config = one.config
        fits = (config.dataset.name, config.training.recipe, config.defence.detector) == (dataset, recipe, detector)
        if fits and config.keep is None and config.attack.ratio > 0:
            first = found.get(key)
            found[key] = one if first is None else first._replace(figures={**one.figures, **first.figures})
    return found


def _of_sweeps() -> Iterator[tuple[str, Known]]:
    own = {core.grid.key(job.sweep): job.sweep for job in core.sweeps.listing() if job.sweep is not None}
    shipped = {core.grid.key(sweep): sweep for sweep in core.sweeps.shipped().values()}
    for sweep in {**shipped, **own}.values():
        table = core.sweeps.table(sweep)
        for cell, figures in zip(core.grid.cells(sweep), table.to_dict("records"), strict=True):
            if figures["status"] == "done":
                yield cell.run, Known(cell.config, _figures(figures), f"the sweep “{sweep.name}”")


def _of_tables(recipe: str, detector: str) -> Iterator[tuple[str, Known]]:
    if recipe not in core.outcomes.recorded_recipes() or detector not in core.reproduce.DETECTORS:
        return
    for entry in core.reproduce.plan(recipe, SEEDS, READING, (detector,)):
        if (found := core.outcomes.outcome(entry)) is not None:
            yield entry.key, Known(entry.config, _figures(found.figures), TABLES)


def _of_the_ledger() -> Iterator[tuple[str, Known]]:
    for job in core.jobs.listing(start=False):
        figures = summaries.of(job.key, job.finished) if job.kind == "run" and job.status == "done" else {}
        if figures:
            yield job.key, Known(job.config, _figures(figures), RUNS)


def _figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Those that are there, and the share of the poison that the filter left."""
    figures = {name: float(found[name]) for name in FIGURES if found.get(name) is not None}
    figures = {name: value for name, value in figures.items() if not math.isnan(value)}
    if figures.get("poisons") and "poisons_left" in figures:
        figures["left"] = figures["poisons_left"] / figures["poisons"]
    return figures
