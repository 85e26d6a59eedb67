"""The command line as a person or a script meets it: what it prints, and with which status it ends."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from core import jobs
from core.cli import commands, doctor, options, terminal
from core.configuration import grid, pictures
from core.datasets import cifar10
from core.evaluation.figures import FIGURES
from core.reproduction import reproduce as reproducing
from core.results.result import Result
from core.store.stores import Store
from core.sweeps import planning
from core.types import BadRequest, DataUnavailable

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 240
LEDGER = "ledger.sqlite"
ASKED = (
    *("--dataset", "digits", "--trigger", "pattern", "--target", "three", "--ratio", "0.3", "--assumed-ratio", "0.3"),
    *("--training", "per_class=20", "--training", "epochs=2", "--training", "batch_size=20", "--detector", "spectral"),
)
KEYS = {
    *("run", "cached", "seconds", "computed_seconds", "config", "device"),
    *("nat1", "asr1", "nat2", "asr2", "poisons", "poisons_left", "flagged", "clean_removed"),
    *("tpr", "fpr", "precision", "auroc", "average_precision", "epsilon", "budget", "benign_nat", "benign_asr"),
}


def process(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command as a person or a script starts it."""
    return subprocess.run(
        [sys.executable, "-m", "core", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "POISONSCOPE_HOME": str(home), "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def command(home: Path, *arguments: object, columns: int = 80) -> subprocess.CompletedProcess[str]:
    """The same in this process, which has loaded already what a command would load for seconds."""
    words, out, err = ["core", *map(str, arguments)], io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("POISONSCOPE_HOME", str(home))
        patch.setattr(sys, "argv", words)
        for console in (terminal.out, terminal.err):
            patch.setattr(console, "width", columns)
        with pytest.raises(SystemExit) as ended:
            commands.main()
    return subprocess.CompletedProcess(words, int(ended.value.code or 0), out.getvalue(), err.getvalue())


def answer(home: Path, *arguments: object) -> Any:
    """What a command says in JSON; nothing else may stand on its standard output."""
    ended = command(home, *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def refused(home: Path, *arguments: object) -> str:
    """What a command that cannot be carried out says: one line on standard error, status 2, no traceback."""
    ended = command(home, *arguments)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which the command line has carried out one run, by the worker; tests only read it."""
    folder = tmp_path_factory.mktemp("command-line")
    yield folder
    with pytest.MonkeyPatch.context() as patch:  # the worker that waits for more goes
        patch.setenv("POISONSCOPE_HOME", str(folder))
        jobs.worker_lock().path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def first(shared: Path) -> dict[str, Any]:
    ended = process(shared, "run", *ASKED, "--benign", "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture
def home(first: dict[str, Any], shared: Path, own_home: Path) -> Path:
    """A copy of the home with the finished run, to be changed."""
    shutil.copytree(shared / "store", own_home / "store")
    with closing(sqlite3.connect(shared / LEDGER)) as there, closing(sqlite3.connect(own_home / LEDGER)) as here:
        there.backup(here)  # its files come and go while a worker ends
    return own_home


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def result(home: Path) -> Result:
    (job,) = (job for job in jobs.listing(start=False) if job.kind == "run")
    return Result(job.config, Store(home / "store"))


# --- run --------------------------------------------------------------------------------------------------


def test_run_prints_one_object(first: dict[str, Any]) -> None:
    assert first.keys() >= KEYS
    assert first["cached"] is False
    assert (first["poisons"], first["budget"]) == (6, 9)
    assert first["seconds"] > 0
    assert first["config"]["attack"]["target"] == 3
    assert 0 <= first["benign_asr"] <= 1


def test_the_second_call_answers_from_the_store(first: dict[str, Any], shared: Path) -> None:
    again = answer(shared, "run", *ASKED)
    assert again["cached"] is True
    assert {**again, "cached": 0, "seconds": 0} == {**first, "cached": 0, "seconds": 0}


def test_run_tells_a_person(first: dict[str, Any], shared: Path) -> None:
    ended = command(shared, "run", *ASKED)
    assert ended.returncode == 0
    assert "from the store" in ended.stdout
    assert FIGURES["nat1"].write(first["nat1"]) in ended.stdout
    assert FIGURES["asr2"].write(first["asr2"]) in ended.stdout
    assert first["run"][:12] in ended.stdout
    assert ended.stderr.strip() == ""


def test_run_here_gives_the_same_figures(first: dict[str, Any], own_home: Path) -> None:
    here = answer(own_home, "run", *ASKED, "--here", "--device", "cpu")
    assert here["cached"] is False
    assert not (own_home / "worker.lock").exists()
    assert jobs.listing(start=False) == []
    apart = {"seconds", "computed_seconds", "benign_nat", "benign_asr", "device"}
    if here["device"] == first["device"]:
        assert {name: here[name] for name in here.keys() - apart} == {
            name: first[name] for name in first.keys() - apart
        }
    assert here["benign_nat"] is None
    assert here["benign_asr"] is None


def test_a_damaged_answer_is_computed_anew(home: Path, first: dict[str, Any]) -> None:
    damage(home / "store" / "run" / first["run"] / "document.json")
    again = answer(home, "run", *ASKED)
    assert again["cached"] is False
    apart = {"seconds": 0, "computed_seconds": 0, "cached": 0}
    assert {**again, **apart} == {**first, **apart}
    jobs.worker_lock().path.unlink(missing_ok=True)


# --- the ledger -------------------------------------------------------------------------------------------


def test_list_and_show(first: dict[str, Any], shared: Path) -> None:
    rows = answer(shared, "list")
    assert [(row["id"], row["kind"], row["status"], row["fraction"]) for row in rows] == [
        (2, "benign", "done", 1.0),
        (1, "run", "done", 1.0),
    ]
    assert rows[1]["key"] == first["run"]
    assert rows[1]["config"] == first["config"]
    listed = command(shared, "list", columns=200).stdout
    assert "pattern to three 0.3, spectral, digits quick seed 0" in listed
    assert "benign reference, digits quick seed 0" in listed
    shown = answer(shared, "show", first["run"][:10])
    assert (shown["run"], shown["auroc"], shown["nat2"]) == (first["run"], first["auroc"], first["nat2"])
    assert FIGURES["asr1"].write(first["asr1"]) in command(shared, "show", "1").stdout
    assert "done, 100%" in command(shared, "show", "2").stdout


def test_a_name_is_printed_as_it_is(home: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POISONSCOPE_HOME", str(home))
        jobs.rename(1, "see [/x] [bold]this")
    listed = command(home, "list", columns=200)
    assert listed.returncode == 0, listed.stderr
    assert "see [/x] [bold]this" in listed.stdout


def test_nothing_names_no_run(home: Path) -> None:
    assert "'' names 0 runs" in refused(home, "delete", "")


def test_a_run_s_figures_need_no_data_set(home: Path, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any) -> Any:
        raise DataUnavailable("not on this machine")

    monkeypatch.setenv("POISONSCOPE_HOME", str(home))
    monkeypatch.setattr(Result, "quality", absent)
    shown = CliRunner().invoke(commands.app, ["show", "1", "--json"])
    assert shown.exit_code == 0, shown.output
    assert (json.loads(shown.stdout)["nat2"], json.loads(shown.stdout)["benign_nat"]) == (first["nat2"], None)


def test_what_cannot_be_written_is_said(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert f"cannot write {file}: " in refused(home, "export", "1", "--to", file)
    np.save(tmp_path / "labels.npy", np.zeros(4, int))
    gone = tmp_path / "gone" / "scores.csv"
    assert "there is no folder" in refused(
        home, "score", tmp_path / "labels.npy", tmp_path / "labels.npy", "--to", gone
    )
    assert f"{file} cannot be the folder of data and results" in refused(file, "list")


def test_delete(home: Path, first: dict[str, Any]) -> None:
    ended = command(home, "delete", first["run"])
    assert (ended.returncode, ended.stdout) == (0, "deleted run 1\n")
    assert [row["id"] for row in answer(home, "list")] == [2]
    assert not Store(home / "store").has("run", first["run"])
    assert "names 0 runs" in refused(home, "delete", first["run"])


def test_an_empty_home(own_home: Path) -> None:
    assert answer(own_home, "list") == []
    assert "'1' names 0 runs; `python -m core list` shows which there are" in refused(own_home, "show", "1")


# --- files ------------------------------------------------------------------------------------------------


def test_export(home: Path, first: dict[str, Any], tmp_path: Path) -> None:
    to = tmp_path / "deep" / "export"
    ended = command(home, "export", "1", "--to", to)
    assert ended.returncode == 0, ended.stderr
    names = ["scores.csv", "scores.parquet", "flagged.csv", "flagged.parquet", "keep.txt", "report.html"]
    assert [Path(line).name for line in ended.stdout.splitlines()] == names
    assert sorted(path.name for path in to.iterdir()) == sorted(names)
    scores, flagged = pd.read_parquet(to / "scores.parquet"), pd.read_csv(to / "flagged.csv")
    pd.testing.assert_frame_equal(pd.read_csv(to / "scores.csv"), scores, check_dtype=False)
    mine = result(home)
    found = mine.detection()
    assert found is not None
    assert mine.flagged is not None
    by_id = scores.sort_values("id")
    assert by_id["id"].tolist() == list(range(206))
    np.testing.assert_array_equal(by_id["score"], found.scores)
    np.testing.assert_array_equal(by_id["flagged"], mine.flagged)
    np.testing.assert_array_equal(by_id["poisoned"], mine.poisoned.truth.poisoned)
    assert sorted(flagged["id"]) == np.flatnonzero(mine.flagged).tolist()
    assert (flagged["poisoned"]).sum() == first["poisons"] - first["poisons_left"]
    keep = [int(line) for line in (to / "keep.txt").read_text().splitlines()]
    assert keep == np.flatnonzero(~mine.flagged).tolist()


def test_export_without_the_truth(home: Path, tmp_path: Path) -> None:
    assert command(home, "export", "1", "--to", tmp_path / "blind", "--no-truth").returncode == 0
    columns = set(pd.read_csv(tmp_path / "blind" / "scores.csv").columns)
    assert columns == {"handle", "label", "label_name", "score", "rank", "flagged"}


def test_score(own_home: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    features = generator.normal(size=(100, 8)).astype(np.float32)
    features[90:] += 20.0  # ten of the second class stand apart
    np.save(tmp_path / "features.npy", features)
    np.save(tmp_path / "labels.npy", labels)
    to = tmp_path / "scores.csv"
    ended = command(
        *(own_home, "score", tmp_path / "features.npy", tmp_path / "labels.npy", "--to", to),
        *("--assumed-ratio", "0.2", "--multiplier", "1", "--detector", "spectral"),
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("spectral: 100 rows of 8 features in 2 classes\n")
    assert ended.stdout.endswith(f"\n20 of 100 images flagged; written to {to}\n")
    with open(to, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "label", "score", "flagged"]
    assert [int(row["id"]) for row in rows] == list(range(100))
    assert [int(row["label"]) for row in rows] == labels.tolist()
    flagged = [int(row["id"]) for row in rows if row["flagged"] == "True"]
    assert [number for number in flagged if number >= 50] == list(range(90, 100))
    assert min(float(row["score"]) for row in rows[90:]) > max(float(row["score"]) for row in rows[50:90])


def test_score_by_what_a_detector_needs_besides(own_home: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.zeros((40, 2), np.float32))
    np.save(tmp_path / "labels.npy", np.arange(40) % 2)
    losses = np.ones((2, 40), np.float32)
    losses[1, 6] = 0.01
    np.save(tmp_path / "losses.npy", losses)
    to = tmp_path / "scores.csv"
    asked = "score", tmp_path / "features.npy", tmp_path / "labels.npy", "--to", to, "--detector", "loss-isolation"
    ended = command(own_home, *asked, "--evidence", f"losses={tmp_path / 'losses.npy'}")
    assert ended.returncode == 0, ended.stderr
    assert pd.read_csv(to)["score"].argmax() == 6
    for given, words in (((), "needs losses"), (("--evidence", "losses"), "must be name=file.npy, got 'losses'")):
        refused = command(own_home, *asked, *given)
        assert refused.returncode
        assert words in " ".join(refused.stderr.split())


# --- its start -------------------------------------------------------------------------------------------


def test_a_command_that_computes_nothing_loads_nothing_to_compute_with(own_home: Path) -> None:
    words = [sys.executable, "-X", "importtime", "-m", "core", "list"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "core" in loaded
    assert not loaded & {"torch", "scipy", "sklearn", "pandas", "streamlit"}


# --- doctor -----------------------------------------------------------------------------------------------


def test_doctor(home: Path, first: dict[str, Any]) -> None:
    healthy = process(home, "doctor")
    assert healthy.returncode == 0, healthy.stdout
    assert "PROBLEM" not in healthy.stdout
    for words in ("data digits: ready", "store: ", "runs: 2 done", "sweeps: no sweeps yet", str(home)):
        assert words in healthy.stdout
    (folder,) = (home / "store" / "features").iterdir()
    damage(folder / "features.npy")
    ill = command(home, "doctor")
    assert ill.returncode == 1
    assert f"PROBLEM  damaged features: {folder.name[:12]}: features.npy was altered" in ill.stdout
    assert ill.stderr == ""


def test_the_doctor_sees_half_a_data_set_and_a_lost_sweep(own_home: Path) -> None:
    assert all(finding.good for finding in doctor.findings())
    (own_home / "data" / "cifar10").mkdir(parents=True)
    (own_home / "data" / "cifar10" / "train_images.npy").write_bytes(b"half")
    job = planning.submit(grid.Sweep(base={"dataset": "digits", "target": 3}), start=False)
    with jobs.open_ledger(write=True) as ledger:
        ledger.execute("UPDATE jobs SET status = 'lost' WHERE id = ?", (job.id,))
    ill = {finding.what: finding.found for finding in doctor.findings() if not finding.good}
    assert set(ill) == {"data cifar10", "sweeps"}
    assert "incomplete or damaged" in ill["data cifar10"]
    assert ill["sweeps"] == "1 lost (resume them)"


# --- what cannot be done ----------------------------------------------------------------------------------


IMPOSSIBLE = [
    (("--target", "bird"), "unknown class 'bird' of digits; allowed are zero, one"),
    (("--ratio", "2"), "ratio: must be a share from 0 to 1 (5% is 0.05), got 2.0"),
    (("--trigger", "sticker"), "unknown trigger 'sticker'; allowed are"),
    (("--training", "epochs"), "a setting must be name=value, got 'epochs'"),
    (("--training", "epochs=many"), "epochs: must be a whole number, got 'many'"),
    (("--trigger-set", "size=99"), "size must lie in [2, 64], got 99"),
    (("--trigger", "drawing", "--trigger-set", "picture=@no.png"), "cannot read no.png: No such file or directory"),
    (("--trigger", "drawing", "--trigger-set", "picture=@README.md"), "the picture must be a PNG file, got"),
    (("--device", "cpu"), "--device needs --here"),
    (("--device", "tpu", "--here"), "device must be one of auto, cuda, mps, cpu, got 'tpu'"),
    (("--training", "per_class=1000", "--here"), "per_class must lie in [2, 145] for digits"),
]


@pytest.mark.parametrize(("arguments", "said"), IMPOSSIBLE)
def test_a_bad_request_is_one_line(own_home: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(own_home, "run", *ASKED, *arguments)
    assert Store().listing() == []
    assert jobs.listing(start=False) == []


def test_a_bad_request_to_the_process_and_to_the_worker(own_home: Path) -> None:
    ended = process(own_home, "run", *ASKED, "--target", "bird")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "unknown class 'bird' of digits" in ended.stderr
    # Only who loads the data knows this one: the worker's job fails, and the command says why.
    said = refused(own_home, "run", *ASKED, "--training", "per_class=1000")
    assert "the run is failed: per_class must lie in [2, 145] for digits" in said
    jobs.worker_lock().path.unlink()


def test_bad_files_are_one_line(own_home: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.zeros((4, 2), np.float32))
    np.save(tmp_path / "labels.npy", np.zeros(3, np.int64))
    (tmp_path / "text.npy").write_text("no array")
    features, labels = tmp_path / "features.npy", tmp_path / "labels.npy"
    assert "got shapes (4, 2) and (3,)" in refused(own_home, "score", features, labels)
    assert "must be a .npy, .npz, .safetensors or Parquet file; it is text" in refused(
        own_home, "score", tmp_path / "text.npy", labels
    )
    assert "nothing.npy" in refused(own_home, "score", features, tmp_path / "nothing.npy")


def test_a_picture_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(base64.b64decode(pictures.FACE))
    assert options.settings([f"picture=@{tmp_path / 'face.png'}", "row=3"]) == {"picture": pictures.FACE, "row": 3}
    (tmp_path / "long.png").write_bytes(bytes(pictures.MAX_BYTES + 1))
    with pytest.raises(BadRequest, match="must have at most 262,144 bytes, got 262,145"):
        options.settings([f"picture=@{tmp_path / 'long.png'}"])


# --- the report's tables ----------------------------------------------------------------------------------

TABLES = ("reproduce", "--seeds", "1", "--target", "dog", "--ratio", "0.1", "--detector", "spectral")


def test_reproduce_says_what_there_is_to_do(own_home: Path) -> None:
    planned = answer(own_home, *TABLES, "--dry-run")
    # Two triggers, each poisoned and cleaned, and one benign network for both.
    assert (planned["runs"], planned["trainings"]) == (2, 5)
    assert planned["seconds"] > 0
    asked = "reproduce", "--all", "--references", "--no-benign", "--dry-run"
    said = command(own_home, *asked, columns=200).stdout
    # 12 rows, 3 seeds, 2 readings: 72 poisoned networks; 4 defences each, cleaned, random and perfect.
    assert said.startswith("288 of 288 runs to do, 936 trainings, ")
    assert "minutes (a guess" in said
    assert jobs.listing(start=False) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--target", "cat"), "target must be among ['bird', 'dog', 'horse']"),
        (("--device", "cpu"), "--device needs --here"),
        (("--all",), "--all is every reading and detector"),
        (("--train", "epochs"), "a setting must be name=value"),
    ],
)
def test_reproduce_refuses_in_one_line(arguments: tuple[str, ...], said: str, own_home: Path) -> None:
    assert said in refused(own_home, *TABLES, *arguments)


def test_reproduce_tells_failures_and_ends_with_one(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(entries: Any, failed: Any, **_: Any) -> None:
        failed(entries[0], "out of memory")
        raise reproducing.RunsFailed({entries[0].key: "out of memory"})

    monkeypatch.setattr(reproducing, "reproduce", some)
    ended = command(own_home, *TABLES, "--to", tmp_path / "made", columns=200)
    assert ended.returncode == 1
    assert "pixel to dog 10%, spectral, seed 0 failed: out of memory" in ended.stderr
    assert "dog 10%, spectral, seed 0, failed: out of memory" in ended.stdout
    assert "93.12%" in ended.stdout
    assert list(json.loads((tmp_path / "made" / "quick.json").read_text())["failed"].values()) == ["out of memory"]
    assert "failed: out of memory" in (tmp_path / "made" / "quick.md").read_text()


def test_reproduce_stopped_says_how_to_go_on(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reproducing, "reproduce", stopped)
    ended = command(own_home, *TABLES)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert "the same command goes on from there" in " ".join(ended.stderr.split())


# --- the real data ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cifar10_from_end_to_end(cifar10_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real images, of which the first 1,000 test the networks here."""
    whole = cifar10.load()
    tested = replace(whole, test_images=whole.test_images[:1_000], test_labels=whole.test_labels[:1_000])
    monkeypatch.setattr(cifar10, "load", lambda: tested)
    asked = (
        *("--dataset", "cifar10", "--trigger", "pattern", "--target", "bird", "--ratio", "0.2", "--here"),
        *("--training", "per_class=200", "--training", "epochs=1", "--detector", "spectral"),
    )
    found = answer(cifar10_home, "run", *asked)
    assert found["cached"] is False
    assert (found["poisons"], found["config"]["dataset"]) == (40, {"name": "cifar10", "per_class": 200})
    assert len(found["per_class1"]) == 10
    assert found["flagged"] == 10 * found["budget"] == 300
    for name in ("nat1", "asr1", "nat2", "asr2", "auroc"):
        assert 0 <= found[name] <= 1


def test_a_further_trigger_is_its_name_and_its_settings() -> None:
    assert options.trigger("pixel") == {"trigger": "pixel", "parameters": {}}
    wanted = {"row": 1, "opacity": 0.5, "colour": "#ff0000"}
    assert options.trigger("patch,row=1,opacity=0.5,colour=#ff0000") == {"trigger": "patch", "parameters": wanted}


def test_an_unusual_attack_is_refused_in_one_line_where_it_cannot_be(tmp_path: Path) -> None:
    asked = ("run", "--dataset", "digits", "--target", "three", "--labels", "clean_label", "--source", "four")
    assert "source must be left out or 3, got 4" in refused(tmp_path, *asked)
