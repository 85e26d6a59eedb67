"""The positive control of a run: what the panel's image side would have found in its set, planted class by class.

It is computed once for a set and a panel, and kept in the store. Nothing here uses the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from core.configuration import DefenceConfig, stages
from core.evaluation import Control, control
from core.results.result import Result
from core.types import DataUnavailable, Detection

PANEL = "panel"


def stored(result: Result, defence: DefenceConfig) -> list[Control] | None:
    """What was planted and found, where it was asked; nothing is computed."""
    known = result.store.read("control", _key(result, defence))
    return None if known is None else [_row(row) for row in known.document["rows"]]


def able(result: Result, defence: DefenceConfig) -> bool:
    """Whether there is a panel to ask, and every image of the set has its pixels here."""
    return defence.detector == PANEL and bool(result.pictured.all())


def plant(
    result: Result, found: Detection, defence: DefenceConfig, tell: Callable[[float], None] = lambda done: None
) -> list[Control]:
    """Plant known triggers into a run's set, unless that was done; tell hears of the share that is done.

    found: what the panel of `defence` says of the set. DataUnavailable where images of it are not on this machine.
    """
    known = stored(result, defence)
    if known is not None:
        return known
    if not able(result, defence):
        raise DataUnavailable("triggers are planted for the panel, into sets whose images are on this machine")
    rows = control.control(
        result.poisoned.images, result.poisoned.labels, found, level=float(defence.parameters["level"]),
        planted=control.PLANTED, shares=control.SHARES, tell=tell,
    )  # fmt: skip
    result.store.write("control", _key(result, defence), document={"rows": [asdict(row) for row in rows]})
    return rows


def _key(result: Result, defence: DefenceConfig) -> str:
    features = stages.features_key(stages.model_key(result.config), defence.representation)
    return stages.control_key(features, defence)


def _row(row: Mapping[str, Any]) -> Control:
    return Control(**row)
