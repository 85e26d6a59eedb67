"""`python -m core sweep`: grids of runs, planned, carried out, looked at."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from core import jobs, sweeps
from core.cli.terminal import AsJson, about, err, out, shown
from core.clusters import places
from core.configuration import Sweep, grid
from core.store import Store, as_csv, check_target, writing
from core.types import BadRequest, PoisonscopeError, Watcher

app = typer.Typer(no_args_is_help=True, help="Grids of runs: a YAML file with axes and seeds.")

SweepFile = Annotated[Path, typer.Argument(help="A sweep as YAML: name, base, axes, seeds.")]


def _sweep(file: Path) -> Sweep:
    try:
        return grid.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"cannot read {file}: {error}") from None


@app.command("plan")
def sweep_plan(file: SweepFile, as_json: AsJson = False) -> None:
    """Say what there is to do, and start nothing."""
    wanted = _sweep(file)
    _where(wanted.cluster)
    cost = sweeps.plan(wanted)
    print(json.dumps(asdict(cost))) if as_json else out.print(_to_do(cost))


@app.command("run")
def sweep_run(
    file: SweepFile,
    cluster: Annotated[
        str | None, typer.Option(help="A Ray cluster's address, or auto; else this machine's worker.")
    ] = None,
    share: Annotated[
        str | None, typer.Option(help="With a cluster: a URL that artefacts go through, s3://bucket/folder, say.")
    ] = None,
    cpus_per_run: Annotated[float | None, typer.Option(help="With a cluster: cores a run; 1 if left out.")] = None,
    gpus_per_run: Annotated[
        float | None, typer.Option(help="With a cluster: GPUs a run, or a fraction of one; 1 where there are any.")
    ] = None,
    here: Annotated[bool, typer.Option("--here", help="Compute in this process, not in the worker.")] = False,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu; needs --here.")] = "auto",
    to: Annotated[Path | None, typer.Option(help="A CSV file to write the figures into.")] = None,
    as_json: AsJson = False,
) -> None:
    """Carry a sweep out, or go on with it; the page shows the same sweep."""
    if device != "auto" and not here:
        raise BadRequest("--device needs --here: the worker chooses its device itself")
    wanted = _sweep(file)
    check_target(to)
    where = _where(wanted.cluster if cluster is None else cluster, share=share, cpus=cpus_per_run, gpus=gpus_per_run)
    if device != "auto" and where is not None:
        raise BadRequest(
            "--device is for this machine: on a cluster a run computes on the GPU that it got, or on the CPU"
        )
    wanted = wanted.model_copy(update={"cluster": where})
    if not as_json:
        err.print(_to_do(sweeps.plan(wanted)))
    try:
        with shown("waiting for the worker") as watch:
            failed = _carried_out(wanted, here, device, watch)
    except KeyboardInterrupt:
        err.print("stopped; what is finished stays, and the same command goes on from there")
        raise typer.Exit(130) from None
    _tell(wanted, to, as_json)
    if failed:
        raise PoisonscopeError(failed)


def _where(cluster: str | None, **options: Any) -> str | None:
    """A cluster's address with the options that were given."""
    chosen = {name: value for name, value in options.items() if value is not None}
    if cluster is None:
        if chosen:
            raise BadRequest("--share, --cpus-per-run and --gpus-per-run need --cluster")
        return None
    return str(places.checked(replace(places.place(cluster), **chosen)))


def _carried_out(wanted: Sweep, here: bool, device: str, watch: Watcher) -> str | None:
    """Have the worker do it, or this process; what went wrong, if anything did."""
    if here:
        from core.sweeps import CellsFailed, carry_out

        try:
            carry_out(wanted, Store(), watch, device)
        except CellsFailed as error:
            return str(error)
        return None
    job = sweeps.submit(wanted)
    try:
        job = jobs.wait(job.id, watch)
    except KeyboardInterrupt:
        jobs.cancel(job.id)
        raise
    return None if job.status == "done" else job.error or f"the sweep is {job.status}"


@app.command("table")
def sweep_table(
    file: SweepFile,
    to: Annotated[Path | None, typer.Option(help="A CSV file to write the figures into.")] = None,
    as_json: AsJson = False,
) -> None:
    """The figures so far."""
    check_target(to)
    _tell(_sweep(file), to, as_json)


@app.command("record")
def sweep_record(file: SweepFile) -> None:
    """Write the figures of the finished runs beside the file, as those in assets/sweeps/ are."""
    _sweep(file)
    out.print(str(sweeps.record(file)), markup=False, highlight=False, soft_wrap=True)


def _to_do(cost: sweeps.Plan) -> str:
    if cost.stored == cost.cells:
        return f"all {cost.cells} runs are finished"
    runs = f"{cost.cells - cost.stored} of {cost.cells} runs to do"
    return f"{runs}, at most {cost.trainings} trainings, {about(cost.seconds, cost.measured)}"


def _tell(wanted: Sweep, to: Path | None, as_json: bool) -> None:
    """The figures so far, in the terminal and, where that is wanted, in a file."""
    found = sweeps.table(wanted)
    print(found.to_json(orient="records")) if as_json else _tell_sweep(found, wanted)
    if to is not None:
        with writing(to):
            to.write_bytes(as_csv(found))


def _tell_sweep(found: Any, wanted: Sweep) -> None:
    """The figures that a terminal has room for, as means over the seeds."""
    shown = Table(title=escape(f"{wanted.name}: means over the seeds"))
    figures = [name for name in ("nat1", "asr1", "auroc", "tpr_at_1", "poisons_left", "nat2", "asr2") if name in found]
    for column in [*wanted.axes, "done", *figures]:
        shown.add_column(escape(column), justify="left" if column in wanted.axes else "right")
    groups = found.groupby(list(wanted.axes), sort=False, dropna=False) if wanted.axes else [((), found)]
    for place, rows in groups:
        place = place if isinstance(place, tuple) else (place,)
        means = (rows[name].astype(float).mean() for name in figures)
        done = f"{(rows['status'] == 'done').sum()} of {len(rows)}"
        shown.add_row(
            *(escape(str(value)) for value in place), done, *("" if mean != mean else f"{mean:.4g}" for mean in means)
        )
    out.print(shown)
