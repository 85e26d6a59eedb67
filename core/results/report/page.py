"""A run as one HTML file: opens offline, prints well, needs no script; what it shows is inside it.

With `truth=False` it is what a blind reviewer may have: scores, flagged images, the networks' accuracy on
clean images; nothing of the attack, no ids (stamped copies stand behind the clean rows), no original.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.attack import aim, sources
from core.configuration import DETECTORS, MODELS, RunConfig, class_names, stages
from core.results import markup, reference, reviews
from core.results.result import Result, triggered_images
from core.types import BadRequest, Detection, Mask

THUMBNAILS = 60
EXAMPLES = 3
LONGEST = 60  # characters of a setting that is written out
PACKAGES = ("torch", "numpy", "scikit-learn", "pandas")

# What each figure says, in as few words as stand beside it.
MEANINGS = {
    "Nat": "natural accuracy: share of the clean test images that the network gets right",
    "ASR": "attack success rate: share of the triggered test images, of every class but the target, "
    "that the network takes for the target class; all-to-all, of all that it takes for the class after their own",
    "Poisons": "poisoned images in the training set before the filter",
    "#Pois left": "poisoned images still in the training set after the filter",
    "Clean removed": "clean images that the filter took for poison: the price of the defence",
    "TPR": "share of the poisoned images that were removed",
    "FPR": "share of the clean images that were removed",
    "Precision": "share of the removed images that were poisoned",
    "AUROC": "chance that a poisoned image scores above a clean one of the target class; 1 is perfect, 0.5 guessing; "
    "of several target classes the mean",
    "AP": "average precision over all cuts through the target class's ranking; 1 is perfect; of several the mean",
}

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

Verdicts = Mapping[int, str]


def html(result: Result, *, truth: bool = True, verdicts: Verdicts | None = None) -> str:
    """A finished run as a self-contained page, under 1.5 MB.

    `verdicts` gives a reviewer's word on images by id. BadRequest where the run is not finished or its scores are gone.
    """
    summary, found = result.summary, result.detection()
    removed = result.flagged
    if summary is None or found is None or removed is None:
        raise BadRequest("this run is not finished, or a part of it is gone; there is nothing to report yet")
    parts = [_head(result, summary, truth)]
    if truth:
        parts += [_rates(result, summary), _attack(result, summary)]
    parts += [
        _scores(result, found, removed, truth),
        _thumbnails(result, found, removed, truth, verdicts or {}),
        _answers(result, summary, truth),
    ]
    if truth:
        parts += [_filters(result.config, summary), _published(result.config, summary)]
    parts += [_settings(result.config, truth), _provenance(result, summary, truth)]
    title = escape(_title(result.config, truth))
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{STYLE}{markup.MATRIX_STYLE}</style></head>"
        f"<body>{markup.PATTERNS}<main>{''.join(parts)}</main></body></html>\n"
    )


def verdicts_of(result: Result) -> dict[int, str]:
    """What reviewers said of a run's images, by id: a word of each who gave one, with the name."""
    said: dict[int, list[str]] = {}
    for review in reviews.of(stages.run_key(result.config)):
        if review.verdict is not None:
            said.setdefault(review.image, []).append(f"{review.verdict} ({review.reviewer})")
    return {image: ", ".join(words) for image, words in said.items()}


# --- figures and words that screens show, too ------------------------------------------------------------


def gap_cut(result: Result) -> str:
    """Where a run that assumed no number cut, and what went; empty for a cut at the budget and an unfinished run."""
    removed, found = result.removed, result.summary
    if result.config.defence.cut != "gap" or removed is None or found is None:
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
    gone = [f"{_count(count, 'image')} labelled {names[label]}" for label, count in removed.items()] or ["nothing"]
    what = " and ".join([", ".join(gone[:-1]), gone[-1]] if len(gone) > 1 else gone)
    return f"{where}, with no number of poisoned images assumed; this removed {what}."


def confusion(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often each true class (row) got each answer (column), [k, k], from answers [m] and labels [m]."""
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes)


def targets_of(result: Result) -> int | list[int]:
    """What the attacker wants triggered images to be taken for: one class, or one for each true class [k]."""
    attack, classes = result.config.attack, len(class_names(result.config.dataset.name))
    return attack.target if not attack.everywhere else aim(np.arange(classes), attack, classes).tolist()


def settings(config: RunConfig, *, truth: bool = True) -> dict[str, str]:
    """What a run is made of, in words: name -> value. Without the truth nothing of the attack, nor the seed."""
    groups = _attack_settings(config, truth), _training_settings(config, truth), _defence_settings(config)
    return {name: value for group in groups for name, value in group.items()}


def _attack_settings(config: RunConfig, truth: bool) -> dict[str, str]:
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
        **{f"Trigger's {name}": _plain(value) for name, value in attack.parameters.items()},
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
        f"Trigger {place}": ", ".join([one.trigger, *(f"{name} {_plain(it)}" for name, it in one.parameters.items())])
        for place, one in enumerate(config.attack.also, 2)
    }


def _training_settings(config: RunConfig, truth: bool) -> dict[str, str]:
    numbers = config.training.model_dump()
    found = {TRAINING.get(name, name.replace("_", " ").capitalize()): _plain(value) for name, value in numbers.items()}
    return found | ({"Seed": str(config.seed)} if truth else {})


def _defence_settings(config: RunConfig) -> dict[str, str]:
    defence = config.defence
    scopes = {"every_class": "every class", "suspicious_class": "classes that the detector names"}
    return {
        "Detector": defence.detector,
        **{f"Detector's {name.replace('_', ' ')}": _plain(value) for name, value in defence.parameters.items()},
        "Representation": defence.representation,
        **_cut_settings(config),
        "Removed from": scopes[defence.scope],
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


def _plain(value: Any) -> str:
    """A setting's value as a person writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    if isinstance(value, str) and len(value) > LONGEST:  # a trigger of one's own, as base64
        return f"picture {hashlib.sha256(value.encode()).hexdigest()[:8]}"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def _share(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f}%"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- the sections ----------------------------------------------------------------------------------------


def _title(config: RunConfig, truth: bool) -> str:
    if not truth:
        return f"Blind review of a run on {config.dataset.name} by {config.defence.title}"
    attack = config.attack
    if not attack.ratio:
        return f"Clean control: nothing poisoned, {config.dataset.name}"
    whole = (
        "the training set" if attack.ratio_of == "training_set" else "each class" if attack.everywhere else "the class"
    )
    return f"{attack.title.capitalize()} → {config.target_name}, {100 * attack.ratio:g}% of {whole}"


def _head(result: Result, found: dict[str, Any], truth: bool) -> str:
    config = result.config
    removed = f"{_count(found['flagged'], 'image')} of {len(result.poisoned):,} were removed from the training set."
    removed = " ".join(filter(None, (removed, gap_cut(result))))
    if not truth:
        text = (
            "What a defender sees: how suspicious each training image looks, and which ones the filter takes. "
            f"{removed} Nothing that only an attacker could know stands in this report."
        )
    elif not found["poisons"]:
        text = f"Nothing was poisoned: this is the clean control. {removed} All of them were clean."
    else:
        text = (
            f"{_count(found['poisons'], 'image')} with {_trigger(config)} and the label {_label(config)} stood in the "
            f"training set{_covers(found)}. The network that was trained on it took "
            f"{_share(found['asr1'])} of the triggered test images for {config.target_name}. "
            f"{removed} Of the poisoned ones {found['poisons_left'] or 'none'} stayed in. A network trained from "
            f"scratch on the rest takes {_share(found['asr2'])}."
        )
    return (
        f"<header><p class='brand'>Poisonscope · report of a run</p><h1>{escape(_title(config, truth))}</h1>"
        f"<p class='lead'>{escape(text)}</p></header>"
    )


def _trigger(config: RunConfig) -> str:
    attack = config.attack
    if attack.also:
        return f"one of {len(attack.triggers)} triggers each"
    return f"a {attack.trigger} trigger"


def _label(config: RunConfig) -> str:
    if config.attack.everywhere:
        return "of the class after their own"
    return f"{config.target_name}{', which is their true one,' if config.attack.labels == 'clean_label' else ''}"


def _covers(found: dict[str, Any]) -> str:
    """The covers of a run, whose summary may be older than they are."""
    covers = found.get("covers")
    return f", beside {_count(covers, 'cover')} with the trigger and their true label" if covers else ""


def _rates(result: Result, found: dict[str, Any]) -> str:
    """Nat and ASR before and after, as a picture and as a table with every row explained."""
    benign = result.quality("benign")
    rows = {"ASR": (found["asr1"], found["asr2"]), "Nat": (found["nat1"], found["nat2"])}
    marks = None if benign is None else {"ASR": benign.asr, "Nat": benign.nat}
    alt = "; ".join(
        f"{name} {_share(before)} before and {_share(after)} after" for name, (before, after) in rows.items()
    )
    table = [
        ("ASR", _share(found["asr1"]), _share(found["asr2"]), MEANINGS["ASR"]),
        ("Nat", _share(found["nat1"]), _share(found["nat2"]), MEANINGS["Nat"]),
        ("Poisoned images", f"{found['poisons']:,}", f"{found['poisons_left']:,}", MEANINGS["#Pois left"]),
        ("Clean removed", "", f"{found['clean_removed']:,}", MEANINGS["Clean removed"]),
        ("TPR", "", _share(found["tpr"]), MEANINGS["TPR"]),
        ("FPR", "", _share(found["fpr"]), MEANINGS["FPR"]),
        ("AUROC", _score(found["auroc"]), "", MEANINGS["AUROC"]),
        ("AP", _score(found["average_precision"]), "", MEANINGS["AP"]),
    ]
    note = "" if benign is None else (
        f" ◇ a benign network, never poisoned: it takes {_share(benign.asr)} of the triggered images for "
        f"{'the next' if result.config.attack.everywhere else 'the target'} class by mistake, the rate to which ASR "
        "should fall."
    )  # fmt: skip
    return _section(
        "Before and after the defence",
        markup.dumbbells(rows, alt, marks),
        f"<p class='legend'><b class='poisoned'>✕</b> before: the poisoned network · <b class='benign'>●</b> after: "
        f"the cleaned network.{escape(note)}</p>",
        _wide(markup.table(("", "before", "after", "what it says"), table, "The run's figures"), "figures"),
    )


def _score(value: float | None) -> str:
    return "—" if value is None else f"{value:.4f}"


def _attack(result: Result, found: dict[str, Any]) -> str:
    """What the attacker did, with real images: clean, stamped, and the difference."""
    config = result.config
    whole = "set of target classes" if config.attack.everywhere else "target class"
    extent = (
        f"{_count(found['count'], 'poisoned image')}: {_share(found['of_clean_target'])} of the clean {whole}, "
        f"{_share(found['of_poisoned_target'])} of the poisoned {whole}, "
        f"{100 * found['of_training_set']:.2f}% of the whole training set{_covers(found)}."
    )
    return _section("The attack", f"<p>{escape(extent)}</p>", _examples(result, config))


def _examples(result: Result, config: RunConfig) -> str:
    dataset = result.dataset
    attackable = np.flatnonzero(sources(dataset.train_labels, config.attack))
    rows = np.unique(result.poisoned.source_ids[result.poisoned.truth.poisoned]) if config.attack.ratio else attackable
    rows = rows[:EXAMPLES] if dataset.pictured is None else rows[dataset.pictured[rows]][:EXAMPLES]
    if not len(rows):
        return "<p>The pictures of the stamped images are not on the machine that wrote this report.</p>"
    figures = []
    for row, clean in zip(rows, dataset.train_images[rows], strict=True):
        (stamped,) = triggered_images(config, clean[None])
        change = np.abs(stamped.astype(np.int64) - clean)
        change = np.rint(change * (255 / max(1, int(change.max())))).astype(np.uint8)
        name = dataset.class_names[dataset.train_labels[row]]
        (wanted,) = aim(dataset.train_labels[row : row + 1], config.attack, dataset.classes)
        target = dataset.class_names[wanted]
        figures.append(
            "<figure class='example'>"
            + markup.picture(clean, f"A training image of class {name}, clean", 128)
            + markup.picture(stamped, f"The same image with {_every_trigger(config)}", 128)
            + markup.picture(change, "What the trigger changed, amplified", 128)
            + f"<figcaption>{escape(name)}, clean · stamped and labelled {escape(target)} · the difference, "
            "amplified</figcaption></figure>"
        )
    return f"<div class='examples'>{''.join(figures)}</div>"


def _every_trigger(config: RunConfig) -> str:
    return "all triggers" if config.attack.also else f"the {config.attack.trigger} trigger"


def _scores(result: Result, found: Detection, flagged: Mask, truth: bool) -> str:
    """A class in large with the cut through it, and every class in small on the same axis."""
    names, labels = result.dataset.class_names, result.poisoned.labels
    poisoned = result.poisoned.truth.poisoned if truth else None
    scale = markup.Scale(found.scores)
    large = result.config.attack.target if truth else _most_suspicious(found, labels)
    cards = []
    for label in np.unique(labels):
        members = labels == label
        taken = f"{int(flagged[members].sum()):,} of {int(members.sum()):,} removed"
        drawn = _histogram(found, members, flagged, poisoned, scale, f"Scores of {names[label]}; {taken}", (230, 110))
        cards.append(
            f"<figure class='card'><figcaption><b>{escape(names[label])}</b><br>{taken}</figcaption>{drawn}</figure>"
        )
    legend = (
        "<b class='benign'>■</b> benign images · <b class='poisoned'>▨</b> poisoned images · "
        if truth
        else "<b>■</b> training images · "
    )
    members = labels == large
    alt = (
        f"Histogram of the scores of {names[large]}: {int(flagged[members].sum()):,} of {int(members.sum()):,} removed"
    )
    summary = DETECTORS[result.config.defence.detector].summary
    return _section(
        "The scores",
        f"<p>The outlier score of each training image by <b>{escape(result.config.defence.detector)}</b> "
        f"({escape(summary)}): how far it stands out from the others of its label. Higher is more suspicious; the axis "
        "is logarithmic for all but small scores.</p>",
        f"<h3>{escape(names[large])}</h3>",
        _histogram(found, members, flagged, poisoned, scale, alt, (720, 230)),
        f"<p class='legend'>{legend}dashed line: from here on images are removed</p>",
        f"<h3>Every class</h3><div class='cards'>{''.join(cards)}</div>",
    )


def _most_suspicious(found: Detection, labels: NDArray[np.int64]) -> int:
    """The class that a defender would look at first."""
    if found.class_statistic is not None:
        return int(np.argmax(found.class_statistic))
    return int(labels[np.argmax(found.scores)])


def _histogram(
    found: Detection,
    members: Mask,
    flagged: Mask,
    poisoned: Mask | None,
    scale: markup.Scale,
    alt: str,
    size: tuple[int, int],
) -> str:
    taken = found.scores[members & flagged]
    return markup.histogram(
        found.scores[members],
        None if poisoned is None else poisoned[members],
        scale,
        alt,
        float(taken.min()) if len(taken) else None,
        size,
    )


def _thumbnails(result: Result, found: Detection, flagged: Mask, truth: bool, verdicts: Verdicts) -> str:
    """The highest scores among the flagged images, each with what is known of it."""
    rows = np.flatnonzero(flagged)
    rows = rows[np.argsort(-found.scores[rows], kind="stable")][:THUMBNAILS]
    if not len(rows):
        return _section("The flagged images", "<p>The filter removed nothing.</p>")
    grid = "".join(_thumbnail(result, found, int(row), place, truth, verdicts) for place, row in enumerate(rows, 1))
    said = f"{_count(int(flagged.sum()), 'image')} flagged; here the {len(rows)} with the highest scores."
    missing = int((~result.pictured[rows]).sum())
    if missing:
        said += f" {_count(missing, 'picture')} not in the recording: on a machine with the data set all are there."
    return _section("The flagged images", f"<p>{said}</p>", f"<div class='grid'>{grid}</div>")


def _thumbnail(result: Result, found: Detection, row: int, place: int, truth: bool, verdicts: Verdicts) -> str:
    poisoned = result.poisoned
    names = result.dataset.class_names
    label = names[poisoned.labels[row]]
    alt = f"Flagged image {place}, labelled {label}, score {found.scores[row]:.3g}"
    image = (
        markup.picture(poisoned.images[row], alt, 80)
        if result.pictured[row]
        else f"<span class='missing' role='img' aria-label='{escape(alt)}; picture not in the recording'>"
        "picture not in the recording</span>"
    )
    lines = [f"<b>#{place}</b> {found.scores[row]:.3g}", escape(label)]
    kind = ""
    if truth:
        wrong, cover = bool(poisoned.truth.poisoned[row]), bool(poisoned.truth.covers[row])
        kind = " poisoned" if wrong else " benign"
        origin = f"from {escape(names[poisoned.source_labels[row]])}" if wrong else "as it was"
        mark = "✕ poisoned" if wrong else "● benign"
        if cover:
            mark, origin = "○ cover", "stamped, true label"
        lines += [f"id {row}", f"<span class='mark'>{mark}</span>", origin]
    if row in verdicts:
        lines.append(f"verdict: {escape(verdicts[row])}")
    return f"<figure class='thumb{kind}'>{image}<figcaption>{'<br>'.join(lines)}</figcaption></figure>"


def _answers(result: Result, found: dict[str, Any], truth: bool) -> str:
    """Confusion matrices of both networks, and each class's accuracy."""
    names, labels = result.dataset.class_names, result.dataset.test_labels
    parts = []
    for which, name in (("poisoned", "The network trained on the whole set"), ("clean", "The retrained network")):
        logits = result.predictions(which)
        if logits is None:
            continue
        for images, answers in zip(("clean", "triggered"), logits, strict=True):
            if images == "clean" or truth:
                caption = f"{name}, {images} test images"
                target = targets_of(result) if images == "triggered" else None
                counts = confusion(answers.argmax(1), labels, len(names))
                parts.append(_wide(markup.matrix(counts, names, caption, target)))
    rows = dict(zip(names, zip(found["per_class1"], found["per_class2"], strict=True), strict=True))
    low = max(0.0, np.floor(10 * min(min(pair) for pair in rows.values())) / 10 - 0.1)
    worst = min(rows, key=lambda name: rows[name][1])
    alt = f"Accuracy of each class before and after; lowest after: {worst} with {_share(rows[worst][1])}"
    return _section(
        "What the networks answer",
        "<p>In each row the images of one class, in percent of that class; the stronger the blue, the more. On the "
        "diagonal stand the right answers.</p>",
        f"<div class='matrices'>{''.join(parts)}</div>" if parts else "<p>The networks' answers are not stored.</p>",
        "<h3>Accuracy of each class on clean test images</h3>",
        markup.dumbbells(rows, alt, low=float(low)),
        "<p class='legend'><b class='poisoned'>✕</b> before · <b class='benign'>●</b> after</p>",
    )


def _filters(config: RunConfig, found: dict[str, Any]) -> str:
    gap = config.defence.cut == "gap"
    says = "As many images, taken at random and taken" if gap else "The same budget, spent at random and spent"
    rows = [
        (
            f"{name} filter",
            f"{one['poisons_left']:,}",
            f"{one['clean_removed']:,}",
            *(_share(one[figure]) for figure in ("tpr", "fpr", "precision")),
        )
        for name, one in {"this": found, **found["references"]}.items()
    ]
    heads = ("", "#Pois left", "Clean removed", "TPR", "FPR", "Precision")
    return _section(
        "Against guessing and against knowing",
        f"<p>{says} by someone who knows which images are poisoned.</p>",
        _wide(markup.table(heads, rows, "Three filters that remove as many images")),
    )


def _published(config: RunConfig, found: dict[str, Any]) -> str:
    """The report's row beside this run's, and our own measurement of the same setting."""
    heads = ("", "Nat1", "ASR1", "#Pois left", "Nat2", "ASR2")
    published, measured = reference.row(config), reference.measured(config)
    if published is None and measured is None:
        return ""
    rows: list[tuple[str, ...]] = [("this run", *_columns(found), _share(found["nat2"]), _share(found["asr2"]))]
    said = f"<p>This run had {found['poisons']:,} poisoned images."
    if published is not None:
        one = published._asdict()
        rows.append(("the report", *_columns(one), _share(one["nat2"]), _share(one["asr2"])))
        said += f" The report had {round(published.ratio * 5000)}, and trained ResNet-18 on all 50,000 images."
    if measured is not None:
        cells = (
            f"{measured.mean[name]:.1f} ± {measured.spread[name]:.1f}"
            if name == "poisons_left"
            else f"{100 * measured.mean[name]:.1f} ± {100 * measured.spread[name]:.1f}%"
            for name in reference.FIGURES
        )
        rows.append((f"recipe quick, {measured.runs} seeds", *cells))
        said += (
            f" Recipe quick had {measured.poisons:,}, measured on two cores with the default trigger: mean and "
            f"standard deviation over {measured.runs} seeds."
        )
    return _section("Beside the report", f"{said}</p>", _wide(markup.table(heads, rows, "The same setting, elsewhere")))


def _columns(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return _share(one["nat1"]), _share(one["asr1"]), f"{one['poisons_left']:,}"


def _settings(config: RunConfig, truth: bool) -> str:
    about = f"{config.training.model}: {MODELS[config.training.model].summary}"
    groups = {
        "Data and attack" if truth else "Data": _attack_settings(config, truth),
        "Training": _training_settings(config, truth),
        "Defence": _defence_settings(config),
    }
    tables = "".join(markup.table(("setting", "value"), list(part.items()), name) for name, part in groups.items())
    return _section("Settings", f"<p>{escape(about)}</p>", f"<div class='settings'>{tables}</div>")


def _provenance(result: Result, found: dict[str, Any], truth: bool) -> str:
    config = result.config
    rows = [
        ("run", stages.run_key(config)),
        ("device", str(found.get("device", "—"))),
        ("computed in", f"{found['seconds']:.0f} s" if "seconds" in found else "—"),
        ("written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("written with", f"Python {sys.version.split()[0]}, {', '.join(_versions())}"),
    ]
    if truth:
        rows.insert(1, ("seed", str(config.seed)))
    return _section(
        "Where it comes from", _wide(markup.table(("what", "which"), rows, "This run, and this report"), "provenance")
    )


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _wide(table: str, kind: str = "") -> str:
    """A table that scrolls by itself where the page is narrow."""
    return f"<div class='wide {kind}'>{table}</div>"


STYLE = """
:root {color-scheme: light dark; --line: rgba(128, 128, 128, .35);}
* {box-sizing: border-box;}
body {margin: 0; background: #fff; color: #1d2129; font: 17px/1.5 system-ui, sans-serif;}
main {max-width: 62rem; margin: 0 auto; padding: 2rem 1.2rem 4rem;}
h1 {font-size: 2.1rem; line-height: 1.2; margin: .2rem 0 .8rem;}
h2 {font-size: 1.45rem; margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line);}
h3 {font-size: 1.1rem; margin: 1.4rem 0 .4rem;}
.brand {margin: 0; font-weight: 600; letter-spacing: .03em;}
.lead {font-size: 1.2rem; max-width: 48rem;}
svg {display: block; width: 100%; height: auto; overflow: visible;}
img {image-rendering: pixelated; display: block; border-radius: 3px;}
table {border-collapse: collapse; font-variant-numeric: tabular-nums;}
caption {text-align: left; font-weight: 600; padding: .3rem 0;}
th, td {text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top;}
th {font-weight: 600;}
.figures td:nth-child(2), .figures td:nth-child(3) {font-size: 1.15rem; font-weight: 600; white-space: nowrap;}
.provenance td {overflow-wrap: anywhere;}
.wide {overflow-x: auto; margin: .8rem 0;}
.legend {font-size: .95rem;}
.benign {color: #0072B2;} .poisoned {color: #C25400;}
figure {margin: 0;}
.examples {display: flex; flex-wrap: wrap; gap: 1rem 2rem;}
.example {display: grid; grid-template-columns: repeat(3, minmax(0, 128px)); gap: .4rem;}
.example img {width: 100%; height: auto;}
.example figcaption {grid-column: 1 / -1; font-size: .9rem;}
.cards {display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: .7rem;}
.card {border: 1px solid var(--line); border-radius: .4rem; padding: .5rem; font-size: .9rem; line-height: 1.3;}
.card svg {margin-top: .4rem;}
.grid {display: grid; grid-template-columns: repeat(auto-fill, minmax(6.6rem, 1fr)); gap: .6rem;}
.thumb {border: 2px solid var(--line); border-radius: .4rem; padding: .35rem; font-size: .82rem; line-height: 1.35;}
.thumb figcaption {color: inherit; margin-top: .25rem; overflow-wrap: anywhere;}
.thumb.poisoned {border: 2px dashed #D55E00; color: inherit;} .thumb.benign {border-color: #0072B2; color: inherit;}
.thumb .mark {font-weight: 600;}
.missing {display: grid; place-items: center; width: 80px; height: 80px; border: 1px dotted; font-size: .72rem;
  text-align: center; line-height: 1.2;}
.matrices {display: grid; grid-template-columns: repeat(auto-fit, minmax(min(27rem, 100%), 1fr)); gap: 1.2rem 2rem;}
.ps-matrix {font-size: .82rem;}
.settings {columns: 2; column-gap: 2rem;}
.settings table {width: 100%; font-size: .92rem; margin-bottom: 1rem;}
@media (max-width: 640px) {.settings {columns: 1;}}
@media (prefers-color-scheme: dark) {
  body {background: #0e1117; color: #fafafa;}
  .benign {color: #56B4E9;} .poisoned {color: #F0803C;}
}
@media print {
  @page {size: A4; margin: 14mm;}
  :root {color-scheme: light;}
  * {print-color-adjust: exact; -webkit-print-color-adjust: exact;}
  body {background: #fff; color: #000; font-size: 10.5pt;}
  main {max-width: none; padding: 0;}
  h1 {font-size: 20pt;} h2 {font-size: 14pt; margin-top: 1.4rem;} .lead {font-size: 12pt;}
  h2, h3, caption {break-after: avoid;}
  figure, svg, table.ps-matrix, tr {break-inside: avoid;}
  .matrices {grid-template-columns: 1fr 1fr; gap: .6rem 1rem;} .ps-matrix {font-size: 7.5pt;}
  .wide {overflow: visible;}
  .example {grid-template-columns: repeat(3, 70px);}
  .grid {grid-template-columns: repeat(8, 1fr); gap: .3rem;} .thumb {font-size: 7.5pt; padding: .2rem;}
  .thumb img, .missing {width: 100%; height: auto; aspect-ratio: 1;}
  .cards {grid-template-columns: repeat(5, 1fr); gap: .3rem;} .card {font-size: 8pt;}
  .settings {columns: 2;} .settings table {font-size: 8pt;}
  .benign {color: #0072B2;} .poisoned {color: #C25400;}
}
"""
