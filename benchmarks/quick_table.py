"""The `quick` recipe on real CIFAR-10: what a run takes and finds on this machine.

Both triggers, targets bird, dog and horse at 10% of the class, three seeds: 18 runs with
`whitened-spectral` from start to before/after, each through the ledger and the worker as a person
starts it, nothing stored beforehand; then Algorithm 1 on the same poisoned network, with its own
retraining; and the benign reference. Writes a JSON record; `--table` prints the README's table from it.

    python -m benchmarks.quick_table [--seeds 3] [--to benchmarks/results/quick_table.json]

It resumes: rows that the record has already are not run again.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import core
from core import devices

TRIGGERS, TARGETS = ("pixel", "pattern"), ("bird", "dog", "horse")
FIGURES = ("nat1", "asr1", "poisons", "poisons_left", "clean_removed", "auroc", "average_precision", "nat2", "asr2")


def measure(trigger: str, target: str, seed: int, detector: str) -> dict[str, Any]:
    """One run from start to its summary, by the worker."""
    config = core.configure(trigger=trigger, target=target, seed=seed, detector=detector)
    began = time.perf_counter()
    job = core.jobs.wait(core.submit(config).id)
    seconds = time.perf_counter() - began
    if job.status != "done":
        raise SystemExit(f"run {job.id} ended {job.status}: {job.error}")
    result = core.Result(config)
    summary = result.summary
    assert summary is not None
    figures = {name: summary[name] for name in FIGURES}
    named = None if summary["class_threshold"] is None else summary["suspicious_classes"]
    return {"trigger": trigger, "target": target, "seed": seed, "detector": detector, "seconds": seconds,
            **figures, "named_classes": named, "class_statistic": summary["class_statistic"]}  # fmt: skip


def benign_rates(rows: list[dict[str, Any]]) -> None:
    """Add to every row the rate at which the benign reference gives the target for the same images."""
    for row in rows:
        config = core.configure(trigger=row["trigger"], target=row["target"], seed=row["seed"])
        core.jobs.wait(core.submit(config, "benign").id)
        quality = core.Result(config).quality("benign")
        assert quality is not None
        row["benign_nat"], row["benign_asr"] = quality.nat, quality.asr


def main() -> None:
    """Measure what the record does not have yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/quick_table.json"))
    parser.add_argument("--table", action="store_true", help="print the table of an existing record")
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(options.to.read_text())["rows"]))
        return
    record = json.loads(options.to.read_text()) if options.to.exists() else {"rows": []}
    record |= {
        "machine": devices.describe(torch.device("cpu")),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    done = {(row["trigger"], row["target"], row["seed"], row["detector"]) for row in record["rows"]}
    wanted = [
        (trigger, target, seed, detector)
        for detector in ("whitened-spectral", "spectral")
        for seed in range(options.seeds)
        for trigger in TRIGGERS
        for target in TARGETS
    ]
    options.to.parent.mkdir(parents=True, exist_ok=True)
    for setting in wanted:
        if setting not in done:
            record["rows"].append(measure(*setting))
            options.to.write_text(json.dumps(record, indent=1))
            print({name: value for name, value in record["rows"][-1].items() if name != "class_statistic"}, flush=True)
    benign_rates(record["rows"])
    options.to.write_text(json.dumps(record, indent=1))
    print(table(record["rows"]))


def table(rows: list[dict[str, Any]]) -> str:
    """Mean ± standard deviation over seeds, as Markdown."""
    head = ("detector", "trigger", "target", "Nat1", "ASR1", "AUROC", "#Pois left", "clean removed", "Nat2", "ASR2",
            "benign", "seconds")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for detector in ("whitened-spectral", "spectral"):
        for trigger in TRIGGERS:
            for target in TARGETS:
                group = [
                    row for row in rows
                    if (row["detector"], row["trigger"], row["target"]) == (detector, trigger, target)
                ]  # fmt: skip
                if group:
                    lines.append(_line(detector, trigger, target, group))
    return "\n".join(lines)


def _line(detector: str, trigger: str, target: str, group: list[dict[str, Any]]) -> str:
    def cell(name: str, form: str) -> str:
        values = np.array([row[name] for row in group if row.get(name) is not None], float)
        return "" if not len(values) else f"{values.mean():{form}} ± {values.std():{form}}"

    cells = [detector, trigger, target, cell("nat1", ".1%"), cell("asr1", ".1%"), cell("auroc", ".4f"),
             f"{cell('poisons_left', '.1f')} of {group[0]['poisons']}", cell("clean_removed", ".0f"),
             cell("nat2", ".1%"), cell("asr2", ".1%"), cell("benign_asr", ".1%"), cell("seconds", ".0f")]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
