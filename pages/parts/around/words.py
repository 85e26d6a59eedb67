"""Figures and states in words, the same on every screen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import streamlit as st

import core
from core import Job, RunConfig
from pages.parts.around import refusals

STATES = {
    "queued": ("waits in the queue", ":material/hourglass_empty:"),
    "running": ("is running", ":material/directions_run:"),
    "done": ("is done", ":material/check_circle:"),
    "failed": ("failed", ":material/error:"),
    "cancelled": ("was cancelled", ":material/cancel:"),
    "lost": ("was lost: its worker is gone", ":material/link_off:"),
}

Key = TypeVar("Key", bound=Hashable)

RECOMMENDED = "panel"  # the detector for who knows none: it asks several that look at different things

GONE = 0.1  # ASR below which a backdoor is said to be gone: guessing one of ten classes comes to as much

LEAST = 10  # seconds, below which a time to wait is not told apart

STAGES = {
    "train": "Train on the poisoned set",
    "evaluate": "Measure Nat and ASR",
    "represent": "Read the representations",
    "score": "Score every image",
    "retrain": "Remove the suspects, retrain from scratch",
    "evaluate again": "Measure again",
}

# The columns of tables, by the field's short names, and what core.figures calls them.
FIGURES = {
    "Nat": "nat",
    "ASR": "asr",
    "Nat1": "nat1",
    "ASR1": "asr1",
    "Poisons": "poisons",
    "#Pois left": "poisons_left",
    "Clean removed": "clean_removed",
    "Nat2": "nat2",
    "ASR2": "asr2",
    "TPR": "tpr",
    "FPR": "fpr",
    "Precision": "precision",
    "Flagged": "flagged",
    "AUROC": "auroc",
    "AP": "average_precision",
    "TPR at 1% FPR": "tpr_at_1",
    "Covers removed": "covers_removed",
    "Spectral gap": "gap",
}
FORMATS = {"share": "%.1f%%", "count": "localized", "score": "%.3f", "times": "%.2f"}  # shares as percentages


def figure(column: str) -> core.figures.Figure:
    """The figure of a column: its names, meaning, direction and rounding."""
    return core.figures.FIGURES[FIGURES[column]]


def share(value: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage; a dash where it is not defined."""
    return core.figures.share(value, digits)


def exact(value: float) -> str:
    """A ratio that somebody chose, as a percentage with the digits that it has."""
    return f"{100 * value:g}%"


def some(names: Sequence[str], most: int = 6) -> list[str]:
    """Names for a sentence: all of a few, of many the first and how many more there are."""
    return list(names) if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1:,} more"]


def plain(text: str) -> str:
    """Text for Markdown in which no character means anything."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~$:<>])", r"\\\1", text)


def score(value: float | None) -> str:
    """AUROC or average precision, as the field writes them."""
    return core.figures.FIGURES["auroc"].write(value)


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 image, 2,000 images."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def ordinal(number: int) -> str:
    """A place in a row: 1st, 2nd, 3rd, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def device(name: str) -> str:
    """The machine that a run names; older runs say 1 cores."""
    return name.replace(", 1 cores", ", 1 core")


def duration(seconds: float) -> str:
    """A time to wait, no more exact than it is known."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def between(low: float, high: float) -> str:
    """A time to wait that is known roughly: 2 to 4 min, 30 s to 6 min; one figure where both are written alike."""
    if high < LEAST:
        return f"less than {LEAST} s"
    (first, unit), (last, unit_of_last) = _roughly(low), _roughly(high)
    if (first, unit) == (last, unit_of_last):
        return f"{last} {unit}"
    return f"{first} to {last} {unit}" if unit == unit_of_last else f"{first} {unit} to {last} {unit_of_last}"


def _roughly(seconds: float) -> tuple[int, str]:
    """A whole number of its unit below ten, above it in steps of five: no one knows a time to wait more exactly."""
    size, unit = (1, "s") if seconds < 90 else (60, "min") if seconds < 90 * 60 else (3600, "h")
    value = max(seconds / size, 1)
    return round(value) if value < 10 else 5 * round(value / 5), unit


def expected(seconds: float, measured: bool) -> str:
    """How long something will take that has not begun, and how that is known."""
    basis = "as measured on this machine" if measured else "a guess; the first run will tell"
    return f"{about(seconds, measured)} ({basis})"


def about(seconds: float, measured: bool) -> str:
    """How long something will take that has not begun: between what and what."""
    return between(*core.jobs.estimates.span(seconds, measured))


def left(job: Job) -> str:
    """How long a running job will still take, or that this cannot be told yet."""
    if job.eta is None:
        return "estimating the time left"
    how_long = between(*core.jobs.progress.span(job.eta, job.fraction))
    return f"{how_long} left" if how_long.startswith("less") else f"about {how_long} left"


def when(seconds: float | None) -> str:
    """A moment of the ledger, in local time."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def class_name(config: RunConfig, number: int | None) -> str:
    """A class by its number; None is any class but the target."""
    return "any other class" if number is None else core.class_names(config.dataset.name)[number]


def ratio(config: RunConfig) -> str:
    """The attacker's ratio and what it is a share of."""
    one = "of each class" if config.attack.everywhere else "of the class"
    whole = {"target_class": one, "training_set": "of the set"}[config.attack.ratio_of]
    return f"{100 * config.attack.ratio:g}% {whole}"


def other_share(dataset: str, labels: str, target: str, ratio: float, ratio_of: str) -> str:
    """A ratio of the target class as one of the whole set, and the other way round; benchmarks mean the whole set."""
    if not ratio:
        return "Nothing is poisoned."
    if labels == "all_to_all":
        return "Of every class the same share, so it is that of the whole set, too."
    sizes = core.DATASETS[dataset].facts["class_sizes"]
    of_set = sizes[core.class_names(dataset).index(target)] / sum(sizes)
    if ratio_of == "target_class":
        return f"{100 * ratio:g}% of the target class = {100 * ratio * of_set:.3g}% of the whole set."
    return f"{100 * ratio:g}% of the whole set = {100 * ratio / of_set:.3g}% of the target class."


def detector(name: str) -> str:
    """A detector by its name; the recommended one is marked as such."""
    return f"{name} (recommended)" if name == RECOMMENDED else name


def given(config: RunConfig, label: int) -> str:
    """The label that a stamped image of a true class gets."""
    names = core.class_names(config.dataset.name)
    return names[int(core.poison.aim(np.array([label]), config.attack, len(names))[0])]


def aimed(config: RunConfig) -> str:
    """What the attacker wants triggered images to be taken for."""
    return "the class after their own" if config.attack.everywhere else "the target class"


def success(found: Mapping[str, Any], number: int) -> float:
    """A run's ASR before (1) or after (2) the defence; of an attack from one class on that class alone."""
    own = found.get(f"source_asr{number}")
    return float(found[f"asr{number}"] if own is None else own)


def whose(config: RunConfig) -> str:
    """Behind "images": those of the source class, where the trigger shall work on that class alone; else empty."""
    return "" if config.attack.source is None else f" of the class {class_name(config, config.attack.source)}"


def label(job: Job, blind: bool = False) -> str:
    """A run in one line, what tells it from others first; blind: only what a defender knows."""
    return f"{named(job, blind)} · {facts(job, blind)}"


def named(job: Job, blind: bool = False) -> str:
    """What a run is called: the name that somebody gave it, and its attack; blind: its number."""
    if blind:
        return f"run {job.id}"
    what = f"{job.config.attack.title} → {job.config.target_name}"
    return f"{job.name}: {what}" if job.name else what


def facts(job: Job, blind: bool = False, stands: str = "") -> str:
    """Detector, data set, ratio, recipe, seed and status; blind: only what a defender knows.

    stands: how the run stands in other words than its status, how far it is among them.
    """
    config = job.config
    if blind:
        return " · ".join([config.dataset.name, config.training.recipe, config.removed_by])
    parts = [config.removed_by, config.dataset.name, ratio(config), config.training.recipe]
    if config.seed:
        parts.append(f"seed {config.seed}")
    far = f"running {share(job.fraction, 0)}" if job.status == "running" else job.status
    return " · ".join([*parts, stands or far])


def labels(jobs: Mapping[str, Job], blind: bool = False) -> dict[str, str]:
    """Runs in one line each, no two alike: a menu knows its options by these words."""
    return apart({key: label(job, blind) for key, job in jobs.items()}, {key: job.id for key, job in jobs.items()})


def apart(lines: Mapping[Key, str], numbers: Mapping[Key, int | None]) -> dict[Key, str]:
    """The same lines, with a number behind those of which there are several."""
    often = Counter(lines.values())
    return {key: line if often[line] == 1 else f"{line} · no. {numbers[key]}" for key, line in lines.items()}


def state(job: Job) -> str:
    """How a job stands, as a sentence."""
    if job.status != "running":
        return f"This run {STATES[job.status][0]}."
    return f"This run is {share(job.fraction, 0)} done, {left(job)}."


def icon(job: Job) -> str:
    """A job's state as an icon."""
    return STATES[job.status][1]


def extent(found: core.poison.Extent, config: RunConfig) -> str:
    """The count of poisoned images and all three shares of it, and the covers beside them."""
    if not found.count and not found.covers:
        return "**nothing is poisoned**: the clean control"
    clean, poisoned = "the clean target class", "the poisoned target class"
    if config.attack.everywhere:
        clean, poisoned = "the clean classes together", "the poisoned classes together"
    beside = f", and **{count(found.covers, 'cover')}** beside them" if found.covers else ""
    return (
        f"**{count(found.count, 'poisoned image')}** = **{share(found.of_clean_target)}** of {clean} "
        f"= **{share(found.of_poisoned_target)}** of {poisoned} "
        f"= **{share(found.of_training_set, 2)}** of the whole training set{beside}"
    )


def heading(config: RunConfig) -> str:
    """What a run is about, as a heading."""
    attack = config.attack
    source = "" if attack.source is None else f" from {class_name(config, attack.source)}"
    return f"{attack.title.capitalize()}{source} → {config.target_name}, {ratio(config)}"


def explain(column: str) -> str:
    """What a column means, and which way is good."""
    return figure(column).says


def glossary() -> str:
    """Every column's plain name and meaning, as a list in Markdown."""
    return "\n".join(f"- **{figure(name).name}**: {figure(name).says}" for name in FIGURES)


def columns(brief: bool = False) -> dict[str, Any]:
    """A table's columns by their plain names, with what each means; shares come as percentages (see `percent`).

    brief: by the field's own names, for columns in which no others have room.
    """
    return {
        name: st.column_config.NumberColumn(one.brief if brief else one.label, format=FORMATS[one.unit], help=one.says)
        for name, one in ((name, figure(name)) for name in FIGURES)
    }


def cell(column: str, of: Any) -> float | None:
    """A column's figure of a filter's decision (core.metrics.Found) as a table takes it: shares as percentages."""
    value = getattr(of, FIGURES[column])
    return percent(value) if figure(column).unit == "share" else value


def percent(value: float | None) -> float | None:
    """A share as a percentage, for a table."""
    return None if value is None else 100 * value


def sentence(message: str) -> str:
    """An error's message with a capital and a full stop."""
    return refusals.closed(message)


def refusal(error: Exception) -> str:
    """What a form's settings were refused for, each by its name and in its unit there."""
    return refusals.told(error)


def training(config: RunConfig) -> str:
    """The recipe's numbers, resolved, in one line."""
    numbers = config.training
    images = "all images" if config.dataset.per_class is None else f"{config.dataset.per_class:,} images a class"
    rate = f"learning rate {numbers.lr:g} ({numbers.schedule.replace('_', ' ')}), momentum {numbers.momentum:g}"
    decay = f"weight decay {numbers.weight_decay:g}"
    moved = f"flip {'on' if numbers.flip else 'off'}, crop {numbers.crop or 'off'}"
    parts = [f"`{numbers.model}`", images, count(numbers.epochs, "epoch"), f"batch {numbers.batch_size}"]
    return " · ".join([*parts, rate, decay, moved])


def augmentation(config: RunConfig) -> str:
    """What crop and flip do to the trigger."""
    everywhere = config.attack.whole_image
    parts = []
    if config.training.crop:
        pushed = "moves the trigger with the image" if everywhere else "can push a corner trigger out"
        parts.append(f"the random shift of up to {count(config.training.crop, 'pixel')} {pushed}")
    if config.training.flip:
        it = "it" if parts else "the trigger"
        turned = f"mirrors {it}" if everywhere else f"moves {it} to the other side"
        parts.append(f"the flip {turned} in half of the images")
    met = "meets it unmoved" if everywhere else "meets it"
    return sentence(f"In training, {' and '.join(parts)}: the network {met} less often than the ratio says")
