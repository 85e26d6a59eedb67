"""The report's tables with ours beside them, as Markdown and as cells for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.configuration import stages
from core.reproduction.outcomes import HEADS, TableRow
from core.results import reference

COLUMNS = (
    *("target", "ratio", "detector", "Nat1", "ASR1", "#Pois left", "random left", "perfect left", "clean removed"),
    *("Nat2", "ASR2", "benign", "seconds"),
)
FOOT = (
    "In a cell with two lines the upper one is the report's number, the lower one ours: mean ± standard deviation "
    "over the seeds. The defender assumes the true number of poisoned images and removes 1.5 times as many of every "
    "class, or of the classes that the detector names; a cut *at the gap* assumes nothing. *random* and *perfect "
    "left*: poisoned images that filters of the same budget leave, one that draws lots and one that knows. *benign*: "
    "how often networks of the same seeds that never met poison give the target class for the same triggered images. "
    "*seconds*: as computed; a detector that comes second on the same poisoned network does not train it again."
)


def markdown(rows: Sequence[TableRow], failures: Mapping[str, str] | None = None) -> str:
    """One table for each trigger and reading, why ours differs, and how to read it, as Markdown."""
    parts = []
    for title, group in groups(rows):
        lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        lines += [f"| {' | '.join(cell.replace(NEXT, '<br>') for cell in cells(row))} |" for row in group]
        notes = [f"- {note}" for row in group for note in remarks(row, failures or {})]
        why = [f"- **{figure}**, {', '.join(of)}: {said}" for figure, of, said in reasons(group)]
        parts.append(f"### {title}\n\n" + "\n".join(lines))
        parts += ["\n".join(notes)] if notes else []
        parts += ["Where ours differs from the report's by more than the spread:\n\n" + "\n".join(why)] if why else []
    return "\n\n".join([*parts, FOOT]) + "\n"


NEXT = "\n"  # between the report's number and ours


def groups(rows: Sequence[TableRow]) -> list[tuple[str, list[TableRow]]]:
    """The rows of each trigger and reading, with a heading that says how many images that is."""
    found: dict[tuple[str, str], list[TableRow]] = {}
    for row in rows:
        found.setdefault((row.reading, row.row.trigger), []).append(row)
    of = {"target_class": "the target class", "training_set": "the whole training set"}
    return [(f"{trigger}, ratio of {of[reading]}", group) for (reading, trigger), group in found.items()]


def cells(row: TableRow) -> tuple[str, ...]:
    """A row's texts under COLUMNS; NEXT stands between the report's number and ours."""
    poisons = row.mean("poisons")
    left = _beside(f"{row.row.poisons_left}", _counted(row, "poisons_left", 1))
    return (
        row.row.target,
        f"{row.row.ratio:.0%}",
        row.detector,
        _beside(f"{row.row.nat1:.2%}", _percent(row, "nat1")),
        _beside(f"{row.row.asr1:.2%}", _percent(row, "asr1")),
        left if poisons is None else f"{left} of {poisons:,.0f}",
        _counted(row, "random_left", 0),
        _counted(row, "perfect_left", 0),
        _counted(row, "clean_removed", 0),
        _beside(f"{row.row.nat2:.2%}", _percent(row, "nat2")),
        _beside(f"{row.row.asr2:.2%}", _percent(row, "asr2")),
        _percent(row, "benign_asr"),
        _counted(row, "seconds", 1),
    )


def _beside(theirs: str, ours: str) -> str:
    return f"{theirs}{NEXT}{ours or 'not run'}"


def _percent(row: TableRow, figure: str) -> str:
    mean, spread = row.mean(figure), row.spread(figure)
    if mean is None or spread is None:
        return ""
    return f"{100 * mean:.1f} ± {100 * spread:.1f}%"


def _counted(row: TableRow, figure: str, digits: int) -> str:
    mean, spread = row.mean(figure), row.spread(figure)
    return "" if mean is None or spread is None else f"{mean:,.{digits}f} ± {spread:,.{digits}f}"


def remarks(row: TableRow, failures: Mapping[str, str]) -> list[str]:
    """What a reader of the row must know: runs that are missing or failed, classes of which nothing was left."""
    name = f"{row.row.target} {row.row.ratio:.0%}, {row.detector}"
    found = []
    if 0 < len(row.finished) < len(row.entries):
        found.append(f"{name}: {len(row.finished)} of {len(row.entries)} seeds are finished.")
    failed = [(entry.seed, failures[entry.key]) for entry in row.entries if entry.key in failures]
    found += [f"{name}, seed {seed}, failed: {error}" for seed, error in failed]
    if emptied := row.emptied():
        many = f"{len(emptied)} classes" if len(emptied) > 1 else f"the class {emptied[0]}"
        found.append(f"{name}: the filter leaves nothing of {many}; the second network is trained on the rest alone.")
    for which in stages.FILTERS:
        nat, asr = row.mean(f"{which}_nat2"), row.mean(f"{which}_asr2")
        if nat is not None and asr is not None:
            found.append(f"{name}: after the {which} filter Nat2 is {nat:.1%} and ASR2 {asr:.1%}.")
    return found


def reasons(group: Sequence[TableRow]) -> list[tuple[str, list[str], str]]:
    """Figure, the rows it is about, and why they differ from the report's; rows with the same reason together."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in group:
        for figure, said in row.differs().items():
            found.setdefault((figure, said), []).append(f"{row.row.target} {row.row.ratio:.0%} {row.detector}")
    order = sorted(found.items(), key=lambda one: reference.FIGURES.index(one[0][0]))
    return [(HEADS[figure], of, said) for (figure, said), of in order]
