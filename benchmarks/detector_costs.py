"""What detectors take in seconds and memory beside what core.detectors.expected says, at a few shapes; a table.

Seconds are of the processor. Memory is what NumPy and Python held at most, in a second call, and left out where the
first took longer than ten seconds. The threads of the libraries should be one: OMP_NUM_THREADS=1.

    python -m benchmarks.detector_costs
"""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

import core
from core.detectors import expected

SHAPES = ((10, 400, 64), (10, 1000, 256), (60, 40, 32), (200, 20, 300), (1, 50, 20_000), (3, 300, 1000), (500, 30, 64))
LONG = 10.0  # seconds, from which on a detector is not run a second time


def main() -> None:
    """Measure and print."""
    print(
        "| classes | of | features | detector | seconds | expected | MB | expected |\n|---|---|---|---|---|---|---|---|"
    )
    for classes, images, width in SHAPES:
        generator = np.random.default_rng(0)
        labels = np.repeat(np.arange(classes), images)
        features = generator.normal(size=(len(labels), width)) + 4 * generator.normal(size=(classes, width))[labels]
        for detector, entry in core.DETECTORS.items():
            if entry.needs:
                continue
            began = time.process_time()
            core.detect(detector, features.astype(np.float32), labels)
            seconds = time.process_time() - began
            megabytes = _held(detector, features.astype(np.float32), labels) if seconds < LONG else float("nan")
            cost = expected(detector, len(labels), width, classes)
            print(f"| {classes} | {images} | {width:,} | `{detector}` | {seconds:.2f} | {cost.seconds:.2f} "
                  f"| {megabytes:.1f} | {cost.bytes / 1e6:.1f} |", flush=True)  # fmt: skip


def _held(detector: str, features: np.ndarray, labels: np.ndarray) -> float:
    tracemalloc.start()
    try:
        core.detect(detector, features, labels)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    main()
