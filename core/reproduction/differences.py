"""Why our figure is not the report's: sentences from a run's settings and measured figures, and from nothing else.

The report (ECE228 Group 13) trains ResNet-18 on CIFAR-10 by SGD with the numbers of REPORT. It gives neither its
epochs and augmentation, nor its triggers' colours and exact place, nor the test images that its ASR counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.configuration import DATASETS, RunConfig, TrainingConfig
from core.results import Row

HEADS = {"nat1": "Nat1", "asr1": "ASR1", "poisons_left": "#Pois left", "nat2": "Nat2", "asr2": "ASR2"}
NETWORK = "resnet18"
REPORT = dict(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=2e-4, schedule="step", batch_size=128)
WORDS = dict(
    optimizer="optimiser", lr="learning rate", momentum="momentum", weight_decay="weight decay", schedule="schedule",
    batch_size="batch",
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What is known of a row's runs: the first one's settings, and figures over all of them.

    mean: by figure. missed: runs whose detector names classes, but not the target. exact: whether every run named
    the target and no other class. emptied: classes of which the filter left nothing.
    """

    config: RunConfig
    runs: int
    mean: Mapping[str, float]
    missed: int = 0
    exact: bool = False
    emptied: int = 0


def why(figure: str, row: Row, facts: Facts) -> str:
    """Plain sentences on why a figure of reference.FIGURES is not the row's."""
    say = {"nat1": _nat1, "asr1": _asr1, "poisons_left": _left, "nat2": _nat2, "asr2": _asr2}
    return " ".join(say[figure](row, facts))


def _nat1(row: Row, facts: Facts) -> list[str]:
    return [_training(facts.config)]


def _nat2(row: Row, facts: Facts) -> list[str]:
    said = [_emptied(facts)] if facts.emptied else [_training(facts.config)]
    removed = round(facts.mean["clean_removed"])
    if facts.mean["nat2"] < row.nat2 and removed and not facts.emptied:
        said.append(f"The filter also removes {removed:,} benign images.")
    return said


def _asr1(row: Row, facts: Facts) -> list[str]:
    attack, training = facts.config.attack, facts.config.training
    given = attack.parameters
    colour = "bright yellow" if given["colour"] == "#ffff00" else given["colour"]
    opaque = "at full opacity" if given["opacity"] == 1 else f"at opacity {given['opacity']}"
    said = [
        f"Our trigger is {colour} {opaque}, its last pixel in row {given['row']} and column {given['column']} "
        "(negative: from the lower right); the report gives neither its colours nor its exact place, nor which test "
        "images its ASR counts."
    ]
    if facts.mean["asr1"] < row.asr1:
        moved = [*(["mirrored half of the time"] if training.flip else [])]
        moved += [f"shifted by up to {training.crop} pixels"] if training.crop else []
        said.append(f"Each poisoned image is seen {training.epochs} times{''.join(', ' + one for one in moved)}.")
    if attack.ratio_of == "training_set":
        said.append(f"Under this reading {facts.mean['poisons']:,.0f} images are poisoned.")
    return said


def _left(row: Row, facts: Facts) -> list[str]:
    left, poisons = facts.mean["poisons_left"], facts.mean["poisons"]
    if facts.missed:
        return [
            f"In {facts.missed} of {_runs(facts)} the detector did not name {row.target}: nothing of it was removed."
        ]
    if left < row.poisons_left and facts.exact and left == 0:
        return [
            f"In {_runs(facts)} the detector named {row.target} and no other class, and the cut holds all its poison."
        ]
    ranked = "" if "auroc" not in facts.mean else f" (AUROC within the class {facts.mean['auroc']:.3f})"
    held = f"{poisons - left:,.0f} of its {poisons:,.0f} poisoned images{ranked}"
    if facts.config.defence.cut == "gap":
        said = [f"The scores of {row.target} beyond its gap hold {held}."]
    else:
        budget = int(facts.config.defence.multiplier * poisons + 1e-9)
        said = [f"The {budget:,} highest scores of {row.target} hold {held}."]
    if facts.config.defence.detector == "spectral-released":
        said.append("This score is not centred; the report's Algorithm 1 is.")
    if facts.config.training.model != NETWORK:
        said.append(f"The representations are those of {facts.config.training.model}, the report's of ResNet-18.")
    return said


def _asr2(row: Row, facts: Facts) -> list[str]:
    if facts.emptied:
        return [_emptied(facts)]
    said = []
    ours, left = facts.mean["asr2"], facts.mean["poisons_left"]
    benign = facts.mean.get("benign_asr")
    if benign is not None and row.asr2 < benign:
        said.append(
            f"The report's {row.asr2:.2%} is below the {benign:.1%} at which our benign network gives {row.target} for "
            "the same images: ASR over images whose true class is not the target counts plain mistakes too."
        )
    elif benign is not None:
        said.append(f"Our benign network gives {row.target} for {benign:.1%} of the same images.")
    if left:
        said.append(f"On average {left:,.1f} of {facts.mean['poisons']:,.0f} poisoned images are left.")
    elif ours > row.asr2:
        said.append("No poisoned image is left.")
    return said or [_training(facts.config)]


def _training(config: RunConfig) -> str:
    """What the recipe trains, against what the report trains."""
    training, per_class = config.training, config.dataset.per_class
    sizes = DATASETS[config.dataset.name].facts["class_sizes"]
    if training.model != NETWORK or per_class is not None:
        images = "all images" if per_class is None else f"{per_class * len(sizes):,} of the {sum(sizes):,} images"
        return (
            f"Recipe {training.recipe} trains {training.model} on {images} for {_epochs(training)}; the report trains "
            f"ResNet-18 on all."
        )
    changed = [
        f"{WORDS[name]} {getattr(training, name)} ({wanted})"
        for name, wanted in REPORT.items()
        if getattr(training, name) != wanted
    ]
    settings = f"with {', '.join(changed)} (in brackets the report's)" if changed else "with the report's settings"
    return (
        f"Recipe {training.recipe} trains ResNet-18 {settings} for {_epochs(training)}, {_augmentation(training)}; the "
        "report names neither its epochs nor its augmentation."
    )


def _augmentation(training: TrainingConfig) -> str:
    used = [*(["flips"] if training.flip else []), *([f"shifts up to {training.crop}"] if training.crop else [])]
    return f"with {' and '.join(used)}" if used else "without augmentation"


def _epochs(training: TrainingConfig) -> str:
    return "1 epoch" if training.epochs == 1 else f"{training.epochs} epochs"


def _emptied(facts: Facts) -> str:
    return f"The filter leaves nothing of {facts.emptied} classes, and the network is trained on the rest alone."


def _runs(facts: Facts) -> str:
    return "1 run" if facts.runs == 1 else f"{facts.runs} runs"
