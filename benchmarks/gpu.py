"""Every figure that needs a GPU: epochs, whole runs, runs side by side, what it cannot do, and the report's 12 rows.

    python -m benchmarks.gpu --to results.json                     # everything, about 25 minutes on an H200
    python -m benchmarks.gpu --parts epochs runs --to results.json
    python -m benchmarks.gpu --device cpu --small --to /tmp/x.json # the same code on two cores, in minutes

Parts, each written down as soon as it is measured, and not measured again where the file has it:

- `epochs`: seconds an epoch of `resnet18` on all images at batch 128 (`paper`) and in `fast`, against the usual loop
  (DataLoader, PIL transforms, eager, fp32 with TF32, batch 128) in the same process, and against the arithmetic's
  floor: 555 MMAC an image forward, three times that with backward, at 790 bf16 TFLOP/s: 0.21 s.
- `runs`: from start to before/after by the worker, pattern at 10% of the class, cold (a new process) and then warm, for
  `instant`, `fast` and `paper`.
- `together`: three runs one after the other and three at once, each a process of its own.
- `unable`: `paper` on 1,000 images a class where a step cannot be recorded (it waits for the device), and with memory
  for about 60% of a step: what is said, how long an epoch takes, how far the weights are from the undisturbed ones'.
  Tests do so with stand-ins; only a GPU tells what its driver makes of a recording that broke off.
- `rows`: all 12 rows of the report, three seeds, with `fast`; then `python -m core reproduce` writes the tables.

Data and results go to POISONSCOPE_HOME; runs that it has already count as stored, so take a fresh one.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import core
from benchmarks.training_loop import usual
from core.training import devices
from core.training.loop import Trained, train, weights
from core.training.step import Step

FLOOR = 555e6 * 2 * 3 * 50_000 / 790e12  # seconds an epoch
SMALL = {"epochs": 2, "batch_size": 50, "per_class": 40}
RECIPES = ("instant", "fast", "paper")
FIGURES = ("nat1", "asr1", "poisons_left", "clean_removed", "auroc", "nat2", "asr2")


def epochs(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds an epoch, the first left out: in it kernels are chosen and the graph is recorded."""
    found: dict[str, Any] = {"floor": FLOOR}
    device = devices.choose(options.device)
    for recipe in ("paper", "fast"):
        config = settings(recipe, options, **({} if options.small else {"epochs": 6}))
        dataset = core.datasets.load(config.dataset)
        arrays = dataset.train_images, dataset.train_labels, dataset.classes
        history = train(*arrays, config.training, 0, device=device).history
        found[recipe] = statistics.median(record["seconds"] for record in history[1:])
        if recipe == "paper":
            training = config.training.model_copy(update={"precision": "fp32"})
            found["usual"] = usual(dataset, training, device)
    found["times_faster_than_usual"] = found["usual"] / found["paper"]
    found["of_the_floor"] = {recipe: found[recipe] / FLOOR for recipe in ("paper", "fast")}
    return found


def runs(options: argparse.Namespace) -> dict[str, Any]:
    """Whole runs by the worker; the first of all is the cold one."""
    found: dict[str, Any] = {}
    found["cold " + RECIPES[0]] = run(settings(RECIPES[0], options, seed=100))
    for recipe in RECIPES:
        found[recipe] = run(settings(recipe, options, seed=101))
    return found


def run(config: core.RunConfig) -> dict[str, float]:
    """One run through the ledger: seconds as a person waits for them, and its figures."""
    began = time.perf_counter()
    job = core.jobs.wait(core.submit(config).id)
    seconds = time.perf_counter() - began
    if job.status != "done":
        raise SystemExit(f"run {job.id} ended {job.status}: {job.error}")
    summary = core.Result(config).summary
    assert summary is not None
    return {"seconds": seconds, **{name: summary[name] for name in FIGURES}}


def together(options: argparse.Namespace) -> dict[str, float]:
    """Three runs of `instant` in a row and three at once, in processes of their own."""

    def start(seed: int) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "core", "run", "--recipe", "instant", "--here", "--device", options.device]
        words += ["--trigger", "pattern", "--target", "7", "--seed", str(seed), "--json"]
        if options.small:
            words += ["--dataset", "digits"]
            words += [part for name, value in SMALL.items() for part in ("--training", f"{name}={value}")]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL)

    def ended(process: subprocess.Popen[bytes]) -> None:
        if process.wait():
            raise SystemExit("a run failed")

    began = time.perf_counter()
    for seed in (200, 201, 202):
        ended(start(seed))
    in_a_row = time.perf_counter() - began
    began = time.perf_counter()
    for process in [start(seed) for seed in (210, 211, 212)]:
        ended(process)
    at_once = time.perf_counter() - began
    return {"in_a_row": in_a_row, "at_once": at_once, "times_faster": in_a_row / at_once}


def unable(options: argparse.Namespace) -> dict[str, Any]:
    """Two epochs as wished, with a step that waits for the device, and with too little memory."""
    device = devices.choose(options.device)
    config = settings("paper", options, **({} if options.small else {"epochs": 2, "per_class": 1000}))
    dataset = core.datasets.load(config.dataset)
    arrays = dataset.train_images, dataset.train_labels, dataset.classes

    def trained() -> Trained:
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        return train(*arrays, config.training, 0, device=device)

    as_wished = trained()
    found: dict[str, Any] = {"as wished": said_of(as_wished, as_wished), "again": said_of(trained(), as_wished)}
    with waiting():
        found["waiting"] = said_of(trained(), as_wished)
    if device.type == "cuda":
        trained()  # for the peak
        with little_memory(0.6 * torch.cuda.max_memory_reserved(device), device):
            found["little memory"] = said_of(trained(), as_wished)
    return found


def said_of(one: Trained, other: Trained) -> dict[str, Any]:
    """A training's notes, its figures, and the largest difference of a weight from another's."""
    mine, theirs = weights(one.network), weights(other.network)
    apart = max(float(abs(mine[name].astype(float) - theirs[name].astype(float)).max()) for name in mine)
    last = one.history[-1]
    return {"notes": one.notes, "apart": apart, **{name: last[name] for name in ("loss", "accuracy", "seconds")}}


@contextmanager
def waiting() -> Iterator[None]:
    """Steps that fetch a value to the host, which no recording allows."""
    real = Step._look_at

    def look(step: Step, *given: Any) -> None:
        real(step, *given)
        float(step.loss)

    Step._look_at = look  # type: ignore[method-assign]
    try:
        yield
    finally:
        Step._look_at = real  # type: ignore[method-assign]


@contextmanager
def little_memory(most: float, device: torch.device) -> Iterator[None]:
    """An allocator that gives so many bytes at most."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(most / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def rows(options: argparse.Namespace) -> dict[str, Any]:
    """The report's rows, by the same code as `python -m core reproduce`."""
    from core.reproduction import outcomes, reproduce

    if options.small:
        few = dict(triggers=["pattern"], targets=["horse"], ratios=[0.1])
        entries = reproduce.plan("quick", 1, detectors=["whitened-spectral"], training={"per_class": 100}, **few)
    else:
        entries = reproduce.plan("fast", 3)
    began = time.perf_counter()
    reproduce.reproduce(entries)
    return {"seconds": time.perf_counter() - began, **outcomes.document(outcomes.table(entries, recorded=False))}


def settings(recipe: str, options: argparse.Namespace, seed: int = 0, **changes: Any) -> core.RunConfig:
    place: dict[str, Any] = {"dataset": "digits" if options.small else "cifar10", "target": 7}  # a horse, or a 7
    numbers = {**(SMALL if options.small else {}), **changes}
    return core.configure(
        **place, trigger="pattern", recipe=recipe, training=numbers, detector="whitened-spectral", seed=seed
    )


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "epochs": epochs,
    "runs": runs,
    "together": together,
    "unable": unable,
    "rows": rows,
}


def main() -> None:
    """Measure what the file does not have yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=devices.DEVICES)
    parser.add_argument("--small", action="store_true", help="the digits, two epochs, one row: does it run?")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/gpu.json"))
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here; --device cpu --small tries the same code")
    record = json.loads(options.to.read_text()) if options.to.exists() else {}
    record["machine"] = devices.describe(devices.choose(options.device))
    record["torch"], record["python"] = torch.__version__, platform.python_version()
    for part in options.parts:
        if part not in record:
            record[part] = PARTS[part](options)
            options.to.parent.mkdir(parents=True, exist_ok=True)
            options.to.write_text(json.dumps(record, indent=1))
            print(part, json.dumps({name: value for name, value in record[part].items() if name != "runs"})[:600])


if __name__ == "__main__":
    main()
