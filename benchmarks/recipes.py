"""Variants of the recipe `quick` on its own setting: accuracy, attack success and processor time of each.

    python -m benchmarks.recipes                                   # all variants, three seeds: 40 minutes on two cores
    python -m benchmarks.recipes --variants quick smooth "wide first" --seeds 0 1
    python -m benchmarks.recipes --dataset digits --per-class 20 --to /tmp/x.json   # does it run?

A trial is one training on the poisoned set (2,000 images a class, a pixel to bird at 10% of the class) and one pass
over the test images. Each is written down as soon as it is measured and not measured again where the file has it, so
that the program can be stopped and started at will. The seeds come in turn, each with all variants, so that a machine
that gets slower is slow for all. Processor seconds are those of the training alone, all threads together, averaging
included; they compare on one machine only, and the program refuses a file of another one.

What is varied, each by itself: the schedule (its peak, how it falls), rates, batch size, label smoothing, mirroring
(none; by turns, as in Jordan 2024, arXiv:2404.00498, section 3.6), shifts, widths, epochs, and averages of the weights
behind the training: a running one (EMA) or that of the last steps (SWA: Izmailov et al., arXiv:1803.05407, 2018), whose
batch norms take their statistics anew.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.optim import swa_utils

import core
from benchmarks import _records
from core.configuration import TrainingConfig
from core.evidence import predict
from core.results import quality, triggered_images
from core.training import devices, loop, models, optim, to_float
from core.training.loop import train
from core.training.step import Batches, Course, Step
from core.types import Images

TARGETS = {"cifar10": "bird", "digits": "three"}
WARMING = 50  # images a class of the first training, which does not count
BATCH = 250  # of the pass for the batch norms of averaged weights


@dataclass(frozen=True)
class Variant:
    """What differs from `quick`.

    numbers: of the recipe. widths: of the network's three blocks. falls: the rate as a share of its peak behind it, by
    the share (0 to 1) of that stretch. by_turns: whoever was mirrored in one epoch is not in the next. average: from
    which share of the training on weights are averaged; decay: of a running average, else all count alike.
    """

    numbers: Mapping[str, Any] = field(default_factory=dict)
    widths: tuple[int, int, int] | None = None
    falls: Callable[[float], float] | None = None
    by_turns: bool = False
    average: float | None = None
    decay: float | None = None


VARIANTS = {
    "quick": Variant(),
    # the schedule
    "peak at 0.1": Variant({"peak": 0.1}),
    "peak at 0.35": Variant({"peak": 0.35}),
    "cosine": Variant(falls=lambda share: 0.5 + 0.5 * math.cos(math.pi * share)),
    "falls to 0.07": Variant(falls=lambda share: 1 - 0.93 * share),
    "square": Variant(falls=lambda share: (1 - share) ** 2),
    # rates and batches
    "rates x 0.75": Variant({"lr": 0.28, "muon_lr": 0.18}),
    "rates x 1.35": Variant({"lr": 0.5, "muon_lr": 0.32}),
    "muon x 1.35": Variant({"muon_lr": 0.32}),
    "batches of 125": Variant({"batch_size": 125, "lr": 0.26, "muon_lr": 0.17}),
    "batches of 125, same rates": Variant({"batch_size": 125}),
    "batches of 400": Variant({"batch_size": 400, "lr": 0.47, "muon_lr": 0.3}),
    # regularisation
    "smooth": Variant({"label_smoothing": 0.1}),
    "smoother": Variant({"label_smoothing": 0.2}),
    "decay x 0.5": Variant({"weight_decay": 2.5e-3}),
    "decay x 2": Variant({"weight_decay": 1e-2}),
    # augmentation
    "no flip": Variant({"flip": False}),
    "flip by turns": Variant(by_turns=True),
    "shift 1": Variant({"crop": 1}),
    "shift 2": Variant({"crop": 2}),
    # widths and epochs: what they cost stands beside what they bring
    "narrow first": Variant(widths=(24, 64, 64)),
    "wide last": Variant(widths=(32, 64, 96)),
    "wide first": Variant(widths=(40, 64, 64)),
    "wide": Variant(widths=(40, 80, 80)),
    "narrow, 3 epochs": Variant({"epochs": 3}, widths=(24, 48, 64)),
    "3 epochs": Variant({"epochs": 3}),
    # averages of the weights
    "EMA 0.9": Variant(average=0.5, decay=0.9),
    "EMA 0.97": Variant(average=0.5, decay=0.97),
    "SWA of the last fifth": Variant(average=0.8),
    "SWA of the last fifth, falls to 0.2": Variant(average=0.8, falls=lambda share: 1 - 0.8 * share),
}  # fmt: skip
# Together, once each of them has shown what it brings.
VARIANTS["flip by turns, smooth"] = replace(VARIANTS["smooth"], by_turns=True)
VARIANTS["flip by turns, EMA 0.9"] = replace(VARIANTS["EMA 0.9"], by_turns=True)
VARIANTS["wide last, smooth"] = replace(VARIANTS["wide last"], numbers=VARIANTS["smooth"].numbers)
VARIANTS["wide last, smooth, flip by turns"] = replace(VARIANTS["wide last, smooth"], by_turns=True)
VARIANTS["3 epochs, smooth"] = Variant({"epochs": 3, "label_smoothing": 0.1})


def trial(variant: Variant, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training and its figures; the two seconds are those of the training and of averaging."""
    model = {} if variant.widths is None else {"model": widened(variant.widths)}
    config = core.configure(
        dataset=options.dataset, trigger=options.trigger, target=TARGETS[options.dataset], recipe="quick",
        training={"per_class": options.per_class, **model, **variant.numbers}, seed=seed,
    )  # fmt: skip
    dataset, device = core.datasets.load(config.dataset), devices.choose("cpu")
    poisoned = core.poison.poison(dataset, config.attack, seed)
    averages = Averages(variant, config.training, len(poisoned))
    with varied(variant, averages):
        began = time.perf_counter(), time.process_time()
        trained = train(
            poisoned.images, poisoned.labels, dataset.classes, config.training, seed, device=device
        )  # fmt: skip
        network = averages.network(poisoned.images) or trained.network
        wall, processor = time.perf_counter() - began[0], time.process_time() - began[1]
    bf16 = devices.use_bf16(config.training.precision, device)
    clean, triggered = (
        predict(network, images, bf16=bf16)
        for images in (dataset.test_images, triggered_images(config, dataset.test_images))
    )
    found = quality(config, dataset, clean, triggered)
    return {"nat": found.nat, "asr": found.asr, "processor": processor, "wall": wall}


def widened(widths: tuple[int, int, int]) -> str:
    """The name of the recipe's network at other widths, which is entered for it."""
    name = "whitened_" + "_".join(map(str, widths))
    if name not in core.MODELS:
        source = core.MODELS["whitened_cnn"].source
        core.MODELS.add(name, core.Entry(f"At widths {widths}", source, partial(models.Whitened, widths=widths)))
    return name


class Averages:
    """Averages the weights of a training of `count` images behind its steps, where a variant says so."""

    def __init__(self, variant: Variant, training: TrainingConfig, count: int) -> None:
        self.variant = variant
        self.steps, self.done = training.epochs * max(1, count // training.batch_size), 0
        self.model: swa_utils.AveragedModel | None = None

    def note(self, network: models.Network) -> None:
        """A step was done."""
        self.done += 1
        if self.variant.average is None or self.done < self.variant.average * self.steps:
            return
        if self.model is None:
            decay = self.variant.decay
            rule = None if decay is None else swa_utils.get_ema_multi_avg_fn(decay)
            self.model = swa_utils.AveragedModel(network, multi_avg_fn=rule)
        self.model.update_parameters(network)

    def network(self, images: Images) -> models.Network | None:
        """The averaged network, its batch norms by images [n, h, w, 3] as they are; None where nothing is averaged."""
        if self.model is None:
            return None
        starts = range(0, len(images), BATCH)
        swa_utils.update_bn((to_float(torch.tensor(images[at : at + BATCH])) for at in starts), self.model)
        network: models.Network = self.model.module
        return network.eval()


@contextmanager
def varied(variant: Variant, averages: Averages) -> Iterator[None]:
    """The training loop as the variant has it."""
    rate, course, call = optim.rate, loop._course, Step.__call__

    def falling(training: TrainingConfig, progress: float) -> float:
        if progress < training.peak or variant.falls is None:
            return rate(training, progress)
        return variant.falls((progress - training.peak) / (1 - training.peak))

    def turning(batches: Batches, training: TrainingConfig, seed: int, epoch: int) -> Course:
        first, own = course(batches, training, seed, 0), course(batches, training, seed, epoch)
        return replace(own, mirrored=first.mirrored ^ (epoch % 2 == 1))

    def stepping(step: Step) -> None:
        call(step)
        averages.note(step.network)

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(optim, "rate", falling))
        if variant.by_turns:
            patches.enter_context(mock.patch.object(loop, "_course", turning))
        if variant.average is not None:
            patches.enter_context(mock.patch.object(Step, "__call__", stepping))
        yield


def table(trials: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The trials so far as Markdown, a row a variant, the most accurate first; behind `quick`'s those of its seeds.

    Differences are means over the seeds that both have: the seeds differ more than most variants do.
    """
    head = ("variant", "seeds", "Nat", "less `quick`'s", "ASR", "processor seconds", "times `quick`'s")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    usual = trials.get("quick", {})
    for name, by_seed in sorted(trials.items(), key=lambda one: -statistics.mean(t["nat"] for t in one[1].values())):
        found = list(by_seed.values())
        nat, asr, seconds = (statistics.mean(one[key] for one in found) for key in ("nat", "asr", "processor"))
        shared = [seed for seed in by_seed if seed in usual]
        apart = times = "—"
        if shared:
            apart = f"{100 * statistics.mean(by_seed[seed]['nat'] - usual[seed]['nat'] for seed in shared):+.2f}"
            times = f"{statistics.mean(by_seed[seed]['processor'] / usual[seed]['processor'] for seed in shared):.2f}"
        lines.append(f"| {name} | {len(found)} | {nat:.2%} | {apart} | {asr:.1%} | {seconds:.1f} | {times} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what the file does not have yet, and print all that it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--trigger", default="pixel", choices=core.TRIGGERS)
    parser.add_argument("--dataset", default="cifar10", choices=TARGETS)
    parser.add_argument("--per-class", type=int, default=2_000)
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/recipes.json"))
    options = parser.parse_args()
    setting = {
        "dataset": options.dataset, "per_class": options.per_class, "trigger": options.trigger,
        "machine": devices.describe(devices.choose("cpu")), "threads": devices.threads(), "torch": torch.__version__,
    }  # fmt: skip
    record = _records.opened(options.to, setting, "trials")
    trials = record["trials"]
    todo = [
        (seed, name) for seed in options.seeds for name in options.variants if str(seed) not in trials.get(name, {})
    ]
    if todo:  # what is imported and chosen once counts for nobody
        small = argparse.Namespace(**{**vars(options), "per_class": min(options.per_class, WARMING)})
        trial(VARIANTS["quick"], 0, small)
    for seed, name in todo:
        found = trials.setdefault(name, {})[str(seed)] = trial(VARIANTS[name], seed, options)
        _records.keep(options.to, record)
        print(name, seed, json.dumps(found), flush=True)
    print(table(trials))


if __name__ == "__main__":
    main()
