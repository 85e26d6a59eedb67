"""`whitened-spectral` on settings that were not used for choosing its numbers.

On real CIFAR-10 at the scale of `quick`: its numbers were chosen on targets bird, dog and horse at 10% of the
class, seeds 0 to 2; here the targets are airplane, cat and truck, the ratios 0.5% to 40% of the class and the
seeds 10 and more, with two networks, and clean sets beside them. Only the poisoned network of each setting is
trained; Algorithm 1 looks at the same representations.

    python -m benchmarks.robustness [--few] [--to benchmarks/results/robustness.json]
    python -m benchmarks.robustness --table         # the record as Markdown
    python -m benchmarks.robustness --synthetic     # false alarms and power on Gaussian sets, two minutes

It resumes: settings that the record has already are passed over, networks in the store are not trained again.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import core
from core import pipeline
from core.training import devices
from core.types import ignore

TRIGGERS, TARGETS = ("pixel", "pattern"), ("airplane", "cat", "truck")
RATIOS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
DETECTOR = "whitened-spectral"
USUAL = "whitened_cnn"
LEARNED = 0.5  # ASR1 from which a backdoor counts as learned
# The numbers of `quick` are its network's; a residual one collapses under them.
NUMBERS: dict[str, dict[str, Any]] = {
    USUAL: {},
    "resnet_small": dict(
        optimizer="sgd", lr=0.2, momentum=0.9, weight_decay=5e-4, norm_bias_lr_factor=1.0, head_lr_factor=1.0, epochs=6
    ),
}


class Setting(NamedTuple):
    """One poisoned network; ratio of the class, 0 for a clean set."""

    trigger: str
    target: str
    ratio: float
    seed: int
    model: str = USUAL


def settings(few: bool = False) -> list[Setting]:
    """36 of them, each ratio with both triggers and two seeds, the targets in turn; or a small part."""
    ladder = [
        Setting(trigger, TARGETS[(one + two + seed) % 3], ratio, seed)
        for seed in (10, 11)
        for one, ratio in enumerate(RATIOS)
        for two, trigger in enumerate(TRIGGERS)
    ]
    clean = [Setting("pixel", "airplane", 0.0, seed) for seed in (10, 11, 12, 13)]
    other = [
        Setting(trigger, target, ratio, 12, "resnet_small")
        for trigger, target, ratio in (
            ("pixel", "cat", 0.05),
            ("pattern", "truck", 0.1),
            ("pattern", "airplane", 0.02),
            ("pixel", "cat", 0.0),
        )
    ]
    return [*ladder[2:14:4], clean[0]] if few else [*ladder, *clean, *other]


def measure(setting: Setting) -> dict[str, Any]:
    """Train (or find) the poisoned network and look at its representations with both detectors."""
    config = core.configure(
        trigger=setting.trigger, target=setting.target, ratio=setting.ratio, seed=setting.seed, detector=DETECTOR,
        training={"model": setting.model, **NUMBERS[setting.model]},
    )  # fmt: skip
    line = pipeline.Line(config, core.Store(), ignore, "auto")
    network = line.model("train")
    before = line.quality(network, "evaluate")
    line.features(network)
    result = core.Result(config)
    found, plain = result.detection(), result.detection(core.DefenceConfig())
    assert found is not None
    assert plain is not None
    labels, truth = result.poisoned.labels, result.poisoned.truth.poisoned
    named = core.filter.suspicious_classes(labels, found, "suspicious_class").tolist()
    poisoned = config.attack.target if truth.any() else None
    row = {
        **setting._asdict(),
        "poisons": int(truth.sum()),
        "nat1": before.nat,
        "asr1": before.asr,
        "auroc": core.metrics.ranking(found.scores, labels, truth, config.attack.target).auroc,
        "named": named,
        "right": named == ([] if poisoned is None else [poisoned]),
        "others_named": [label for label in named if label != poisoned],
        "class_statistic": np.round(found.class_statistic, 3).tolist(),
    }
    for cut in ("gap", "budget"):
        keep = core.filter.keep_mask(found, labels, core.DefenceConfig(detector=DETECTOR, cut=cut))
        row |= _removed(cut, keep, truth)
    return row | _removed("plain", core.filter.keep_mask(plain, labels, core.DefenceConfig()), truth)


def _removed(name: str, keep: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, int]:
    return {f"{name}_left": int((truth & keep).sum()), f"{name}_clean_removed": int((~truth & ~keep).sum())}


def table(rows: list[dict[str, Any]]) -> str:
    """One line a setting, as Markdown."""
    head = ("network", "trigger", "target", "ratio", "seed", "ASR1", "AUROC", "named", "gap: left", "benign removed",
            "1.5·ε: left", "benign removed", "Algorithm 1: left", "benign removed")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in sorted(rows, key=lambda row: (row["model"] != USUAL, row["ratio"], row["trigger"], row["seed"])):
        named = "right" if row["right"] else "none" if not row["named"] else f"wrong: {row['others_named']}"
        poisons = row["poisons"]
        cells = [row["model"], row["trigger"], row["target"], f"{row['ratio']:.1%}", row["seed"], f"{row['asr1']:.1%}",
                 "" if row["auroc"] is None else f"{row['auroc']:.4f}", named]  # fmt: skip
        for name in ("gap", "budget", "plain"):
            cells += [f"{row[f'{name}_left']} of {poisons}", row[f"{name}_clean_removed"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def summary(rows: list[dict[str, Any]]) -> str:
    """One line a ratio and network, as Markdown: what became of the backdoors that were learned, ASR1 at least 50%."""
    head = ("network", "ratio", "sets", "learned", "of these named alone", "poisons left by the gap", "benign removed",
            "by 1.5·ε: left", "Algorithm 1: left", "another class named")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for model, ratio in sorted({(row["model"], row["ratio"]) for row in rows}, key=lambda one: (one[0] != USUAL, one)):
        group = [row for row in rows if (row["model"], row["ratio"]) == (model, ratio)]
        learned = [row for row in group if row["poisons"] and row["asr1"] >= LEARNED]
        named = [row for row in learned if row["right"]]
        poisons = sum(row["poisons"] for row in learned)

        def left(name: str, of: list[dict[str, Any]] = learned, poisons: int = poisons) -> str:
            return f"{sum(row[f'{name}_left'] for row in of)} of {poisons}" if poisons else ""

        cells = [model, f"{ratio:.1%}", len(group), len(learned) if ratio else "", len(named) if ratio else "",
                 left("gap"), sum(row["gap_clean_removed"] for row in group), left("budget"), left("plain"),
                 sum(bool(row["others_named"]) for row in group)]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------- synthetic sets


def gaussian_classes(
    rng: np.random.Generator, sizes: list[int], width: int, draw: Callable[[tuple[int, int]], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Classes of own means and covariances, with a variation that all of them share."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    features = np.empty((len(labels), width))
    shared = rng.normal(size=(width, width)) * np.arange(1, width + 1) ** -0.5
    for label, size in enumerate(sizes):
        turn, _ = np.linalg.qr(rng.normal(size=(width, width)))
        own = draw((size, width)) @ (turn * rng.uniform(0.5, 2.0, width)).T
        features[labels == label] = own + 0.7 * rng.normal(size=(size, width)) @ shared + 4 * rng.normal(size=width)
    return features, labels


def clean_set(kind: str, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A set without poison, of one of the kinds of CLEAN."""
    sizes, width, tails, distance = CLEAN[kind]
    rng = np.random.default_rng([seed, 7])
    draw = rng.standard_normal if tails is None else lambda size: rng.standard_t(tails, size=size)
    features, labels = gaussian_classes(rng, sizes, width, draw)
    for label in range(len(sizes) if distance else 0):
        members = np.flatnonzero(labels == label)
        upper = rng.choice(members, int(rng.choice([0.05, 0.1, 0.2, 0.35, 0.5]) * len(members)), replace=False)
        direction = _direction(rng, width)
        features[upper] += direction * rng.uniform(1, distance) * (features[members] @ direction).std()
    return features, labels


# sizes of the classes, width, degrees of freedom of Student's t (None: Gaussian), most distance of a second component
CLEAN: dict[str, tuple[list[int], int, float | None, float]] = {
    "one Gaussian a class": ([800] * 10, 48, None, 0),
    "heavy tails (Student's t, 5)": ([800] * 10, 48, 5.0, 0),
    "heavier tails (Student's t, 3)": ([800] * 10, 48, 3.0, 0),
    "unequal sizes, 60 to 1,500": (np.geomspace(60, 1500, 10).astype(int).tolist(), 48, None, 0),
    "43 classes, 60 to 800": (np.geomspace(60, 800, 43).astype(int).tolist(), 32, None, 0),
    "30 images a class": ([30] * 10, 48, None, 0),
    "two components, up to 3 sd apart": ([800] * 10, 48, None, 3.0),
    "two components, up to 4 sd apart": ([800] * 10, 48, None, 4.0),
}


def poisoned_set(
    seed: int, share: float, distance: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_], int]:
    """Ten classes of 1,000, one with copies of its own images shifted by `distance` standard deviations of it."""
    rng = np.random.default_rng([seed, 8])
    width, count = 48, round(1000 * share)
    features, labels = gaussian_classes(rng, [1000] * 10, width, rng.standard_normal)
    target = int(rng.integers(10))
    members, direction = labels == target, _direction(rng, width)
    shift = direction * distance * (features[members] @ direction).std()
    copies = features[rng.choice(np.flatnonzero(members), count)] + 0.3 * rng.normal(size=(count, width)) + shift
    order = rng.permutation(len(labels) + count)
    poisoned = order >= len(labels)
    return np.r_[features, copies][order], np.r_[labels, np.full(count, target)][order], poisoned, target


def _direction(rng: np.random.Generator, width: int) -> NDArray[np.float64]:
    direction: NDArray[np.float64] = rng.normal(size=width)
    return direction / np.linalg.norm(direction)


def synthetic(sets: int) -> Iterator[str]:
    """False alarms and power as two Markdown tables, from seeds 1000 on."""
    yield "| clean sets | sets | with a class named |\n|---|---|---|"
    for kind in CLEAN:
        named = sum(_named(*clean_set(kind, 1000 + seed))[0].size > 0 for seed in range(sets))
        yield f"| {kind} | {sets} | {named} |"
    yield "\n| share of the class | shift | named alone | AUROC | gap: left | benign removed |\n" + "|---" * 6 + "|"
    for share in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4):
        for distance in (4.0, 6.0, 9.0):
            yield _power(share, distance, max(1, sets // 4))


def _named(features: NDArray[Any], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], core.Detection]:
    found = core.detect(DETECTOR, features, labels)
    return core.filter.suspicious_classes(labels, found, "suspicious_class"), found


def _power(share: float, distance: float, sets: int) -> str:
    right, ranked, left, removed = 0, [], [], []
    for seed in range(sets):
        features, labels, poisoned, target = poisoned_set(1000 + seed, share, distance)
        named, found = _named(features, labels)
        members = labels == target
        right += named.tolist() == [target]
        ranked.append(roc_auc_score(poisoned[members], found.scores[members]))
        if target in named:
            flagged = ~core.filter.keep_mask(found, labels, core.DefenceConfig(detector=DETECTOR, cut="gap"))
            left.append((poisoned & ~flagged).sum() / poisoned.sum())
            removed.append((flagged & ~poisoned).sum())
    where = f"{np.mean(left):.1%} | {np.mean(removed):.1f}" if left else " | "
    return f"| {share:.1%} | {distance:g} sd | {right} of {sets} | {np.mean(ranked):.3f} | {where} |"


def main() -> None:
    """Measure what the record does not have yet, or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/robustness.json"))
    parser.add_argument("--few", action="store_true", help="four settings")
    parser.add_argument("--table", action="store_true", help="print the table of an existing record")
    parser.add_argument("--summary", action="store_true", help="print it in a line a ratio")
    parser.add_argument("--synthetic", type=int, nargs="?", const=40, metavar="SETS", help="Gaussian sets of each kind")
    options = parser.parse_args()
    if options.synthetic:
        for line in synthetic(options.synthetic):
            print(line, flush=True)
        return
    if options.table or options.summary:
        print((summary if options.summary else table)(json.loads(options.to.read_text())["rows"]))
        return
    record = json.loads(options.to.read_text()) if options.to.exists() else {"rows": []}
    version = core.DETECTORS[DETECTOR].version
    if record.get("detector_version", version) != version:
        record["rows"] = []  # another version's figures; its networks are in the store
    record |= {"machine": devices.describe(torch.device("cpu")), "python": platform.python_version(),
               "torch": torch.__version__, "detector_version": version}  # fmt: skip
    done = {tuple(row[name] for name in Setting._fields) for row in record["rows"]}
    options.to.parent.mkdir(parents=True, exist_ok=True)
    for setting in settings(options.few):
        if setting not in done:
            record["rows"].append(measure(setting))
            options.to.write_text(json.dumps(record, indent=1))
            print({name: value for name, value in record["rows"][-1].items() if name != "class_statistic"}, flush=True)
    print(table(record["rows"]))


if __name__ == "__main__":
    main()
