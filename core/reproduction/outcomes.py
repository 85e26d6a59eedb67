"""What came of the runs that the report's tables want: from the store, or from the record that ships.

A row of the report, a reading of its ratio, a detector and a seed are an Entry; what is known of its run is an
Outcome; the seeds of a row together are a TableRow, which says where and why it differs from the report's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core import datasets
from core.configuration import DatasetConfig, RunConfig, class_names, stages
from core.evaluation import metrics
from core.reproduction import differences
from core.results import reference
from core.store import Store

HEADS = differences.HEADS  # of the report's columns
RECORDS = reference.RECORDS  # <recipe>.json, as `document` makes it
READINGS = ("target_class", "training_set")
FIGURES = ("nat1", "asr1", "poisons", "poisons_left", "clean_removed", "auroc", "nat2", "asr2", "seconds")
MEASURED = ("benign_asr", *(f"{which}_{figure}" for which in stages.FILTERS for figure in ("nat2", "asr2")))
ROUNDING = 5e-5  # the report prints hundredths of a percent


@dataclass(frozen=True)
class Entry:
    """One run that the tables want: a row of the report, a reading of its ratio, a detector and a seed."""

    row: reference.Row
    reading: str
    detector: str
    seed: int
    config: RunConfig

    @property
    def key(self) -> str:
        """The run's key in store and ledger."""
        return stages.run_key(self.config)

    @property
    def name(self) -> str:
        """The run in a few words."""
        of = "" if self.reading == "target_class" else " of the set"
        return f"{self.row.trigger} to {self.row.target} {self.row.ratio:.0%}{of}, {self.detector}, seed {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """One finished run.

    figures: shares in [0, 1], counts of images, seconds; random_left and perfect_left are the poisons that a random
    and the perfect filter of the same budget leave; benign_asr and the filters' nat2 and asr2 only where measured.
    named: the classes that the detector named, None where it names none by design. stored: the run can be opened
    from this machine's store, and else its figures come from the committed record.
    """

    figures: Mapping[str, float]
    named: tuple[int, ...] | None
    stored: bool
    device: str
    versions: Mapping[str, str] = field(default_factory=dict)
    when: float | None = None  # unix seconds


@dataclass(frozen=True)
class TableRow:
    """A row of the report under one reading by one detector: its runs and what came of them, in order of the seeds."""

    row: reference.Row
    reading: str
    detector: str
    entries: tuple[Entry, ...]
    outcomes: tuple[Outcome | None, ...]

    @cached_property
    def finished(self) -> tuple[Outcome, ...]:
        """The outcomes that are there."""
        return tuple(outcome for outcome in self.outcomes if outcome is not None)

    def values(self, figure: str) -> list[float]:
        """A figure of every finished run that has it."""
        return [outcome.figures[figure] for outcome in self.finished if figure in outcome.figures]

    def mean(self, figure: str) -> float | None:
        """The mean over the finished runs."""
        found = self.values(figure)
        return float(np.mean(found)) if found else None

    def spread(self, figure: str) -> float | None:
        """The standard deviation over the finished runs (ddof 0; 0 where there is one)."""
        found = self.values(figure)
        return float(np.std(found)) if found else None

    def emptied(self) -> list[str]:
        """The classes of which the filter left nothing in some finished run, by name; a cut at the gap empties none."""
        config = self.entries[0].config
        if config.defence.cut == "gap":
            return []
        names, sizes = class_names(config.dataset.name), datasets.class_sizes(config.dataset)
        found: set[int] = set()
        for outcome in self.finished:
            cut = int(config.defence.multiplier * outcome.figures["poisons"] + 1e-9)  # epsilon is the true number here
            inside = range(len(sizes)) if outcome.named is None else outcome.named
            extra = {config.attack.target: int(outcome.figures["poisons"])}
            found |= {label for label in inside if sizes[label] + extra.get(label, 0) <= cut}
        return [names[label] for label in sorted(found)]

    def differs(self) -> dict[str, str]:
        """Why, for each figure that is further from the report's than our spread, in plain sentences."""
        found = {}
        for figure in reference.FIGURES:
            ours, spread = self.mean(figure), self.spread(figure)
            if ours is None or spread is None:
                continue
            allowed = spread + (1e-9 if figure == "poisons_left" else ROUNDING)
            if abs(ours - getattr(self.row, figure)) > allowed:
                found[figure] = differences.why(figure, self.row, self._facts())
        return found

    def _facts(self) -> differences.Facts:
        target = self.entries[0].config.attack.target
        naming = [outcome.named for outcome in self.finished if outcome.named is not None]
        return differences.Facts(
            config=self.entries[0].config,
            runs=len(self.finished),
            mean={name: value for name in (*FIGURES, *MEASURED) if (value := self.mean(name)) is not None},
            missed=sum(target not in named for named in naming),
            exact=bool(naming) and all(named == (target,) for named in naming),
            emptied=len(self.emptied()),
        )


# --- what came of it -------------------------------------------------------------------------------------


def outcome(entry: Entry, store: Store | None = None, *, recorded: bool = True) -> Outcome | None:
    """What came of a run: from the store, else (with recorded) from the committed record, else None.

    Reads documents only, never networks, features or images.
    """
    own = _stored(entry, store or Store())
    known = _record(entry.config.training.recipe).get(entry.key) if recorded else None
    if known is None:
        return own
    if own is not None:  # what was measured besides, a reference that is not stored here, say
        return Outcome({**_besides(known), **own.figures}, own.named, True, own.device, own.versions, own.when)
    named = None if known["named"] is None else tuple(known["named"])
    return Outcome(known["figures"], named, False, known["device"], known["versions"], known["when"])


def _besides(known: Mapping[str, Any]) -> dict[str, float]:
    return {name: known["figures"][name] for name in MEASURED if name in known["figures"]}


def _stored(entry: Entry, store: Store) -> Outcome | None:
    config = entry.config
    artefact = store.read("run", entry.key)
    if artefact is None:
        return None
    summary, done = artefact.document, artefact.done
    figures = {name: float(summary[name]) for name in FIGURES if summary.get(name) is not None}
    for which in stages.FILTERS:
        figures[f"{which}_left"] = float(summary["references"][which]["poisons_left"])
        quality = store.read("reference", stages.reference_key(config, which))
        if quality is not None:
            figures |= {f"{which}_{name}2": float(quality.document[name]) for name in ("nat", "asr")}
    if (rate := _benign_rate(config, store)) is not None:
        figures["benign_asr"] = rate
    named = tuple(summary["suspicious_classes"]) if config.defence.scope == "suspicious_class" else None
    versions = {name: str(done["versions"][name]) for name in ("python", "numpy")}
    versions |= {"torch": summary["torch"]} if "torch" in summary else {}
    return Outcome(figures, named, True, str(summary["device"]), versions, float(done["time"]))


def _benign_rate(config: RunConfig, store: Store) -> float | None:
    """How often the benign reference gives the target for the run's triggered images; None where it is not stored."""
    key = stages.benign_key(config)
    if not store.has("predictions", key):
        return None
    try:
        return _rates(store.folder, key, config.dataset.name)[config.attack.target]
    except LookupError:  # damaged; or of an older version, and without the labels to tell
        return None


@lru_cache(maxsize=64)  # a table asks for the same few once a row
def _rates(store: Path, key: str, dataset: str) -> tuple[float, ...]:
    """The share of the triggered test images of other classes that a network gives each class."""
    artefact = Store(store).read("predictions", key)
    if artefact is not None and "asr" in artefact.document:
        return tuple(artefact.document["asr"])
    if artefact is None or not datasets.available(dataset):
        raise LookupError(key)
    labels = datasets.load(DatasetConfig(name=dataset)).test_labels  # the images stay on the disk
    clean, triggered = (artefact.array(name).argmax(1) for name in ("clean", "triggered"))
    return tuple(metrics.given(clean, triggered, labels)["asr"])


def table(entries: Sequence[Entry], store: Store | None = None, *, recorded: bool = True) -> list[TableRow]:
    """The entries as rows, in the order of the report's tables; each row's runs in the order of the seeds."""
    store = store or Store()
    grouped: dict[tuple[str, int, str], list[Entry]] = {}
    for entry in entries:
        grouped.setdefault((entry.reading, reference.TABLES.index(entry.row), entry.detector), []).append(entry)
    detectors = list(dict.fromkeys(entry.detector for entry in entries))
    order = sorted(grouped, key=lambda known: (READINGS.index(known[0]), known[1], detectors.index(known[2])))
    rows = []
    for reading, place, detector in order:
        runs = tuple(sorted(grouped[reading, place, detector], key=lambda entry: entry.seed))
        found = tuple(outcome(entry, store, recorded=recorded) for entry in runs)
        rows.append(TableRow(reference.TABLES[place], reading, detector, runs, found))
    return rows


# --- the committed record --------------------------------------------------------------------------------


def recorded_recipes() -> list[str]:
    """The recipes that have a committed record."""
    return sorted(path.stem for path in RECORDS.glob("*.json"))


def _record(recipe: str) -> Mapping[str, Mapping[str, Any]]:
    """The runs of a recipe's record by their keys; a run of another version has another key, and is not found."""
    path = RECORDS / f"{recipe}.json"
    try:
        return _read_record(path, path.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=8)
def _read_record(path: Path, changed: int) -> Mapping[str, Mapping[str, Any]]:
    return {run["key"]: run for run in json.loads(path.read_text(encoding="utf-8"))["runs"]}


def document(rows: Sequence[TableRow], failures: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The finished runs as JSON, one object a run: what is committed as <recipe>.json.

    figures as in Outcome; device, versions (python, numpy, torch) and when (unix seconds) are those of the run.
    """
    recipes = {row.entries[0].config.training.recipe for row in rows}
    runs = [
        {
            **{name: getattr(row.row, name) for name in ("trigger", "target", "ratio")},
            "reading": row.reading,
            "detector": row.detector,
            "seed": entry.seed,
            "figures": {name: round(value, 6) for name, value in found.figures.items()},
            "named": None if found.named is None else list(found.named),
            "device": found.device,
            "key": entry.key,
            "versions": dict(found.versions),
            "when": found.when,
        }
        for row in rows
        for entry, found in zip(row.entries, row.outcomes, strict=True)
        if found is not None
    ]
    first = rows[0].entries[0].config if rows else None
    return {
        "recipe": ", ".join(sorted(recipes)),
        "dataset": None if first is None else first.dataset.model_dump(mode="json"),
        "training": None if first is None else first.training.model_dump(mode="json"),
        "runs": runs,
        "failed": dict(failures or {}),
    }
