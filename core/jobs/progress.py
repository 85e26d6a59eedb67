"""How far a whole run is: the stages' own fractions, weighted by what each costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.configuration import DETECTORS, RunConfig
from core.types import Event, Watcher

STAGES = ("train", "evaluate", "represent", "score", "retrain", "evaluate again")  # of a run, in their order
TRAINING_COST = 3.0  # forward and backward against a forward pass alone
ENOUGH = ((5.0, 0.05), (60.0, 0.01))  # seconds and fraction of a job, either of which tells how fast it goes


def costs(config: RunConfig, train_size: int, test_size: int) -> dict[str, float]:
    """What each stage of a run costs, in forward passes of one image, in the order in which they come."""
    training = TRAINING_COST * config.training.epochs * train_size
    return {
        "train": training,
        "evaluate": 2.0 * test_size,
        "represent": float(train_size),
        "score": (0.02 + _queries(config)) * train_size,
        "retrain": training,
        "evaluate again": 2.0 * test_size,
    }


def _queries(config: RunConfig) -> int:
    """How often the detector asks the network about an image; the way back counts as one, too."""
    entry = DETECTORS[config.defence.detector]
    others = int(config.defence.parameters["others"]) if "entropies" in entry.needs else 0
    return others + (2 if "attributions" in entry.may else 0)


class Progress:
    """A watcher that passes events on with data["overall"], the fraction of the whole job.

    ahead: what each stage that is still to do costs; the others take no time. A stage that is told of again, since it
    was looked up once more, takes nothing back.
    """

    def __init__(self, watch: Watcher, ahead: Mapping[str, float]) -> None:
        self.watch = watch
        total = sum(ahead.values())
        self.share = {stage: ahead.get(stage, 0.0) / total if total else 0.0 for stage in STAGES}
        self.start = {stage: sum(self.share[before] for before in STAGES[:i]) for i, stage in enumerate(STAGES)}
        self.furthest = 0.0

    def __call__(self, event: Event) -> None:
        """Pass an event on, with how far the whole job is."""
        self.furthest = max(self.furthest, self.start[event.stage] + event.fraction * self.share[event.stage])
        self.watch(replace(event, data={**event.data, "overall": self.furthest}))


class Forecast:
    """How long a job will still take, from how fast it has been. None until enough of it was seen to tell.

    What comes before the job's first own progress does not count: loading, a slow first step, and what an earlier
    attempt had done before a checkpoint.
    """

    def __init__(self) -> None:
        self._told = -1.0  # the fraction that was heard first
        self._begun: tuple[float, float] | None = None

    def __call__(self, now: float, fraction: float) -> float | None:
        """Seconds left of a job of which `fraction` (0 to 1) is done at the time `now` (seconds, any clock)."""
        if self._told < 0:
            self._told = fraction
        if self._begun is None:
            if fraction > self._told:
                self._begun = now, fraction
            return None
        began, done = self._begun
        elapsed, gained = now - began, fraction - done
        if not any(elapsed >= seconds and gained >= share for seconds, share in ENOUGH):
            return None
        return elapsed / gained * (1.0 - fraction)


def span(seconds: float, fraction: float) -> tuple[float, float]:
    """Between what the seconds that a forecast leaves of a job may lie: widest at the beginning, [low, high]."""
    spread = 1.5 - 0.3 * fraction
    return seconds / spread, seconds * spread


def in_turn(watch: Watcher, costs: Sequence[float]) -> list[Watcher]:
    """Watchers of jobs that come one after another, each told of its own; `watch` hears how far all of them are."""
    total = sum(costs) or 1.0

    def one(before: float, cost: float) -> Watcher:
        def told(event: Event) -> None:
            own = float(event.data.get("overall") or 0.0)
            watch(replace(event, data={**event.data, "overall": (before + own * cost) / total}))

        return told

    return [one(sum(costs[:place]), cost) for place, cost in enumerate(costs)]
