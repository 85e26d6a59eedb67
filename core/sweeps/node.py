"""The side that computes: what a task of the cluster does on its node, and what it tells of it.

A task calls what the worker itself calls for a cell, with a store in the folder that all share, or with one that reads
through to a URL and writes through to it. Nothing but configurations and sentences travels by Ray, as JSON.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from core import datasets
from core.configuration import RunConfig, Sweep, cell_key
from core.store import Artefact, Share, SharedStore, Store, home
from core.training import share_cores
from core.types import BadRequest, DataUnavailable, Event, PoisonscopeError

log = logging.getLogger(__name__)

PARTS = "parts"  # the stage of the list of all that a cell has read or written


def measure_cell(config: str, sweep: str, node: str, board: Any) -> str | None:
    """A task: one cell, stored where the one who asks finds it; what went wrong, if anything did."""
    asked, whole, here = RunConfig.model_validate_json(config), Sweep.model_validate_json(sweep), json.loads(node)
    key, name = cell_key(asked, whole), str(importlib.import_module("ray.util").get_node_ip_address())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    os.environ["OMP_NUM_THREADS"] = str(max(1, int(here["cpus"])))
    share_cores()
    log.info("begins cell %s on %s", key, name)
    told = _Reporter(board, key, name)
    try:
        if here["share"] is None:
            _measure_here(asked, whole, here, told)
        else:
            _measure_apart(asked, whole, here, told)
    except Exception as error:  # whatever it is, it is told, and the other cells go on
        log.exception("cell %s failed", key)
        said = str(error) if isinstance(error, PoisonscopeError) else f"{type(error).__name__}: {error}"
        return f"{said} (on {name})"
    return None


def _measure_here(config: RunConfig, sweep: Sweep, node: dict[str, Any], told: _Reporter) -> None:
    """A cell in the folder that all share."""
    if not Path(node["token"]).exists():
        raise BadRequest(
            f"this node does not see the folder {node['store']} of the machine that asks; put {home.VARIABLE} on a "
            f"file system that all of them share, or give the cluster a share=URL"
        )
    os.environ[home.VARIABLE] = node["home"]
    from core.sweeps.cell import measure  # torch, which only a task waits for

    store = _Noting(Path(node["store"]))
    _have_data(config, store)
    measure(config, sweep, store, told, node["device"])


def _measure_apart(config: RunConfig, sweep: Sweep, node: dict[str, Any], told: _Reporter) -> None:
    """A cell in this node's own folder, through the share; there the list of its parts goes first, the cell last."""
    from core.sweeps.cell import measure

    key, share = cell_key(config, sweep), Share(node["share"])
    if share.holds("cell", key):
        return
    store = _NotingShared(share, own=("cell",))
    store.delete("cell", key)  # of another sweep, perhaps: its parts shall go through this store
    _have_data(config, store)
    measure(config, sweep, store, told, node["device"])
    store.write(PARTS, key, document={"parts": sorted(store.touched)})
    cell = store.read("cell", key)
    if cell is None:
        raise PoisonscopeError("the cell's figures were damaged as soon as they were written; resume tries again")
    share.send(cell, "cell", key)


def _have_data(config: RunConfig, store: Store) -> None:
    """Fetch the data set where this node lacks it; one task a node does it."""
    name = config.dataset.name
    with store.lock("data", hashlib.sha256(name.encode()).hexdigest()):
        if datasets.available(name):
            return
        try:
            datasets.prepare(name)
        except DataUnavailable as error:
            raise DataUnavailable(
                f"this node has no {name} and cannot fetch it; on the node: python -m core data {name} ({error})"
            ) from error


class _Reporter:
    """A run's watcher on a node: what it hears goes to the board, once a second and no more."""

    def __init__(self, board: Any, key: str, name: str) -> None:
        self._board, self._key, self._name = board, key, name
        self._last = float("-inf")

    def __call__(self, event: Event) -> None:
        if time.monotonic() - self._last >= 1.0:
            self._last = time.monotonic()
            message = f"{event.message or event.stage} on {self._name}"
            self._board.write.remote(self._key, float(event.data.get("overall") or 0.0), message)


class _Noting(Store):
    """A store that notes in the node's log what was computed and is stored now."""

    def write(self, stage: str, key: str, **content: Any) -> Artefact:
        """Store a result, and say so."""
        written = super().write(stage, key, **content)
        log.info("stored %s %s", stage, key)
        return written


class _NotingShared(_Noting, SharedStore):
    """The same with a share."""
