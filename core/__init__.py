"""Poisonscope: poison an image training set, find the poison by its spectral signature, remove it, compare.

The doors that the pages, the command line and notebooks use; all else is inside:

    configure(...)          settings -> RunConfig, checked
    run(config)             carry it out here, or find it stored -> Result
    represent_run(config, representation)  read another layer of a stored network off; nothing is trained
    run_benign(config)      the benign reference of a run; run_reference: of a random or the perfect filter
    submit(config)          put it into the ledger; a worker process carries it out -> Job
    sweeps                  grids of runs: a YAML file, its plan, its figures so far
    Result(config)          everything a finished (or half-finished) run has stored
    detect(...)             score any features with any detector
    estimate(config)        stored already? about how long?
    install_recorded()      the recorded run of assets/ into store and ledger; open_recorded: one behind the tables

Doors open when first used, so that looking at a menu does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_DOORS = {
    "core.types": (
        *("BadRequest", "Cancelled", "DamagedArtefact", "DataUnavailable", "Dataset", "Detection", "Event"),
        *("PoisonedSet", "PoisonscopeError", "Truth"),
    ),
    "core.config": (
        *("MOST_TRIGGERS", "AttackConfig", "DatasetConfig", "DefenceConfig", "RunConfig", "TrainingConfig"),
        *("TriggerConfig", "class_names"),
    ),
    "core.registry": ("DATASETS", "DETECTORS", "MODELS", "TRIGGERS", "Entry", "Parameter"),
    "core.recipes": ("RECIPES", "resolve"),
    "core.stages": ("benign_key", "run_key"),
    "core.doors": (
        *("install_recorded", "open_recorded"),
        *("represent_run", "run", "run_benign", "run_reference"),
    ),
    "core.estimates": ("Estimate", "estimate"),
    "core.results": ("Result",),
    "core.settings": ("configure",),
    "core.detectors": ("detect",),
    "core.store": ("Store",),
    "core.jobs": ("Job", "submit"),
    "core.threads": ("share_cores",),
}
_WHERE = {name: module for module, names in _DOORS.items() for name in names}
_MODULES = (
    "datasets",
    "export",
    "filter",
    "home",
    "insight",
    "jobs",
    "markup",
    "metrics",
    "outcomes",
    "pictures",
    "poison",
    "recorded",
    "reference",
    "reproduce",
    "reviews",
    "report",
    "sensitivity",
    "sweeps",
    "tables",
    "triggers",
    "views",
)

__all__ = [*_MODULES, *_WHERE]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name in _MODULES:
        return import_module(f"core.{name}")
    raise AttributeError(f"module 'core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


if TYPE_CHECKING:  # what __getattr__ finds, for type checkers and editors
    from core import (
        datasets,
        export,
        filter,
        home,
        insight,
        jobs,
        markup,
        metrics,
        outcomes,
        pictures,
        poison,
        recorded,
        reference,
        report,
        reproduce,
        reviews,
        sensitivity,
        sweeps,
        tables,
        triggers,
        views,
    )
    from core.config import (
        MOST_TRIGGERS,
        AttackConfig,
        DatasetConfig,
        DefenceConfig,
        RunConfig,
        TrainingConfig,
        TriggerConfig,
        class_names,
    )
    from core.detectors import detect
    from core.doors import install_recorded, open_recorded, represent_run, run, run_benign, run_reference
    from core.estimates import Estimate, estimate
    from core.jobs import Job, submit
    from core.recipes import RECIPES, resolve
    from core.registry import DATASETS, DETECTORS, MODELS, TRIGGERS, Entry, Parameter
    from core.results import Result
    from core.settings import configure
    from core.stages import benign_key, run_key
    from core.store import Store
    from core.threads import share_cores
    from core.types import (
        BadRequest,
        Cancelled,
        DamagedArtefact,
        Dataset,
        DataUnavailable,
        Detection,
        Event,
        PoisonedSet,
        PoisonscopeError,
        Truth,
    )  # fmt: skip
