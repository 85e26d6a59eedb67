"""A look at the machine, the data, the store and the ledger."""

from __future__ import annotations

import platform
import shutil
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from core import datasets, jobs
from core.configuration import DATASETS
from core.store import SHELVES, Store, home, size_of

LITTLE_SPACE = 2 * 2**30


class Finding(NamedTuple):
    """One thing looked at: whether it is good, and what was found."""

    what: str
    good: bool
    found: str


def findings() -> Iterator[Finding]:
    """Everything that can be found wrong, in the order in which one would look."""
    yield from _machine()
    for name in DATASETS:
        yield _data(name)
    yield from _store()
    yield from _ledger()


def _data(name: str) -> Finding:
    if datasets.available(name):
        return Finding(f"data {name}", True, "ready")
    fetch = f"python -m core data {name}"
    folder = home.data_folder() / name
    if folder.is_dir() and any(folder.iterdir()):
        return Finding(f"data {name}", False, f"incomplete or damaged in {folder}; anew: {fetch}")
    return Finding(f"data {name}", True, f"not here yet: {fetch}")


def _machine() -> Iterator[Finding]:
    import torch

    from core.training import devices

    device = devices.choose()
    bf16 = "bfloat16 in hardware" if devices.fast_bf16(device) else "no fast bfloat16"
    yield Finding("device", True, f"{device.type}: {devices.describe(device)}, {bf16}")
    for note in devices.notes("auto", device):
        yield Finding("device", False, note)
    yield Finding("versions", True, f"Python {platform.python_version()}, torch {torch.__version__}")
    free = shutil.disk_usage(home.home()).free
    yield Finding("folder", free > LITTLE_SPACE, f"{home.home()}, {free / 2**30:.1f} GiB free")


def _store() -> Iterator[Finding]:
    store = Store()
    kept = store.listing()
    yield Finding("store", True, f"{len(kept)} artefacts, {sum(listed.bytes for listed in kept) / 2**20:.0f} MiB")
    shelves = store.folder / SHELVES
    yield Finding("read of sets", True, f"{size_of(shelves) / 2**20:.0f} MiB, which may be deleted ({shelves})")
    for problem in store.problems():
        yield Finding(f"damaged {problem.stage}", False, f"{problem.key[:12]}: {problem.reason}")


def _ledger() -> Iterator[Finding]:
    for what, listed in (("runs", jobs.listing(10_000)), ("sweeps", jobs.listing(10_000, sweeps=True))):
        counts = Counter(job.status for job in listed)
        words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or f"no {what} yet"
        yield Finding(what, not counts["lost"], words + (" (resume them)" if counts["lost"] else ""))
