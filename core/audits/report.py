"""An audit as one HTML file: opens offline, needs no script; what it shows is inside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from core.audits.auditing import Audit
from core.audits.finding import ACCUSED, CAUSES, Found, plain
from core.audits.told import brought_sentences
from core.evaluation import control
from core.results import markup, templates
from core.types import Ids

SHOWN = 48  # pictures of a finding
SIDE = 64  # pixels


def page(told: Audit) -> str:
    """The report."""
    return str(
        templates.render(
            "report/audit.html.jinja",
            title=f"Audit of {plain(told.brought.source.rstrip('/').rpartition('/')[2] or told.brought.source)}",
            verdict=told.verdict,
            brought=[plain(said, 400) for said in brought_sentences(told)],
            findings=[_card(told, one) for one in told.findings],
            control=[] if told.control is None else list(control.sentences(told.control)),
            notes=told.notes,
        )
    )


def _card(told: Audit, one: Found) -> dict[str, Any]:
    return {
        "cause": one.cause,
        "meaning": CAUSES[one.cause],
        "sentence": one.sentence,
        "p": None if one.p is None else f"p = {one.p:.1g}",
        "trigger": _trigger(told, one),
        "pictures": [_picture(told, row, like) for row, like in pictured(told, one)],
        "more": max(0, len(one.ids) - SHOWN),
    }


def _trigger(told: Audit, one: Found) -> Markup | None:
    """What the images of an accused class share, on grey."""
    if one.cause not in ACCUSED:
        return None
    found = told.trigger(one)
    if found is None:
        return None
    seen = found.picture.astype(np.float32)
    alpha = seen[..., 3:] / 255
    on_grey = np.rint(alpha * seen[..., :3] + (1 - alpha) * 128).astype(np.uint8)
    return markup.picture(on_grey, "What the images share, on grey", 2 * SIDE)


def chosen(told: Audit, ids: Ids, most: int = SHOWN) -> Ids:
    """The images of a finding that are shown: those with the highest scores, and these first."""
    if told.judged is None:
        return ids[:most]
    scores = np.nan_to_num(told.judged.scores(len(told.brought.labels))[ids], nan=-np.inf)
    return ids[np.argsort(-scores, kind="stable")[:most]]


def pictured(told: Audit, one: Found) -> list[tuple[int, str | None]]:
    """The images of a finding that are shown, and what each looks like: label errors, the likeliest of them first."""
    if not one.looks_like:
        return [(int(row), None) for row in chosen(told, one.ids)]
    wrong = np.zeros(len(told.brought))
    wrong[told.doubted.ids] = told.doubted.wrong
    order = np.argsort(-wrong[one.ids], kind="stable")[:SHOWN]
    return [(int(one.ids[place]), one.looks_like[place]) for place in order]


def _picture(told: Audit, row: int, like: str | None) -> tuple[Markup, str | None]:
    """A picture, and what is written below it."""
    below = None if like is None else f"{_class(told, row)}, looks like {plain(like)}"
    return markup.picture(told.brought.images[row], plain(told.brought.names[row]), SIDE), below


def _class(told: Audit, row: int) -> str:
    return plain(told.brought.classes[told.brought.labels[row]])
