"""What scoring found: as a table for a file, as one object, and as sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.cli.kinds import check_room
from core.configuration import DefenceConfig
from core.detectors import EVIDENCE, Labelled, as_labels, detect, expected, plain_faults, taken
from core.evaluation import Control, control
from core.evaluation import filter as filtering
from core.store import as_csv, lies_in, writing
from core.types import BadRequest, Detection, Features, Finding, Ids, Labels, Mask

TOLD = 12  # classes that the terminal shows; --json has all
LABELLED = "what has a label"
WIDE = 40  # characters of a class's name in the terminal


class Asked(NamedTuple):
    """What is to be scored: features [n, d], labels as they were given, further evidence, and how.

    control: whether known triggers are planted afterwards, to see what would have been found.
    """

    features: Features | None
    labels: NDArray[Any]
    evidence: Mapping[str, NDArray[Any]]
    defence: DefenceConfig
    epsilon_of: filtering.EpsilonOf
    control: bool = False


class Scored(NamedTuple):
    """What was found: of the rows `ids` [m] that have a label, their dense labels [m], scores and flags [m]."""

    asked: Asked
    read: Labelled
    ids: Ids
    labels: Labels
    found: Detection
    flags: Mask
    warnings: tuple[str, ...]
    control: tuple[Control, ...] | None = None

    @property
    def flagged(self) -> int:
        """How many rows are flagged."""
        return int(self.flags.sum())

    @property
    def rows(self) -> int:
        """How many rows there are, with and without a label."""
        return len(self.read.labels)

    @property
    def named(self) -> list[int] | None:
        """The classes that the detector calls poisoned, most suspicious first; None where it gives no opinion."""
        statistic = self.found.class_statistic
        if statistic is None or self.found.class_threshold is None:
            return None
        which = filtering.suspicious_classes(self.labels, self.found, "suspicious_class")
        return list(map(int, which[np.argsort(-statistic[which], kind="stable")]))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how labels were read, and on what was not judged and why."""
        told = filtering.told(self.found, self.labels, self.asked.defence, self.asked.epsilon_of)
        return (*self.read.notes, *told)


def checked_share(epsilon_of: str) -> filtering.EpsilonOf:
    """What epsilon is a share of; BadRequest where it is nothing known."""
    for known in get_args(filtering.EpsilonOf):
        if epsilon_of == known:
            return known  # type: ignore[no-any-return]
    raise BadRequest(f"epsilon_of must be one of {list(get_args(filtering.EpsilonOf))}, got {epsilon_of!r}")


def carry_out(
    asked: Asked, beforehand: Callable[[float, float], None], planting: Callable[[float], None] = lambda done: None
) -> Scored:
    """Score and flag. beforehand is told the seconds and bytes that the detector may take; planting, of the share of
    the positive control that is done.
    """
    if asked.control and (asked.defence.detector != "panel" or "images" not in asked.evidence):
        raise BadRequest(f"a control plants triggers for the panel to find in images; got {_without(asked)}")
    features, read, defence = asked.features, as_labels(asked.labels), asked.defence
    if features is not None and (features.ndim != 2 or len(read.labels) != len(features) or not features.size):
        hint = "; features.reshape(len(features), -1) makes them [n, d]" if features.ndim > 2 else ""
        raise BadRequest(
            "features must be [n, d] and labels [n], neither empty; got shapes "
            f"{features.shape} and {asked.labels.shape}{hint}"
        )
    ids, labels, evidence = np.flatnonzero(~read.unlabelled), read.labels, asked.evidence
    if len(ids) < len(labels):
        held = [*evidence.values()]
        if features is not None and lies_in(features) is None:
            held.append(features)
        check_room(LABELLED, len(ids) * sum(one[:1].nbytes for one in held))
        features, labels = None if features is None else taken(LABELLED, features, ids), labels[ids]
        evidence = {name: _kept(name, array, read.unlabelled) for name, array in evidence.items()}
    sizes = np.bincount(labels)
    images = evidence.get("images")
    width = 1 if features is None else features.shape[1]
    pixels = 0 if images is None or images.ndim < 3 else max(1, int(np.prod(images.shape[1:3])))
    beforehand(*expected(defence.detector, len(labels), width, len(sizes), int(sizes.max()), pixels))
    found = detect(defence.detector, features, labels, None, defence.parameters, evidence)
    flags = ~filtering.keep_mask(found, labels, defence, asked.epsilon_of)
    plain = images.reshape(len(images), -1) if features is None and images is not None else features
    faults = () if plain is None else plain_faults(plain, labels, read.names, ids)
    rows = None
    if asked.control and images is not None:
        rows = tuple(control.control(images, labels, found, level=float(defence.parameters["level"]), tell=planting))
    return Scored(asked, read, ids, labels, found, flags, faults, rows)


def _without(asked: Asked) -> str:
    return f"{asked.defence.detector}, {'with' if 'images' in asked.evidence else 'without'} images"


def _kept(name: str, array: NDArray[Any], unlabelled: Mask) -> NDArray[Any]:
    """Evidence of the rows that have a label; as it is where it is of other rows, which `detect` says."""
    axis = EVIDENCE[name].axis
    fits = array.ndim == EVIDENCE[name].axes and array.shape[axis] == len(unlabelled)
    return array.compress(~unlabelled, axis) if fits else array


# --- the table --------------------------------------------------------------------------------------------


def write(scored: Scored, to: Path) -> None:
    """One line a row, in the order given: id, label as given, score, flagged; without a label the first and last."""
    rows = pd.DataFrame({"id": np.arange(scored.rows), "label": _given(scored.read)})
    rows["score"], rows["flagged"] = np.nan, False
    rows.loc[scored.ids, "score"] = scored.found.scores
    rows.loc[scored.ids, "flagged"] = scored.flags
    with writing(to):
        to.write_bytes(as_csv(rows))


def _given(read: Labelled) -> NDArray[Any]:
    """Labels [n] as they were spelled, numbers as numbers; None where there is none."""
    spelled = np.array([*(read.names if read.numbers is None else read.numbers), None], object)
    return spelled[read.labels]


# --- one object -------------------------------------------------------------------------------------------


def document(scored: Scored, to: Path) -> dict[str, Any]:
    """All that was found, but for the rows, as plain values; what is infinite or missing is None."""
    asked, named, defence = scored.asked, scored.named, scored.asked.defence
    return {
        "detector": defence.detector,
        "parameters": dict(defence.parameters),
        "rows": scored.rows,
        "features": None if asked.features is None else asked.features.shape[1],
        "images": None if "images" not in asked.evidence else list(asked.evidence["images"].shape[1:]),
        "unlabelled": int(scored.read.unlabelled.sum()),
        "named": None if named is None else [scored.read.names[label] for label in named],
        "threshold": scored.found.class_threshold,
        "scope": defence.scope,
        "cut": defence.cut,
        "assumed_ratio": defence.assumed_ratio,
        "multiplier": defence.multiplier,
        "epsilon_of": asked.epsilon_of,
        "flagged": scored.flagged,
        "why": why(scored),
        "classes": list(_classes(scored)),
        "control": None if scored.control is None else [_planted(scored, row) for row in scored.control],
        "notes": list(scored.notes),
        "warnings": list(scored.warnings),
        "to": str(to),
    }


def _classes(scored: Scored) -> Iterator[dict[str, Any]]:
    found, labels, defence = scored.found, scored.labels, scored.asked.defence
    sizes, flagged = np.bincount(labels), np.bincount(labels[scored.flags], minlength=len(scored.read.names))
    once = defence.model_copy(update={"multiplier": 1.0})
    epsilons = filtering.budgets(labels, once, scored.asked.epsilon_of)
    budgets = filtering.budgets(labels, defence, scored.asked.epsilon_of)
    gap, named = defence.cut == "gap", scored.named
    for label, name in enumerate(scored.read.names):
        yield {
            "label": name if scored.read.numbers is None else scored.read.numbers[label],
            "rows": int(sizes[label]),
            "statistic": _finite(found.class_statistic, label),
            "named": None if named is None else label in named,
            "judged": found.unjudged is None or not bool(found.unjudged[label]),
            "epsilon": None if gap else int(epsilons[label]),
            "budget": None if gap else int(budgets[label]),
            "gap": _finite(found.cut, label),
            "flagged": int(flagged[label]),
            "p": _finite(found.class_p, label),
            "findings": [_finding(scored, one) for one in found.findings if one.label == label],
        }


def _finding(scored: Scored, one: Finding) -> dict[str, Any]:
    """What one test says, with the rows that it means."""
    place = None if one.place is None else dict(zip(("top", "left", "height", "width"), one.place, strict=True))
    rows = scored.ids[one.ids].tolist()
    return {"test": one.detector, "view": one.view, "place": place, "p": one.p, "what": one.words, "rows": rows}


def _planted(scored: Scored, row: Control) -> dict[str, Any]:
    return {**asdict(row), "label": scored.read.names[row.label]}


def _finite(values: NDArray[np.float64] | None, label: int) -> float | None:
    return float(values[label]) if values is not None and math.isfinite(values[label]) else None


# --- sentences --------------------------------------------------------------------------------------------


def why(scored: Scored) -> str:
    """By what rule rows are flagged."""
    defence = scored.asked.defence
    classes = "every class" if defence.scope == "every_class" else "each class that is named"
    if defence.cut == "gap":
        return f"what scores above the detector's own gap, in {classes}"
    share = f"{defence.assumed_ratio:.4g} of "
    if scored.asked.epsilon_of == "own_class":
        share += "a class's own rows"
    else:
        share += f"the median class, {filtering.epsilon(scored.labels, defence.assumed_ratio):,} rows"
    return f"the {defence.multiplier:g} * epsilon highest scores of {classes}; epsilon is {share}"


def tell(scored: Scored, to: Path, out: Console) -> None:
    """What was found, in the terminal."""

    def say(sentence: str) -> None:
        out.print(sentence, markup=False, highlight=False, soft_wrap=True)

    detector, names = scored.asked.defence.detector, scored.read.names
    say(f"{detector}: {_what(scored.asked, scored.rows)} in {len(names):,} classes")
    for note in scored.notes:
        say(f"note: {note}")
    for warning in scored.warnings:
        say(f"warning: {warning}")
    say(_said_named(scored))
    for sentence in (*_findings(scored), *(control.sentences(scored.control) if scored.control is not None else ())):
        say(sentence)
    out.print(_table(scored))
    if len(names) > TOLD:
        say(f"and {len(names) - TOLD:,} more classes; --json has all")
    say(f"flagged is {why(scored)}")
    say(f"{scored.flagged} of {scored.rows} images flagged; written to {to}")


def _what(asked: Asked, rows: int) -> str:
    """What was looked at, in words."""
    images = asked.evidence.get("images")
    kinds = [] if images is None else [f"{rows:,} images of {images.shape[1]} x {images.shape[2]} pixels"]
    if asked.features is not None:
        kinds.append(f"{rows:,} rows of {asked.features.shape[1]:,} features")
    return " and ".join(kinds)


def _findings(scored: Scored) -> Iterator[str]:
    """What speaks against the classes that are named, the surest first."""
    told = sorted(scored.found.findings, key=lambda one: one.p)
    for one in told[:TOLD]:
        view = f", {one.view}" if one.view else ""
        where = "" if one.place is None else f" (at row {one.place[0]}, column {one.place[1]})"
        yield f"class {_shown(scored.read.names[one.label])}: {one.detector}{view}: {one.words}{where}; p = {one.p:.1g}"
    if len(told) > TOLD:
        yield f"and {len(told) - TOLD:,} more findings; --json has all"


def _said_named(scored: Scored) -> str:
    named, found = scored.named, scored.found
    if named is None:
        return "this detector ranks rows and names no class"
    if not named:
        return f"no class is named: no statistic is above {found.class_threshold:.4g}"
    said = ", ".join(_shown(scored.read.names[label]) for label in named[:TOLD])
    more = f" and {len(named) - TOLD} more" if len(named) > TOLD else ""
    return f"named: {said}{more} (statistic above {found.class_threshold:.4g})"


def _table(scored: Scored) -> Table:
    """The classes, the most suspicious first."""
    rows = sorted(_classes(scored), key=lambda row: (-(row["statistic"] or 0.0), -row["flagged"]))[:TOLD]
    heads = ["class", "rows", "flagged", "statistic", "judged"]
    table = Table()
    for head in heads:
        table.add_column(head, justify="left" if head == "class" else "right")
    for row in rows:
        statistic = "" if row["statistic"] is None else f"{row['statistic']:.4g}{' named' if row['named'] else ''}"
        judged = "yes" if row["judged"] else "no"
        table.add_row(escape(_shown(str(row["label"]))), f"{row['rows']:,}", f"{row['flagged']:,}", statistic, judged)
    return table


def _shown(name: str) -> str:
    """A name that anybody may have written, for a terminal: one line, no control letters, not long."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return plain if len(plain) <= WIDE else f"{plain[: WIDE - 1]}…"
