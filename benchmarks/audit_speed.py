"""How long an audit takes, and a second look: CIFAR-10 as class folders of PNG, each look in a process of its own.

    python -m benchmarks.audit_speed             # 50,000 images; writes benchmarks/results/audit_speed.json
    python -m benchmarks.audit_speed 10000       # so many, and nothing is written

Four looks, without a network: the first; one at the same files; one after a picture was changed; and one after a look
was killed in the middle of reading, in a home of its own. Seconds are the clock's from the start of the process to its
end, imports and all, and the processor's; `decoded` counts the pictures that were unpacked. The files are written a
while before the first look, so that they are known by what the system says of them (core.audits.stamps); they are in
the system's cache, as after a download.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import core
from core.audits import known, pixels, stamps
from core.configuration import DatasetConfig

RESULTS = Path(__file__).parent / "results" / "audit_speed.json"
WHOLE = 50_000
KILLED = 0.5  # of the images, after which a look is killed


def written(count: int, folder: Path) -> float:
    """So many images, the same share of each class, and the megabytes that their files take."""
    data = core.datasets.load(DatasetConfig(name="cifar10"))
    for label, name in enumerate(data.class_names):
        (folder / name).mkdir(parents=True)
        for row in np.flatnonzero(data.train_labels == label)[: count // len(data.class_names)]:
            Image.fromarray(data.train_images[row]).save(folder / name / f"{row:05d}.png")
    time.sleep(2 * stamps.SETTLED)
    return sum(file.stat().st_size for file in folder.glob("*/*.png")) / 1e6


def look(folder: Path, killed_at: int | None) -> dict[str, Any]:
    """One audit in this process; killed after so many pictures, if any."""
    decoded, opened, real = 0, pixels.seen, known.Known.note
    kept = 0

    def seen(*arguments: Any) -> Any:
        nonlocal decoded
        decoded += 1
        return opened(*arguments)

    def note(self: known.Known, place: int) -> None:
        nonlocal kept
        real(self, place)
        kept += 1
        if kept == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    pixels.seen, known.Known.note = seen, note  # type: ignore[method-assign]
    told = core.audit(folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "audit_seconds": round(told.seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "decoded": decoded,
        "named": list(told.named),
        "findings": [one.cause for one in told.findings],
        "MB": round(used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)),
    }


def looked(folder: Path, home: Path, killed_at: int | None = None) -> dict[str, Any]:
    """The same in a process of its own, with the seconds that all of it took."""
    words = [sys.executable, "-m", __spec__.name, "look", str(folder), *([] if killed_at is None else [str(killed_at)])]
    began = time.perf_counter()
    ran = subprocess.run(
        words, env={**os.environ, core.home.VARIABLE: str(home)}, stdout=subprocess.PIPE, text=True, check=False
    )
    seconds = round(time.perf_counter() - began, 1)
    if killed_at is not None:
        assert ran.returncode == -signal.SIGKILL, ran.returncode
        return {"seconds": seconds, "killed_after": killed_at}
    assert ran.returncode == 0, ran.returncode
    return {"seconds": seconds, **json.loads(ran.stdout.splitlines()[-1])}


def change(folder: Path) -> None:
    """One picture becomes another."""
    file = sorted(folder.glob("*/*.png"))[0]
    image = 255 - np.asarray(Image.open(file))
    Image.fromarray(image).save(file)
    time.sleep(2 * stamps.SETTLED)


def main() -> None:
    if sys.argv[1:2] == ["look"]:
        print(json.dumps(look(Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else WHOLE
    with tempfile.TemporaryDirectory() as place:
        folder, home, other = (Path(place) / name for name in ("set", "home", "other"))
        megabytes = written(count, folder)
        rows = {}

        def told(name: str, row: dict[str, Any]) -> None:
            rows[name] = row
            print(f"{name}: {json.dumps(row)}", flush=True)

        told("first look", looked(folder, home))
        told("second look", looked(folder, home))
        kept = sum(file.stat().st_size for file in (home / "store").rglob("*") if file.is_file()) / 1e6
        told("killed", looked(folder, other, int(KILLED * count)))
        told("after the kill", looked(folder, other))
        change(folder)
        told("one file changed", looked(folder, home))
    whole = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "images": count,
        "files_MB": round(megabytes),
        "kept_MB": round(kept),
        "looks": rows,
    }
    print(f"{megabytes:.0f} MB of files, {kept:.0f} MB kept")
    if count == WHOLE:
        RESULTS.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
