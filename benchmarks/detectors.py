"""Every registered detector on 10 classes x 5,000 x 512 features, in seconds and in multiples of Algorithm 1's.

The features are those of benchmarks.spectral: random, with a tenth of each class shifted. Each detector is timed in
this process, the median of a few calls after a first one that imports what it needs. Prints a Markdown table and
writes a record.

(The network's answers that `strip` needs are not timed here: as many forward passes as an image has others.)

    python -m benchmarks.detectors [--size 5000] [--repeats 3] [--to benchmarks/results/detectors.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

import core
from benchmarks import spectral

WARMING = 50  # images a class of the first call


def measure(detector: str, size: int, repeats: int) -> dict[str, Any]:
    """Seconds of wall clock and of processor that a detector takes at its usual settings, medians."""
    features, labels = spectral.planted()
    few = np.arange(len(labels)) % spectral.SIZE < size  # the first so many of each class
    features, labels = features[few], labels[few]
    first = np.arange(len(labels)) % size < WARMING
    first_given, given = _evidence(detector, int(first.sum())), _evidence(detector, len(labels))
    core.detect(detector, features[first], labels[first], evidence=first_given)
    wall, processor = [], []
    for _ in range(repeats):
        began = time.perf_counter(), time.process_time()
        core.detect(detector, features, labels, evidence=given)
        wall.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    return {"detector": detector, "seconds": statistics.median(wall), "processor": statistics.median(processor)}


def _evidence(detector: str, count: int) -> dict[str, Any]:
    """Made-up evidence for a detector that needs some: what it does with it is timed, not what it costs to get."""
    generator = np.random.default_rng(0)
    entry = core.DETECTORS[detector]
    others = entry.parameters["others"].default if "others" in entry.parameters else 0
    shapes = {"losses": (10, count), "entropies": (count, int(others))}
    return {name: generator.uniform(0.0, 3.0, shapes[name]).astype(np.float32) for name in entry.needs}


def table(record: dict[str, Any]) -> str:
    """The record's rows as Markdown."""
    plain = next(row["seconds"] for row in record["rows"] if row["detector"] == "spectral")
    lines = ["| detector | seconds | processor seconds | times `spectral` |", "|---|---|---|---|"]
    lines += [
        f"| `{row['detector']}` | {row['seconds']:.2f} | {row['processor']:.2f} | {row['seconds'] / plain:.1f} |"
        for row in record["rows"]
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=spectral.SIZE, help="images of a class, at most the default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/detectors.json"))
    options = parser.parse_args()
    record: dict[str, Any] = {
        "classes": spectral.CLASSES, "size": options.size, "width": spectral.WIDTH, "repeats": options.repeats,
        "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__,
        "scikit_learn": sklearn.__version__, "rows": [],
    }  # fmt: skip
    for detector in core.DETECTORS:
        record["rows"].append(measure(detector, options.size, options.repeats))
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text(json.dumps(record, indent=1) + "\n")
    print(table(record))


if __name__ == "__main__":
    main()
