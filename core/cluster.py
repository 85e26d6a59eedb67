"""A sweep on a Ray cluster: one task a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from core.sweep import Cell, Sweep
from core.types import BadRequest, Watcher


class Told(Protocol):
    """Who hears how far the cells are (core.sweeping)."""

    def of(self, cell: Cell, retrain: bool) -> Watcher:
        """The watcher of a cell's own run."""

    def done(self, cell: Cell) -> None:
        """A cell has ended."""

    def failed(self, cell: Cell, error: Exception) -> str:
        """What went wrong, as a sentence that has been told."""


def carry_out(sweep: Sweep, todo: Sequence[Cell], told: Told) -> dict[str, str]:
    """Compute cells on the sweep's cluster; returns what went wrong by the cells' keys."""
    raise BadRequest(f"no cluster can be used yet, got {sweep.cluster!r}")
