"""Sweeps as pages and command line use them: read and write the file, plan, start, and look at the figures so far."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from core import jobs
from core.clusters import places
from core.configuration import Cell, Sweep, from_json, grid, stages
from core.jobs import Job, estimates
from core.store import Store, writing
from core.types import BadRequest

RECORDS = Path(__file__).resolve().parents[2] / "assets" / "sweeps"  # <name>.yaml, and its figures, <name>.json
DIGITS = 6  # of a recorded figure


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
    paces: dict[tuple[str, str], estimates.Pace] = {}
    trained: set[str] = set()
    known: set[str] = set()  # the cells that are stored, or will be
    stored = trainings = 0
    seconds, measured = 0.0, True
    for cell, named in grid.keyed(sweep):
        if named in known or store.has("cell", named):
            stored += 1
            continue
        config = cell.config
        network = config.training.model, config.dataset.name
        if network not in paces:  # looked up once: it takes a look at the whole store
            paces[network] = estimates.pace(config, store)
        parts = estimates.parts(
            config, store, retrain=sweep.retrain, references=sweep.references, benign=sweep.benign, trained=trained
        )
        trainings += sum(stage in ("train", "retrain") for part in parts for stage in part)
        seconds += estimates.seconds([cost for part in parts for cost in part.values()], paces[network])
        measured &= paces[network].measured
        trained |= {stages.model_key(one) for one in (config, *([stages.benign(config)] if sweep.benign else []))}
        known.add(named)
    return Plan(sweep.count, stored, trainings, seconds, measured)


def submit(sweep: Sweep, *, start: bool = True) -> Job:
    """Put a sweep into the ledger; the same sweep again joins the first, and goes on where it stopped.

    Paused by jobs.cancel, resumed by jobs.resume: what is finished stays. BadRequest where its cluster's address or
    options cannot be meant.
    """
    if sweep.cluster is not None:
        places.place(sweep.cluster)
    return jobs.submit(sweep, "sweep", start=start)


def find(sweep: Sweep) -> Job | None:
    """The job of a sweep, if it was ever asked for."""
    return jobs.find(grid.key(sweep), "sweep", start=False)


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
    return pd.DataFrame([_row(cell, key, store, errors) for cell, key in grid.keyed(sweep)])


# --- the record that ships -------------------------------------------------------------------------------


def shipped() -> dict[str, Sweep]:
    """The sweeps whose figures come with the program, by the names of their files, the largest first."""
    found = {path.stem: grid.parse(path.read_text(encoding="utf-8")) for path in sorted(RECORDS.glob("*.yaml"))}
    return dict(sorted(found.items(), key=lambda one: -one[1].count))


def record(file: Path, store: Store | None = None) -> Path:
    """Write the figures of a sweep's finished cells beside its file, <name>.json; BadRequest where none is finished.

    What the record has already of cells that are not stored here stays in it. BadRequest, too, where something else
    stands in its place, or it cannot be written.
    """
    store = store or Store()
    sweep, to = grid.parse(file.read_text(encoding="utf-8")), file.with_suffix(".json")
    if to == file:
        raise BadRequest(f"the figures go into {to}, where the sweep itself is; call it {file.stem}.yaml")
    known = _known(to)
    found = {}
    for _, named in grid.keyed(sweep):
        stored = store.read("cell", named)
        if stored is not None:
            found[named] = {name: _rounded(value) for name, value in stored.document.items()}
        elif named in known:
            found[named] = known[named]
    if not found:
        raise BadRequest(f"none of the {sweep.count} runs of {file} is finished here")
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(figures)}" for key, figures in found.items())
    with writing(to):
        to.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    return to


def _known(record: Path) -> dict[str, Any]:
    """What a record has already; BadRequest where it is none."""
    if not record.exists():
        return {}
    try:
        content = from_json(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # BadRequest among them
        raise BadRequest(f"{record} is no record of a sweep's figures: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(figures, dict) for figures in content.values()):
        raise BadRequest(f"{record} is no record of a sweep's figures; move it away, and it will be written anew")
    return content


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
        **{name: found.get(name) for name in grid.FIGURES},
        "named": None if named is None else json.dumps(named),
        "run": cell.run,
        "error": error,
    }


def _errors(sweep: Sweep) -> dict[str, str]:
    """What went wrong, by the cells' names, as the job's events tell it."""
    job = find(sweep)
    told = [] if job is None else jobs.events(job.id)
    return {event.data["failed"]: event.data["error"] for _, event in told if "failed" in event.data}
