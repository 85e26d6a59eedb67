"""Everything a person can choose by name, one registry a kind.

An entry carries the words, the source and the default values that the screens and the command line show,
so a new entry appears in every menu by itself. `make` is a function, or "module:function" for one that
is only imported when used (so that looking at a menu does not load torch). The entries stand in the room of
what they enter (`entries.py` of attack, datasets, detectors, training), and are read when first asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from core.configuration import pictures
from core.configuration.reading import shown
from core.types import BadRequest, Problem

Value = int | float | bool | str

MOST_INTEGER = 2**53  # that a float holds exactly
_TYPES = {
    int: "must be a whole number",
    float: "must be a number",
    bool: "must be true or false",
    str: "must be text",
}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Parameter:
    """A setting of an entry: its default, its range (or its choices), and one line of explanation.

    The type is the default's: int, float, bool, or str (a colour "#rrggbb" where `colour` is set, a small
    picture with transparency as core.configuration.pictures writes it where `picture` is set).
    """

    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    colour: bool = False
    picture: bool = False

    def check(self, name: str, value: Any) -> Value:
        """The value in the parameter's own type, or BadRequest."""
        kind = type(self.default)
        if isinstance(value, np.generic):
            value = value.item()
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) <= MOST_INTEGER else math.inf
        if kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not kind:
            raise self._refused(name, value, f"must be of type {kind.__name__}", _TYPES[kind])
        if self.colour and not _COLOUR.fullmatch(str(value)):
            raise self._refused(name, value, "must be a colour such as #ffffff")
        if self.picture:
            return pictures.canonical(str(value))
        if isinstance(value, str):
            return value.lower() if self.colour else value
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if not low <= value <= high:  # also catches NaN
            limits = {end: bound for end, bound in (("ge", low), ("le", high)) if math.isfinite(bound)}
            raise self._refused(name, value, f"must lie in [{low:g}, {high:g}]", limits=limits)
        return value

    def _refused(
        self, name: str, value: Any, must: str, plainly: str = "", limits: Mapping[str, float] | None = None
    ) -> BadRequest:
        """A value refused; plainly: the same for who does not program."""
        problem = Problem(name, None, plainly or must, limits or {}, value)
        return BadRequest(f"{name} {must}, got {shown(value)}", problems=[problem])


@dataclass(frozen=True)
class Entry:
    """One thing to choose: what it is, where it comes from, its settings, and what makes it.

    varied: of a trigger that training images bear otherwise than test images, what stamps those (see
    core.attack.triggers.apply_training); its facts then say under "varied" how, in a sentence.
    """

    summary: str
    source: str
    make: str | Callable[..., Any]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    varied: str | Callable[..., Any] | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """What a detector sees beyond features, labels and logits, by the names of core.detectors.EVIDENCE."""
        return tuple(self.facts.get("needs", ()))

    @property
    def may(self) -> tuple[str, ...]:
        """What a detector looks at besides where it is there, by the same names."""
        return tuple(self.facts.get("may", ()))

    @property
    def parts(self) -> tuple[str, ...]:
        """The detectors that one is made of, which it need not ask again where what they say is known."""
        return tuple(self.facts.get("parts", ()))

    @property
    def reads_features(self) -> bool:
        """Whether a detector reads representations at all; one of images alone does not."""
        return bool(self.facts.get("features", True))

    @property
    def needs_features(self) -> bool:
        """Whether a detector cannot do without representations."""
        return self.facts.get("features", True) is True

    def load(self) -> Callable[..., Any]:
        """The function behind the entry."""
        return _function(self.make)

    def load_varied(self) -> Callable[..., Any] | None:
        """The function that stamps training images; None where `load` stamps them, too."""
        return None if self.varied is None else _function(self.varied)

    def settle(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """All parameters, given ones checked, the rest at their defaults."""
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            raise BadRequest(f"unknown settings {shown(unknown)}; allowed are {sorted(self.parameters)}")
        return MappingProxyType(
            {
                name: parameter.check(name, given.get(name, parameter.default))
                for name, parameter in self.parameters.items()
            }
        )


def _function(named: str | Callable[..., Any]) -> Callable[..., Any]:
    """A function, or the one that "module:function" names."""
    if callable(named):
        return named
    module, _, name = named.partition(":")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


class Registry(Mapping[str, Entry]):
    """A dict of entries that refuses a second one of the same name and explains an unknown one.

    entries: a mapping, or the name of a module that has it as ENTRIES, imported when first looked at.
    """

    def __init__(self, kind: str, entries: Mapping[str, Entry] | str) -> None:
        self.kind = kind
        self._given = entries

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return dict(import_module(self._given).ENTRIES if isinstance(self._given, str) else self._given)

    def add(self, name: str, entry: Entry) -> None:
        """Register an entry; a name that is taken is refused."""
        if name in self._entries:
            raise BadRequest(f"a {self.kind} named {name!r} is registered already; choose another name")
        self._entries[name] = entry

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except (KeyError, TypeError):  # TypeError: a list, say, cannot be a name
            raise BadRequest(f"unknown {self.kind} {shown(name)}; allowed are {sorted(self._entries)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


DATASETS = Registry("dataset", "core.datasets.entries")
TRIGGERS = Registry("trigger", "core.attack.entries")
MODELS = Registry("model", "core.training.entries")
DETECTORS = Registry("detector", "core.detectors.entries")

REGISTRIES = (DATASETS, TRIGGERS, MODELS, DETECTORS)
