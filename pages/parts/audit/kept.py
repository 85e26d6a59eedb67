"""What a tab keeps of the set that it looks at: what was said of it, and the audit, until another set is brought.

Both are computed once, whatever screen is visited meanwhile. One of each, since an audit holds its images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
from markupsafe import Markup

from core import PoisonscopeError, audits
from core.audits import Audit, Listing, Retrained, Witness

Tell = Callable[[float, str], None]

LOOKED, AUDITED, NUMBER = "audit looked", "audit kept", "audit number"  # in session state
HELD = "audit held "  # and a widget's key: its value, which Streamlit forgets with the screen


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

    def asked(self, network: Witness) -> bool:
        """Whether it is the network that an audit has asked."""
        try:
            return network.brought == tuple(self.settings.values())
        except PoisonscopeError:
            return False


class Wish(NamedTuple):
    """What an audit shall do besides looking: plant known triggers, train a network on the set, or ask one's own."""

    planting: bool
    network: bool
    mine: Mine | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """As `core.audit` has them."""
        asked = {"network": "train" if self.network else "none"} if self.mine is None else self.mine.settings
        return {"planting": self.planting, **asked}

    def without(self, told: Audit | None) -> bool:
        """Whether an audit, or none, has not done all of it."""
        if told is None or (self.planting and told.control is None and told.judged is not None):
            return True
        if self.mine is not None:
            return told.network is None or not self.mine.asked(told.network)
        return self.network and (told.network is None or not told.network.trained_here)


class Looked(NamedTuple):
    """A set by its outside. name: tells it, as it was then, from all others; audit: as it is wished for."""

    name: tuple[str | int, ...]
    listing: Listing
    audit: Callable[[Wish, Tell], Audit]


@dataclass
class Kept:
    """An audit, of what, and its findings as they are drawn; what a reviewer made of it.

    number: of the tab's audits, no two alike. verdicts: the flagged images as they are shown; spared: ids of those that
    are to stay. anew: networks trained on what is kept, by that.
    """

    name: tuple[str | int, ...]
    listing: Listing
    told: Audit
    number: int = 0
    cards: list[Markup] | None = None
    verdicts: pd.DataFrame | None = None
    spared: frozenset[int] = frozenset()
    anew: dict[bytes, Retrained] = field(default_factory=dict)


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


def audited(of: Looked) -> Kept | None:
    """The audit of that set as it is now."""
    known: Kept | None = st.session_state.get(AUDITED)
    return known if known is not None and (known.name, known.listing) == (of.name, of.listing) else None


def keep(of: Looked, told: Audit) -> Kept:
    """Keep an audit in place of the last one; what a reviewer spared of the same set stays spared."""
    before, number = audited(of), st.session_state.get(NUMBER, 0) + 1
    spared = frozenset[int]() if before is None else before.spared
    made = Kept(of.name, of.listing, told, number, spared=spared)
    st.session_state[AUDITED], st.session_state[NUMBER] = made, number
    return made


def forget() -> None:
    """Give up set and audit."""
    for name in (LOOKED, AUDITED):
        st.session_state.pop(name, None)


def remember(widget: str) -> None:
    """Before a widget: give it the value that it had before another screen was visited, unless the address has one."""
    if widget not in st.session_state and widget not in st.query_params and HELD + widget in st.session_state:
        st.session_state[widget] = st.session_state[HELD + widget]


def hold(widget: str) -> None:
    """After a widget: keep its value beyond its screen."""
    st.session_state[HELD + widget] = st.session_state[widget]
