"""A training step of `quick` alone on the machine, and beside processes that keep its cores busy.

Each is measured in a process of its own, with GNU OpenMP's default for waiting threads and with the one that
core.training.threads sets, in microseconds an image: beside one busy process, and beside one on every core. Linux, CPU.

    python -m benchmarks.shared_cores
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from core.training import devices, threads

STEPS, WARM_UP = 15, 4
BUSY = "while True: pass"


def measure() -> float:
    """Microseconds an image of a training step, in this process."""
    import torch

    import core
    from core.training import models, optim
    from core.training.step import Batches, Course, Step

    training = core.configure(recipe="quick").training
    size = training.batch_size
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8 * size, 32, 32, 3), dtype=torch.uint8, generator=generator)
    device, ids = torch.device("cpu"), torch.arange(len(images))
    with devices.settled(device):
        network = models.build(training.model, 10, 0, device)
        batches = Batches(images, ids % 10, ids, size)
        step = Step(network.train(), optim.optimisers(network, training), batches, training)
        course = Course(ids, torch.zeros(2, len(ids), dtype=torch.int64), ids % 2 == 0, torch.full((8,), 0.1))
        for number in range(WARM_UP + STEPS):
            if number == WARM_UP:
                began = time.perf_counter()
            if number % 8 == 0:
                step.begin(course)
            step()
        return (time.perf_counter() - began) / (STEPS * size) * 1e6


def apart(ours: bool) -> float:
    """The same in a process of its own, with OpenMP's default or with ours."""
    bare = {name: value for name, value in os.environ.items() if name not in threads.SETTINGS}
    environment = {**bare, "GOMP_SPINCOUNT": threads.SPINS} if ours else bare
    words = [sys.executable, "-m", "benchmarks.shared_cores", "--here"]
    return float(subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many other processes that compute all the time."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    """Print the figures, and what ours gains over the default beside a busy process."""
    if sys.argv[1:] == ["--here"]:
        print(measure())
        return
    found = {}
    for name, ours in (("default", False), ("ours", True)):
        found[name] = {"alone": apart(ours)}
        for count in sorted({1, devices.cores()}):
            with busy(count):
                found[name][f"beside {count}"] = apart(ours)
    gain = {name: found["default"][name] / found["ours"][name] for name in found["ours"]}
    print(json.dumps({"cores": devices.cores(), "microseconds an image": found, "times faster": gain}, indent=1))


if __name__ == "__main__":
    main()
