"""Sections that are images: what the attacker did to some, and the flagged ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from core.attack import aim, sources
from core.configuration import RunConfig
from core.evaluation.figures import share
from core.results import markup
from core.results.report.words import count, covers
from core.results.result import Result, triggered_images
from core.results.templates import render
from core.types import Detection, Images, Mask

THUMBNAILS = 60
EXAMPLES = 3


def attack(result: Result, found: dict[str, Any]) -> Markup:
    """What the attacker did, with real images: clean, stamped, and the difference."""
    whole = "set of target classes" if result.config.attack.everywhere else "target class"
    extent = (
        "Nothing was poisoned. So would the trigger have looked:"
        if not found["count"]
        else (
            f"{count(found['count'], 'poisoned image')}: {share(found['of_clean_target'])} of the clean {whole}, "
            f"{share(found['of_poisoned_target'])} of the poisoned {whole}, "
            f"{share(found['of_training_set'], 2)} of the whole training set{covers(found)}."
        )
    )
    return render("report/attack.html.jinja", extent=extent, examples=[_example(result, row) for row in _shown(result)])


def _shown(result: Result) -> NDArray[np.int64]:
    """Some images that were stamped, or could have been; of those at hand."""
    dataset, config = result.dataset, result.config
    attackable = np.flatnonzero(sources(dataset.train_labels, config.attack))
    rows = np.unique(result.poisoned.source_ids[result.poisoned.truth.poisoned]) if config.attack.ratio else attackable
    return rows[:EXAMPLES] if dataset.pictured is None else rows[dataset.pictured[rows]][:EXAMPLES]


def _example(result: Result, row: int) -> dict[str, Any]:
    dataset, config = result.dataset, result.config
    clean = dataset.train_images[row]
    stamped = _stamped(result, int(row))
    change, _ = markup.changed(clean, stamped)
    name = dataset.class_names[dataset.train_labels[row]]
    (wanted,) = aim(dataset.train_labels[row : row + 1], config.attack, dataset.classes)
    pictures = [
        markup.picture(clean, f"A training image of class {name}, clean", 128),
        markup.picture(stamped, f"The same image with {_every_trigger(config)}", 128),
        markup.picture(change, "What the trigger changed, amplified", 128),
    ]
    return dict(pictures=pictures, name=name, target=dataset.class_names[wanted])


def _stamped(result: Result, row: int) -> Images:
    """A training image [h, w, 3] with the run's triggers: where they vary, as it is in the poisoned set, if it is."""
    made, stamped = result.poisoned, triggered_images(result.config, result.dataset.train_images[row : row + 1])
    of_row = np.flatnonzero(made.truth.poisoned & (made.source_ids == row))
    shown: Images = made.images[of_row[0]] if result.config.attack.varied and len(of_row) else stamped[0]
    return shown


def _every_trigger(config: RunConfig) -> str:
    return "all triggers" if config.attack.also else f"the {config.attack.trigger} trigger"


def thumbnails(
    result: Result, found: Detection, flagged: Mask, truth: bool, verdicts: Mapping[int, str], said: Sequence[str] = ()
) -> Markup:
    """The highest scores among the flagged images, each with what is known of it."""
    rows = np.flatnonzero(flagged)
    rows = rows[np.argsort(-found.scores[rows], kind="stable")][:THUMBNAILS]
    missing = int((~result.pictured[rows]).sum())
    return render(
        "report/thumbnails.html.jinja", flagged=count(int(flagged.sum()), "image"),
        missing=count(missing, "picture") if missing else "", said=said,
        shown=[_thumbnail(result, found, int(row), place, truth, verdicts) for place, row in enumerate(rows, 1)],
    )  # fmt: skip


def _thumbnail(
    result: Result, found: Detection, row: int, place: int, truth: bool, verdicts: Mapping[int, str]
) -> dict[str, Any]:
    poisoned = result.poisoned
    label = result.dataset.class_names[poisoned.labels[row]]
    alt = f"Flagged image {place}, labelled {label}, score {found.scores[row]:.3g}"
    return dict(
        picture=markup.picture(poisoned.images[row], alt, 80) if result.pictured[row] else None,
        alt=alt, place=place, score=f"{found.scores[row]:.3g}", label=label, verdict=verdicts.get(row),
        truth=_truth(result, row) if truth else None,
    )  # fmt: skip


def _truth(result: Result, row: int) -> dict[str, Any]:
    """What only the attacker knows of an image, in words."""
    truth = result.poisoned.truth
    wrong = bool(truth.poisoned[row])
    kind, mark, origin = "benign", "● benign", "as it was"
    if wrong:
        source = result.dataset.class_names[result.poisoned.source_labels[row]]
        kind, mark, origin = "poisoned", "✕ poisoned", f"from {source}"
    if truth.covers[row]:
        mark, origin = "○ cover", "stamped, true label"
    return dict(id=row, kind=kind, mark=mark, origin=origin)
