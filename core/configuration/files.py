"""YAML and JSON that somebody wrote: plain values and nothing else, never more of them than the text is long."""

from __future__ import annotations

import json
from typing import Any

import yaml

from core.configuration.reading import shortened, shown
from core.types import BadRequest

MOST_CHARACTERS = 100_000  # of a YAML file
DEEPEST = 16  # of its lists and mappings in each other
_MERGE = "tag:yaml.org,2002:merge"


def from_yaml(text: str) -> Any:
    """What a YAML file holds: mappings, lists and plain values. BadRequest says what is wrong with it.

    Aliases are refused, since a few lines of them write down more than any memory holds, and so is a name that
    stands twice in a mapping, of which YAML keeps the last.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadRequest(f"the file must have at most {MOST_CHARACTERS:,} characters, got {len(text):,}")
    try:
        return yaml.load(text, _Strict)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        raise BadRequest(f"this is not YAML: {shortened(error.problem or str(error))}{place}") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        if isinstance(error, BadRequest):
            raise
        # What a value's own constructor raises (a month 13, say) comes out of the library as it is.
        raise BadRequest(f"this is not YAML: {shortened(str(error))}") from None


class _Strict(yaml.SafeLoader):
    """The safe loader without aliases, names that stand twice, and depths that nobody writes."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node; refused before anything is built where it repeats another or lies too deep."""
        if self.check_event(yaml.AliasEvent):
            raise BadRequest(f"the file must not use aliases (*name, line {self.line + 1}); write the value out")
        if self.depth >= DEEPEST:
            raise BadRequest(f"the file must not be nested more than {DEEPEST} deep")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """A mapping whose names all differ."""
        seen = set()
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        for key in (key for key, _ in pairs if isinstance(key, yaml.ScalarNode)):  # the library refuses others
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                raise BadRequest(f"the file must not use << (line {line}); write the values out")
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise BadRequest(f"the file says {shown(name)} twice (line {line})")
            seen.add(name)
        return super().construct_mapping(node, deep)


def from_json(text: str) -> Any:
    """What JSON text holds. BadRequest where it is none, nested without end, or says a name twice."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise BadRequest("this is not JSON: it is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, BadRequest):
            raise
        raise BadRequest(f"this is not JSON: {shortened(str(error))}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequest(f"the name {shown(name)} stands twice")
        found[name] = value
    return found
