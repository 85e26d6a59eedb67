"""Carrying a sweep out, one cell after the other or on a cluster; what is stored is never run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.configuration import Cell, Sweep, cell_key, grid
from core.store import Store
from core.sweeps import cluster
from core.sweeps.cell import measure
from core.types import NOTES, Cancelled, DeviceLost, Event, PoisonscopeError, Watcher, ignore


class CellsFailed(PoisonscopeError):
    """Some cells failed and the others were carried out; `errors` has what went wrong by the cells' keys."""

    def __init__(self, errors: Mapping[str, str], total: int) -> None:
        first = next(iter(errors.values()))
        super().__init__(f"{len(errors)} of {total} runs failed, the first with: {first}; resume tries them again")
        self.errors = dict(errors)


def carry_out(sweep: Sweep, store: Store, watch: Watcher = ignore, device: str = "auto") -> None:
    """Compute what is not stored of a sweep, here or on its cluster; CellsFailed at the end where some cells failed.

    watch hears of the whole, with data["overall"], of a cell that failed, with data["failed"], and between two
    cells, with data["between"]: whoever is told may raise Cancelled then and lose nothing. On a cluster the cells
    under way are finished first then. After a cell that failed nothing is between, so that sweeps which let each other
    go first come to their ends.
    """
    todo = [cell for cell in grid.cells(sweep) if not store.has("cell", cell_key(cell.config, sweep))]
    told = Told(watch, sweep.count, sweep.count - len(todo))
    if sweep.cluster is not None:
        errors = cluster.carry_out(sweep, todo, store, told)
    else:
        errors = _one_by_one(sweep, todo, store, told, device)
    if errors:
        raise CellsFailed(errors, sweep.count)
    store.write("sweep", grid.key(sweep), document={"name": sweep.name, "cells": sweep.count})


def _one_by_one(sweep: Sweep, todo: list[Cell], store: Store, told: Told, device: str) -> dict[str, str]:
    errors: dict[str, str] = {}
    for cell in todo:
        try:
            measure(cell.config, sweep, store, told.of(cell), device)
        except (Cancelled, DeviceLost):
            raise
        except Exception as error:  # whatever it is (memory, say), the other cells may well go on
            errors[cell_key(cell.config, sweep)] = told.failed(cell, error)
        else:
            told.done(cell)
    return errors


class Told:
    """Turns the progress of cells into that of the sweep."""

    def __init__(self, watch: Watcher, total: int, finished: int) -> None:
        self.watch, self.total, self.finished = watch, total, finished

    def of(self, cell: Cell) -> Watcher:
        """The watcher of a cell."""

        def watch(event: Event) -> None:
            within = min(1.0, float(event.data.get("overall") or 0.0))
            message = f"{self.finished + 1} of {self.total}, {cell.name}: {event.message or event.stage}"
            notes = {NOTES: event.data[NOTES]} if NOTES in event.data else {}
            self.watch(Event(event.stage, event.fraction, message, {**notes, "overall": self._share(within)}))

        return watch

    def at_once(self, shares: Sequence[float], message: str) -> None:
        """Several cells are under way, each as far as its share says."""
        overall = self._share(sum(shares))
        self.watch(
            Event("cluster", overall, f"{self.finished} of {self.total} are done, {message}", {"overall": overall})
        )

    def done(self, cell: Cell) -> None:
        """A cell has ended well."""
        self.finished += 1
        message = f"{self.finished} of {self.total} are done, the last one {cell.name}"
        self.watch(Event("between", 1.0, message, {"overall": self._share(0.0), "between": True}))

    def failed(self, cell: Cell, error: Exception) -> str:
        """What went wrong, as a sentence that has been told."""
        said = str(error) if isinstance(error, PoisonscopeError) else f"{type(error).__name__}: {error}"
        self.finished += 1
        self.watch(Event("failed", 1.0, f"{cell.name} failed: {said}", {"failed": cell.name, "error": said}))
        return said

    def _share(self, within: float) -> float:
        return min(1.0, (self.finished + within) / self.total)
