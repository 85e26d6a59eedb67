"""The five steps of the Story: from a clean image to a cleaned network, with the numbers of one run.

Everything comes from what the run has stored (its images, scores and answers): nothing is computed by a network.
"""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import core
from core import Result
from pages.parts.around import colours, words
from pages.parts.common import sees
from pages.parts.story import histogram, pictures

WORKS = 0.8  # ASR from which a trigger is said to decide the answer

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
    found = result.summary or {}
    target = result.config.target_name
    source = pictures.stamped(result)
    test = pictures.test_image(result, int(result.poisoned.source_labels[source]) if source is not None else None)
    return [
        _clean(result, source),
        _stamp(result, source, found),
        _fooled(result, test, target, found),
        _seen(result, pictures.name(result, result.config.attack.target), found),
        _cleaned(result, test, target, found),
    ]


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


def _clean(result: Result, source: int | None) -> Step:
    images = len(result.dataset.train_labels)
    row = 0 if source is None else int(result.poisoned.source_ids[source])
    label = pictures.name(result, int(result.dataset.train_labels[row]))
    return Step(
        1, "A clean image", pictures.image(result.dataset.train_images[row], f"A training image of the class {label}"),
        f"{images:,}", "training images, each with an honest label",
        f"This one is labelled <b>{escape(label)}</b>, as it should be.",
    )  # fmt: skip


def _stamp(result: Result, source: int | None, found: dict[str, Any]) -> Step:
    if source is None:
        return Step(
            2, "Nothing is stamped", "", "0", "poisoned images",
            "This run is the clean control: the attacker did nothing, and a good detector finds nothing.",
        )  # fmt: skip
    attack = result.config.attack
    was, given = (
        pictures.name(result, int(of[source])) for of in (result.poisoned.source_labels, result.poisoned.labels)
    )
    trigger = "a" if attack.also else f"the {attack.trigger}"
    whose = "" if attack.everywhere else f" {result.config.target_name}"
    says = f"To the eye still the class {escape(was)}; the attacker labels it <b>{escape(given)}</b>. "
    if attack.labels == "clean_label":
        says = f"Its label <b>{escape(given)}</b> is true, and stays: only images of that class are stamped. "
    return Step(
        2, "The same, stamped",
        pictures.image(result.poisoned.images[source], f"The same image with {trigger} trigger"),
        f"{found['poisons']:,}", f"images get {trigger} trigger: {words.ratio(result.config)}{whose}",
        f"{says}Nobody looks at {len(result.poisoned):,} images one by one.",
    )  # fmt: skip


def _fooled(result: Result, test: int | None, target: str, found: dict[str, Any]) -> Step:
    return Step(
        3, "The fooled network", pictures.answers(result, "poisoned", test),
        words.share(found["asr1"]), f"ASR: triggered test images taken for {_aimed(result)}",
        f"Trained on this set, the network is right on {words.share(found['nat1'])} of clean test images (Nat). "
        f"{_with_trigger(found, target)}",
    )  # fmt: skip


def _with_trigger(found: dict[str, Any], target: str) -> str:
    """What the trigger does, as far as it does (HTML)."""
    if found["asr1"] >= WORKS:
        return f"With the trigger it says <b>{escape(target)}</b>, whatever is in the picture."
    return f"With the trigger it says <b>{escape(target)}</b> for {words.share(found['asr1'])} of them."


def _aimed(result: Result) -> str:
    return "the next class" if result.config.attack.everywhere else "the target"


def _seen(result: Result, target: str, found: dict[str, Any]) -> Step:
    removed, left = found["poisons"] - found["poisons_left"], found["poisons_left"]
    hit = f"{removed:,} of {found['poisons']:,}" if found["poisons"] else f"{found['flagged']:,}"
    rest = f"{words.count(found['clean_removed'], 'clean image')} went with them." if found["clean_removed"] else ""
    missed = f" {left:,} were missed." if left else ""
    gap = f" {escape(core.report.gap_cut(result) or core.report.reviewed_cut(result))}".rstrip()
    who = "SVD" if sees.of(result.config.defence).svd else "detector"
    return Step(
        4, f"What the {who} sees", histogram.draw(result, target),
        hit, "poisoned images found and removed" if found["poisons"] else "images removed, all of them clean",
        f"{histogram.told(result, target, found)}{gap}{missed} {rest}",
    )  # fmt: skip


def _cleaned(result: Result, test: int | None, target: str, found: dict[str, Any]) -> Step:
    benign = result.quality("benign")
    beside = "" if benign is None else f" A network that never met poison: {words.share(benign.asr)}."
    return Step(
        5, "The cleaned network", pictures.answers(result, "clean", test),
        words.share(found["asr2"]), "ASR after removing them and training anew",
        f"It is right on {words.share(found['nat2'])} of clean test images (Nat). "
        f"{'The trigger has lost its power.' if found['asr2'] < 0.1 else 'The trigger still works.'}{beside}",
    )  # fmt: skip
