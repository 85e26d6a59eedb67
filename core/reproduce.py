"""The report's Tables 1 and 2 made again: what to run, what came of it, and why it differs.

In the tables the defender assumes the true number of poisoned images: epsilon is the defender's setting, and
`plan` sets assumed_ratio so that epsilon, a share of the median class size, is the number that the attacker adds.
With ratio_of "target_class" that is the ratio itself, with "training_set" the ratio times n / class size. 10% of the
whole set is then as many images as a class has, and 1.5 epsilon more than there are in nine of the ten classes: the
run goes on with what is left, and the table says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core import datasets, differences, doors, jobs, metrics, reference, stages
from core.config import DatasetConfig, RunConfig, class_names
from core.store import Store
from core.types import BadRequest, Cancelled, Event, PoisonscopeError, Watcher, ignore

HEADS = differences.HEADS  # of the report's columns
RECORDS = reference.RECORDS  # <recipe>.json, as `document` makes it
DATASET = "cifar10"
READINGS = ("target_class", "training_set")
DETECTORS = ("whitened-spectral", "spectral", "spectral-released")
FIGURES = ("nat1", "asr1", "poisons", "poisons_left", "clean_removed", "auroc", "nat2", "asr2", "seconds")
FILTERS = ("random", "perfect")  # references of the same budget
MEASURED = ("benign_asr", *(f"{which}_{figure}" for which in FILTERS for figure in ("nat2", "asr2")))
ROUNDING = 5e-5  # the report prints hundredths of a percent
AHEAD = 2  # jobs that wait behind the one we wait for, so that the worker never idles


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
        """The classes of which the filter left nothing in some finished run, by name."""
        config = self.entries[0].config
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


class RunsFailed(PoisonscopeError):
    """Some runs failed and the others went on; `failures` has the error of each by its run's key."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__(f"{len(failures)} of the runs failed; the same command tries them again")
        self.failures = dict(failures)


# --- what to run -----------------------------------------------------------------------------------------


def plan(
    recipe: str = "quick",
    seeds: int = 3,
    readings: Collection[str] = ("target_class",),
    detectors: Collection[str] = ("whitened-spectral", "spectral"),
    *,
    triggers: Collection[str] | None = None,
    targets: Collection[str] | None = None,
    ratios: Collection[float] | None = None,
    training: Mapping[str, Any] | None = None,
) -> list[Entry]:
    """The runs of the tables: every row, seeds 0 to seeds - 1, each reading and detector.

    Those that share a poisoned network stand next to each other, and all rows of a seed come before the next
    seed's. triggers, targets and ratios keep some rows only; training overrides numbers of the recipe. BadRequest
    for what the report does not have.
    """
    if seeds < 1:
        raise BadRequest(f"seeds must be at least 1, got {seeds}")
    _known("reading", readings, READINGS)
    rows = [row for row in reference.TABLES if _wanted(row, triggers, targets, ratios)]
    return [
        Entry(row, reading, detector, seed, _config(row, reading, detector, seed, recipe, training))
        for reading in dict.fromkeys(readings)
        for seed in range(seeds)
        for row in rows
        for detector in dict.fromkeys(detectors)
    ]


def _wanted(
    row: reference.Row,
    triggers: Collection[str] | None,
    targets: Collection[str] | None,
    ratios: Collection[float] | None,
) -> bool:
    for name, chosen in (("trigger", triggers), ("target", targets), ("ratio", ratios)):
        if chosen is None:
            continue
        _known(name, chosen, list(dict.fromkeys(getattr(known, name) for known in reference.TABLES)))
        if getattr(row, name) not in chosen:
            return False
    return True


def _known(what: str, chosen: Collection[Any], allowed: Sequence[Any]) -> None:
    unknown = [one for one in chosen if one not in allowed]
    if unknown or not chosen:
        raise BadRequest(f"{what} must be among {list(allowed)}, the report's, got {unknown or 'none'}")


def _config(
    row: reference.Row, reading: str, detector: str, seed: int, recipe: str, training: Mapping[str, Any] | None
) -> RunConfig:
    config = doors.configure(
        dataset=DATASET, trigger=row.trigger, target=row.target, ratio=row.ratio, ratio_of=reading, recipe=recipe,
        training=training, detector=detector, assumed_ratio=row.ratio, seed=seed,
    )  # fmt: skip
    if reading == "target_class":
        return config
    sizes = datasets.class_sizes(config.dataset)
    assumed = row.ratio * sum(sizes) / float(np.median(sizes))
    if assumed > 1:
        raise BadRequest(f"{row.ratio:.0%} of the training set is more than a class; no epsilon of a class is so large")
    return config.model_copy(update={"defence": config.defence.model_copy(update={"assumed_ratio": assumed})})


@dataclass(frozen=True)
class Cost:
    """What carrying a plan out from here means: runs and trainings to do, and about how many seconds.

    measured says whether the seconds come from a training in this store (see doors.Estimate).
    """

    runs: int
    trainings: int
    seconds: float
    measured: bool


def cost(
    entries: Sequence[Entry], *, references: bool = False, benign: bool = True, store: Store | None = None
) -> Cost:
    """Count what is not stored; nothing starts. What entries share (a poisoned network) counts once."""
    store = store or Store()
    runs = trainings = 0
    seconds, measured, trained = 0.0, True, set[str]()
    for _, tasks in _groups(entries, references, benign, store):
        for kind, entry in tasks:
            if kind == "run":
                model = stages.model_key(entry.config)
                new = not (model in trained or store.has("model", model))
                guess = doors.estimate(entry.config, store=store, trained=trained)
                runs, trainings = runs + 1, trainings + 1 + new
            else:
                model = stages.model_key(stages.benign(entry.config)) if kind == "benign" else f"{kind} {entry.key}"
                if model in trained or (kind == "benign" and store.has("model", model)):
                    continue  # only the triggered images are new
                guess = _one_training(entry.config, store)
                trainings += 1
            trained.add(model)
            seconds, measured = seconds + guess.seconds, measured and guess.measured
    return Cost(runs, trainings, seconds, measured)


def _one_training(config: RunConfig, store: Store) -> doors.Estimate:
    """A training and its evaluation: what is left of a run that nobody stored, but for its poisoned network."""
    unknown = config.model_copy(update={"seed": 2**31 - 1})
    return doors.estimate(unknown, store=store, trained={stages.model_key(unknown)})


# --- carrying it out -------------------------------------------------------------------------------------

Task = tuple[str, Entry]  # a kind of job (jobs.KINDS), and whose
Each = Callable[[Entry, "Outcome | None"], None]


def reproduce(
    entries: Sequence[Entry],
    *,
    here: bool = False,
    device: str = "auto",
    references: bool = False,
    benign: bool = True,
    watch: Watcher = ignore,
    each: Each | None = None,
    failed: Callable[[Entry, str], None] | None = None,
) -> None:
    """Carry out what is not stored yet, one run after another: by the worker, or in this process.

    references: also train on what a random and the perfect filter of the same budget leave. benign: also the benign
    reference, one training a seed. each is told every entry that was carried out, with None where it failed;
    failed the error as well. A failed run ends nothing: RunsFailed at the end names them. Interrupted, it takes back
    what it had queued; what is finished stays, and the same call goes on from there. watch hears of the whole:
    data["overall"] is the share of all that is to do.
    """
    groups = list(_groups(entries, references, benign, Store()))
    if not groups:
        return
    if not datasets.available(DATASET):
        datasets.prepare(DATASET)  # once and for all, or DataUnavailable before anything starts
    tasks = [task for _, group in groups for task in group]
    carry: _Here | _Worker = _Here(device) if here else _Worker(tasks)
    failures: dict[str, str] = {}
    told = _Told(watch, len(tasks))
    try:
        for entry, group in groups:
            for task in group:
                kind = task[0]
                error: str | None = None
                if kind in FILTERS and entry.key in failures:
                    carry.skip(task)  # there is no budget to spend
                else:
                    error = carry.out(task, told.of(kind, entry))
                told.place += 1
                if error is not None:
                    failures[entry.key] = error if kind == "run" else f"its {kind} reference: {error}"
                    if failed is not None:
                        failed(entry, failures[entry.key])
            if each is not None:
                each(entry, outcome(entry, recorded=False))
    except BaseException:
        carry.take_back()
        raise
    if failures:
        raise RunsFailed(failures)


def _groups(
    entries: Sequence[Entry], references: bool, benign: bool, store: Store
) -> Iterator[tuple[Entry, list[Task]]]:
    """What is to do for each entry, in order; entries with nothing to do are left out."""
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        kinds = [*(("benign",) if benign else ()), "run", *(FILTERS if references else ())]
        tasks = []
        for kind in kinds:
            key_of, stage = jobs.KINDS[kind]
            one = (kind, key_of(entry.config))
            if one not in seen and not store.has(stage, one[1]):
                tasks.append((kind, entry))
            seen.add(one)
        if tasks:
            yield entry, tasks


class _Told:
    """Turns the progress of one task into that of the whole."""

    def __init__(self, watch: Watcher, total: int) -> None:
        self.watch, self.total, self.place = watch, total, 0

    def of(self, kind: str, entry: Entry) -> Watcher:
        name = entry.name if kind == "run" else f"{kind} reference of {entry.name}"

        def watch(event: Event) -> None:
            overall = (self.place + float(event.data.get("overall") or 0.0)) / self.total
            message = f"{self.place + 1} of {self.total}, {name}: {event.message or event.stage}"
            self.watch(Event(event.stage, event.fraction, message, {**event.data, "overall": overall}))

        return watch


class _Here:
    """Tasks carried out in this process."""

    def __init__(self, device: str) -> None:
        self.device = device

    def out(self, task: Task, watch: Watcher) -> str | None:
        """Do it; the error where it fails."""
        kind, entry = task
        try:
            if kind == "run":
                doors.run(entry.config, device=self.device, watch=watch)
            elif kind == "benign":
                doors.run_benign(entry.config, device=self.device, watch=watch)
            else:
                doors.run_reference(entry.config, kind, device=self.device, watch=watch)
        except Cancelled:
            raise
        except Exception as error:  # whatever it is (memory, say), the other rows may well go on
            return str(error) if isinstance(error, PoisonscopeError) else f"{type(error).__name__}: {error}"
        return None

    def skip(self, task: Task) -> None:
        """Nothing was begun."""

    def take_back(self) -> None:
        """Nothing is queued; the training's checkpoints stay."""


class _Worker:
    """Tasks carried out by the worker, of which the next few wait in its queue."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.coming = list(tasks)
        self.numbers: dict[tuple[str, str], int] = {}  # of the jobs
        self.ours: list[int] = []  # what we queued, not what somebody else had asked for already

    def out(self, task: Task, watch: Watcher) -> str | None:
        """Wait until it is done; the error where it fails."""
        for ahead in self._from(task)[: 1 + AHEAD]:
            self._submit(ahead)
        job = jobs.wait(self.numbers[_identity(task)], watch)
        if job.status == "done":
            return None
        return job.error or f"the job was {job.status}"

    def skip(self, task: Task) -> None:
        """Take it out of the queue, if it stands there."""
        self._from(task)
        number = self.numbers.get(_identity(task))
        if number in self.ours:
            jobs.cancel(number)

    def take_back(self) -> None:
        """Cancel what we queued; what has ended stays as it is."""
        for number in self.ours:
            jobs.cancel(number)

    def _from(self, task: Task) -> list[Task]:
        """The tasks from this one on."""
        while self.coming[0] is not task:
            del self.coming[0]
        return self.coming

    def _submit(self, task: Task) -> None:
        kind, entry = task
        if _identity(task) in self.numbers:
            return
        known = jobs.find(jobs.KINDS[kind][0](entry.config), kind, start=False)
        job = jobs.submit(entry.config, kind)
        self.numbers[_identity(task)] = job.id
        if known is None or not known.active:
            self.ours.append(job.id)


def _identity(task: Task) -> tuple[str, str]:
    return task[0], task[1].key


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
    for which in FILTERS:
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


# --- the table as text -----------------------------------------------------------------------------------

COLUMNS = (
    *("target", "ratio", "detector", "Nat1", "ASR1", "#Pois left", "random left", "perfect left", "clean removed"),
    *("Nat2", "ASR2", "benign", "seconds"),
)
FOOT = (
    "In a cell with two lines the upper one is the report's number, the lower one ours: mean ± standard deviation "
    "over the seeds. The defender assumes the true number of poisoned images and removes 1.5 times as many of every "
    "class, or of the classes that the detector names. *random* and *perfect left*: "
    "poisoned images that filters of the same budget leave, one that draws lots and one that knows. *benign*: how "
    "often networks of the same seeds that never met poison give the target class for the same triggered images. "
    "*seconds*: as computed; a detector that comes second on the same poisoned network does not train it again."
)


def markdown(rows: Sequence[TableRow], failures: Mapping[str, str] | None = None) -> str:
    """One table for each trigger and reading, why ours differs, and how to read it, as Markdown."""
    parts = []
    for title, group in groups(rows):
        lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        lines += [f"| {' | '.join(cell.replace(NEXT, '<br>') for cell in cells(row))} |" for row in group]
        notes = [f"- {note}" for row in group for note in remarks(row, failures or {})]
        why = [f"- **{figure}**, {', '.join(of)}: {said}" for figure, of, said in reasons(group)]
        parts.append(f"### {title}\n\n" + "\n".join(lines))
        parts += ["\n".join(notes)] if notes else []
        parts += ["Where ours differs from the report's by more than the spread:\n\n" + "\n".join(why)] if why else []
    return "\n\n".join([*parts, FOOT]) + "\n"


NEXT = "\n"  # between the report's number and ours


def groups(rows: Sequence[TableRow]) -> list[tuple[str, list[TableRow]]]:
    """The rows of each trigger and reading, with a heading that says how many images that is."""
    found: dict[tuple[str, str], list[TableRow]] = {}
    for row in rows:
        found.setdefault((row.reading, row.row.trigger), []).append(row)
    of = {"target_class": "the target class", "training_set": "the whole training set"}
    return [(f"{trigger}, ratio of {of[reading]}", group) for (reading, trigger), group in found.items()]


def cells(row: TableRow) -> tuple[str, ...]:
    """A row's texts under COLUMNS; NEXT stands between the report's number and ours."""
    poisons = row.mean("poisons")
    left = _beside(f"{row.row.poisons_left}", _counted(row, "poisons_left", 1))
    return (
        row.row.target,
        f"{row.row.ratio:.0%}",
        row.detector,
        _beside(f"{row.row.nat1:.2%}", _percent(row, "nat1")),
        _beside(f"{row.row.asr1:.2%}", _percent(row, "asr1")),
        left if poisons is None else f"{left} of {poisons:,.0f}",
        _counted(row, "random_left", 0),
        _counted(row, "perfect_left", 0),
        _counted(row, "clean_removed", 0),
        _beside(f"{row.row.nat2:.2%}", _percent(row, "nat2")),
        _beside(f"{row.row.asr2:.2%}", _percent(row, "asr2")),
        _percent(row, "benign_asr"),
        _counted(row, "seconds", 1),
    )


def _beside(theirs: str, ours: str) -> str:
    return f"{theirs}{NEXT}{ours or 'not run'}"


def _percent(row: TableRow, figure: str) -> str:
    mean, spread = row.mean(figure), row.spread(figure)
    if mean is None or spread is None:
        return ""
    return f"{100 * mean:.1f} ± {100 * spread:.1f}%"


def _counted(row: TableRow, figure: str, digits: int) -> str:
    mean, spread = row.mean(figure), row.spread(figure)
    return "" if mean is None or spread is None else f"{mean:,.{digits}f} ± {spread:,.{digits}f}"


def remarks(row: TableRow, failures: Mapping[str, str]) -> list[str]:
    """What a reader of the row must know: runs that are missing or failed, classes of which nothing was left."""
    name = f"{row.row.target} {row.row.ratio:.0%}, {row.detector}"
    found = []
    if 0 < len(row.finished) < len(row.entries):
        found.append(f"{name}: {len(row.finished)} of {len(row.entries)} seeds are finished.")
    failed = [(entry.seed, failures[entry.key]) for entry in row.entries if entry.key in failures]
    found += [f"{name}, seed {seed}, failed: {error}" for seed, error in failed]
    if emptied := row.emptied():
        many = f"{len(emptied)} classes" if len(emptied) > 1 else f"the class {emptied[0]}"
        found.append(f"{name}: the filter leaves nothing of {many}; the second network is trained on the rest alone.")
    for which in FILTERS:
        nat, asr = row.mean(f"{which}_nat2"), row.mean(f"{which}_asr2")
        if nat is not None and asr is not None:
            found.append(f"{name}: after the {which} filter Nat2 is {nat:.1%} and ASR2 {asr:.1%}.")
    return found


def reasons(group: Sequence[TableRow]) -> list[tuple[str, list[str], str]]:
    """Figure, the rows it is about, and why they differ from the report's; rows with the same reason together."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in group:
        for figure, said in row.differs().items():
            found.setdefault((figure, said), []).append(f"{row.row.target} {row.row.ratio:.0%} {row.detector}")
    order = sorted(found.items(), key=lambda one: reference.FIGURES.index(one[0][0]))
    return [(HEADS[figure], of, said) for (figure, said), of in order]
