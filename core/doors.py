"""What the doors do: a run in this process, the recorded runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from core import datasets, jobs
from core.configuration import RunConfig, explain, stages
from core.jobs import Job
from core.results import Result, recorded
from core.store import Store
from core.types import BadRequest, DamagedArtefact, DataUnavailable, Watcher, ignore

if TYPE_CHECKING:  # loading what proves is most of what a command would take to start
    from core.evaluation import Rebuilt, Transplant


def run(config: RunConfig, *, device: str = "auto", watch: Watcher = ignore, store: Store | None = None) -> Result:
    """Carry a run out in this process (or find it stored) and return its result."""
    store = store or Store()
    if not store.has("run", stages.run_key(config)):
        from core import pipeline

        pipeline.run(config, store, watch, device)
    result = Result(config, store)
    if result.summary is None:  # stored, but damaged: it has been set aside by the read
        return run(config, device=device, watch=watch, store=store)
    return result


def run_benign(config: RunConfig, *, device: str = "auto", watch: Watcher = ignore, store: Store | None = None) -> None:
    """Train and evaluate the benign reference of a run in this process, unless it is stored."""
    store = store or Store()
    if not store.has("predictions", stages.benign_key(config)):
        from core import pipeline

        pipeline.benign(config, store, watch, device)


def run_reference(
    config: RunConfig, which: str, *, device: str = "auto", watch: Watcher = ignore, store: Store | None = None
) -> None:
    """Train and evaluate what a "random" or the "perfect" filter of a run's budget leaves, unless it is stored."""
    store = store or Store()
    if not store.has("reference", stages.reference_key(config, which)):
        from core import pipeline

        pipeline.reference(which, config, store, watch, device)


def represent_run(
    config: RunConfig,
    representation: str,
    *,
    device: str = "auto",
    watch: Watcher = ignore,
    store: Store | None = None,
) -> Result:
    """Read another layer of a run's stored network off, unless it is stored: one pass over its images, no training.

    Returns the run as seen at that layer. BadRequest for a layer that there is not; DataUnavailable where the
    network or the data set is not on this machine.
    """
    try:
        seen = Result(config, store).at(representation)
    except ValidationError as error:
        raise explain(error) from None
    if not seen.store.has("features", seen.features_key):
        model = stages.model_key(config)
        network = seen.store.read("model", model)
        if network is None or not network.has_weights:
            raise DataUnavailable("the run's network is not stored here, and reading a layer off trains none")
        if not datasets.available(config.dataset.name):
            name = config.dataset.name
            raise DataUnavailable(f"{name} is not on this machine; fetch it: python -m core data {name}")
        from core import pipeline

        pipeline.Line(seen.config, seen.store, watch, device).features(model)
    return seen


class Proof(NamedTuple):
    """What a run's flagged images of a class share, and what it does: rebuilt and transplant are None with a reason."""

    label: int
    rebuilt: Rebuilt | None
    transplant: Transplant | None
    reason: str


def prove(
    config: RunConfig, label: int | None = None, *, others: int | None = None, store: Store | None = None
) -> Proof:
    """Rebuild the trigger that a stored run removed, and ask its network what it does on other images.

    label: the class; by default the one that the detector suspects most. others: patterns to compare with, by default
    19. Found stored, or computed (about 20 seconds on a CPU) and kept; nothing is trained. BadRequest where the run is
    not finished or removed nothing of that class; DataUnavailable where its network or images are not here.
    """
    from core.results import proofs

    result = Result(config, store)
    flagged, found = result.flagged, result.detection()
    if flagged is None or found is None:
        raise BadRequest("the run is not finished, or its scores are gone: there is nothing flagged to rebuild from")
    accused = proofs.accused(result, found, flagged)
    if label is None and not accused:
        return Proof(-1, None, None, "the run flagged no image")
    chosen = accused[0] if label is None else label
    if chosen not in accused:
        raise BadRequest(f"label must be a class with flagged images, one of {accused}, got {label}")
    rebuilt, reason = proofs.trigger(result, chosen, flagged)
    asked = () if others is None else (others,)
    return Proof(chosen, rebuilt, proofs.prove(result, chosen, flagged, *asked), reason)


def install_recorded() -> None:
    """Put the recorded run that ships with the program into store and ledger, as if it had been made here.

    What is there already stays as it is, with the name a person gave it. Does nothing where none ships.
    DamagedArtefact where the recording was altered, or made by a version whose results have other keys.
    """
    runs = recorded.runs()
    if [stages.run_key(config) for _, config in runs] != recorded.run_keys():
        raise DamagedArtefact("another version made it; make it anew: python -m core record")
    if runs:
        recorded.unpack(Store())
    for name, config in reversed(runs):  # the main one last: the newest stands first in every list
        if jobs.find(stages.run_key(config), start=False) is None:
            jobs.rename(jobs.submit(config, start=False).id, name)


def open_recorded(key: str) -> Job | None:
    """A run behind the report's tables that ships with the program, by its key's beginning of 8 digits or more.

    It goes into store and ledger as if it had been made here. None where no such run ships; DamagedArtefact where
    the recording was altered. What is there already stays as it is.
    """
    shipped = {stages.run_key(config): config for _, config in recorded.runs(recorded.TABLES)}
    found = next((known for known in shipped if len(key) >= 8 and known.startswith(key)), None)
    if found is None or found not in recorded.run_keys(recorded.TABLES):  # or another version recorded it
        return None
    recorded.unpack(Store(), recorded.TABLES, found)
    return jobs.submit(shipped[found], start=False)
