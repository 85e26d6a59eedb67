"""A contract for import-linter: another room may use what a room's face names (`__init__.pyi`), and nothing behind it.

The faces are lazy, so what lies behind them is no import in import-linter's graph; what it does see there is whoever
names a file of another room. A file that the face itself names (`from . import metrics`) may be used as such.
"""

from __future__ import annotations

import ast
from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

ROOT = Path(__file__).resolve().parents[1]


def named(room: str) -> set[str]:
    """All names that the face of a room offers."""
    face = ROOT.joinpath(*room.split("."), "__init__.pyi")
    imports = [node for node in ast.parse(face.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def reaching_around(graph: ImportGraph, container: str) -> list[tuple[str, str]]:
    """Importer and imported module, wherever the second is behind the face of a room that the first is not in."""
    rooms = {child for child in graph.find_children(container) if graph.find_children(child)}
    offered = {room: named(room) for room in rooms}
    found = []
    for room in rooms:
        for inner in graph.find_descendants(room):
            name = inner.removeprefix(f"{room}.")
            if name in offered[room]:
                continue
            importers = graph.find_modules_that_directly_import(inner)
            found += [(one, inner) for one in importers if one != room and not one.startswith(f"{room}.")]
    return sorted(found)


class Faces(Contract):
    """Nobody reaches around the face of a room of `container`."""

    container = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found = reaching_around(graph, self.container)
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, inner in check.metadata["found"]:
            room, _, name = inner.rpartition(".")
            output.print_error(f"{importer} imports {inner}; import what {room} offers, or let its face name {name}")
