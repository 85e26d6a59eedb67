"""Sweeps as pages and command line use them: read and write the file, plan, start, and look at the figures so far."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from core import cluster, doors, jobs, stages
from core.jobs import Job
from core.store import Store
from core.sweep import SAME, Cell, Sweep, base_of, cell_key, cells, key, keyed, parse, text
from core.types import BadRequest

__all__ = [
    "FIGURES",
    "RECORDS",
    "SAME",
    "Cell",
    "Plan",
    "Sweep",
    "base_of",
    "cell_key",
    "cells",
    "find",
    "key",
    "listing",
    "markdown",
    "parse",
    "plan",
    "record",
    "shipped",
    "submit",
    "table",
    "text",
]

RECORDS = Path(__file__).resolve().parent.parent / "assets" / "sweeps"  # <name>.yaml, and its figures, <name>.json
DIGITS = 6  # of a recorded figure

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

    named has the classes that the detector named, as JSON, run the run's key, error what went wrong. A cell that was
    not run on this machine has the figures of the record that ships, where it is in there.
    """
    store = store or Store()
    errors = _errors(sweep)
    return pd.DataFrame([_row(cell, key, store, errors) for cell, key in keyed(sweep)])


# --- the record that ships -------------------------------------------------------------------------------


def shipped() -> dict[str, Sweep]:
    """The sweeps whose figures come with the program, by the names of their files, the largest first."""
    found = {path.stem: parse(path.read_text(encoding="utf-8")) for path in sorted(RECORDS.glob("*.yaml"))}
    return dict(sorted(found.items(), key=lambda one: -one[1].count))


def record(file: Path, store: Store | None = None) -> Path:
    """Write the figures of a sweep's finished cells beside its file, <name>.json; BadRequest where none is finished.

    What the record has already of cells that are not stored here stays in it.
    """
    store = store or Store()
    sweep, to = parse(file.read_text(encoding="utf-8")), file.with_suffix(".json")
    known = json.loads(to.read_text(encoding="utf-8")) if to.exists() else {}
    found = {}
    for _, named in keyed(sweep):
        stored = store.read("cell", named)
        if stored is not None:
            found[named] = {name: _rounded(value) for name, value in stored.document.items()}
        elif named in known:
            found[named] = known[named]
    if not found:
        raise BadRequest(f"none of the {sweep.count} runs of {file} is finished here")
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(figures)}" for key, figures in found.items())
    to.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    return to


def _rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


@lru_cache(maxsize=4)
def _recorded(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The figures of all records by the cells' keys."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        found |= json.loads(path.read_text(encoding="utf-8"))
    return found


def markdown(table: pd.DataFrame, down: str, across: str, figure: str, factor: float = 1.0, digits: int = 3) -> str:
    """A figure over two axes as a table in Markdown: means over the seeds; a dash where there is none."""
    columns, rows = list(dict.fromkeys(table[across])), list(dict.fromkeys(table[down]))
    values = table.assign(value=table[figure].astype(float) * factor)
    means = values.pivot_table("value", down, across).reindex(index=rows, columns=columns)
    lines = [f"| | {' | '.join(map(str, columns))} |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        written = ("—" if value != value else f"{value:.{digits}f}" for value in means.loc[row])
        lines.append(f"| {row} | {' | '.join(written)} |")
    return "\n".join(lines) + "\n"


# --- one row ---------------------------------------------------------------------------------------------


def _row(cell: Cell, key: str, store: Store, errors: Mapping[str, str]) -> dict[str, Any]:
    stored = store.read("cell", key)
    found: Mapping[str, Any] = _recorded(RECORDS).get(key, {}) if stored is None else stored.document
    error = None if found else errors.get(cell.name)
    status = "done" if found else "failed" if error is not None else "waiting"
    named = found.get("named")
    return {
        **cell.point,
        "seed": cell.seed,
        "status": status,
        **{name: found.get(name) for name in FIGURES},
        "named": None if named is None else json.dumps(named),
        "run": cell.run,
        "error": error,
    }


def _errors(sweep: Sweep) -> dict[str, str]:
    """What went wrong, by the cells' names, as the job's events tell it."""
    job = find(sweep)
    told = [] if job is None else jobs.events(job.id)
    return {event.data["failed"]: event.data["error"] for _, event in told if "failed" in event.data}
