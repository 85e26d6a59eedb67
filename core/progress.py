"""How far a whole run is: the stages' own fractions, weighted by what each costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.config import RunConfig
from core.registry import DETECTORS
from core.types import Event, Watcher

TRAINING_COST = 3.0  # forward and backward against a forward pass alone


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
    """How often the detector asks the network about an image."""
    asks = "entropies" in DETECTORS[config.defence.detector].needs
    return int(config.defence.parameters["others"]) if asks else 0


class Progress:
    """A watcher that passes events on with data["overall"], the fraction of the whole job."""

    def __init__(self, watch: Watcher, stage_costs: Mapping[str, float]) -> None:
        self.watch = watch
        total = sum(stage_costs.values())
        self.share = {stage: cost / total for stage, cost in stage_costs.items()}
        order = list(self.share)
        self.start = {stage: sum(self.share[s] for s in order[:i]) for i, stage in enumerate(order)}

    def __call__(self, event: Event) -> None:
        """Pass an event on, with how far the whole job is."""
        overall = self.start[event.stage] + event.fraction * self.share[event.stage]
        self.watch(replace(event, data={**event.data, "overall": overall}))
