"""The slides: for any run one claim each that is true of it, a picture, a figure, and what the speaker may say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import core
from core import Result
from core.results import triggered_images
from pages.parts.around import words
from pages.parts.around.templates import Markup, render
from pages.parts.common import sees
from pages.parts.stage import cloud, contrast
from pages.parts.story import histogram, pictures
from pages.parts.story.facts import APART, MIXED, Facts, asr_of

BINS, TICKS = 64, 8  # of the large histogram
LIVE = "Live"


class Slide(NamedTuple):
    """One slide. figure stands large, with what it counts; screen is the one to look closer at: (path, title)."""

    name: str
    claim: str
    picture: Markup | str
    figure: str
    counts: str
    notes: tuple[str, ...]
    screen: tuple[str, str] | None = None


def tell(result: Result) -> list[Slide]:
    """The slides of a finished run, but for the last one, which is live."""
    facts = Facts(result)
    return [
        backdoor(facts), stamp(facts), fooled(facts), apart(facts), cut(facts), cleaned(facts), beside(facts),
    ]  # fmt: skip


def backdoor(facts: Facts) -> Slide:
    """What a backdoor is, and who is hurt."""
    found, size = facts.found, len(facts.result.poisoned)
    if facts.control:
        claim = "Nothing is planted here: this run is the clean control"
    elif facts.took:
        claim = f"{words.count(found['poisons'], 'training image')} of {size:,} planted a backdoor"
    else:
        claim = f"{found['poisons']:,} of {size:,} training images are poisoned"
    hurt = "On the road it would be a sticker on a stop sign: a car that reads signs with such a network drives on."
    nothing = "What does a defence do where there is nothing to find?"
    return Slide(
        "A backdoor", claim, _pair(facts), facts.share("of_training_set", 2),
        f"of the training set is poisoned. {nothing if facts.control else hurt}",
        (
            "A network that is trained on images which others collected learns what they put in.",
            "Here nobody did: whatever a defence removes is a loss." if facts.control else
            "Who is hurt: whoever trusts its answers. The network is right on clean images, so nobody notices.",
            f"This run: {words.heading(facts.config)}, {facts.config.dataset.name}, {facts.config.removed_by}.",
        ),
    )  # fmt: skip


def stamp(facts: Facts) -> Slide:
    """What the trigger changes of an image."""
    attack, labels, pair = facts.config.attack, facts.labels, facts.pair
    changed, total, by = _change(pair)
    pixels = f"{changed:,} of {total:,} pixels"
    if pair is None:
        claim = "The trigger, on plain grey"
    elif facts.control:
        claim = f"The trigger would change {pixels}; here no image bears it"
    elif attack.labels == "clean_label":
        claim = f"The trigger changes {pixels}, and the label {f'{labels[1]} ' if labels else ''}stays true"
    else:
        claim = f"The trigger changes {pixels}, and the attacker the label"
        claim += f": {' becomes '.join(labels)}" if labels else ""
    covers = facts.result.poisoned.truth.covers.sum()
    return Slide(
        "The trigger", claim, _trigger(facts), f"{changed:,}" if pair is not None else "—",
        "pixels changed: no image is at hand to count them on" if pair is None else
        f"{'pixel' if changed == 1 else 'pixels'} of {total:,} differ, by {by:.0f} of 255 levels on average",
        (
            f"Left {facts.trigger} on plain grey{', then an image without and with it' if pair is not None else ''}.",
            "No training image bears it; the test images are stamped with it, to see what a network makes of it."
            if facts.control else
            f"{words.ratio(facts.config)}: nobody looks at {len(facts.result.poisoned):,} images one by one.",
            *((f"{words.count(int(covers), 'cover')} bear it too, and keep their true label.",) if covers else ()),
        ),
        ("pages/attack.py", "Attack"),
    )  # fmt: skip


def fooled(facts: Facts) -> Slide:
    """The network that was trained on the poisoned set."""
    asr, nat = words.share(facts.before), facts.share("nat1")
    if facts.control:
        claim = f"A network that never met the trigger takes {asr} of triggered images{facts.whose} for {facts.target}"
    elif facts.took:
        claim = f"With the trigger, {asr} of test images{facts.whose} are taken for {facts.target}"
    else:
        claim = f"The attack works on {asr} of triggered test images{facts.whose} only"
    every = "of every class" if facts.config.attack.everywhere else f"of every class but {facts.config.target_name}"
    what = facts.whose.strip() or every
    rest = f" ({every}: {facts.share('asr1')})" if facts.whose else ""
    return Slide(
        "The fooled network" if facts.took else "The first network", claim,
        pictures.answers(facts.result, "poisoned", facts.test, captions=True), asr,
        f"backdoor success (ASR): triggered test images {what} taken for {facts.target}{rest}. "
        f"Accuracy on clean images (Nat): {nat}",
        (
            f"One test image, asked twice: {_asked(facts)}",
            f"Without the trigger the network is right on {nat} of test images"
            + (": its accuracy gives nothing away." if facts.took else "."),
        ),
        ("pages/try_it.py", "Try it"),
    )  # fmt: skip


def apart(facts: Facts) -> Slide:
    """From the images to one axis."""
    auroc, drawn = facts.found.get("auroc"), cloud.cloud(facts.result, facts.shown)
    mean = ", the mean over the classes" if facts.config.attack.everywhere else " of the same label"
    counts = f"AUROC: how often a poisoned image scores above a clean one{mean}; 0.5 is guessing"
    if facts.control or auroc is None:
        figure, counts = f"{facts.found['poisons']:,}", "poisoned images: what scores highest here is only odd"
    else:
        figure = words.score(auroc)
    return Slide(
        "What the SVD sees" if facts.sees.svd else "What the detector sees", _apart(facts, auroc),
        "The scores are not stored." if drawn is None else drawn.picture, figure, counts,
        (
            f"{facts.detector}: {facts.sees.looks} {facts.sees.scores}",
            f"It looks for what stands out {sees.along(facts.config.defence, facts.shown)}.",
            "The images, what is made of them, one axis"
            f"{'' if facts.unchanged else ', the cut'}. Leave the slide and come back to see it again.",
        ),
        ("pages/scores.py", "Scores"),
    )  # fmt: skip


def _apart(facts: Facts, auroc: float | None) -> str:
    if facts.control or auroc is None:
        return f"With nothing planted, {facts.detector} only ranks odd images"
    ways = "a few directions" if facts.detector == "spectral-top-k" else "one direction"
    if auroc >= APART:
        return f"Along {ways} the poison slides away" if facts.sees.svd else f"{facts.detector} sets the poison apart"
    if auroc >= MIXED:
        return f"{facts.detector} ranks the poison higher, but clean images mix with it"
    return f"{facts.detector} cannot tell this poison from clean images"


def cut(facts: Facts) -> Slide:
    """What is removed, and what stays."""
    found = facts.found
    lost, left = words.count(found["clean_removed"], "clean image"), found["poisons_left"]
    there = words.count(found["poisons"], "poisoned image")
    if facts.control and facts.unchanged:
        claim = "The detector removed nothing, as it should"
    elif facts.control:
        claim = f"The cut removes {lost}: there was nothing to find"
    elif facts.unchanged:
        claim = f"The detector removed nothing, though {there} {'is' if found['poisons'] == 1 else 'are'} there"
    elif not left:
        claim = f"The cut removes all {found['poisons']:,} poisoned images"
    elif not facts.removed:
        claim = f"The cut removes none of the {there}"
    else:
        claim = f"The cut removes {facts.removed:,} of {found['poisons']:,} poisoned images; {left:,} stay"
    where = core.report.gap_cut(facts.result) or core.report.reviewed_cut(facts.result)
    return Slide(
        "The cut", claim, histogram.draw(facts.result, facts.shown, BINS, TICKS),
        f"{found['clean_removed']:,}" if facts.control else f"{left:,}",
        _lost(facts, lost),
        (
            where or _budget(facts),
            f"The picture has the images labelled {facts.shown}; the figures count all classes.",
        ),
        ("pages/flagged.py", "Flagged"),
    )  # fmt: skip


def _lost(facts: Facts, lost: str) -> str:
    """What the fifth slide's figure counts."""
    if facts.control:
        return "clean images lost" if facts.unchanged else "clean images lost, for nothing"
    return f"poisoned images left. Lost{' with the others' if facts.removed else ''}: {lost}"


def _budget(facts: Facts) -> str:
    defence = facts.config.defence
    if facts.unchanged:
        return "Nothing was removed: the detector suspects no class, or its budget is below one image."
    fears = f"The defender assumes {words.exact(defence.assumed_ratio)} of poison at most"
    return f"{fears} and removes {defence.multiplier:g} times as many."


def cleaned(facts: Facts) -> Slide:
    """The network that was trained on what is left."""
    after, nat = f"{words.share(facts.after)}{_of(facts)}", facts.share("nat2")
    was = words.share(facts.before)
    if facts.unchanged:
        claim = f"Nothing was removed, so the network is the same: {_same(facts)}"
    elif facts.control:
        claim = f"Trained anew, the network is right on {nat}; it was on {facts.share('nat1')}"
    elif facts.beaten:
        claim = f"Trained anew on the rest, the trigger works on {after}, not on {was}"
    elif facts.took and facts.after >= facts.before - 0.05:
        claim = f"Trained anew on the rest, the trigger works as before: on {after}"
    elif facts.took:
        claim = f"Trained anew on the rest, the trigger still works on {after}; it did on {was}"
    else:
        claim = f"There was little to undo: the trigger worked on {was}, and then on {after}"
    benign = facts.result.quality("benign")
    known = "" if benign is None else f". A network that never met poison: {words.share(asr_of(benign))}"
    return Slide(
        "The same network" if facts.unchanged else "The cleaned network", claim, before_after(facts),
        nat if facts.control else words.share(facts.after),
        "accuracy (Nat) after the cut" if facts.control else f"backdoor success (ASR) after the cut{known}",
        (
            "Trained on the same images by the same seed, a second network would be the first again."
            if facts.unchanged else
            f"Trained from scratch on {len(facts.result.poisoned) - facts.found['flagged']:,} images.",
            f"Accuracy on clean images: {facts.share('nat1')} before, {nat} after.",
        ),
        ("pages/compare.py", "Compare"),
    )  # fmt: skip


def _same(facts: Facts) -> str:
    """How the one network does where nothing was removed."""
    right = f"right on {facts.share('nat2')}"
    return right if facts.control else f"the trigger works on {words.share(facts.after)}{_of(facts)}"


def before_after(facts: Facts) -> Markup:
    """Both figures of both networks as bars."""
    benign = facts.result.quality("benign")
    asr, nat = (facts.before, facts.after), (facts.found["nat1"], facts.found["nat2"])
    groups = []
    for name, both, kind, known in (
        (f"Backdoor success (ASR){_of(facts)}", asr, "p", None if benign is None else asr_of(benign)),
        ("Accuracy on clean images (Nat)", nat, "b", None if benign is None else benign.nat),
    ):
        bars = list(zip(("before", "after"), both, strict=True))
        groups.append({"name": name, "kind": kind, "known": known, "bars": bars})
    return render("stage/bars.html.jinja", groups=groups, share=words.share)


def _of(facts: Facts) -> str:
    """Behind a rate: the images that it is of, where these are of one class alone."""
    return f" of images{facts.whose}" if facts.whose else ""


def beside(facts: Facts) -> Slide:
    """A defence that failed beside one that did not."""
    other = contrast.other(facts)
    return Slide(
        "The other side", contrast.claim(facts, other), contrast.draw(facts, other), *contrast.figure(facts, other),
        contrast.notes(facts, other), ("pages/tables.py", "Tables"),
    )  # fmt: skip


# --- their pictures --------------------------------------------------------------------------------------


def _pair(facts: Facts) -> Markup | str:
    """A clean image and the same image stamped, each with its label."""
    if facts.pair is None:
        return "The pictures are not at hand."
    clean, stamped = facts.pair
    labels = facts.labels
    shown = [_shown(clean, "A clean image" if labels is None else f"A training image of the class {labels[0]}",
                    "clean" if labels is None else f"labelled {labels[0]}")]  # fmt: skip
    if labels is not None:
        shown.append(_shown(stamped, "The same image with the trigger", f"labelled {labels[1]}", "p"))
    elif not facts.control:
        shown.append(_shown(stamped, "The same image with the trigger", "with the trigger", "p"))
    return render("stage/images.html.jinja", images=shown)


def _trigger(facts: Facts) -> Markup | str:
    """The trigger on plain grey, and an image without and with it."""
    sides = tuple(core.DATASETS[facts.config.dataset.name].facts["image_shape"][:2])
    grey = core.proofs.looks(lambda images: triggered_images(facts.config, images), sides)
    shown = [_shown(grey, "The trigger on plain grey", "the trigger")]
    if facts.pair is not None:
        shown += [_shown(facts.pair[0], "An image without the trigger", "without")]
        shown += [_shown(facts.pair[1], "The same image with the trigger", "with", "p")]
    return render("stage/images.html.jinja", images=shown)


def _shown(pixels: pictures.Pixels, alt: str, caption: str, kind: str = "") -> dict[str, str]:
    return {"address": pictures.address(pixels), "alt": alt, "caption": caption, "kind": kind}


def _change(pair: tuple[pictures.Pixels, pictures.Pixels] | None) -> tuple[int, int, float]:
    """How many pixels of how many the trigger changes, and those by how many levels of 255, the mean over colours."""
    if pair is None:
        return 0, 0, 0.0
    by = np.abs(pair[1].astype(int) - pair[0].astype(int))
    changed = by.any(-1)
    return int(changed.sum()), changed.size, float(by[changed].mean()) if changed.any() else 0.0


def _asked(facts: Facts) -> str:
    """What the first network answers to the shown test image, in words."""
    predictions = facts.result.predictions("poisoned")
    if facts.test is None or predictions is None:
        return "its answers are not stored."
    clean, triggered = (pictures.name(facts.result, int(logits[facts.test].argmax())) for logits in predictions)
    return f"{clean} without the trigger, {triggered} with it."
