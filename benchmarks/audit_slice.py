"""What reading a set such as ImageNet costs, by a slice of pictures of its size and kind.

    python -m benchmarks.audit_slice     # prints and writes benchmarks/results/audit_slice.json

2,000 JPEG files of 500 x 375 pixels and about 110 kB, as ImageNet's are on average: CIFAR-10's images magnified, with
noise. Processor seconds of one core a picture at two working sizes, and bytes that are kept; times 1,281,167 that is
the set. What a network file system costs comes on top: there it is 141 GB.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import core
from core import audits
from core.audits import stamps
from core.configuration import DatasetConfig

RESULTS = Path(__file__).parent / "results" / "audit_slice.json"
COUNT, WHOLE = 2_000, 1_281_167
SIDES = (64, 224)


def written(folder: Path) -> float:
    """The slice, and the bytes of a file on average."""
    data = core.datasets.load(DatasetConfig(name="cifar10"))
    generator = np.random.default_rng(0)
    for row in range(COUNT):
        name = data.class_names[data.train_labels[row]]
        large = Image.fromarray(data.train_images[row]).resize((500, 375), Image.Resampling.BICUBIC)
        noisy = np.asarray(large) + generator.normal(0, 20, (375, 500, 3))
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / name / f"{row}.jpg", quality=92)
    time.sleep(2 * stamps.SETTLED)
    return float(np.mean([file.stat().st_size for file in folder.glob("*/*.jpg")]))


def measured(folder: Path, store: Path, side: int) -> dict[str, Any]:
    """A first and a second reading at a working size."""
    seconds = []
    for _ in range(2):
        began = time.process_time()
        found = audits.read(folder, side=side, store=core.Store(store))
        seconds.append((time.process_time() - began) / COUNT)
        assert len(found) == COUNT
    kept = sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) / COUNT
    return {
        "side": side,
        "milliseconds": round(1e3 * seconds[0], 2),
        "again_milliseconds": round(1e3 * seconds[1], 3),
        "kept_bytes": round(kept),
        "whole_core_hours": round(WHOLE * seconds[0] / 3600, 2),
        "whole_kept_GB": round(WHOLE * kept / 1e9, 1),
    }


def main() -> None:
    os.environ["POISONSCOPE_AUDIT_GB"] = "100"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "set"
        size = written(folder)
        rows = [measured(folder, Path(place) / f"store{side}", side) for side in SIDES]
    whole = {
        "machine": platform.processor() or platform.machine(),
        "images": COUNT,
        "file_bytes": round(size),
        "rows": rows,
    }
    print(json.dumps(whole, indent=1))
    RESULTS.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
