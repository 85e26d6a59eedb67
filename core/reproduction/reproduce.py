"""The report's Tables 1 and 2 made again: what to run, what it costs, and carrying it out.

In the tables the defender assumes the true number of poisoned images: epsilon is the defender's setting, and
`plan` sets assumed_ratio so that epsilon, a share of the median class size, is the number that the attacker adds.
With ratio_of "target_class" that is the ratio itself, with "training_set" the ratio times n / class size. 10% of the
whole set is then as many images as a class has, and 1.5 epsilon more than there are in nine of the ten classes: the
run goes on with what is left, and the table says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import datasets, doors, jobs
from core.configuration import RunConfig, settings, stages
from core.jobs import estimates
from core.reproduction.outcomes import READINGS, Entry, Outcome, outcome
from core.results import reference
from core.store import Store
from core.types import BadRequest, Cancelled, DeviceLost, Event, PoisonscopeError, Watcher, ignore

DATASET = "cifar10"
AT_THE_GAP = " at the gap"  # as DefenceConfig.title says it
DETECTORS = ("whitened-spectral", "spectral", f"whitened-spectral{AT_THE_GAP}", "spectral-released")
MOST_SEEDS = 1_000
AHEAD = 2  # jobs that wait behind the one we wait for, so that the worker never idles


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
    """The runs of the tables: every row, seeds 0 to seeds - 1, each reading and detector, those of DETECTORS or others.

    Those that share a poisoned network stand next to each other, and all rows of a seed come before the next
    seed's. triggers, targets and ratios keep some rows only; training overrides numbers of the recipe. BadRequest
    for what the report does not have.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise BadRequest(f"seeds must lie in [1, {MOST_SEEDS:,}], got {seeds}")
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
    config = settings.configure(
        dataset=DATASET, trigger=row.trigger, target=row.target, ratio=row.ratio, ratio_of=reading, recipe=recipe,
        training=training, detector=detector.removesuffix(AT_THE_GAP), assumed_ratio=row.ratio, seed=seed,
        cut="gap" if detector.endswith(AT_THE_GAP) else "budget",
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

    measured says whether the seconds come from a training in this store (see estimates.Estimate).
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
                guess = estimates.estimate(entry.config, store=store, trained=trained)
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


def _one_training(config: RunConfig, store: Store) -> estimates.Estimate:
    """A training and its evaluation: what is left of a run that nobody stored, but for its poisoned network."""
    unknown = config.model_copy(update={"seed": 2**31 - 1})
    return estimates.estimate(unknown, store=store, trained={stages.model_key(unknown)})


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
    without_budget: set[str] = set()  # the entries whose run failed
    told = _Told(watch, len(tasks))
    try:
        for entry, group in groups:
            for task in group:
                kind = task[0]
                error: str | None = None
                if kind in stages.FILTERS and entry.key in without_budget:
                    carry.skip(task)
                else:
                    error = carry.out(task, told.of(kind, entry))
                told.place += 1
                if error is not None:
                    if kind == "run":
                        without_budget.add(entry.key)
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
        kinds = [*(("benign",) if benign else ()), "run", *(stages.FILTERS if references else ())]
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
        except (Cancelled, DeviceLost):
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
