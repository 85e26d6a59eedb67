"""Verdicts act: what stays is the cut less what is clean, and what is poisoned; and a run of its own trains on it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import core
from core import Result, Store
from core.cli import commands
from core.configuration import RunConfig, stages
from core.results import export, keeping, report, reviews
from core.types import BadRequest, DataUnavailable
from tests.pages import stored

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture
def config() -> RunConfig:
    """A finished run on digits; what a retraining takes is one epoch."""
    wanted = stored.config(training={"epochs": 1, "per_class": 20, "batch_size": 20})
    stored.finished(wanted)
    return wanted


@pytest.fixture
def result(config: RunConfig) -> Result:
    return Result(config)


def some_verdicts(result: Result) -> dict[int, str]:
    """Two of the flagged images are clean, one is doubtful, and one that the cut leaves is poisoned."""
    flagged, left = np.flatnonzero(result.flagged), np.flatnonzero(~result.flagged)
    return {
        **{int(flagged[0]): "clean", int(flagged[3]): "clean", int(flagged[1]): "unsure", int(flagged[2]): "poisoned"},
        **{int(left[5]): "poisoned", int(left[6]): "clean"},
    }


# --- what stays ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["poisoned", "clean", "unsure", None])), min_size=1))
def test_what_goes_is_the_cut_less_the_clean_and_with_the_poisoned(images: list[tuple[bool, str | None]]) -> None:
    flagged = np.array([cut for cut, _ in images])
    verdicts = {id: verdict for id, (_, verdict) in enumerate(images) if verdict}
    made = keeping.decided(flagged, verdicts | {len(images) + 7: "poisoned"})
    gone = {id for id, cut in enumerate(flagged) if cut}
    gone -= {id for id, verdict in verdicts.items() if verdict == "clean"}
    gone |= {id for id, verdict in verdicts.items() if verdict == "poisoned"}
    assert set(np.flatnonzero(~made.keep).tolist()) == gone
    assert made.removed == len(gone) == flagged.sum() - made.spared + made.added


def test_the_figures_are_said(result: Result) -> None:
    made = keeping.decided(result.flagged, some_verdicts(result))
    assert made.figures == f"{result.flagged.sum()} cut, 2 kept after all, 1 added"
    assert made.removed == result.flagged.sum() - 1


def test_a_keep_list_parses_back_and_what_is_none_is_refused_by_its_line() -> None:
    keep = np.array([True, False, True, True])
    assert (keeping.parsed(export.keep_list(~keep), 4) == keep).all()
    assert (keeping.parsed("\n3\r\n 0 \n3\n", 4) == [True, False, False, True]).all()
    for wrong in ("4", "-1", "two", "1 2", "1e0", "²"):
        with pytest.raises(BadRequest, match="line 2 of a keep-list must be the id of an image, 0 to 3, got"):
            keeping.parsed(f"0\n{wrong}\n", 4)


# --- the run that trains on it ---------------------------------------------------------------------------


def test_the_same_keep_list_is_the_same_run_and_no_other_key_changes(config: RunConfig, result: Result) -> None:
    verdicts = some_verdicts(result)
    wanted = core.retraining(config, keeping.decided(result.flagged, verdicts).keep)
    again = core.retraining(config, keeping.decided(result.flagged, dict(reversed(verdicts.items()))).keep)
    assert wanted == again
    key = stages.run_key(wanted)
    assert key != stages.run_key(config)
    assert wanted.base == config
    for stage in (stages.model_key, stages.benign_key):
        assert stage(wanted) == stage(config)
    other = core.retraining(config, keeping.decided(result.flagged, verdicts | {0: "poisoned"}).keep)
    assert stages.run_key(other) not in (key, stages.run_key(config))
    assert RunConfig.model_validate_json(wanted.model_dump_json()) == wanted


def test_a_run_as_it_was_written_before_there_were_keep_lists_has_the_key_that_it_had(config: RunConfig) -> None:
    written = config.model_dump(mode="json")
    del written["keep"]
    assert stages.run_key(RunConfig.model_validate(written)) == stages.run_key(config)
    shipped = [(key, made) for key, (_, made) in zip(core.recorded.run_keys(), core.recorded.runs(), strict=True)]
    assert shipped
    assert all(stages.run_key(made) == key for key, made in shipped)


def test_what_the_cut_leaves_is_the_run_itself(config: RunConfig, result: Result) -> None:
    own = ~result.flagged
    assert core.retraining(config, own) == config
    reviewed = core.retraining(config, keeping.decided(result.flagged, some_verdicts(result)).keep)
    assert core.retraining(reviewed, own) == config  # verdicts taken back lead to where they began
    assert core.retraining(reviewed, keeping.decided(result.flagged, some_verdicts(result)).keep) == reviewed


def test_a_keep_list_with_which_nothing_can_be_trained_is_refused(config: RunConfig, result: Result) -> None:
    n = len(result.poisoned)
    with pytest.raises(BadRequest, match="all images are kept, so the network would be the same"):
        core.retraining(config, np.ones(n, bool))
    with pytest.raises(BadRequest, match="no image is kept"):
        core.retraining(config, np.zeros(n, bool))
    with pytest.raises(BadRequest, match=rf"must be \[{n}\] bool, got \[{n - 1}\] bool"):
        core.retraining(config, np.ones(n - 1, bool))
    with pytest.raises(BadRequest, match="int64"):
        core.retraining(config, np.arange(n))


def test_it_is_trained_on_what_stays_and_on_nothing_else(
    config: RunConfig, result: Result, trainings: Counter[str]
) -> None:
    verdicts = some_verdicts(result)
    made = keeping.decided(result.flagged, verdicts)
    wanted = core.retraining(config, made.keep)
    found = core.run(wanted)
    assert trainings == {"begun": 1, "done": 1}  # the poisoned network is the other run's
    assert (found.flagged == ~made.keep).all()
    assert found.model_key("clean") == stages.model_key(config, made.keep)
    truth = result.poisoned.truth.poisoned
    summary, before = found.summary, result.summary
    assert summary["poisons_left"] == int((truth & made.keep).sum())
    assert summary["clean_removed"] == int((~truth & ~made.keep).sum())
    assert {name: summary[name] for name in ("nat1", "asr1", "auroc")} == {
        name: before[name] for name in ("nat1", "asr1", "auroc")
    }
    assert summary["reviewed"] == {"cut": int(result.flagged.sum()), "spared": 2, "added": 1}
    core.run(core.retraining(config, made.keep.copy()))
    assert trainings["begun"] == 1
    job = core.submit(wanted)
    assert (job.status, job.key) == ("done", stages.run_key(wanted))
    assert commands.describe(job) != commands.describe(core.submit(config))


def test_a_keep_list_that_is_not_here_is_said(config: RunConfig, result: Result) -> None:
    wanted = core.retraining(config, keeping.decided(result.flagged, some_verdicts(result)).keep)
    Store().delete(keeping.STAGE, wanted.keep)
    with pytest.raises(DataUnavailable, match=rf"the keep-list {wanted.keep[:12]} that this run trains on is not in"):
        core.run(wanted)


def test_an_estimate_counts_the_one_training(config: RunConfig, result: Result) -> None:
    wanted = core.retraining(config, keeping.decided(result.flagged, some_verdicts(result)).keep)
    store = Store()
    assert set(core.jobs.estimates.left(wanted, store)) == {"score", "retrain", "evaluate again"}
    assert not core.estimate(wanted).cached


# --- exports agree ---------------------------------------------------------------------------------------


def test_table_keep_list_and_report_agree(config: RunConfig, result: Result, tmp_path: Path) -> None:
    verdicts = some_verdicts(result)
    for id, verdict in verdicts.items():
        reviews.judge(reviews.desk(config), [id], verdict, "Ada")
    made = keeping.decided(result.flagged, verdicts)
    files = {path.name: path for path in export.files(result, tmp_path, reviewer="Ada")}
    kept = {int(line) for line in files["keep.txt"].read_text().split()}
    assert kept == set(np.flatnonzero(made.keep).tolist())
    rows = core.export.table(result, result.detection(), made.flagged, keep=made.keep)
    assert set(rows.loc[rows["kept"], "id"]) == kept
    written = np.genfromtxt(files["scores.csv"], delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert {int(row["id"]) for row in written if row["kept"]} == kept
    assert {int(row["id"]): row["verdict"] for row in written if row["verdict"]} == verdicts
    page = report.html(result, verdicts=report.verdicts_of(result))
    assert f"With the verdicts of Ada: {made.figures}; {made.removed} of {len(made.keep)} images go." in page
    own = {int(line) for line in (export.files(result, tmp_path / "own")[-1]).read_text().split()}
    assert own == set(np.flatnonzero(~result.flagged).tolist())  # without a reviewer it is the run's, as ever
    with pytest.raises(BadRequest, match=r"gave verdicts on this run \(Ada\), got Bo"):
        export.files(result, tmp_path, reviewer="Bo")


def test_a_table_of_some_images_keeps_their_ranks(result: Result) -> None:
    whole = export.table(result, result.detection(), result.flagged).set_index("id")
    some = export.table(result, result.detection(), result.flagged, only=np.array([9, 2, 40]))
    assert set(some["id"]) == {2, 9, 40}
    assert some["score"].is_monotonic_decreasing
    assert (whole.loc[some["id"], "rank"].to_numpy() == some["rank"].to_numpy()).all()


def test_the_report_and_the_settings_of_a_reviewed_run_say_so(config: RunConfig, result: Result) -> None:
    made = keeping.decided(result.flagged, some_verdicts(result))
    wanted = core.retraining(config, made.keep)
    settings = core.report.settings(wanted)
    assert settings["Reviewed"] == f"image by image; keep-list {wanted.keep[:12]}"
    assert {name for name in settings if settings[name] != core.report.settings(config).get(name)} == {"Reviewed"}
    found = core.run(wanted)
    assert core.report.reviewed_cut(found) == f"The cut of spectral was reviewed image by image: {made.figures}."
    assert core.report.reviewed_cut(found) in report.html(found)
    assert core.report.reviewed_cut(result) == ""


def test_verdicts_stand_beside_the_run_that_they_made(config: RunConfig, result: Result) -> None:
    reviews.judge(reviews.desk(config), [3], "clean", "Ada")
    wanted = core.retraining(config, keeping.decided(result.flagged, some_verdicts(result)).keep)
    assert reviews.desk(wanted) == reviews.desk(config) == stages.run_key(config)
    assert reviews.verdicts(reviews.desk(wanted), "Ada") == {3: "clean"}


# --- the command -----------------------------------------------------------------------------------------


def test_the_command_trains_on_a_file_and_names_what_is_wrong_in_it(
    config: RunConfig, result: Result, tmp_path: Path
) -> None:
    made = keeping.decided(result.flagged, some_verdicts(result))
    file = tmp_path / "keep.txt"
    file.write_text(export.keep_list(~made.keep))
    job = core.submit(config)
    done = CliRunner().invoke(commands.app, ["retrain", str(job.id), str(file), "--here", "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.output.splitlines()[-1])
    assert answer["run"] == stages.run_key(core.retraining(config, made.keep))
    assert answer["reviewed"]["spared"] == 2
    file.write_text("0\n1\n99999\n")
    failed = CliRunner().invoke(commands.app, ["retrain", str(job.id), str(file), "--here"])
    assert "line 3 of a keep-list" in str(failed.exception)
    missing = CliRunner().invoke(commands.app, ["retrain", str(job.id), str(tmp_path / "none.txt"), "--here"])
    assert "cannot read" in str(missing.exception)
