"""The lines below an opened row of the report's tables: a seed each, whose figures lead to its run, and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import core
from core import Job
from core.reproduction import HEADS, Entry, Outcome, TableRow
from pages.parts.around import current, words
from pages.parts.tables.report_words import STATES, Column, command, quoted, state_of


def seed(entry: Entry, outcome: Outcome | None, shown: Sequence[Column], jobs: Mapping[str, Job]) -> str:
    name = f"seed {entry.seed}"
    if outcome is None:
        return _unfinished(entry, name, len(shown), jobs.get(entry.key))
    here = at_hand(entry, outcome)
    head = link("compare", entry.key, name) if here else f"{name} <small>◌ not on this machine</small>"
    cells = []
    for figure in HEADS:
        value = _number(figure, outcome.figures.get(figure))
        if here and value != "—":
            screen = "scores" if figure == "poisons_left" else "compare"
            value = link(screen, entry.key, value, f"{name}, {HEADS[figure]} {value}", screen == "scores")
        cells.append(f"<td colspan='2' data-edge='1'>{value}</td>")
        beside = [one.kind for one in shown if one.figure == figure and one.kind not in ("report", "ours")]
        cells += [f"<td class='beside'>{_number(figure, outcome.figures.get(kind))}</td>" for kind in beside]
    return f"<tr class='seed' hidden><th scope='row'>{head}</th>{''.join(cells)}</tr>"


def at_hand(entry: Entry, outcome: Outcome) -> bool:
    """Whether a run can be opened: it is stored here, or it ships with the program."""
    return outcome.stored or entry.key in core.recorded.run_keys(core.recorded.TABLES)


def _number(figure: str, value: float | None) -> str:
    if value is None:
        return "—"
    return core.figures.FIGURES[figure].write(value).removesuffix("%")


def _unfinished(entry: Entry, name: str, across: int, job: Job | None) -> str:
    sign, word = STATES[state_of(entry, {} if job is None else {job.key: job})]
    says = f"{sign} {word}".strip()
    if job is not None and job.status == "running":
        says += f", {words.share(job.fraction, 0)}, {words.left(job)}"
    if job is not None and job.status == "failed" and job.error:
        says += f". {words.sentence(job.error)}"
    more = (
        ""
        if job is None or job.status == "done"
        else f" {link('attack', entry.key, 'Look at it', says=f'Look at {name}')}"
    )
    return (
        f"<tr class='seed' hidden><th scope='row'>{name}</th>"
        f"<td class='words' data-edge='1' colspan='{across}'>{escape(says)}{more}</td></tr>"
    )


def notes(row: TableRow, across: int) -> str:
    """What the columns have no room for, of each seed."""
    finished = [
        (entry, outcome) for entry, outcome in zip(row.entries, row.outcomes, strict=True) if outcome is not None
    ]
    lines = [_note(entry, outcome) for entry, outcome in finished]
    if away := [entry for entry, outcome in finished if not at_hand(entry, outcome)]:
        lines.append(
            f"{words.count(len(away), 'run')} of this row {'was' if len(away) == 1 else 'were'} recorded on another "
            "machine: the figures are here, the images and networks are not. To have them here: "
            f"<code>{escape(command(row.entries[0], True))}</code>"
        )
    if emptied := row.emptied():
        lines.append(f"<b>Nothing is left</b> of {escape(', '.join(emptied))}: the second network is trained without.")
    if retrained := _retrained(row):
        lines.append(retrained)
    if not lines:
        return ""
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<tr class='notes' hidden><td class='words' colspan='{across}'><ul>{items}</ul></td></tr>"


def _note(entry: Entry, outcome: Outcome) -> str:
    figures = outcome.figures
    parts = []
    if outcome.named is not None:
        names = [words.class_name(entry.config, number) for number in outcome.named]
        parts.append(f"names {', '.join(names)}" if names else "names no class")
    if "clean_removed" in figures:
        parts.append(f"{words.count(round(figures['clean_removed']), 'clean image')} removed")
    if figures.get("auroc") is not None:
        parts.append(f"AUROC {words.score(figures['auroc'])}")
    if "seconds" in figures:
        parts.append(f"{words.duration(figures['seconds'])} on {words.device(outcome.device)}")
    return f"<b>Seed {entry.seed}</b>: {escape(', '.join(parts))}."


def _retrained(row: TableRow) -> str:
    """What a network gives after the random and the perfect filter, where one was trained."""
    found = []
    for name in ("random", "perfect"):
        nat, asr = row.mean(f"{name}_nat2"), row.mean(f"{name}_asr2")
        if nat is not None and asr is not None:
            found.append(f"after the {name} filter Nat2 {words.share(nat)}, ASR2 {words.share(asr)}")
    return f"<b>Retrained, same budget</b>: {escape('; '.join(found))}." if found else ""


def address(key: str) -> dict[str, str]:
    return {current.PARAMETER: key[: current.SHORT]}


def link(screen: str, key: str, text: str, says: str = "", tab: bool = True) -> str:
    """A link to a run's screen. A seed's figures lead where its name does: by keyboard, one of them is enough."""
    query = "&amp;".join(f"{name}={value}" for name, value in address(key).items())
    label = f" aria-label='{quoted(says)}'" if says else ""
    stop = "" if tab else " tabindex='-1'"
    return f"<a href='{screen}?{query}' data-screen='{screen}' data-run='{key}'{label}{stop}>{escape(text)}</a>"
