"""Sweeps carried out: nothing runs twice, one failure ends nothing, whoever waits goes first, and the table tells."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve
from typer.testing import CliRunner

from core import detectors, jobs, worker
from core.cli import commands, terminal
from core.configuration import grid, stages
from core.configuration.grid import Sweep, cells, parse
from core.evaluation import metrics
from core.results.result import Result
from core.store.shared import Share, SharedStore
from core.store.stores import Store
from core.sweeps import cell, planning
from core.sweeps.execution import CellsFailed, carry_out
from core.types import BadRequest, Cancelled, Event

DEADLINE = 60.0
pytestmark = pytest.mark.usefixtures("lean")
TRAINING = "training: {per_class: 20, epochs: 1, batch_size: 20}"
FILE = f"""
base: {{dataset: digits, trigger: pattern, target: three, {TRAINING}}}
axes: {{ratio: [0.1, 0.5]}}
"""


def few(**change: Any) -> Sweep:
    return parse(FILE).model_copy(update=change)


def statuses(sweep: Sweep) -> list[str]:
    return list(planning.table(sweep)["status"])


# --- carrying it out -------------------------------------------------------------------------------------


def test_every_cell_once_and_then_never_again(trainings: Counter[str]) -> None:
    told: list[float] = []
    carry_out(few(), Store(), lambda event: told.append(event.data.get("overall", 0.0)))
    assert trainings["done"] == 2 * few().count
    assert told[-1] == 1.0
    assert told == sorted(told)
    carry_out(few(), Store())
    assert trainings["begun"] == 2 * few().count
    assert Store().has("sweep", grid.key(few()))


def test_the_figures_are_the_run_s() -> None:
    sweep = few()
    carry_out(sweep, Store())
    for (_, row), one in zip(planning.table(sweep).iterrows(), cells(sweep), strict=True):
        result = Result(one.config)
        summary, found = result.summary, result.detection()
        assert summary is not None
        assert found is not None
        same = ("nat1", "asr1", "auroc", "average_precision", "poisons_left", "clean_removed", "nat2", "asr2", "fpr")
        assert {name: row[name] for name in same} == {name: summary[name] for name in same}
        assert row["run"] == stages.run_key(one.config)
        members = result.poisoned.labels == one.config.attack.target
        truth = result.poisoned.truth.poisoned[members]
        fpr, tpr, _ = roc_curve(truth, found.scores[members], drop_intermediate=False)
        assert row["tpr_at_1"] == tpr[fpr <= 0.01].max()
        assert result.features is not None
        centred = result.features[members] - result.features[members].mean(0)
        values = np.linalg.svd(centred, compute_uv=False)
        assert row["gap"] == pytest.approx(values[0] / values[1], rel=1e-4)


def test_without_retraining_a_cell_ends_with_its_scores(trainings: Counter[str]) -> None:
    sweep = few(retrain=False)
    carry_out(sweep, Store())
    assert trainings["done"] == sweep.count
    found = planning.table(sweep)
    assert found["auroc"].notna().all()
    assert found["asr2"].isna().all()
    assert statuses(few()) == ["waiting"] * 2  # with the retraining it is another sweep
    carry_out(few(), Store())
    assert trainings["done"] == 2 * sweep.count  # which takes the poisoned networks over


def test_a_clean_control_has_no_ranking() -> None:
    sweep = parse(f"{{base: {{dataset: digits, target: 3, ratio: 0, {TRAINING}}}, retrain: false}}")
    carry_out(sweep, Store())
    (row,) = planning.table(sweep).to_dict("records")
    assert (row["status"], row["poisons"], row["auroc"], row["tpr_at_1"]) == ("done", 0, None, None)
    assert row["clean_removed"] > 0  # Algorithm 1 always removes


def test_the_references_stand_beside_it(trainings: Counter[str]) -> None:
    sweep = parse(FILE.replace("[0.1, 0.5]", "[0.1]")).model_copy(update={"references": True})
    assert planning.plan(sweep).trainings == 4
    carry_out(sweep, Store())
    (row,) = planning.table(sweep).to_dict("records")
    assert trainings["done"] == 4
    for which in ("random", "perfect"):
        stored = Store().read("reference", stages.reference_key(cells(sweep)[0].config, which))
        assert stored is not None
        assert (row[f"{which}_nat2"], row[f"{which}_asr2"]) == (stored.document["nat"], stored.document["asr"])


def test_a_network_never_poisoned_stands_beside_it_and_is_trained_once_a_seed(trainings: Counter[str]) -> None:
    sweep = few(retrain=False, benign=True)
    planned = planning.plan(sweep).trainings
    carry_out(sweep, Store())
    assert trainings["done"] == planned == sweep.count + len(sweep.seeds)
    for (_, row), one in zip(planning.table(sweep).iterrows(), cells(sweep), strict=True):
        assert row["benign_asr"] == Result(one.config).quality("benign").asr
    assert statuses(few(retrain=False)) == ["waiting"] * sweep.count


def test_a_cell_that_fails_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = cell.measure
    broken = cells(few())[0]

    def measure(config: Any, *arguments: Any) -> Any:
        if config == broken.config:
            raise MemoryError("no room")
        return real(config, *arguments)

    monkeypatch.setattr("core.sweeps.execution.measure", measure)
    told: list[Event] = []
    with pytest.raises(CellsFailed, match="1 of 2 runs failed, the first with: MemoryError: no room"):
        carry_out(few(), Store(), told.append)
    assert [event.data["failed"] for event in told if "failed" in event.data] == [broken.name]
    assert statuses(few()) == ["waiting", "done"]
    assert not Store().has("sweep", grid.key(few()))


def test_stopped_in_a_training_only_that_one_is_begun_again(trainings: Counter[str]) -> None:
    def watch(event: Event) -> None:
        if event.message.startswith("2 of 2") and event.stage == "retrain":
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        carry_out(few(), Store(), watch)
    assert statuses(few()) == ["done", "waiting"]
    assert trainings["done"] == 3
    carry_out(few(), Store())
    assert trainings["done"] == 2 * few().count


def test_a_network_that_was_stored_without_losses_is_trained_once_more_for_them(trainings: Counter[str]) -> None:
    (one,) = cells(few(axes={"detector": ["loss-isolation"]}, retrain=False))
    model = stages.model_key(one.config)
    carry_out(few(axes={}, retrain=False), Store())
    without = Store().read("model", model)
    assert without is not None
    document, network = without.document, without.weights()
    Store().delete("model", model)
    Store().write("model", model, document=document, weights=network)  # as an earlier version did, and a recording
    sweep = few(axes={"detector": ["loss-isolation"]}, retrain=False)
    assert planning.plan(sweep).trainings == 1
    carry_out(sweep, Store())
    assert statuses(sweep) == ["done"]
    assert trainings["done"] == 2


def test_what_a_cell_leaves_is_looked_at_whoever_made_the_run(tmp_path: Path) -> None:
    whole = parse(FILE.replace("[0.1, 0.5]", "[0.5]"))
    (one,) = cells(whole)
    shares = Share((tmp_path / "share").as_uri())
    first, successor = (SharedStore(shares, tmp_path / name, own=("cell",)) for name in ("first", "successor"))
    cell.measure(one.config, whole, first)
    cell.measure(one.config, whole, successor)
    assert successor.touched == first.touched
    assert sorted(stage for stage, _ in successor.touched).count("model") == 2


# --- planning --------------------------------------------------------------------------------------------


def test_the_plan_counts_what_is_not_stored() -> None:
    wanted = planning.plan(few())
    assert (wanted.cells, wanted.stored, wanted.trainings, wanted.measured) == (2, 0, 4, False)
    carry_out(few(retrain=False), Store())
    assert planning.plan(few()).trainings == 2  # the poisoned networks are there
    carry_out(few(), Store())
    assert planning.plan(few()) == planning.Plan(2, 2, 0, 0.0, True)


def test_the_plan_knows_what_a_stored_run_leaves_to_do(trainings: Counter[str]) -> None:
    carry_out(few(), Store())
    for one in cells(few()):
        Store().delete("cell", grid.cell_key(one.config, few()))
    assert planning.plan(few()) == planning.Plan(2, 0, 0, 0.0, True)
    wanted = planning.plan(few(references=True))
    assert (wanted.cells, wanted.stored, wanted.trainings) == (2, 0, 4)
    assert wanted.seconds > 0
    before = trainings["done"]
    carry_out(few(references=True), Store())
    assert trainings["done"] - before <= wanted.trainings


def test_what_needs_no_training_takes_its_time_nevertheless() -> None:
    carry_out(few(retrain=False), Store())
    asking = few(axes={"detector": ["strip"], "ratio": [0.1, 0.5]}, retrain=False)
    wanted = planning.plan(asking)
    assert wanted.trainings == 0
    assert wanted.seconds > 0
    assert planning.plan(few(seeds=(5,), axes={"ratio": [1, 1.0]})).trainings == 2, "one run, written in two ways"


def test_detectors_share_a_poisoned_network() -> None:
    both = few(axes={"detector": ["spectral", "whitened-spectral"]})
    assert planning.plan(both).trainings == 3


# --- by the worker ---------------------------------------------------------------------------------------


@pytest.fixture
def working() -> Iterator[None]:
    """The worker, in a thread of this process."""
    thread = threading.Thread(target=worker.work, args=(DEADLINE,))
    thread.start()
    while not jobs.worker_lock().path.exists():
        assert thread.is_alive()
    yield
    jobs.worker_lock().path.unlink(missing_ok=True)
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_sweep_is_a_job_that_no_list_of_runs_shows(working: None) -> None:
    job = jobs.wait(planning.submit(few()).id)
    assert (job.kind, job.status, job.sweep, job.config) == ("sweep", "done", few(), cells(few())[0].config)
    assert jobs.listing() == []
    assert [found.id for found in planning.listing()] == [job.id]
    assert planning.submit(few(name="the same by another name")).id == job.id
    assert statuses(few()) == ["done"] * 2
    opened = jobs.submit(cells(few())[0].config, start=False)
    assert opened.status == "done"  # a cell's run needs nothing more


def test_paused_and_resumed_nothing_is_lost_and_nothing_runs_twice(working: None, trainings: Counter[str]) -> None:
    job = planning.submit(few())

    def pause(event: Event) -> None:
        if event.message.startswith("2 of 2"):
            jobs.cancel(job.id)

    assert jobs.wait(job.id, pause, poll=0.01).status == "cancelled"
    assert statuses(few()) == ["done", "waiting"]
    assert jobs.wait(jobs.resume(job.id).id).status == "done"
    assert statuses(few()) == ["done"] * 2
    assert trainings["done"] == 2 * few().count


def test_a_single_run_does_not_wait_for_the_whole_sweep(working: None) -> None:
    sweep = few(seeds=(0, 1, 2), axes={}, retrain=False)
    job = planning.submit(sweep)
    run = jobs.wait(jobs.submit(cells(few(seeds=(9,)))[0].config).id, poll=0.01)
    assert run.status == "done"
    assert "waiting" in statuses(sweep)
    assert jobs.wait(job.id).status == "done"


def test_a_failed_cell_is_told_in_the_table(working: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real = detectors.detect

    def detect(*arguments: Any) -> Any:
        raise BadRequest("no scores today")

    monkeypatch.setattr("core.results.result.detect", detect)
    sweep = few()
    job = jobs.wait(planning.submit(sweep).id)
    assert job.status == "failed"
    assert "2 of 2 runs failed, the first with: no scores today" in (job.error or "")
    assert statuses(sweep) == ["failed"] * 2
    assert set(planning.table(sweep)["error"]) == {"no scores today"}
    monkeypatch.setattr("core.results.result.detect", real)
    assert jobs.wait(jobs.resume(job.id).id).status == "done"
    assert statuses(sweep) == ["done"] * 2


def test_two_sweeps_in_which_something_fails_come_to_their_ends(working: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = cell.measure, Counter[int]()

    def measure(config: Any, *arguments: Any) -> Any:
        tried[config.seed] += 1
        if config.seed in (0, 10):
            raise MemoryError("no room")
        return real(config, *arguments)

    monkeypatch.setattr("core.sweeps.execution.measure", measure)
    asked = [few(seeds=seeds, axes={}, retrain=False) for seeds in ((0, 1, 2), (10, 11, 12))]
    both = [planning.submit(one).id for one in asked]
    ended = [jobs.wait(id) for id in both]
    assert [job.status for job in ended] == ["failed"] * 2
    assert all("1 of 3 runs failed" in (job.error or "") for job in ended)
    assert [statuses(one) for one in asked] == [["failed", "done", "done"]] * 2
    assert max(tried.values()) <= 3, "at most once for each that ended well, and once more"


def test_a_sweep_that_lost_a_cell_is_completed_when_it_is_asked_for_again(
    working: None, trainings: Counter[str]
) -> None:
    job = jobs.wait(planning.submit(few()).id)
    Store().delete("cell", grid.cell_key(cells(few())[0].config, few()))
    again = planning.submit(few())
    assert (again.id, again.status) == (job.id, "queued")
    assert jobs.wait(again.id).status == "done"
    assert statuses(few()) == ["done"] * 2
    assert trainings["done"] == 4, "its run was still there"


def test_a_job_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(BadRequest, match="a job of kind 'run' does not ask for a Sweep"):
        jobs.submit(few(), "run")


# --- measures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([9, 8, 1, 2, 3], 1.0),  # both poisoned ones on top
        ([1, 8, 9, 2, 3], 0.0),  # a benign one above all
        ([9, 2, 3, 1, 0], 0.5),
    ],
)
def test_tpr_at_a_false_positive_rate(scores: list[float], expected: float) -> None:
    poisoned = np.array([True, True, False, False, False])
    labels = np.zeros(5, np.int64)
    assert metrics.tpr_at(0.01, np.array(scores, float), labels, poisoned) == expected
    assert metrics.tpr_at(0.01, np.array(scores, float), labels, np.zeros(5, bool)) is None


def test_a_class_that_does_not_vary_has_no_gap() -> None:
    assert cell.spectral_gap(np.ones((5, 3), np.float32)) is None


# --- the command line ------------------------------------------------------------------------------------


def test_the_command_line_plans_runs_and_tells(tmp_path: Path) -> None:
    file, to = tmp_path / "sweep.yaml", tmp_path / "figures.csv"
    file.write_text(FILE)
    runner = CliRunner()
    planned = runner.invoke(commands.app, ["sweep", "plan", str(file), "--json"])
    assert json.loads(planned.stdout)["trainings"] == 4
    done = runner.invoke(commands.app, ["sweep", "run", str(file), "--here", "--to", str(to), "--json"])
    assert done.exit_code == 0, done.output
    assert [row["status"] for row in json.loads(done.stdout)] == ["done"] * 2
    assert len(to.read_text().splitlines()) == 3
    told = runner.invoke(commands.app, ["sweep", "table", str(file)])
    assert told.exit_code == 0
    assert told.stdout.count("1 of 1") == 2


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    odd = FILE.replace("axes: {ratio: [0.1, 0.5]}", 'axes: {"x[/]": {"[red]low": {ratio: 0.1}}}')
    file.write_text(f'{odd}name: "a [/b] c"')
    told = CliRunner().invoke(commands.app, ["sweep", "table", str(file)])
    assert told.exit_code == 0, told.output
    assert all(name in told.stdout for name in ("a [/b] c", "x[/]", "[red]low"))


def test_a_progress_bar_says_what_it_is_told() -> None:
    with terminal.shown("begins [/]") as watch:
        watch(Event("train", 0.5, "x[/] of [b]"))


def test_a_csv_that_cannot_be_written_is_said_before_anything_is_computed(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(FILE)
    for command in ("run", "table"):
        arguments = ["--here"] if command == "run" else []
        found = CliRunner().invoke(
            commands.app, ["sweep", command, str(file), *arguments, "--to", str(tmp_path / "no" / "x.csv")]
        )
        assert isinstance(found.exception, BadRequest)
        assert "there is no folder" in str(found.exception)
    assert statuses(few()) == ["waiting"] * 2


@pytest.mark.parametrize("cluster", ["", "auto?gpus=1.5", "auto?share=here"])
def test_a_plan_looks_at_the_cluster_s_address(tmp_path: Path, cluster: str) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(f"{FILE}\ncluster: '{cluster}'")
    found = CliRunner().invoke(commands.app, ["sweep", "plan", str(file)])
    assert isinstance(found.exception, BadRequest)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    found = CliRunner().invoke(commands.app, ["sweep", "plan", str(tmp_path / "none.yaml")])
    assert isinstance(found.exception, BadRequest)
    assert "cannot read" in str(found.exception)


# --- the record that ships -------------------------------------------------------------------------------


def test_a_record_stands_in_for_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(FILE)
    with pytest.raises(BadRequest, match="none of the 2 runs"):
        planning.record(file)
    carry_out(few(), Store())
    here = planning.table(few())
    assert planning.record(file) == tmp_path / "small.json"
    for one in cells(few()):
        Store().delete("cell", grid.cell_key(one.config, few()))
    assert statuses(few()) == ["waiting"] * 2
    monkeypatch.setattr(planning, "RECORDS", tmp_path)
    assert statuses(few()) == ["done"] * 2
    assert planning.table(few())["auroc"].tolist() == pytest.approx(here["auroc"].tolist(), abs=1e-6)
    assert planning.shipped() == {"small": few()}
    assert planning.plan(few()).stored == 0  # a record is no run


@pytest.mark.parametrize("content", ["[1]", '{"a": 1}', "{", "\udcff"])
def test_a_record_takes_no_other_file_s_place(tmp_path: Path, content: str) -> None:
    file, beside = tmp_path / "small.yaml", tmp_path / "small.json"
    file.write_text(FILE)
    beside.write_text(content, errors="surrogateescape")
    before = beside.read_bytes()
    Store().write("cell", grid.cell_key(cells(few())[0].config, few()), document={"auroc": 0.5})
    with pytest.raises(BadRequest, match="no record of a sweep's figures"):
        planning.record(file)
    assert beside.read_bytes() == before
    written = file.rename(tmp_path / "sweep.json")
    with pytest.raises(BadRequest, match=r"where the sweep itself is; call it sweep\.yaml"):
        planning.record(written)


def test_what_a_record_has_stays_in_it(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(FILE)
    first, second = (grid.cell_key(one.config, few()) for one in cells(few()))
    (tmp_path / "small.json").write_text(json.dumps({first: {"auroc": 0.25}, "of another version": {}}))
    Store().write("cell", second, document={"auroc": 1 / 3})
    assert json.loads(planning.record(file).read_text()) == {first: {"auroc": 0.25}, second: {"auroc": 0.333333}}


def test_every_shipped_figure_is_of_this_version() -> None:
    assert planning.shipped()
    for name, wanted in planning.shipped().items():
        record = json.loads((planning.RECORDS / f"{name}.json").read_text())
        assert set(record) <= {grid.cell_key(one.config, wanted) for one in cells(wanted)}
        assert record


def test_a_table_in_markdown_has_means_over_the_seeds() -> None:
    rows = [
        {"attack": "a", "detector": "x", "auroc": 0.5},
        {"attack": "a", "detector": "x", "auroc": 1.0},
        {"attack": "b", "detector": "x", "auroc": None},
        {"attack": "a", "detector": "w", "auroc": 0.25},
    ]
    written = planning.markdown(pd.DataFrame(rows), "detector", "attack", "auroc")
    assert written == "| | a | b |\n|---|---|---|\n| x | 0.750 | — |\n| w | 0.250 | — |\n"


def test_the_results_print_what_was_measured() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "results.md").read_text()
    measured = planning.table(planning.shipped()["detectors"])
    verdict = planning.table(planning.shipped()["verdict"]).assign(detector="panel")
    verdict = verdict[(verdict["status"] == "done") & (verdict["attack"] != "none")]
    attacks = pd.concat([measured[measured["attack"] != "none"], verdict])
    left = attacks.assign(left=attacks["poisons_left"].astype(float) / attacks["poisons"].astype(float))
    learned = attacks[attacks["detector"] == "spectral"].assign(what="ASR")
    assert planning.markdown(attacks, "detector", "attack", "auroc") in page
    assert planning.markdown(attacks, "detector", "attack", "tpr_at_1", 100, 0) in page
    assert planning.markdown(left, "detector", "attack", "left", 100, 0) in page
    assert planning.markdown(learned, "what", "attack", "asr1", 100, 0) in page
    cleaned, filters = (planning.table(planning.shipped()[name]) for name in ("cleaning", "filters"))
    references = [
        filters.assign(detector=f"{article} {which} filter", asr2=filters[f"{which}_asr2"])
        for article, which in (("a", "random"), ("the", "perfect"))
    ]
    after = pd.concat([cleaned, verdict, *references])
    assert (after["status"] == "done").all()
    assert planning.markdown(after, "detector", "attack", "asr2", 100, 0) in page
    control = planning.table(planning.shipped()["control"])
    assert (control["status"] == "done").all()
    assert control["clean_removed"].max() == 0  # as the page says of the cut without an epsilon
