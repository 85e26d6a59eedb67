"""The five steps of the Story: from a clean image to a cleaned network, with the numbers of one run.

Everything comes from what the run has stored (its images, scores and answers): nothing is computed by a network.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

import numpy as np

import core
from core import Result
from pages.parts.around import colours, words
from pages.parts.story import histogram, pictures
from pages.parts.story.facts import Facts, asr_of

WORKS = 0.8  # ASR from which a trigger is said to decide the answer
MISSING = "The pictures are not at hand."

_STYLE = f"""<style>
.ps-story {{display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.8rem), 1fr)); gap: .65rem;}}
.ps-story article {{margin: 0; padding: .75rem .8rem; border: 1px solid rgba(128,128,128,.4); border-radius: .7rem;
  display: flex; flex-direction: column; gap: .5rem;}}
.ps-story article h2 {{font-size: .97rem; line-height: 1.25; margin: 0; padding: 0;}}
.ps-story p {{margin: 0; font-size: .9rem; line-height: 1.4;}}
.ps-show {{height: 10.2rem; display: flex; flex-direction: column; justify-content: center; gap: .5rem;}}
.ps-show img {{image-rendering: pixelated; border-radius: .3rem; display: block;}}
.ps-show > img {{width: 10rem; max-width: 100%; aspect-ratio: 1;}}
.ps-figure {{font-size: 1.6rem; font-weight: 700; line-height: 1.1;}}
.ps-figure small {{font-size: .85rem; font-weight: 400; line-height: 1.3; display: block; margin-top: .2rem;}}
.ps-asked {{display: grid; grid-template-columns: 2.9rem 1fr; gap: .5rem; align-items: center;}}
.ps-asked img {{width: 2.9rem; height: 2.9rem;}}
.ps-bar {{font-size: .76rem; line-height: 1.2; display: flex; flex-wrap: wrap; justify-content: space-between;}}
.ps-asked i {{display: block; height: .55rem; border-radius: .2rem; background: {colours.REFERENCE}; min-width: 2px;
  margin: .1rem 0 .3rem;}}
.ps-asked i.ps-right {{background: {colours.BENIGN};}}
.ps-asked i.ps-fooled {{background: {colours.HATCHED};}}
{histogram.STYLE}</style>"""


class Step(NamedTuple):
    """One step: a picture (HTML), a large figure with what it counts, and a sentence or two (HTML)."""

    number: int
    title: str
    picture: str
    figure: str
    counts: str
    text: str


def tell(result: Result) -> list[Step]:
    """The steps, told with one training image that was stamped and one test image that was never seen."""
    facts = Facts(result)
    return [_clean(facts), _stamp(facts), _fooled(facts), _seen(facts), _cleaned(facts)]


def cards(told: list[Step]) -> str:
    """All steps side by side, as many in a row as fit."""
    items = "".join(
        f"<article><h2>{step.number}. {escape(step.title)}</h2><div class='ps-show'>{step.picture}</div>"
        f"{_figure(step)}<p>{step.text}</p></article>"
        for step in told
    )
    return f"{_STYLE}<div class='ps-story'>{items}</div>"


def _figure(step: Step) -> str:
    return f"<div class='ps-figure'>{escape(step.figure)}<small>{escape(step.counts)}</small></div>"


# --- the steps -------------------------------------------------------------------------------------------


def _clean(facts: Facts) -> Step:
    result = facts.result
    shown = np.flatnonzero(result.pictured)[:1] if facts.source is None else [facts.source]
    picture, says = MISSING, ""
    for row in result.poisoned.source_ids[shown]:
        label = pictures.name(result, int(result.dataset.train_labels[row]))
        picture = pictures.image(result.dataset.train_images[row], f"A training image of the class {label}")
        says = f"This one is labelled <b>{escape(label)}</b>, as it should be."
    count = f"{len(result.dataset.train_labels):,}"
    return Step(1, "A clean image", picture, count, "training images, each with an honest label", says)


def _stamp(facts: Facts) -> Step:
    if facts.control:
        return Step(
            2, "Nothing is stamped", "", "0", "poisoned images",
            "This run is the clean control: the attacker did nothing, and a good detector finds nothing.",
        )  # fmt: skip
    result, attack, labels = facts.result, facts.config.attack, facts.labels
    trigger = f"one of {1 + len(attack.also)} triggers" if attack.also else f"the {attack.trigger} trigger"
    whose = "" if attack.everywhere else f" {facts.config.target_name}"
    picture, says = MISSING, ""
    if facts.source is not None and labels is not None:
        picture = pictures.image(result.poisoned.images[facts.source], f"The same image with {trigger}")
        was, given = (escape(label) for label in labels)
        says = f"To the eye still the class {was}; the attacker labels it <b>{given}</b>. "
        if attack.labels == "clean_label":
            says = f"Its label <b>{given}</b> is true, and stays: only images of that class are stamped. "
    return Step(
        2, "The same, stamped", picture,
        f"{facts.found['poisons']:,}", f"images get {trigger}: {words.ratio(facts.config)}{whose}",
        f"{says}Nobody looks at {len(result.poisoned):,} images one by one.",
    )  # fmt: skip


def _fooled(facts: Facts) -> Step:
    return Step(
        3, "The fooled network" if facts.took else "The first network",
        pictures.answers(facts.result, "poisoned", facts.test),
        words.share(facts.before), f"ASR: triggered test images{facts.whose} taken for {_aimed(facts)}",
        f"Trained on this set, the network is right on {facts.share('nat1')} of clean test images (Nat). "
        f"{_with_trigger(facts)}",
    )  # fmt: skip


def _with_trigger(facts: Facts) -> str:
    """What the trigger does, as far as it does (HTML)."""
    everywhere = facts.config.attack.everywhere
    says = f"it says <b>{'the next class' if everywhere else escape(facts.target)}</b>"
    often = f"for {words.share(facts.before)} of {f'those{escape(facts.whose)}' if facts.whose else 'them'}"
    if facts.control:
        return f"With a trigger that it never met {says} {often}."
    if facts.before >= WORKS and not everywhere and not facts.whose:
        return f"With the trigger {says}, whatever is in the picture."
    rest = f", and for {facts.share('asr1')} of all" if facts.whose else ""
    return f"With the trigger {says} {often}{rest}."


def _aimed(facts: Facts) -> str:
    return "the next class" if facts.config.attack.everywhere else "the target"


def _seen(facts: Facts) -> Step:
    result, found = facts.result, facts.found
    left = found["poisons_left"]
    hit = f"{facts.removed:,} of {found['poisons']:,}" if found["poisons"] else f"{found['flagged']:,}"
    rest = f"{words.count(found['clean_removed'], 'clean image')} went with them." if found["clean_removed"] else ""
    missed = f" {words.count(left, 'was', 'were')} missed." if left else ""
    gap = f" {escape(core.report.gap_cut(result) or core.report.reviewed_cut(result))}".rstrip()
    clean = "images removed, as it should be" if facts.unchanged else "images removed, all of them clean"
    return Step(
        4, f"What the {'SVD' if facts.sees.svd else 'detector'} sees", histogram.draw(result, facts.shown),
        hit, clean if facts.control else "poisoned images found and removed",
        f"{histogram.told(result, facts.shown, found)}{gap}{missed} {'' if facts.control else rest}",
    )  # fmt: skip


def _cleaned(facts: Facts) -> Step:
    benign = facts.result.quality("benign")
    beside = "" if benign is None else f" A network that never met poison: {words.share(asr_of(benign))}."
    how = "; nothing was removed, so it is the same" if facts.unchanged else " after removing them and training anew"
    return Step(
        5, "The same network" if facts.unchanged else "The cleaned network",
        pictures.answers(facts.result, "clean", facts.test),
        facts.share("nat2") if facts.control else words.share(facts.after),
        f"{'Accuracy (Nat)' if facts.control else f'ASR{facts.whose}'}{how}",
        f"There was nothing to undo. Before, it was right on {facts.share('nat1')}." if facts.control else
        f"It is right on {facts.share('nat2')} of clean test images (Nat). {_undone(facts)}{beside}",
    )  # fmt: skip


def _undone(facts: Facts) -> str:
    """What became of the trigger."""
    if facts.failed:
        return "The trigger still works."
    if facts.took:
        return "The trigger has lost its power."
    return f"There was little to undo: before, the trigger worked on {words.share(facts.before)}."
