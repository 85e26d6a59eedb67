"""What a tab keeps of the set that it looks at: what was said of it, and the audit, until another set is brought.

Both are computed once, whatever screen is visited meanwhile. A tab has one of each, since an audit holds its images;
and all tabs together have no more audits than a shelf of the server holds: the longest unused are let go.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
from markupsafe import Markup

from core import PoisonscopeError, audits
from core.audits import Audit, Listing, Range, Retrained
from pages.parts.audit.background import Owner, Tell

LOOKED, AUDITED = "audit looked", "audit kept"  # in session state
HELD = "audit held "  # and a widget's key: its value, which Streamlit forgets with the screen
MOST, LARGEST = 8, 2 << 30  # audits that a server keeps for all tabs together, and their bytes; one in any case
LET_GO = "what was found was let go, since newer audits needed its room; audit it once more to see it again"
_numbers = count(1)


class Mine(NamedTuple):
    """A network of the visitor's own: its path as it was written, and what `core.audit` is to know of it."""

    path: str
    architecture: str
    output: str | None

    @property
    def settings(self) -> dict[str, Any]:
        """As `core.audit` has them; BadRequest where the path lies elsewhere than sets may."""
        network = str(audits.allowed(self.path))
        return {"network": network, "architecture": self.architecture, "output": self.output}

    @property
    def identity(self) -> tuple[Any, ...] | None:
        """What tells it from all others, and from what its file held before; None where it cannot be asked."""
        try:
            settings = self.settings
            state = os.stat(settings["network"])
        except (PoisonscopeError, OSError):
            return None
        return *settings.values(), state.st_size, state.st_mtime_ns


class Wish(NamedTuple):
    """What an audit shall do besides looking: plant known triggers, train a network on the set, or ask one's own."""

    planting: bool
    network: bool
    mine: Mine | None = None

    @property
    def kind(self) -> str:
        """Which network is asked, as `audits.stages` has it."""
        return "own" if self.mine is not None else "train" if self.network else "none"

    @property
    def settings(self) -> dict[str, Any]:
        """As `core.audit` has them."""
        asked = {"network": self.kind} if self.mine is None else self.mine.settings
        return {"planting": self.planting, **asked}

    def without(self, found: Kept | None) -> bool:
        """Whether an audit, or none, has not done all of it."""
        told = None if found is None else found.audit
        if found is None or told is None or (self.planting and told.control is None and told.judged is not None):
            return True
        if self.mine is not None:
            return found.mine is None or found.mine != self.mine.identity
        return self.network and (told.network is None or not told.network.trained_here)


class Looked(NamedTuple):
    """A set by its outside. name: tells it, as it was then, from all others; audit: as it is wished for."""

    name: tuple[str | int, ...]
    listing: Listing
    audit: Callable[[Wish, Tell], Audit]


@dataclass(eq=False)
class Kept:
    """An audit, of what, and its findings as they are drawn; what a reviewer made of it.

    number: of the server's audits, no two alike. verdicts: the flagged images as they are shown; spared: ids of those
    that are to stay. anew: networks trained on what is kept, by that. expected: between how many seconds it was said to
    take; took: what its stages did; scale: how many times slower that was. mine: the `identity` of the visitor's own
    network that was asked. audit: None once it was let go.
    """

    name: tuple[str | int, ...]
    listing: Listing
    audit: Audit | None
    number: int = field(default_factory=lambda: next(_numbers))
    cards: list[Markup] | None = None
    verdicts: pd.DataFrame | None = None
    spared: frozenset[int] = frozenset()
    anew: dict[bytes, Retrained] = field(default_factory=dict)
    expected: Range | None = None
    took: Mapping[str, float] = field(default_factory=dict)
    scale: float | None = None
    mine: tuple[Any, ...] | None = None
    owner: Owner | None = None
    used: float = field(default_factory=time.monotonic)

    @property
    def told(self) -> Audit:
        """What the audit says. PoisonscopeError once it was let go."""
        if self.audit is None:
            raise PoisonscopeError(LET_GO)
        return self.audit

    @property
    def bytes(self) -> int:
        """What it holds, about."""
        if self.audit is None:
            return 0
        network = self.audit.network
        arrays = [] if network is None else [network.features, network.attributions]
        return sum(array.nbytes for array in (self.audit.brought.images, *arrays) if array is not None)

    def let_go(self) -> None:
        """Give its memory back; whoever shows it learns why."""
        self.audit = self.cards = self.verdicts = None


class Shelf:
    """The audits that a server keeps: those of its tabs, and those that ended when nobody looked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Kept] = []

    def put(self, one: Kept) -> Kept:
        """Keep one more, and let go of those that were longest unused where there are too many."""
        with self._lock:
            self._kept = [*(other for other in self._kept if other is not one), one]
            oldest = sorted(self._kept[:-1], key=lambda other: other.used)
            while oldest and (len(oldest) >= MOST or sum(other.bytes for other in self._kept) > LARGEST):
                self._drop(oldest.pop(0))
        return one

    def drop(self, one: Kept) -> None:
        """Let go of one that nobody will ask for."""
        with self._lock:
            self._drop(one)

    def _drop(self, one: Kept) -> None:
        one.let_go()
        self._kept = [other for other in self._kept if other is not one]

    def left(self, of: Looked) -> Kept | None:
        """The newest audit of that set that belongs to a tab that is gone."""
        with self._lock:
            able = (one for one in reversed(self._kept) if (one.name, one.listing) == (of.name, of.listing))
            return next((one for one in able if one.owner is not None and one.owner.gone()), None)


@st.cache_resource(max_entries=1, show_spinner=False)
def shelf() -> Shelf:
    """The server's."""
    return Shelf()


class _Look(NamedTuple):
    key: tuple[str, ...]
    found: Looked | None
    trouble: PoisonscopeError | None


def look(key: tuple[str, ...], how: Callable[[], Looked]) -> Looked:
    """What lies there, looked up once for a key; an error again and again."""
    known: _Look | None = st.session_state.get(LOOKED)
    if known is None or known.key != key:
        known = st.session_state[LOOKED] = _look(key, how)
    if known.found is None:
        assert known.trouble is not None
        raise known.trouble
    return known.found


def _look(key: tuple[str, ...], how: Callable[[], Looked]) -> _Look:
    try:
        return _Look(key, how(), None)
    except PoisonscopeError as error:
        return _Look(key, None, error)


def looked() -> Looked | None:
    """The set that was looked at last."""
    known: _Look | None = st.session_state.get(LOOKED)
    return None if known is None else known.found


def audited(of: Looked, who: Owner) -> Kept | None:
    """The tab's audit of that set as it is now, or that of a tab that is gone, which is this one's from now on.

    It may have been let go; then its `audit` is None.
    """
    known: Kept | None = st.session_state.get(AUDITED)
    if known is None or (known.name, known.listing) != (of.name, of.listing):
        known = shelf().left(of)
        if known is None:
            return None
        keep(known, who)
    known.used = time.monotonic()
    return known


def keep(made: Kept, who: Owner) -> None:
    """Keep an audit in place of the tab's last one; what a reviewer spared of the same set stays spared."""
    before: Kept | None = st.session_state.get(AUDITED)
    if before is made:
        return
    if before is not None:
        if (before.name, before.listing) == (made.name, made.listing):
            made.spared = made.spared or before.spared
        shelf().drop(before)
    made.owner = who
    st.session_state[AUDITED] = made


def forget() -> None:
    """Give up set and audit."""
    st.session_state.pop(LOOKED, None)
    known: Kept | None = st.session_state.pop(AUDITED, None)
    if known is not None:
        shelf().drop(known)


def remember(widget: str) -> None:
    """Before a widget: give it the value that it had before another screen was visited, unless the address has one."""
    if widget not in st.session_state and widget not in st.query_params and HELD + widget in st.session_state:
        st.session_state[widget] = st.session_state[HELD + widget]


def hold(widget: str) -> None:
    """After a widget: keep its value beyond its screen."""
    st.session_state[HELD + widget] = st.session_state[widget]
