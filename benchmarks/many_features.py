"""Features that do not fit in memory: `core score` on 0.1, 0.3 and 1 million rows of 512 numbers.

    python -m benchmarks.many_features [--rows 100000 300000 1000000] [--detectors panel whitened-spectral spectral]
        [--classes 1000] [--folder FOLDER] [--to benchmarks/results/many_features.json]

The classes have a thousand rows each (or are as many as `--classes` says), in an order that is random. Features are
Gaussian about the mean of their class; in one class a tenth of the rows share a shift, and that class has to be named,
and no other. The file is written in blocks into a folder that is
deleted afterwards (2 GB for a million rows; `--folder` says where). Every measurement has a process of its own and one
thread of linear algebra. It prints a line each and writes a record:

    seconds     of the processor, from the command to its table, without the start of Python
    MB          the most that was resident at any time, as `time -v` says it: with pages of the file that were mapped
    MB_own      of these the most that was the process's own (anonymous), looked at twenty times a second
    named       the classes that were named; flagged, and how many of the shifted rows are among the flagged

The last lines say how many times as long the largest takes as the smallest. Linux only, for /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

ROWS = (100_000, 300_000, 1_000_000)
SIZE, WIDTH = 1_000, 512  # rows of a class, and numbers of a row
PLANTED, SHARE, SHIFT = 37, 0.1, 12.0  # a class, the share of it that is shifted, and how far
BLOCK = 20_000  # rows that are made together
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def write(folder: Path, rows: int, classes: int) -> np.ndarray:
    """features.npy and labels.npy of so many rows; which of them are shifted, [m]."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.arange(rows) % classes)
    middles = generator.normal(size=(classes, WIDTH)).astype(np.float32)
    towards = generator.normal(size=WIDTH)
    towards *= SHIFT / np.linalg.norm(towards)
    members = np.flatnonzero(labels == PLANTED % classes)
    shifted = members[: round(SHARE * len(members))]
    with (folder / "features.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, WIDTH)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, BLOCK):
            which = labels[start : start + BLOCK]
            block = generator.standard_normal((len(which), WIDTH), np.float32) + middles[which]
            block[np.isin(np.arange(start, start + len(which)), shifted)] += towards.astype(np.float32)
            file.write(block.data)
    np.save(folder / "labels.npy", labels)
    return shifted


def one(folder: Path, detector: str) -> dict[str, Any]:
    """Score in this process, as the command does it."""
    from core.cli import commands

    paths = [str(folder / name) for name in ("features.npy", "labels.npy")]
    sys.argv = ["core", "score", *paths, "--detector", detector, "--to", str(folder / "scores.csv"), "--json"]
    said, own, done = io.StringIO(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            own.append(status("RssAnon"))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.process_time(), time.perf_counter()
    try:
        with contextlib.redirect_stdout(said):
            commands.main()
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        done.set()
        watching.join()
    seconds, wall = time.process_time() - began[0], time.perf_counter() - began[1]
    found = json.loads(said.getvalue())
    return {
        "rows": found["rows"],
        "classes": len(found["classes"]),
        "detector": detector,
        "seconds": round(seconds, 1),
        "wall": round(wall, 1),
        "MB": round(status("VmHWM")),
        "MB_own": round(max(own)),
        "named": found["named"],
        "flagged": found["flagged"],
    }


def status(name: str) -> float:
    """MB of this process by /proc."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"/proc/self/status has no {name}")
    return int(found[1]) * 1024 / 1e6


def measured(folder: Path, detector: str, shifted: np.ndarray) -> dict[str, Any]:
    """The same in a process of its own, and how many of the shifted rows it flagged."""
    ran = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--one", detector, "--folder", str(folder)],
        stdout=subprocess.PIPE, text=True, check=True, env=os.environ | ALONE,
    )  # fmt: skip
    row: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    with (folder / "scores.csv").open() as table:
        next(table)
        flags = np.fromiter((line.rstrip().endswith("True") for line in table), bool, row["rows"])
    right = None if row["named"] is None else row["named"] == [str(PLANTED % row["classes"])]
    return {**row, "right": right, "shifted": len(shifted), "of_them_flagged": int(flags[shifted].sum())}


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--detectors", nargs="+", default=["panel", "whitened-spectral", "spectral"])
    parser.add_argument("--folder", type=Path, help="where the files are written, and deleted again")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "results" / "many_features.json")
    parser.add_argument("--classes", type=int, help="how many; by default one for a thousand rows")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.folder, options.one)))
        return
    rows: list[dict[str, Any]] = []
    for count in options.rows:
        with tempfile.TemporaryDirectory(dir=options.folder) as made:
            needed, free = count * WIDTH * 4 * 1.1, shutil.disk_usage(made).free
            if needed > free:
                raise SystemExit(f"{count:,} rows take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")
            shifted = write(Path(made), count, options.classes or max(2, count // SIZE))
            for detector in options.detectors:
                rows.append(measured(Path(made), detector, shifted))
                print(json.dumps(rows[-1]), flush=True)
    save(options.to, rows)


def save(to: Path, rows: list[dict[str, Any]]) -> None:
    """The record: with what it held of other sizes and detectors on the same machine."""
    kept = json.loads(to.read_text())["rows"] if to.exists() else []
    new = {(row["detector"], row["classes"], row["rows"]) for row in rows}
    rows = [row for row in kept if (row["detector"], row["classes"], row["rows"]) not in new] + rows
    rows.sort(key=lambda row: (row["detector"], row["rows"], row["classes"]))
    times = {}
    for detector in dict.fromkeys(row["detector"] for row in rows):
        of = [row for row in rows if row["detector"] == detector and row["rows"] // row["classes"] == SIZE]
        if not of:
            continue
        least, most = of[0], of[-1]
        times[detector] = round(most["seconds"] / least["seconds"], 2)
        print(f"{detector}: {most['rows']:,} rows take {times[detector]} times as long as {least['rows']:,}")
    record = {
        "width": WIDTH, "cores": os.cpu_count(), "machine": platform.machine(),
        "python": platform.python_version(), "numpy": np.__version__, "times": times, "rows": rows,
    }  # fmt: skip
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
