"""Sections of figures: before and after, confusion matrices, other filters, the report's row beside this run's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from core.attack import aim
from core.configuration import RunConfig, class_names
from core.evaluation.figures import FIGURES, mean, share
from core.results import markup, reference
from core.results.result import Result
from core.results.templates import render

SORTED_OUT = ("flagged", "poisons_left", "clean_removed", "tpr", "fpr", "precision")  # what the filter did
RANKED = ("auroc", "average_precision")  # what the scores are worth without any budget


def confusion(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often each true class (row) got each answer (column), [k, k], from answers [m] and labels [m]."""
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes)


def targets_of(result: Result) -> int | list[int]:
    """What the attacker wants triggered images to be taken for: one class, or one for each true class [k]."""
    attack, classes = result.config.attack, len(class_names(result.config.dataset.name))
    return attack.target if not attack.everywhere else aim(np.arange(classes), attack, classes).tolist()


def rates(result: Result, found: dict[str, Any]) -> Markup:
    """Nat and ASR before and after, as a picture and as a table with every row explained."""
    benign = result.quality("benign")
    rows = {FIGURES[name].name: (found[f"{name}1"], found[f"{name}2"]) for name in ("asr", "nat")}
    marks = None if benign is None else {FIGURES["asr"].name: benign.asr, FIGURES["nat"].name: benign.nat}
    alt = "; ".join(f"{name} {share(before)} before and {share(after)} after" for name, (before, after) in rows.items())
    table = [
        *((FIGURES[name].label, *(FIGURES[name].write(found[f"{name}{n}"]) for n in (1, 2)), FIGURES[name].meaning)
          for name in ("asr", "nat")),
        *((FIGURES[name].label, "", FIGURES[name].write(found[name]), FIGURES[name].meaning) for name in SORTED_OUT),
        *((FIGURES[name].label, FIGURES[name].write(found[name]), "", FIGURES[name].meaning) for name in RANKED),
    ]  # fmt: skip
    return render(
        "report/rates.html.jinja", picture=markup.dumbbells(rows, alt, marks),
        table=markup.table(("", "before", "after", "what it says"), table, "The run's figures"),
        benign=None if benign is None else share(benign.asr),
        whose="the next" if result.config.attack.everywhere else "the target",
    )  # fmt: skip


def answers(result: Result, found: dict[str, Any], truth: bool) -> Markup:
    """Confusion matrices of both networks, and each class's accuracy."""
    names, labels = result.dataset.class_names, result.dataset.test_labels
    matrices = []
    for which, name in (("poisoned", "The network trained on the whole set"), ("clean", "The retrained network")):
        logits = result.predictions(which)
        if logits is None:
            continue
        for images, given in zip(("clean", "triggered"), logits, strict=True):
            if images == "clean" or truth:
                target = targets_of(result) if images == "triggered" else None
                counts = confusion(given.argmax(1), labels, len(names))
                matrices.append(markup.matrix(counts, names, f"{name}, {images} test images", target))
    rows = dict(zip(names, zip(found["per_class1"], found["per_class2"], strict=True), strict=True))
    low = max(0.0, np.floor(10 * min(min(pair) for pair in rows.values())) / 10 - 0.1)
    worst = min(rows, key=lambda name: rows[name][1])
    alt = f"Accuracy of each class before and after; lowest after: {worst} with {share(rows[worst][1])}"
    return render(
        "report/answers.html.jinja", matrices=matrices, accuracies=markup.dumbbells(rows, alt, low=float(low))
    )


def filters(config: RunConfig, found: dict[str, Any]) -> Markup:
    """The run's filter beside one that draws lots and one that knows the truth."""
    beside = ("poisons_left", "clean_removed", "tpr", "fpr", "precision")
    rows = [
        (f"{name} filter", *(FIGURES[figure].write(one[figure]) for figure in beside))
        for name, one in {"this": found, **found["references"]}.items()
    ]
    heads = ("", *(FIGURES[figure].label for figure in beside))
    return render(
        "report/filters.html.jinja", gap=config.defence.cut == "gap",
        table=markup.table(heads, rows, "Three filters that remove as many images"),
    )  # fmt: skip


def published(config: RunConfig, found: dict[str, Any]) -> Markup:
    """The report's row beside this run's, and our own measurement of the same setting; empty where there is neither."""
    heads = ("", *(FIGURES[name].name for name in reference.FIGURES))
    theirs, measured = reference.row(config), reference.measured(config)
    if theirs is None and measured is None:
        return Markup()
    rows = [("this run", *_columns(found))]
    if theirs is not None:
        rows.append(("the report", *_columns(theirs._asdict())))
    if measured is not None:
        cells = (mean(FIGURES[name], measured.mean[name], measured.spread[name]) for name in reference.FIGURES)
        rows.append((f"recipe quick, {measured.runs} seeds", *cells))
    return render(
        "report/published.html.jinja", poisons=f"{found['poisons']:,}", measured=measured,
        theirs=None if theirs is None else round(theirs.ratio * 5000),
        table=markup.table(heads, rows, "The same setting, elsewhere"),
    )  # fmt: skip


def _columns(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(FIGURES[name].write(one[name]) for name in reference.FIGURES)
