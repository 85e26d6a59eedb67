"""The command line: `python -m core --help`. Every command is a door into the same store and ledger."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from core import jobs
from core.cli import audit, options, proving, reproduce, score, sweep
from core.cli.terminal import AsJson, bar, err, out, shown
from core.configuration import (
    DATASETS,
    DETECTORS,
    RECIPES,
    REPRESENTATIONS,
    TRIGGERS,
    RunConfig,
    configure,
    reading,
    stages,
)
from core.evaluation.figures import FIGURES
from core.store import Store, in_words, writing
from core.types import NOTES, BadRequest, DataUnavailable, PoisonscopeError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Poison a training set, find the poison by its spectral signature, remove it, compare.",
)
app.add_typer(sweep.app, name="sweep")
app.command()(score.score)
app.command()(audit.audit)
app.command()(reproduce.record)
app.command()(reproduce.docs)
app.command()(reproduce.reproduce)

MOST_LISTED = 10_000
Here = Annotated[bool, typer.Option("--here", help="Compute in this process, not in the worker.")]
Device = Annotated[str, typer.Option(help="auto, cuda, mps or cpu; needs --here.")]
RunName = Annotated[str, typer.Argument(help="A run: its number, its name, or the beginning of its key.")]


def main() -> None:
    """Run the command line; an error that the user can act on is one line, without a traceback."""
    try:
        app()
    except PoisonscopeError as error:
        err.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


@app.command()
def data(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(DATASETS)}.")] = "cifar10",
    folder: Annotated[Path | None, typer.Option(help="A folder that holds the data already.")] = None,
) -> None:
    """Fetch and verify a data set, once per user."""
    from core import datasets

    with bar() as drawn:
        task = drawn.add_task(name, total=1.0)
        datasets.prepare(name, folder, lambda message, share: drawn.update(task, description=message, completed=share))
    out.print(f"{name} is ready")


@app.command()
def run(
    dataset: str = "cifar10",
    trigger: Annotated[str, typer.Option(help=f"One of {', '.join(TRIGGERS)}.")] = "pixel",
    trigger_set: Annotated[
        list[str] | None, typer.Option(help="A trigger's setting, as name=value, or name=@file.")
    ] = None,
    target: Annotated[str, typer.Option(help="Target class, by name or number.")] = "bird",
    source: Annotated[str | None, typer.Option(help="Source class; any class but the target if left out.")] = None,
    ratio: Annotated[float, typer.Option(help="Poisoning ratio, 0 to 1; 0 is the clean control.")] = 0.1,
    ratio_of: Annotated[str, typer.Option(help="target_class or training_set.")] = "target_class",
    placement: Annotated[str, typer.Option(help="add (stamped copies) or replace (the originals).")] = "add",
    labels: Annotated[str, typer.Option(help="all_to_one, clean_label or all_to_all.")] = "all_to_one",
    cover_ratio: Annotated[float, typer.Option(help="Covers, stamped but truly labelled, a poisoned image.")] = 0.0,
    also: Annotated[list[str] | None, typer.Option(help="A further trigger, as name or name,setting=value,...")] = None,
    recipe: Annotated[str, typer.Option(help=f"One of {', '.join(RECIPES)}.")] = "quick",
    training_set: Annotated[
        list[str] | None, typer.Option("--training", help="A number of the recipe, as name=value.")
    ] = None,
    detector: Annotated[str, typer.Option(help=f"One of {', '.join(DETECTORS)}.")] = "panel",
    detector_set: Annotated[list[str] | None, typer.Option(help="A detector's setting, as name=value.")] = None,
    representation: Annotated[
        str, typer.Option(help=f"A layer, what answers rest on, or a view of the images: {', '.join(REPRESENTATIONS)}.")
    ] = "penultimate",
    assumed_ratio: Annotated[float, typer.Option(help="What the defender assumes, as a share of a class.")] = 0.1,
    multiplier: Annotated[float, typer.Option(help="Times epsilon images are removed per class.")] = 1.5,
    scope: Annotated[str | None, typer.Option(help="every_class or suspicious_class.")] = None,
    cut: Annotated[
        str | None, typer.Option(help="budget (multiplier times epsilon) or gap (the detector's own).")
    ] = None,
    seed: int = 0,
    benign: Annotated[bool, typer.Option("--benign", help="Train the benign reference, too.")] = False,
    here: Here = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Attack, train, detect, clean, retrain and compare; the same request again answers from the store."""
    config = configure(
        dataset=dataset, trigger=trigger, trigger_parameters=options.settings(trigger_set), target=target,
        source=source, ratio=ratio, ratio_of=ratio_of, placement=placement, labels=labels, cover_ratio=cover_ratio,
        also=[options.trigger(one) for one in also or []], recipe=recipe, training=options.settings(training_set),
        detector=detector, detector_parameters=options.settings(detector_set), representation=representation,
        assumed_ratio=assumed_ratio, multiplier=multiplier, scope=scope, cut=cut, seed=seed,
    )  # fmt: skip
    _run(config, ("run", "benign") if benign else ("run",), here, device, as_json)


@app.command()
def retrain(
    name: RunName,
    keep: Annotated[Path, typer.Argument(help="A keep-list: the ids that stay, one a line, as export writes it.")],
    here: Here = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a run's network anew on what a keep-list leaves, and compare; the same list again is the same run."""
    from core.results import Result, keeping, retraining

    config = find(name).config
    with in_words(keep):
        text = keep.read_text(encoding="utf-8")
    wanted = retraining(config, keeping.parsed(text, len(Result(config).poisoned)))
    _run(wanted, ("run",), here, device, as_json)


def _run(config: RunConfig, kinds: tuple[str, ...], here: bool, device: str, as_json: bool) -> None:
    """Carry a run out, or find it stored, and say what came of it."""
    if device != "auto" and not here:
        raise BadRequest("--device needs --here: the worker chooses its device itself")
    began = time.perf_counter()
    cached = Store().read("run", stages.run_key(config)) is not None  # what is damaged is set aside, and computed anew
    for kind in kinds:
        _carry_out(kind, config, here, device)
    answer = _answer(config, cached, time.perf_counter() - began)
    if as_json:
        print(json.dumps(answer))
    else:
        _tell(answer)


def _carry_out(kind: str, config: RunConfig, here: bool, device: str) -> None:
    """Have the worker do it, or this process; show how far it is; raise if it does not end well."""
    with shown("waiting for the worker") as watch:
        if here:
            from core import doors

            (doors.run if kind == "run" else doors.run_benign)(config, device=device, watch=watch)
        else:
            job = jobs.wait(jobs.submit(config, kind).id, watch)
            if job.status != "done":
                raise PoisonscopeError(f"the run is {job.status}: {job.error or 'start it again to resume'}")


def _answer(config: RunConfig, cached: bool, seconds: float) -> dict[str, Any]:
    """The summary as one flat object. seconds: this request; computed_seconds: when it was computed."""
    artefact = Store().read("run", stages.run_key(config))
    if artefact is None:
        raise PoisonscopeError("the run's summary was damaged and has been set aside; run it again")
    summary = dict(artefact.document)
    return {
        "cached": cached,
        **summary,
        "computed_seconds": summary["seconds"],
        "seconds": seconds,
        **_benign_rates(config),
    }


def _benign_rates(config: RunConfig) -> dict[str, float | None]:
    if not Store().has("predictions", stages.benign_key(config)):
        return {"benign_nat": None, "benign_asr": None}
    from core.results import Result  # loads the data set; a run without a reference answers sooner

    try:
        quality = Result(config).quality("benign")
    except DataUnavailable:  # the summary is there all the same
        quality = None
    nat, asr = (None, None) if quality is None else (quality.nat, quality.asr)
    return {"benign_nat": nat, "benign_asr": asr}


def _tell(answer: dict[str, Any]) -> None:
    """The comparison in a few lines."""
    table = Table(title="from the store" if answer["cached"] else f"computed in {answer['seconds']:.0f} s")
    for column in ("", "before", "after"):
        table.add_column(column, justify="left" if not column else "right")
    for name in ("nat", "asr"):
        one = FIGURES[name]
        table.add_row(one.label, one.write(answer[f"{name}1"]), one.write(answer[f"{name}2"]))
    table.add_row("Poisoned images in the training set", f"{answer['poisons']:,}", f"{answer['poisons_left']:,}")
    out.print(table)
    rest = ", ".join(f"{FIGURES[name].name} {FIGURES[name].write(answer[name])}" for name in ("clean_removed", "auroc"))
    out.print(f"{rest}; run {answer['run'][:12]}")
    for note in answer.get(NOTES, ()) if answer["cached"] else ():  # else it was told on the way
        out.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=0, max=MOST_LISTED, help="At most so many.")] = 30, as_json: AsJson = False
) -> None:
    """The runs of the ledger, newest first."""
    found = jobs.listing(limit)
    if as_json:
        print(json.dumps([_row(job) for job in found]))
        return
    table = Table()
    for column in ("run", "status", "what", "key"):
        table.add_column(column)
    for job in found:
        table.add_row(str(job.id), f"{job.status} {job.fraction:.0%}", escape(job.name or describe(job)), job.key[:12])
    out.print(table)


def _row(job: jobs.Job) -> dict[str, Any]:
    fields = ("id", "kind", "key", "status", "fraction", "message", "error", "created", "finished", "name")
    return {**{name: getattr(job, name) for name in fields}, "config": job.config.model_dump(mode="json")}


def describe(job: jobs.Job) -> str:
    """A run in a few words."""
    attack, training = job.config.attack, job.config.training
    words = f"{job.config.dataset.name} {training.recipe} seed {job.config.seed}"
    if job.kind == "benign":
        return f"benign reference, {words}"
    if job.kind != "run":
        words = f"{job.kind} filter's reference, {words}"
    return f"{attack.title} to {job.config.target_name} {attack.ratio:.3g}, {job.config.removed_by}, {words}"


def find(name: str) -> jobs.Job:
    """A run by number, name, or the beginning of its key."""
    known = jobs.listing(MOST_LISTED)
    found = [job for job in known if name in (str(job.id), job.name)] or [
        job
        for job in known
        if name and job.key.startswith(name)  # a number is no key's beginning where a run has that number
    ]
    if len(found) != 1:
        raise BadRequest(f"{reading.shown(name)} names {len(found)} runs; `python -m core list` shows which there are")
    return found[0]


@app.command()
def show(name: RunName, as_json: AsJson = False) -> None:
    """The figures of a run, or how far it is."""
    job = find(name)
    if job.status == "done" and job.kind == "run":
        answer = _answer(job.config, True, 0.0)
        print(json.dumps(answer)) if as_json else _tell(answer)
    elif as_json:
        print(json.dumps(_row(job)))
    else:
        out.print(f"{describe(job)}: {job.status}, {job.fraction:.0%} {job.message}", markup=False)
        if job.error:
            out.print(jobs.log_tail(job.id), markup=False)


@app.command()
def export(
    name: RunName,
    to: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("export"),
    truth: Annotated[bool, typer.Option(help="Also say what really was poisoned.")] = True,
    reviewer: Annotated[
        str | None, typer.Option(help="Whose verdicts the keep-list follows; else the cut alone.")
    ] = None,
) -> None:
    """Scores and flagged ids as CSV and Parquet, the keep-list, and the report as HTML."""
    from core.results import Result, report
    from core.results import export as exporting

    result = Result(find(name).config)
    with writing(to):
        written = exporting.files(result, to, truth=truth, reviewer=reviewer)
        page = report.html(result, truth=truth, verdicts=report.verdicts_of(result))
        (to / "report.html").write_text(page, encoding="utf-8")
    for path in (*written, to / "report.html"):
        out.print(str(path), markup=False, highlight=False, soft_wrap=True)


@app.command()
def prove(name: RunName, label: proving.LabelName = None, others: proving.Others = 19, as_json: AsJson = False) -> None:
    """Rebuild the trigger of a run's flagged images, and ask its network what it does; nothing is trained."""
    proving.prove(find(name).config, label, others, as_json)


@app.command()
def delete(name: RunName) -> None:
    """Take a run out of the ledger, and its summary out of the store."""
    job = find(name)
    jobs.delete(job.id)
    if job.kind == "run":
        Store().delete("run", job.key)
    out.print(f"deleted run {job.id}")


@app.command()
def doctor() -> None:
    """What device, what data, what is damaged. Ends with status 1 if something is."""
    from core.cli.doctor import findings

    healthy = True
    for finding in findings():
        mark = "ok     " if finding.good else "PROBLEM"
        out.print(f"{mark}  {finding.what}: {finding.found}", markup=False, highlight=False, soft_wrap=True)
        healthy &= finding.good
    if not healthy:
        raise typer.Exit(1)


@app.command(hidden=True)
def worker(idle_seconds: float = 180.0) -> None:
    """Carry out what is queued (started by the other commands and the pages)."""
    from core.worker import work

    work(idle_seconds)
