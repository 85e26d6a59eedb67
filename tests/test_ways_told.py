"""What a person reads of a training that could not be done as wished: in a terminal, on the screens, in the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import core
from core import audits, jobs, pipeline, worker
from core.cli import commands
from core.configuration import RunConfig, Sweep, stages
from core.jobs import requests
from core.results import report
from core.results.result import Result
from core.store import Store
from core.sweeps import execution
from core.training import devices
from core.types import NOTES, Cancelled, DeviceLost, Event
from tests.unable import RECORDING, SYNCHRONISES, Tape, tape

__all__ = ["tape"]

pytestmark = pytest.mark.usefixtures("lean")

# Five steps a training, of which the fourth would be recorded.
NUMBERS = {"per_class": 10, "epochs": 1, "batch_size": 20, "precision": "fp32"}
ASKED = ("run", "--dataset", "digits", "--trigger", "pattern", "--target", "three", "--detector", "spectral", "--here")


@pytest.fixture
def unrecorded(tape: Tape) -> Tape:
    """A device on which no step can be recorded."""

    def fail(work: Any) -> None:
        raise RuntimeError(SYNCHRONISES)

    tape.on_record = fail
    return tape


def config(**changes: Any) -> RunConfig:
    usual: dict[str, Any] = dict(
        dataset="digits", trigger="pattern", target="three", detector="spectral", training=NUMBERS
    )
    return core.configure(**(usual | changes))


@pytest.mark.usefixtures("unrecorded")
def test_a_run_keeps_what_its_trainings_noted(own_home: Path) -> None:
    store, heard = Store(), list[Event]()
    summary = pipeline.run(config(), store, heard.append, device="cpu")
    assert summary[NOTES] == [RECORDING]  # both trainings say the same
    assert summary["arithmetic"] == "float32"
    model = store.read("model", stages.model_key(config()))
    assert model is not None
    assert list(model.document[NOTES]) == [RECORDING]
    told = [event for event in heard if NOTES in event.data]
    assert [event.stage for event in told] == ["train", "retrain"]
    assert all(0 <= event.data["overall"] <= 1 for event in told)
    page = report.html(Result(config()), truth=True, verdicts=())
    assert f"<td>{RECORDING}</td>" in page
    assert "<td>float32</td>" in page


def test_a_run_says_what_its_networks_were_trained_in_wherever_that_was(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poisoned one where there was no bfloat16, the one after the filter where there was."""
    store, auto = Store(), config(training={**NUMBERS, "precision": "auto"})
    monkeypatch.setattr(devices, "fast_bf16", lambda device: False)
    with pytest.raises(Cancelled):
        pipeline.run(auto, store, stopping_at("retrain"), device="cpu")
    monkeypatch.setattr(devices, "fast_bf16", lambda device: True)
    assert pipeline.run(auto, store, device="cpu")["arithmetic"] == "bfloat16 and float32"


def stopping_at(stage: str) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if event.stage == stage:
            raise Cancelled("enough")

    return watch


def test_a_run_without_anything_to_note_has_no_notes(own_home: Path) -> None:
    summary = pipeline.run(config(), Store(), device="cpu")
    assert NOTES not in summary
    page = report.html(Result(config()), truth=True, verdicts=())
    assert "<td>note</td>" not in page


@pytest.mark.usefixtures("unrecorded")
def test_the_command_line_says_it_once(own_home: Path) -> None:
    numbers = [part for name, value in NUMBERS.items() for part in ("--training", f"{name}={value}")]
    computed = CliRunner().invoke(commands.app, [*ASKED, *numbers])
    assert computed.exit_code == 0, computed.output
    assert _lines(computed.stderr).count(f"note: {RECORDING}") == 1
    assert RECORDING not in computed.stdout
    stored = CliRunner().invoke(commands.app, [*ASKED, *numbers])
    assert "from the store" in stored.stdout
    assert _lines(stored.stdout).count(f"note: {RECORDING}") == 1
    assert RECORDING not in stored.stderr


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


@pytest.mark.usefixtures("unrecorded")
def test_a_sweep_passes_on_what_its_trainings_note(own_home: Path) -> None:
    sweep = Sweep.model_validate(
        {
            "name": "Few", "retrain": False, "seeds": [0],
            "base": {"dataset": "digits", "target": "three", "detector": "spectral"},
            "axes": {"ratio": [0.1], **{f"training.{name}": [value] for name, value in NUMBERS.items()}},
        }
    )  # fmt: skip
    heard: list[Event] = []
    execution.carry_out(sweep, Store(), heard.append, device="cpu")
    assert [event.data[NOTES] for event in heard if NOTES in event.data] == [[RECORDING]]


@pytest.mark.usefixtures("unrecorded")
def test_an_audit_s_network_notes_it(own_home: Path) -> None:
    data = core.datasets.load(core.DatasetConfig(name="digits", per_class=20))
    names = [data.class_names[label] for label in data.train_labels]
    for _ in range(2):  # the second time from the store
        told = core.audit(np.array(data.train_images), names, network="train")
        assert RECORDING in told.notes
        assert audits.document(told)["notes"].count(RECORDING) == 1


# --- the worker -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DeviceLost("the NVIDIA T4 gave up"), "the NVIDIA T4 gave up"),
        (type("AcceleratorError", (RuntimeError,), {})("CUDA error: x"), "AcceleratorError: CUDA error: x"),
    ],
)
def test_a_worker_that_lost_its_gpu_leaves_the_queue_to_another(error: Exception, said: str, own_home: Path) -> None:
    """No job after it would find the GPU well in this process."""
    done: list[int] = []

    def execute(kind: str, asked: Any, store: Store, watch: Any) -> None:
        done.append(asked.seed)
        if asked.seed == 0:
            raise error

    first, second = (jobs.submit(config(seed=seed), start=False).id for seed in (0, 1))
    assert worker.work(0, execute) == 1
    assert done == [0]
    failed = jobs.get(first, start=False)
    assert (failed.status, failed.error) == ("failed", said)
    assert jobs.get(second, start=False).status == "queued"
    assert worker.work(0, execute) == 1  # as a process anew
    assert jobs.get(second, start=False).status == "done"


def test_a_sweep_does_not_go_on_without_the_gpu(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def lost(config: RunConfig, *given: Any) -> None:
        tried.append(config.seed)
        raise DeviceLost("the NVIDIA T4 gave up")

    monkeypatch.setattr(execution, "measure", lost)
    sweep = Sweep.model_validate(
        {"name": "Few", "base": {"dataset": "digits", "target": "three"}, "axes": {"ratio": [0.1]}, "seeds": [0, 1, 2]}
    )
    with pytest.raises(DeviceLost):
        execution.carry_out(sweep, Store(), device="cpu")
    assert tried == [0]


# --- screens ----------------------------------------------------------------------------------------------


def test_notes_of_a_job_reach_its_readers(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "attended", lambda job, start: job)

    def execute(kind: str, asked: Any, store: Store, watch: Any) -> None:
        watch(Event("train", 0.0, "epoch 1 of 2", {NOTES: [RECORDING], "overall": 0.0}))
        watch(Event("train", 0.5, "epoch 1 of 2", {"overall": 0.5}))

    job = jobs.submit(config(), start=False)
    worker.work(0, execute)
    assert [event.data[NOTES] for _, event in jobs.events(job.id) if NOTES in event.data] == [[RECORDING]]
