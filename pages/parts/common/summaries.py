"""Finished runs' figures, read from the store once and then kept."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import core


def of(key: str, finished: float | None = None) -> dict[str, Any]:
    """A finished run's figures, not to be changed; empty, and read again, where they are damaged or missing.

    finished: when the ledger says that it ended, since it may be computed anew.
    """
    try:
        return _summary(str(core.home.home()), key, finished)
    except LookupError:
        return {}


@lru_cache(maxsize=1000)  # a list asks for hundreds at once: st.cache_data would take longer than the reading
def _summary(home: str, key: str, finished: float | None) -> dict[str, Any]:
    artefact = core.Store().read("run", key)
    if artefact is None:
        raise LookupError(key)
    return {name: value for name, value in artefact.document.items() if name != "config"}
