"""Sweeps as pages and command line use them: read and write the file, plan, start, and look at the figures so far."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core import cluster, doors, jobs, stages
from core.jobs import Job
from core.store import Store
from core.sweep import Cell, Sweep, cell_key, cells, key, parse, text

__all__ = [
    "FIGURES",
    "Cell",
    "Plan",
    "Sweep",
    "cell_key",
    "cells",
    "find",
    "key",
    "listing",
    "parse",
    "plan",
    "submit",
    "table",
    "text",
]

# The columns behind a table's axes, seed and status; shares in [0, 1], counts of images.
FIGURES = {
    "nat1": "accuracy on clean test images of the poisoned network",
    "asr1": "attack success rate of the poisoned network",
    "auroc": "how well the scores rank poisoned above benign images of the target class",
    "average_precision": "the same as average precision",
    "tpr_at_1": "share of the poisoned images that is found at a false positive rate of 1%",
    "gap": "leading singular value of the target class's representations over the second",
    "poisons": "poisoned images in the training set",
    "poisons_left": "poisoned images that the filter left",
    "clean_removed": "benign images that the filter removed",
    "fpr": "share of the benign images that the filter removed",
    "nat2": "accuracy on clean test images after cleaning and retraining",
    "asr2": "attack success rate after cleaning and retraining",
    "random_nat2": "accuracy after a random filter of the same budget",
    "random_asr2": "attack success rate after a random filter of the same budget",
    "perfect_nat2": "accuracy after the perfect filter of the same budget",
    "perfect_asr2": "attack success rate after the perfect filter of the same budget",
}


@dataclass(frozen=True)
class Plan:
    """What carrying a sweep out from here means.

    cells: runs in all; stored: of those, what is there; trainings: still to do, at most (retrainings that come to
    the same images are one); seconds: about; measured: whether those come from a training in this store.
    """

    cells: int
    stored: int
    trainings: int
    seconds: float
    measured: bool


def plan(sweep: Sweep, store: Store | None = None) -> Plan:
    """Count what is not stored of a sweep; nothing starts."""
    store = store or Store()
    trained: set[str] = set()
    stored = trainings = 0
    seconds, measured = 0.0, True
    for cell in cells(sweep):
        if store.has("cell", cell_key(cell.config, sweep)):
            stored += 1
            continue
        model = stages.model_key(cell.config)
        new = not (model in trained or store.has("model", model))
        guess = doors.estimate(cell.config, store=store, trained=trained)
        retrainings = int(sweep.retrain) + 2 * int(sweep.references)
        half = guess.seconds if not new else guess.seconds / 2  # a training and its evaluation
        trainings += int(new) + retrainings
        seconds += half * (int(new) + retrainings)
        measured &= guess.measured
        trained.add(model)
    return Plan(sweep.count, stored, trainings, seconds, measured)


def submit(sweep: Sweep, *, start: bool = True) -> Job:
    """Put a sweep into the ledger; the same sweep again joins the first, and goes on where it stopped.

    Paused by jobs.cancel, resumed by jobs.resume: what is finished stays. BadRequest where its cluster's address or
    options cannot be meant.
    """
    if sweep.cluster is not None:
        cluster.place(sweep.cluster)
    return jobs.submit(sweep, "sweep", start=start)


def find(sweep: Sweep) -> Job | None:
    """The job of a sweep, if it was ever asked for."""
    return jobs.find(key(sweep), "sweep", start=False)


def listing(limit: int = 100) -> list[Job]:
    """The sweeps of the ledger, newest first."""
    return jobs.listing(limit, sweeps=True)


def table(sweep: Sweep, store: Store | None = None) -> pd.DataFrame:
    """One row a cell: its axes, seed, status ("done", "failed" or "waiting") and FIGURES, with None where unknown.

    named has the classes that the detector named, as JSON, run the run's key, error what went wrong.
    """
    store = store or Store()
    errors = _errors(sweep)
    return pd.DataFrame([_row(cell, sweep, store, errors) for cell in cells(sweep)])


def _row(cell: Cell, sweep: Sweep, store: Store, errors: Mapping[str, str]) -> dict[str, Any]:
    stored = store.read("cell", cell_key(cell.config, sweep))
    found: Mapping[str, Any] = {} if stored is None else stored.document
    error = errors.get(cell.name) if stored is None else None
    status = "done" if stored is not None else "failed" if error is not None else "waiting"
    named = found.get("named")
    return {
        **cell.point,
        "seed": cell.seed,
        "status": status,
        **{name: found.get(name) for name in FIGURES},
        "named": None if named is None else json.dumps(named),
        "run": stages.run_key(cell.config),
        "error": error,
    }


def _errors(sweep: Sweep) -> dict[str, str]:
    """What went wrong, by the cells' names, as the job's events tell it."""
    job = find(sweep)
    told = [] if job is None else jobs.events(job.id)
    return {event.data["failed"]: event.data["error"] for _, event in told if "failed" in event.data}
