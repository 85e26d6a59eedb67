"""A training step of `quick` alone on the machine, and beside a process that keeps one core busy.

Each is measured in a process of its own, with GNU OpenMP's default for waiting threads and with the one that
core.threads sets: microseconds an image, and how many times slower the busy process makes it. Linux, CPU.

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

from core import devices, threads

STEPS, WARM_UP = 15, 4
BUSY = "while True: pass"


def measure() -> float:
    """Microseconds an image of a training step, in this process."""
    import torch

    import core
    from core import models, optim
    from core.step import Batches, Course, Step

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
def busy() -> Iterator[None]:
    """Another process that computes all the time."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Print the four figures and their ratios."""
    if sys.argv[1:] == ["--here"]:
        print(measure())
        return
    found = {}
    for name, ours in (("default", False), ("ours", True)):
        alone = apart(ours)
        with busy():
            beside = apart(ours)
        found[name] = {"alone": round(alone), "beside a busy process": round(beside), "slower": beside / alone}
    gain = found["default"]["beside a busy process"] / found["ours"]["beside a busy process"]
    print(json.dumps({"cores": devices.cores(), "microseconds an image": found, "gain when shared": gain}, indent=1))


if __name__ == "__main__":
    main()
