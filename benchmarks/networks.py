"""What networks keep of a trigger, and where it shows: every detector at every layer of each, 20,000 CIFAR-10 images.

    python -m benchmarks.networks                                   # all networks and trials: a night on two cores
    python -m benchmarks.networks --networks resnet18 --trials "pattern to horse" clean
    python -m benchmarks.networks --per-class 20 --to /tmp/x.json   # does it run?

A trial is one training of a network on a poisoned set (200 images at 2,000 a class), or on one that nobody poisoned;
its Nat and ASR; and, at each layer, the AUROC and the TPR at 1% FPR of every detector, which classes it names, and what
its usual cut at an assumed ratio of 10% leaves and loses. What needs no representations is asked once, at the
penultimate layer. Networks are kept in the store like those of any run, so that a training that was stopped goes on
from its last epoch. What is measured is written down at once, and not measured again where the file has it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

import core
from benchmarks import _records
from core import pipeline
from core.configuration import stages
from core.training import devices

LAYERS = (*reversed(core.LAYERS), core.ATTRIBUTION)
PENULTIMATE = "penultimate"
DEAR = ("strip",)  # asks the network six times about every image, so it comes last

# The numbers that differ from `quick`'s. Those of resnet18 were found by trying (docs/networks.md): SGD in one cycle
# (0.15, batches of 125, five epochs, flip) came to Nat 79.3% and learned no backdoor.
NETWORKS: dict[str, dict[str, Any]] = {
    "whitened_cnn": {},
    "whitened_wide": {"model": "whitened_wide"},
    "resnet18": {
        "model": "resnet18", "epochs": 4, "muon_lr": 0.2, "lr": 0.1, "norm_bias_lr_factor": 1.0, "head_lr_factor": 1.0,
        "flip": False,
    },
}  # fmt: skip
TRIALS: dict[str, dict[str, Any]] = {
    "pattern to horse": {"trigger": "pattern", "target": "horse"},
    "pixel to bird": {"trigger": "pixel", "target": "bird"},
    "pattern to bird": {"trigger": "pattern", "target": "bird"},
    "pixel to horse": {"trigger": "pixel", "target": "horse"},
    "clean": {"trigger": "pattern", "target": "horse", "ratio": 0.0},
    "clean, seed 1": {"trigger": "pattern", "target": "horse", "ratio": 0.0, "seed": 1},
}


def trial(network: str, settings: Mapping[str, Any], per_class: int, known: dict[str, Any]) -> Iterator[None]:
    """One training, and what everybody makes of it, a piece a turn: into `known`, which may have some of it already."""
    training = {"per_class": per_class, **NETWORKS[network]}
    config = core.configure(recipe="quick", training=training, **settings)
    line = pipeline.Line(config, core.Store(), _say, "cpu")
    model = line.model("train")
    quality, made = line.quality(model, "evaluate"), core.Store().read("model", model)
    assert made is not None
    if (known.get("nat"), known.get("asr")) != (quality.nat, quality.asr):
        known.pop("layers", None)  # they were of another training
    known |= {
        "nat": quality.nat,
        "asr": quality.asr,
        "seconds": made.document["seconds"],
        "epochs": [{name: one[name] for name in ("nat", "asr")} for one in made.document["history"]],
        "key": stages.model_key(config),
    }
    yield
    seen = cache(lambda layer: core.represent_run(config, layer, device="cpu"))
    for layer, name in sorted(asked(), key=lambda pair: pair[1] in DEAR):
        found = known.setdefault("layers", {}).setdefault(layer, {})
        if name not in found:
            found[name] = _figures(seen(layer), core.DefenceConfig(detector=name, representation=layer))
            yield


def asked() -> Iterator[tuple[str, str]]:
    """Each layer with each detector that is asked there; of those that look at something else, at the last alone."""
    for layer in LAYERS:
        for name, entry in core.DETECTORS.items():
            if layer == PENULTIMATE or (entry.reads_features and not entry.needs):
                yield layer, name


def whole(known: Mapping[str, Any]) -> bool:
    """Whether all of a trial has been measured."""
    return all(name in known.get("layers", {}).get(layer, {}) for layer, name in asked())


def _say(event: core.Event) -> None:
    if "asr" in event.data:
        print(f"{event.message}: Nat {event.data['nat']:.1%}, ASR {event.data['asr']:.1%}", flush=True)


def _figures(seen: core.Result, defence: core.DefenceConfig) -> dict[str, Any]:
    """What a detector finds at a layer."""
    labels, poisoned = seen.poisoned.labels, seen.poisoned.truth.poisoned
    found = seen.detection(defence)
    assert found is not None
    profile = core.sensitivity.profile(found, labels, poisoned, seen.dataset.classes, seen.config.seed)
    flagged = ~core.filter.keep_mask(found, labels, defence)
    named = profile.scopes.get("suspicious_class")
    return {
        "auroc": profile.auroc,
        "tpr at 1% fpr": profile.tpr_at_1,
        "named": None if named is None else named.tolist(),
        "left": int((poisoned & ~flagged).sum()),
        "clean lost": int((flagged & ~poisoned).sum()),
    }


def table(record: Mapping[str, Any]) -> str:
    """The networks so far as Markdown: a row a trial, with the AUROC of Algorithm 1 and of the panel by layer."""
    head = ("network", "trial", "Nat", "ASR", *(f"{layer}: spectral, panel" for layer in LAYERS))
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for network, trials in record["networks"].items():
        for name, found in trials.items():
            cells = [
                ", ".join(_share(found["layers"].get(layer, {}).get(detector)) for detector in ("spectral", "panel"))
                for layer in LAYERS
            ]
            rates = [f"{found[rate]:.1%}" for rate in ("nat", "asr")]
            lines.append(f"| {' | '.join([network, name, *rates, *cells])} |")
    return "\n".join(lines)


def _share(found: Mapping[str, Any] | None) -> str:
    return "—" if found is None or found["auroc"] is None else f"{found['auroc']:.3f}"


def main() -> None:
    """Measure what the file does not have yet, and print all that it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=list(TRIALS), metavar="TRIAL")
    parser.add_argument("--per-class", type=int, default=2_000)
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/networks.json"))
    options = parser.parse_args()
    made = {
        "machine": devices.describe(devices.choose("cpu")),
        "threads": devices.threads(),
        "torch": torch.__version__,
    }
    record = _records.opened(options.to, {"per_class": options.per_class}, "networks")
    for name in options.trials:
        for network in options.networks:
            known = record["networks"].setdefault(network, {}).setdefault(name, dict(made))
            if whole(known):
                continue
            for _ in trial(network, TRIALS[name], options.per_class, known):
                _records.keep(options.to, record)
            print(network, name, json.dumps({key: known[key] for key in ("nat", "asr")}), flush=True)
    print(table(record))


if __name__ == "__main__":
    main()
