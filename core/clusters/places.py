"""Where on a cluster a sweep shall be carried out, and how: an address with options behind a question mark."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from core.configuration import reading
from core.store import checked_url
from core.types import BadRequest

LEAST_PART = 0.0001  # of a core or a GPU that Ray can give
MOST_RETRIES = 1_000


@dataclass(frozen=True)
class Place:
    """A cluster and what a run gets of it.

    address: Ray's, or auto. cpus: cores a run, which are also its threads. gpus: GPUs or a fraction of one a run;
    None: one where the cluster has any. retries: how many lost nodes a run survives. share: the URL that artefacts
    go through; None where all nodes and this machine have the same POISONSCOPE_HOME.
    """

    address: str = "auto"
    cpus: float = 1.0
    gpus: float | None = None
    retries: int = 5
    share: str | None = None

    def __str__(self) -> str:
        """The line of text that `place` reads."""
        changed = {name: value for name, value in asdict(self).items() if value != getattr(Place(), name)}
        changed.pop("address", None)
        return self.address + (f"?{urlencode(changed, safe=':/', quote_via=quote)}" if changed else "")


def place(text: str) -> Place:
    """Read an address with its options; BadRequest says what does not fit."""
    address, _, options = text.strip().partition("?")
    kinds: dict[str, tuple[Callable[[str], Any], str]] = {
        "cpus": (_part, "a number"),
        "gpus": (_part, "a number"),
        "retries": (_count, "a whole number"),
        "share": (str, "a URL"),
    }
    chosen: dict[str, Any] = {}
    for name, value in parse_qsl(options.replace("+", "%2B"), keep_blank_values=True):
        if name not in kinds:
            raise BadRequest(f"a cluster's options are {', '.join(kinds)}, got {reading.shown(name)}")
        kind, said = kinds[name]
        chosen[name] = kind(value)
        if chosen[name] is None:
            raise BadRequest(f"{name} of a cluster must be {said}, got {reading.shown(value)}")
    return checked(Place(address=address, **chosen))


def _part(written: str) -> float | None:
    return reading.real(written, -math.inf, math.inf)


def _count(written: str) -> int | None:
    return reading.whole(written, -sys.maxsize, sys.maxsize)


def checked(wanted: Place) -> Place:
    """The same place, if its numbers can be meant."""
    if not wanted.address:
        raise BadRequest("a cluster needs an address: auto, or host:port of its head node")
    if not LEAST_PART <= wanted.cpus < 10_000:
        raise BadRequest(f"cpus must be at least {LEAST_PART} and below 10,000, got {wanted.cpus:g}")
    if not 0 <= wanted.retries <= MOST_RETRIES:
        raise BadRequest(f"retries must lie in [0, {MOST_RETRIES}], got {wanted.retries}")
    if wanted.gpus and (not LEAST_PART <= wanted.gpus < 100 or (wanted.gpus > 1 and wanted.gpus % 1)):
        raise BadRequest(
            f"gpus must be 0, a fraction of one of at least {LEAST_PART}, or a whole number below 100, "
            f"got {wanted.gpus:g}"
        )
    if wanted.share is not None:
        checked_url(wanted.share)
    return wanted
