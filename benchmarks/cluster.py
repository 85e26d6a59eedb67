"""A sweep by command line on a Ray cluster of two nodes, one of them killed half-way: what is lost, what done twice?

Starts two nodes on loopback addresses, runs `python -m core sweep run FILE --cluster ADDRESS`, kills the second node's
raylet (SIGKILL) when half of the runs are stored and it is in the middle of one, and prints what came of it as JSON.
The sweep starts from an empty home, a temporary one by default, with this user's data sets. Linux; needs
requirements-cluster.txt.

    python -m benchmarks.cluster                         # a small sweep of the digits
    python -m benchmarks.cluster sweep.yaml
    python -m benchmarks.cluster sweep.yaml --apart      # nodes with homes of their own, artefacts through a share
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import core
from benchmarks._nodes import ROOT, Nodes, two_nodes
from core.configuration import grid
from core.training import devices

DIGITS = """
name: digits on two nodes
base: {dataset: digits, trigger: pattern, target: three, training: {epochs: 2}}
axes: {ratio: [0.1, 0.3]}
seeds: [0, 1, 2]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?", help="the sweep, as YAML; a small one of the digits by default")
    parser.add_argument("--cpus", type=int, default=max(1, devices.cores() // 2), help="cores of each node")
    parser.add_argument("--cpus-per-run", type=float, help="cores a run; those of a node by default")
    parser.add_argument("--kill-at", type=float, default=0.5, help="the share of the runs that is stored then")
    parser.add_argument("--apart", action="store_true", help="no common folder: through a share")
    parser.add_argument("--home", type=Path, help="the home that the results go to; an empty one by default")
    parser.add_argument("--to", type=Path, help="a file for the JSON")
    chosen = parser.parse_args()
    if find_spec("ray") is None:
        print(
            "Ray is not installed: python -m pip install -r requirements-cluster.txt -c constraints.txt",
            file=sys.stderr,
        )
        return
    with tempfile.TemporaryDirectory(prefix="poisonscope-") as temporary:
        home = (chosen.home or Path(temporary) / "home").resolve()
        home.mkdir(parents=True, exist_ok=True)
        if chosen.file is None:
            chosen.file = Path(temporary) / "digits.yaml"
            chosen.file.write_text(DIGITS)
        with two_nodes(chosen.cpus) as nodes:
            for each in (home, *(node.home for node in nodes.both)):
                _lend_data(each)
            found = measure(chosen, nodes, home, Path(temporary) / "share")
    text = json.dumps(found, indent=1)
    print(text)
    if chosen.to is not None:
        chosen.to.write_text(text + "\n")


def _lend_data(home: Path) -> None:
    """This user's data sets in another home."""
    ours = core.home.data_folder()
    if ours.is_dir() and not (home / "data").exists():
        (home / "data").symlink_to(ours, target_is_directory=True)


def measure(chosen: argparse.Namespace, nodes: Nodes, home: Path, share: Path) -> dict[str, object]:
    sweep = grid.parse(chosen.file.read_text())
    store = core.Store(home / "store")
    keys = {grid.cell_key(cell.config, sweep) for cell in grid.cells(sweep)}
    before = _stored(store, keys)
    words = ["--cluster", nodes.address, "--cpus-per-run", str(chosen.cpus_per_run or chosen.cpus), "--here", "--json"]
    words += ["--share", share.as_uri()] if chosen.apart else []
    began = time.perf_counter()
    command = subprocess.Popen(
        [sys.executable, "-m", "core", "sweep", "run", str(chosen.file.resolve()), *words],
        cwd=ROOT,
        env={**nodes.environment, "POISONSCOPE_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    killed: dict[str, object] = {}
    while command.poll() is None:
        time.sleep(0.5)
        stored = _stored(store, keys)
        under_way = set(nodes.other.begun()) - set(nodes.other.stored("cell"))
        if not killed and stored - before >= chosen.kill_at * (len(keys) - before) and under_way:
            killed = {
                "seconds": round(time.perf_counter() - began, 1),
                "runs_stored": stored,
                "under_way": len(under_way),
            }
            nodes.other.kill()
            print(f"killed the second node: {killed}", file=sys.stderr)
    rows = json.loads(command.communicate()[0] or "[]")
    begun = [key for node in nodes.both for key in node.begun()]
    twice = nodes.twice()
    return {
        "sweep": sweep.name,
        "status": command.returncode,
        "runs": len(keys),
        "stored_before": before,
        "done": sum(row["status"] == "done" for row in rows),
        "killed": killed or None,
        "trainings": nodes.trainings(),
        "runs_by_node": {node.ip: len(node.stored("cell")) for node in nodes.both},
        "begun_again": len(begun) - len(set(begun)),
        "stored_twice": len(twice),
        "seconds": round(time.perf_counter() - began, 1),
        "device": devices.describe(devices.choose()),
        "share": "object storage (file:)" if chosen.apart else "folder",
        "load": round(os.getloadavg()[0], 1),
    }


def _stored(store: core.Store, keys: set[str]) -> int:
    return sum(store.has("cell", key) for key in keys)


if __name__ == "__main__":
    main()
