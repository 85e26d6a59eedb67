"""A sweep on a Ray cluster: one task a cell, on whichever node is free, its results in the store that asked.

Where and how is one line of text, a Ray address with options behind it (`place`):

    auto                                       the cluster of this machine, on a folder that all nodes share
    10.0.0.1:6379?cpus=4&gpus=0.5              four cores and half a GPU a run
    auto?share=s3://bucket/poisonscope         nodes without a common folder: artefacts go through object storage

A node that dies takes nothing along but what was unfinished: Ray gives its cells to others, and what was stored is
found. Ray is imported when a sweep wants it and not before (requirements-cluster.txt).
"""

from __future__ import annotations

import importlib
import json
import logging
import time
from collections.abc import Sequence
from typing import Any, Protocol

from core.clusters import Place, connected, place, reason, seen_by_all, stop
from core.configuration import Cell, Sweep, cell_key, stages
from core.store import Share, Store, home
from core.sweeps.node import PARTS, measure_cell
from core.types import Cancelled, PoisonscopeError

POLL = 0.5  # seconds between looks at the tasks
PATIENCE = 60.0  # seconds that a network file system may take to show what another node has written
log = logging.getLogger(__name__)


class Told(Protocol):
    """Who hears how far the cells are (core.sweeps.execution)."""

    def at_once(self, shares: Sequence[float], message: str) -> None:
        """Several cells are under way, each as far as its share says."""

    def done(self, cell: Cell) -> None:
        """A cell has ended well."""

    def failed(self, cell: Cell, error: Exception) -> str:
        """What went wrong, as a sentence that has been told."""


def carry_out(sweep: Sweep, todo: Sequence[Cell], store: Store, told: Told) -> dict[str, str]:
    """Compute cells on the sweep's cluster and bring them into the store; what went wrong, by the cells' keys.

    Raises BadRequest where there is no such cluster, and what `told` raises after the tasks have been stopped: at
    once, or, where it was raised between two cells, when those under way have ended.
    """
    where = place(sweep.cluster or "auto")
    share = None if where.share is None else Share(where.share)
    if share is not None:
        share.check()
        todo = [cell for cell in todo if not _brought_home(cell, sweep, share, store, told)]
    if not todo:
        return {}
    with connected(where) as ray, seen_by_all(store) as token:
        node = {"home": str(home.home()), "store": str(store.folder), "token": token} if share is None else {}
        driver = _Driver(ray, where, sweep, store, told, share, {**node, "share": where.share, "cpus": where.cpus})
        return driver.carry_out(todo)


def _brought_home(cell: Cell, sweep: Sweep, share: Share, store: Store, told: Told) -> bool:
    """Whether a cell was in the share already, from an earlier attempt, and now is in the store."""
    key = cell_key(cell.config, sweep)
    try:
        if not share.holds("cell", key):
            return False
        bring_home(key, share, store)
    except Exception as trouble:  # a share that cannot be reached just now, say; then it is computed
        log.warning("%s", trouble)
        return False
    told.done(cell)
    return True


def bring_home(key: str, share: Share, store: Store) -> None:
    """Fetch a cell and everything that its screens need, its figures last; PoisonscopeError where something is gone."""
    parts = share.fetch(PARTS, key, store)
    needed = [] if parts is None else [(stage, part) for stage, part in parts.document["parts"]]
    for stage, part in needed:
        if not store.has(stage, part) and share.fetch(stage, part, store) is None:
            parts = None
    if parts is None or share.fetch("cell", key, store) is None:
        share.forget("cell", key)  # so that it is computed again
        raise PoisonscopeError(f"a result at {share.url} was incomplete or damaged; resume computes it again")


class _Driver:
    """Sends the cells out and takes in what comes back.

    Of the cells that need the same poisoned network one goes first, and the others when it is stored: else each
    would train it, since a lock binds only those on the same file system.
    """

    def __init__(
        self, ray: Any, where: Place, sweep: Sweep, store: Store, told: Told, share: Share | None, node: dict[str, Any]
    ) -> None:
        self.ray, self.sweep, self.store, self.told, self.share = ray, sweep, store, told, share
        self.board = _board(ray)
        gpus = float(ray.cluster_resources().get("GPU", 0) > 0) if where.gpus is None else where.gpus
        self.node = {**node, "device": "auto" if gpus else "cpu"}
        self.wants = {"CPU": where.cpus, "GPU": gpus}
        self.task = ray.remote(measure_cell).options(num_cpus=where.cpus, num_gpus=gpus, max_retries=where.retries)
        self.running: dict[Any, Cell] = {}
        self.waiting: dict[str, list[Cell]] = {}
        self.errors: dict[str, str] = {}
        self.stopped: Cancelled | None = None

    def carry_out(self, todo: Sequence[Cell]) -> dict[str, str]:
        for cell in todo:
            model = stages.model_key(cell.config)
            if model in self.waiting:
                self.waiting[model].append(cell)
                continue
            self._send(cell)
            if not (self.store.has("model", model) or (self.share is not None and self.share.holds("model", model))):
                self.waiting[model] = []
        try:
            while self.running:
                ready, _ = self.ray.wait(list(self.running), timeout=POLL)
                for task in ready:
                    self._take_in(task, self.running.pop(task))
                if not ready:
                    self._tell()
        finally:
            stop(self.ray, list(self.running))
        if self.stopped is not None:
            raise self.stopped
        return self.errors

    def _send(self, cell: Cell) -> None:
        config, sweep = cell.config.model_dump_json(), self.sweep.model_dump_json()
        self.running[self.task.remote(config, sweep, json.dumps(self.node), self.board)] = cell

    def _take_in(self, task: Any, cell: Cell) -> None:
        key = cell_key(cell.config, self.sweep)
        try:
            error: Exception | None = self._outcome(task, key)
        except Exception as trouble:  # a share that cannot be reached just now, say; the other cells may well come
            log.exception("%s could not be taken in", cell.name)
            error = trouble
        if error is not None:
            self.errors[key] = self.told.failed(cell, error)
        others = self.waiting.get(stages.model_key(cell.config), [])
        may_go = len(others) if error is None else 1
        for other in others[:may_go]:
            self._send(other)
        del others[:may_go]
        if error is not None:
            return
        try:
            self.told.done(cell)
        except Cancelled as said:
            self._let_end(said)

    def _outcome(self, task: Any, key: str) -> PoisonscopeError | None:
        """What went wrong with a cell, or None and the cell is in the store."""
        try:
            said = self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            return PoisonscopeError(f"the cluster could not do it: {reason(self.ray, error)}")
        if said is not None:
            return PoisonscopeError(said)
        if self.share is not None:
            bring_home(key, self.share, self.store)
            return None
        deadline = time.monotonic() + PATIENCE
        while not self.store.has("cell", key):
            if time.monotonic() > deadline:
                return PoisonscopeError(f"a node stored it, but it does not appear in {self.store.folder}")
            time.sleep(POLL)
        return None

    def _let_end(self, said: Cancelled) -> None:
        """Begin nothing more, and wait for what is under way."""
        if self.stopped is None:
            self.stopped = said
            begun = self._news()
            idle = [task for task, cell in self.running.items() if cell_key(cell.config, self.sweep) not in begun]
            stop(self.ray, idle)
            self.running = {task: cell for task, cell in self.running.items() if task not in idle}
        self.waiting.clear()

    def _tell(self) -> None:
        news = self._news()
        under_way = [
            (cell, *news[key]) for cell in self.running.values() if (key := cell_key(cell.config, self.sweep)) in news
        ]
        told = "; ".join(f"{cell.name}: {said}" for cell, _, said in under_way[:3])
        more = f" and {len(under_way) - 3} more" if len(under_way) > 3 else ""
        message = f"{len(under_way)} under way ({told}{more})" if under_way else self._why_none()
        self.told.at_once([share for _, share, _ in under_way], message)

    def _why_none(self) -> str:
        """What the tasks wait for; a cluster that grows may get a node that is large enough."""
        for node in self.ray.nodes():
            if node["Alive"] and all(node["Resources"].get(name, 0) >= wanted for name, wanted in self.wants.items()):
                return "waiting for a place on the cluster"
        wanted = " and ".join(f"{wanted:g} {name}" for name, wanted in self.wants.items() if wanted)
        return f"waiting for a node with {wanted}; the cluster has none"

    def _news(self) -> dict[str, tuple[float, str]]:
        """How far the cells are by their keys; nothing where the board is away just now."""
        try:
            news: dict[str, tuple[float, str]] = self.ray.get(self.board.read.remote(), timeout=2.0)
        except self.ray.exceptions.RayError:
            return {}
        return news


class _Board:
    """Where tasks write how far they are: an actor. Losing it loses no result."""

    def __init__(self) -> None:
        self.notes: dict[str, tuple[float, str]] = {}

    def write(self, key: str, share: float, message: str) -> None:
        self.notes[key] = (share, message)

    def read(self) -> dict[str, tuple[float, str]]:
        return self.notes


def _board(ray: Any) -> Any:
    """A board, on our own node if it can be, since others may die."""
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    here = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(_Board).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()
