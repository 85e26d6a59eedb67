"""What a report says in words: what a figure means, what a run is made of, where it was cut. Screens say it, too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from core.configuration import RunConfig, class_names
from core.results import keeping, reviews
from core.results.result import Result

LONGEST = 60  # characters of a setting that is written out

# The settings of a training that need more than their own name.
TRAINING = {
    "model": "Network",
    "lr": "Learning rate, at its peak",
    "muon_lr": "Muon's learning rate",
    "muon_momentum": "Muon's momentum",
    "norm_bias_lr_factor": "Learning rate of batch norm shifts, times",
    "head_lr_factor": "Learning rate of the head, times",
    "peak": "Schedule's peak, at this share of the training",
    "milestones": "Schedule's milestones, shares of the training",
    "flip": "Mirror half of the images",
    "crop": "Largest random shift, pixels",
}

LABELS = {
    "all_to_one": "the target's, for all",
    "clean_label": "their own (clean-label)",
    "all_to_all": "that of the class after their own (all-to-all)",
}


# --- a run -----------------------------------------------------------------------------------------------


def title_of(config: RunConfig, truth: bool) -> str:
    """What a run is about, in a line."""
    if not truth:
        return f"Blind review of a run on {config.dataset.name} by {config.removed_by}"
    attack = config.attack
    if not attack.ratio:
        return f"Clean control: nothing poisoned, {config.dataset.name}"
    whole = (
        "the training set" if attack.ratio_of == "training_set" else "each class" if attack.everywhere else "the class"
    )
    return f"{attack.title.capitalize()} → {config.target_name}, {100 * attack.ratio:g}% of {whole}"


def gap_cut(result: Result) -> str:
    """Where a run that assumed no number cut, and what went; empty for a cut at the budget and an unfinished run."""
    removed, found = result.removed, result.summary
    if result.config.defence.cut != "gap" or result.config.keep is not None or removed is None or found is None:
        return ""
    names, cut = class_names(result.config.dataset.name), found["suspicious_classes"]
    if not cut:
        return "The detector named no class, so there was no gap to cut at: nothing was removed."
    if result.config.defence.scope == "every_class":
        where = "Every class was cut where its two groups part"
    elif len(cut) == 1:
        where = f"The cut was made where the two groups of the class {names[cut[0]]} part"
    else:
        where = "Each class that the detector names was cut where its two groups part"
    gone = [f"{count(number, 'image')} labelled {names[label]}" for label, number in removed.items()] or ["nothing"]
    what = " and ".join([", ".join(gone[:-1]), gone[-1]] if len(gone) > 1 else gone)
    return f"{where}, with no number of poisoned images assumed; this removed {what}."


def reviewed_cut(result: Result) -> str:
    """What verdicts made of the cut that a run was trained with; empty without any, and for an unfinished run."""
    made = (result.summary or {}).get("reviewed")
    if made is None:
        return ""
    return (
        f"The cut of {result.config.defence.title} was reviewed image by image: {made['cut']:,} cut, "
        f"{made['spared']:,} kept after all, {made['added']:,} added."
    )


def reviewers(result: Result) -> list[str]:
    """What each reviewer's verdicts make of the detector's cut, a sentence each."""
    run, cut = reviews.desk(result.config), keeping.cut_of(result)
    names = sorted({one.reviewer for one in reviews.of(run) if one.verdict is not None})
    decisions = {} if cut is None else {name: keeping.decided(cut, reviews.verdicts(run, name)) for name in names}
    return [
        f"With the verdicts of {name}: {made.figures}; {made.removed:,} of {count(len(made.keep), 'image')} go."
        for name, made in decisions.items()
    ]


def covers(found: Mapping[str, Any]) -> str:
    """The covers of a run, whose summary may be older than they are."""
    number = found.get("covers")
    return f", beside {count(number, 'cover')} with the trigger and their true label" if number else ""


# --- its settings ----------------------------------------------------------------------------------------


def settings(config: RunConfig, *, truth: bool = True) -> dict[str, str]:
    """What a run is made of, in words: name -> value. Without the truth nothing of the attack, nor the seed."""
    groups = attack_settings(config, truth), training_settings(config, truth), defence_settings(config)
    return {name: value for group in groups for name, value in group.items()}


def attack_settings(config: RunConfig, truth: bool) -> dict[str, str]:
    """Of which images the training set is made, and with the truth what was done to it."""
    data, attack = config.dataset, config.attack
    per_class = "all" if data.per_class is None else f"{data.per_class:,}"
    found = {"Data set": data.name, "Training images of each class": per_class}
    if not truth:
        return found
    whole = {"target_class": "of the target class", "training_set": "of the training set"}
    if attack.everywhere:
        whole["target_class"] = "of each class"
    return found | {
        "Trigger": attack.trigger,
        **{f"Trigger's {name.replace('_', ' ')}": plain(value) for name, value in attack.parameters.items()},
        **_more_triggers(config),
        "Target class": config.target_name,
        "Source class": source(config),
        "Labels": LABELS[attack.labels],
        "Poisoning ratio": f"{100 * attack.ratio:g}% {whole[attack.ratio_of]}",
        "Covers": f"{attack.cover_ratio:g} a poisoned image" if attack.cover_ratio else "none",
        "Placement": {"add": "stamped copies are added", "replace": "the originals are stamped"}[attack.placement],
    }


def source(config: RunConfig) -> str:
    """Whose images are stamped, in words."""
    if config.attack.source is not None:
        return class_names(config.dataset.name)[config.attack.source]
    whose = {"all_to_one": "any other class", "clean_label": "the target itself", "all_to_all": "every class"}
    return whose[config.attack.labels]


def _more_triggers(config: RunConfig) -> dict[str, str]:
    return {
        f"Trigger {place}": ", ".join(
            [one.trigger, *(f"{name.replace('_', ' ')} {plain(it)}" for name, it in one.parameters.items())]
        )
        for place, one in enumerate(config.attack.also, 2)
    }


def training_settings(config: RunConfig, truth: bool) -> dict[str, str]:
    """How both networks are trained; with the truth also the seed."""
    numbers = config.training.model_dump()
    found = {TRAINING.get(name, name.replace("_", " ").capitalize()): plain(value) for name, value in numbers.items()}
    return found | ({"Seed": str(config.seed)} if truth else {})


def defence_settings(config: RunConfig) -> dict[str, str]:
    """Who scores the images, and what goes."""
    defence = config.defence
    scopes = {"every_class": "every class", "suspicious_class": "classes that the detector names"}
    return {
        "Detector": defence.detector,
        **{f"Detector's {name.replace('_', ' ')}": plain(value) for name, value in defence.parameters.items()},
        "Representation": defence.representation,
        **_cut_settings(config),
        "Removed from": scopes[defence.scope],
        **({} if config.keep is None else {"Reviewed": f"image by image; keep-list {config.keep[:12]}"}),
    }


def _cut_settings(config: RunConfig) -> dict[str, str]:
    """How much goes: what a cut at the gap does not use is not named."""
    defence = config.defence
    if defence.cut == "gap":
        return {"Cut": "at the gap; no number is assumed"}
    return {
        "Cut": "at the budget",
        "Assumed ratio": f"{100 * defence.assumed_ratio:g}% of a class",
        "Budget": f"{defence.multiplier:g} times the assumed number",
    }


def plain(value: Any) -> str:
    """A setting's value as a person writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(plain(one) for one in value)
    if isinstance(value, str) and len(value) > LONGEST:  # a trigger of one's own, as base64
        return f"picture {hashlib.sha256(value.encode()).hexdigest()[:8]}"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def count(number: int, noun: str) -> str:
    """So many of a noun whose plural ends in s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
