"""`python -m core reproduce`, `record`, `docs`: the report's tables made again, what ships, and the pages on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from core.cli.options import settings
from core.cli.terminal import AsJson, about, err, out, shown
from core.configuration import RECIPES
from core.evaluation.figures import share
from core.reproduction import outcomes, tables
from core.reproduction import reproduce as reproducing
from core.types import BadRequest


def record(
    to: Annotated[Path | None, typer.Option(help="The folder; by default that of this program.")] = None,
    of_tables: Annotated[
        bool, typer.Option("--tables", help="The runs behind the report's tables, seed 0, instead.")
    ] = False,
) -> None:
    """Make the recorded run of assets/ anew: what every screen shows before anyone has trained anything."""
    from core.reproduction import record as recording
    from core.results import recorded

    with shown("looking into the store") as watch:
        if of_tables:
            entries = reproducing.plan(seeds=1, detectors=reproducing.DETECTORS[:1])
            reproducing.reproduce(entries, watch=watch)
            runs = [(entry.name, entry.config) for entry in entries]
            place = recording.pack(runs, to or recorded.TABLES, apart=True)
        else:
            place = recording.record(to or recorded.FOLDER, watch)
    size = sum(path.stat().st_size for path in place.parent.iterdir())
    out.print(f"{place.parent}: {size / 1e6:.1f} MB", markup=False, highlight=False, soft_wrap=True)


def docs(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; end with status 1 if a page would.")] = False,
) -> None:
    """Write the tables of README.md and docs/ anew from the figures of assets/; the prose stays."""
    from core.reproduction import documents

    changed = documents.write(check=check)
    for path in changed:
        out.print(str(path.relative_to(documents.ROOT)), markup=False, highlight=False, soft_wrap=True)
    if check and changed:
        raise typer.Exit(1)


def reproduce(
    recipe: Annotated[str, typer.Option(help=f"One of {', '.join(RECIPES)}.")] = "quick",
    seeds: Annotated[int, typer.Option(help="So many seeds, from 0 on.")] = 3,
    trigger: Annotated[list[str] | None, typer.Option(help="Only this trigger of the report; may be repeated.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="Only this target class; may be repeated.")] = None,
    ratio: Annotated[list[float] | None, typer.Option(help="Only this ratio; may be repeated.")] = None,
    reading: Annotated[
        list[str] | None, typer.Option(help="What the ratio is a share of: target_class (default), training_set.")
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(help="A detector, also one 'at the gap'; whitened-spectral and spectral by default."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Both readings and all four defences.")] = False,
    training_set: Annotated[
        list[str] | None, typer.Option("--training", "--train", help="A number of the recipe, as name=value.")
    ] = None,
    references: Annotated[
        bool, typer.Option("--references", help="Also train on what a random and the perfect filter leave.")
    ] = False,
    benign: Annotated[bool, typer.Option(help="Also train the benign reference, one a seed.")] = True,
    here: Annotated[bool, typer.Option("--here", help="Compute in this process, not in the worker.")] = False,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu; needs --here.")] = "auto",
    to: Annotated[Path | None, typer.Option(help="A folder to write <recipe>.json and <recipe>.md into.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what there is to do, and start nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """The report's tables, every row over several seeds; the same command again goes on where this one ended."""
    if device != "auto" and not here:
        raise BadRequest("--device needs --here: the worker chooses its device itself")
    if everything and (reading or detector):
        raise BadRequest("--all is every reading and detector; leave out --reading and --detector")
    entries = reproducing.plan(
        recipe, seeds,
        reading or outcomes.READINGS[: 2 if everything else 1],
        detector or reproducing.DETECTORS[: None if everything else 2],
        triggers=trigger, targets=target, ratios=ratio, training=settings(training_set),
    )  # fmt: skip
    cost = reproducing.cost(entries, references=references, benign=benign)
    if dry_run:
        print(json.dumps(asdict(cost))) if as_json else out.print(_planned(cost, len(entries)))
        return
    if not as_json:
        err.print(_planned(cost, len(entries)))

    def each(entry: outcomes.Entry, found: outcomes.Outcome | None) -> None:
        if found is not None and not as_json:
            err.print(f"{entry.name}: {_figures(found.figures)}", highlight=False, soft_wrap=True)

    def failed(entry: outcomes.Entry, error: str) -> None:
        err.print(f"{entry.name} failed: {error}", style="red", markup=False, highlight=False, soft_wrap=True)

    failures: dict[str, str] = {}
    try:
        with shown("waiting for the worker") as watch:
            reproducing.reproduce(
                entries, here=here, device=device, references=references, benign=benign, watch=watch, each=each,
                failed=failed,
            )  # fmt: skip
    except reproducing.RunsFailed as some:
        failures = some.failures
    except KeyboardInterrupt:
        err.print("stopped; what is finished stays, and the same command goes on from there")
        raise typer.Exit(130) from None
    rows = outcomes.table(entries, recorded=False)
    if to is not None:
        _write_tables(to, recipe, rows, failures)
    if as_json:
        print(json.dumps(outcomes.document(rows, failures)))
    else:
        _tell_tables(rows, failures)
    if failures:
        raise typer.Exit(1)


def _planned(cost: reproducing.Cost, entries: int) -> str:
    if not cost.runs and not cost.trainings:
        return f"all {entries} runs are finished"
    return f"{cost.runs} of {entries} runs to do, {cost.trainings} trainings, {about(cost.seconds, cost.measured)}"


def _figures(found: Mapping[str, float]) -> str:
    left = f"{found['poisons_left']:.0f} of {found['poisons']:.0f} poisons left"
    before, after = (f"Nat{n} {share(found[f'nat{n}'])}, ASR{n} {share(found[f'asr{n}'])}" for n in (1, 2))
    return f"{before}; {left}; {after}; {found['seconds']:.0f} s"


def _write_tables(to: Path, recipe: str, rows: list[outcomes.TableRow], failures: Mapping[str, str]) -> None:
    try:
        to.mkdir(parents=True, exist_ok=True)
        content = json.dumps(outcomes.document(rows, failures), indent=1) + "\n"
        (to / f"{recipe}.json").write_text(content, encoding="utf-8")
        (to / f"{recipe}.md").write_text(tables.markdown(rows, failures), encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"cannot write into {to}: {error.strerror}") from None


def _tell_tables(rows: list[outcomes.TableRow], failures: Mapping[str, str]) -> None:
    """The tables for a terminal: as in Markdown, in the columns that one has room for."""
    for title, group in tables.groups(rows):
        shown = Table(title=f"{title}: the report's number, and ours")
        for column in tables.COLUMNS:
            shown.add_column(column, justify="left" if column in ("target", "detector") else "right")
        for row in group:
            shown.add_row(*tables.cells(row))
        out.print(shown)
        for row in group:
            for note in tables.remarks(row, failures):
                out.print(note, markup=False, highlight=False)
        for figure, of, said in tables.reasons(group):
            out.print(f"{figure}, {', '.join(of)}: {said}", markup=False, highlight=False)
