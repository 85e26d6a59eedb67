"""What the panel's image side costs: seconds and memory over 10, 20 and 50 thousand CIFAR-10 images, and large ones.

    python -m benchmarks.image_side     # prints a line each and writes benchmarks/results/image_side.json

Each size is judged in a process of its own, since the most memory that a process has had is never given back. Large
images are 2,000 of 224 x 224 pixels: CIFAR-10's magnified, in ten classes, with noise as cameras have. Memory is what
a process holds at most beyond what it held with the images in it. The ratio of 50 to 10 thousand says how it grows.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import core
from core.configuration import DatasetConfig

RESULTS = Path(__file__).parent / "results" / "image_side.json"
SIZES = (10_000, 20_000, 50_000)
LARGE = "2,000 of 224 x 224"


def images_of(which: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, h, w, 3] and labels [n]: so many of CIFAR-10, the same share of each class, or large ones."""
    data = core.datasets.load(DatasetConfig(name="cifar10"))
    if which != LARGE:
        rows = _even(data.train_labels, int(which) // 10)
        return np.array(data.train_images[rows]), data.train_labels[rows]
    rows = _even(data.train_labels, 200)
    generator = np.random.default_rng(0)
    large = np.empty((len(rows), 224, 224, 3), np.uint8)
    for place, row in enumerate(rows):
        magnified = Image.fromarray(data.train_images[row]).resize((224, 224), Image.Resampling.BICUBIC)
        large[place] = (np.asarray(magnified) + generator.normal(0, 4, (224, 224, 3))).clip(0, 255)
    return large, data.train_labels[rows]


def _even(labels: np.ndarray, each: int) -> np.ndarray:
    return np.concatenate([np.flatnonzero(labels == label)[:each] for label in range(10)])


def measured(which: str) -> dict[str, Any]:
    """Seconds and MB of the panel on images alone, in this process."""
    images, labels = images_of(which)
    before, began = _most(), time.perf_counter()
    found = core.detect("panel", None, labels, evidence={"images": images})
    seconds, most = time.perf_counter() - began, _most()
    assert found.class_statistic is not None
    named = int((found.class_statistic > found.class_threshold).sum())
    return {"images": which, "seconds": round(seconds, 1), "MB": round(most - before), "named": named}


def _most() -> float:
    """MB that this process has held at most."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1])))
        return
    rows = []
    for which in (*map(str, SIZES), LARGE):
        ran = subprocess.run([sys.executable, "-m", __spec__.name, which], capture_output=True, text=True, check=True)
        rows.append(json.loads(ran.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    grows = rows[2]["seconds"] / rows[0]["seconds"]
    print(f"50,000 images take {grows:.1f} times as long as 10,000")
    whole = {"machine": platform.processor() or platform.machine(), "50,000 to 10,000": round(grows, 2), "rows": rows}
    RESULTS.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
