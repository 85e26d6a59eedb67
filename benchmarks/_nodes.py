"""Two Ray nodes on this machine's loopback addresses, as two `ray start` in folders of their own, and what they log."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START = "from ray.scripts.scripts import main; main()"  # the program `ray`, wherever its script may lie
IPS = ("127.0.0.2", "127.0.0.3")  # Ray takes 127.0.0.1 for this machine's outward address
PATIENCE = 120.0
LINE = re.compile(
    r"core\.(?:sweeps\.node|audits\.blocks): "
    r"(?:begins (?:cell|block) (?P<begun>\w+)|stored (?P<stage>[\w-]+) (?P<key>\w+))"
)


@dataclass
class Node:
    """One `ray start`. Its folder holds Ray's logs and, where tasks use homes of their own, its home."""

    ip: str
    folder: Path
    environment: dict[str, str]
    cpus: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def start(self, *where: str) -> None:
        said = self.folder / "start.log"
        words = [*("start", "--block", *where, "--node-ip-address", self.ip, "--num-cpus", str(self.cpus))]
        words += ["--temp-dir", str(self.folder), "--object-store-memory", "80000000", "--num-gpus", "0"]
        with said.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, *words],
                env={**self.environment, "POISONSCOPE_HOME": str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while "Ray runtime started" not in said.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Ray node {self.ip} did not start: {said.read_text(errors='replace')}")
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL to all of the node's processes: for the cluster, the machine is gone."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Hold the node, so that what it is at does not change while somebody looks."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen node go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        """A signal to all processes of the node's session, whatever groups Ray has put them in."""
        for process in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            with suppress(ProcessLookupError):
                if os.getsid(process) == self.process.pid:
                    os.kill(process, which)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its own session's processes, and no others
        self.process.wait()

    def lines(self) -> list[re.Match[str]]:
        """What its tasks have begun and stored, in each process's order."""
        logs = sorted(self.folder.glob("session_2*/logs/worker-*.err"))
        return [found for path in logs for found in LINE.finditer(path.read_text(errors="replace"))]

    def begun(self) -> list[str]:
        return [line["begun"] for line in self.lines() if line["begun"]]

    def stored(self, stage: str) -> list[str]:
        return [line["key"] for line in self.lines() if line["stage"] == stage]


@dataclass(frozen=True)
class Nodes:
    """The cluster: the environment that programs talk to it with, its address, and its nodes, the head first."""

    environment: dict[str, str]
    address: str
    head: Node
    other: Node

    def start_other(self) -> None:
        self.other.start("--address", self.address)

    @property
    def both(self) -> tuple[Node, Node]:
        return self.head, self.other

    def twice(self) -> dict[str, int]:
        """What was computed and stored more than once, with how often: nothing, if all is well."""
        counts = Counter(f"{line['stage']} {line['key']}" for node in self.both for line in node.lines() if line["key"])
        return {name: count for name, count in counts.items() if count > 1}

    def trainings(self) -> int:
        return sum(len(node.stored("model")) for node in self.both)


@contextmanager
def two_nodes(cpus: int = 1) -> Iterator[Nodes]:
    """A head and another node with so many cores each; gone afterwards, with all that they wrote."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: a socket's path may have a hundred characters
    # A token, since Ray listens on all addresses and does what it is told.
    ray = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, **ray, "PYTHONPATH": path}
    nodes = [Node(ip, folder / name, environment, cpus) for ip, name in zip(IPS, "ab", strict=True)]
    try:
        for node in nodes:
            node.home.mkdir(parents=True)
        nodes[0].start("--head", "--port", "0", "--include-dashboard", "false")
        said = (nodes[0].folder / "start.log").read_text()
        cluster = Nodes(environment, re.findall(rf"{IPS[0]}:\d+", said)[0], *nodes)
        cluster.start_other()
        yield cluster
    finally:
        for node in reversed(nodes):
            node.stop()
        shutil.rmtree(folder, ignore_errors=True)
