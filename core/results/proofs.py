"""Proofs: what the flagged images of a run's class share, rebuilt, and what the run's network answers to it.

Each is computed once for a set of flagged images and kept in the store. The network is that which was trained on the
set, and it is asked about test images of other classes, the first ones that have their pixels here. Nothing here uses
the truth but `Transplant.true`, the answers to the attacker's own trigger, for the screens that may say them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from core.configuration import stages
from core.evaluation import Agreement, Answered, Rebuilt, Transplant, rebuilt, transplant
from core.evaluation.figures import share
from core.results import insight
from core.results.result import Result, triggered_images
from core.store import Artefact
from core.types import BadRequest, DataUnavailable, Detection, Images, Logits, Mask

COMPARED = 200  # test images on which a rebuilt trigger is compared with the true one
GREY = 128
ONE_CLASS = 0.2  # by how much the share of one class must be larger to be said
FAINT = 100  # levels below which a change is magnified
KINDS = ("mask", "colour", "additive", "picture")  # arrays of what was rebuilt


def accused(result: Result, found: Detection, flagged: Mask) -> list[int]:
    """The classes that have flagged images [n], the most suspicious first: by the detector's statistic of classes.

    A detector without one is asked for its spectral gap; else the class with the highest score comes first.
    """
    labels = result.poisoned.labels
    classes = np.unique(labels[flagged])
    if found.class_statistic is not None:
        suspicion = found.class_statistic
    elif found.spectrum is not None and found.spectrum.shape[1] > 1:
        suspicion = found.spectrum[:, 0] / np.maximum(found.spectrum[:, 1], 1e-12)
    else:
        suspicion = np.full(result.dataset.classes, -np.inf)
        np.maximum.at(suspicion, labels, found.scores)
    return [int(label) for label in classes[np.argsort(-suspicion[classes], kind="stable")]]


def trigger(result: Result, label: int, flagged: Mask) -> tuple[Rebuilt | None, str]:
    """The trigger of a class's flagged images [n], rebuilt now or before; None with the reason."""
    key = _key(result, label, flagged)
    known = result.store.read("rebuilt", key)
    if known is None:
        known = _keep(result, key, *_rebuild(result, label, flagged))
    return _rebuilt(known)


def stored(result: Result, label: int, flagged: Mask, others: int = transplant.OTHERS) -> Transplant | None:
    """What the run's network answered to that trigger, where it was asked; nothing is computed."""
    key = stages.transplant_key(stages.model_key(result.config), _key(result, label, flagged), others)
    known = result.store.read("transplant", key)
    return None if known is None else _transplant(known.document)


def rebuilt_before(result: Result, label: int, flagged: Mask) -> bool:
    """Whether `trigger` only reads."""
    return result.store.has("rebuilt", _key(result, label, flagged))


def prove(result: Result, label: int, flagged: Mask, others: int = transplant.OTHERS) -> Transplant | None:
    """Ask the run's network about the trigger of a class's flagged images [n], unless it was; None without a trigger.

    DataUnavailable where the network is not stored, or no test image of another class has its pixels here.
    """
    known = stored(result, label, flagged, others)
    if known is not None:
        return known
    found, _ = trigger(result, label, flagged)
    if found is None:
        return None
    proof = _asked(result, found, label, others)
    key = stages.transplant_key(stages.model_key(result.config), _key(result, label, flagged), others)
    result.store.write("transplant", key, document=asdict(proof))
    return proof


# --- in pictures and words -------------------------------------------------------------------------------


def agreement(result: Result, found: Rebuilt) -> Agreement | None:
    """How like the attacker's trigger a rebuilt one is, on test images; None where nothing was poisoned.

    The truth: for screens that may show it.
    """
    images = result.dataset.test_images[np.flatnonzero(result.test_pictured)[:COMPARED]]
    if not result.poisoned.truth.count or not len(images):
        return None
    return rebuilt.agreement(found, images, triggered_images(result.config, images))


def looks(apply: Callable[[Images], Images], sides: tuple[int, ...]) -> Images:
    """What a trigger makes of a plain grey image of these sides, [h, w, 3]; a faint change is magnified."""
    plain = np.full((1, *sides, 3), GREY, np.uint8)
    change = apply(plain)[0].astype(float) - GREY
    size = float(np.abs(change).max())
    factor = 127 / size if 0 < size < FAINT else 1.0
    shown: Images = np.rint(GREY + factor * change).clip(0, 255).astype(np.uint8)
    return shown


def described(found: Rebuilt) -> str:
    """What was rebuilt, in a sentence."""
    top, left, height, width = found.place
    whole = (height, width) == found.mask.shape
    size = "1 pixel" if (height, width) == (1, 1) else f"{height} by {width} pixels"
    place = "over the whole image" if whole else f"on {size} at row {top}, column {left}"
    made = {
        "opaque": "Painted over",
        "blended": f"Mixed in at an opacity of {found.strength:.2f}",
        "additive": f"Added, up to {found.strength:.0f} of 255 levels",
    }[found.kind]
    return f"{made}, {place}; {found.bearers:.0%} of the flagged images of the class bear it."


def answered(proof: Transplant, name: str, truth: bool, of: str = "test images") -> str:
    """What the network answers, in sentences; with the truth, also to the attacker's trigger. name: of the class.

    of: what the trigger was laid on.
    """
    highest = max(other.share for other in proof.others)
    own = f"; with the attacker's own: {share(proof.true.share)}" if truth and proof.true is not None else ""
    meaning = "It is a backdoor" if proof.backdoor else "A mark, and no backdoor as far as this network shows"
    one = f", of one class {share(proof.found.most)}" if proof.found.most - proof.found.share > ONE_CLASS else ""
    return (
        f"Laid on {proof.images:,} {of} of other classes, {share(proof.found.share)} are answered {name}{one} "
        f"({share(proof.without.share)} without it{own}). Of {len(proof.others)} other patterns as strong the best "
        f"reaches {share(highest)}. {meaning} (p = {proof.p:.2g})."
    )


def agrees(told: Agreement) -> str:
    """How like the attacker's it is, in a sentence."""
    return (
        f"Beside the attacker's: correlation {told.correlation:.2f}, the same pixels to {told.overlap:.0%}, colours "
        f"{told.colour:.1f} of 255 levels apart."
    )


# --- computing them --------------------------------------------------------------------------------------


def _asked(result: Result, found: Rebuilt, label: int, others: int) -> Transplant:
    """The network's answers to a rebuilt trigger on test images."""
    dataset = result.dataset
    rows = np.flatnonzero((dataset.test_labels != label) & result.test_pictured)[: transplant.IMAGES]
    if not len(rows):
        raise DataUnavailable("no test image of another class has its pixels on this machine")

    def ask(images: Images) -> Logits:
        answers = insight.classify(result, "poisoned", images)
        if answers is None:
            raise DataUnavailable("the network trained on this set is not stored here; start the run again")
        return answers.astype(np.float32)

    return transplant.transplant(
        found, dataset.test_images[rows], label, ask, classes=dataset.test_labels[rows], others=others,
        seed=result.config.seed, true=lambda images: triggered_images(result.config, images),
    )  # fmt: skip


def _rebuild(result: Result, label: int, flagged: Mask) -> tuple[Rebuilt | None, str]:
    poisoned, pictured = result.poisoned, result.pictured
    if flagged.shape != poisoned.labels.shape:
        raise BadRequest(f"flagged must be [{len(poisoned)}], got {list(flagged.shape)}")

    def images(label: int, which: Mask) -> Images:
        found: Images = poisoned.images[(poisoned.labels == label) & which & pictured]
        return found

    others = [images(other, ~flagged) for other in range(result.dataset.classes) if other != label]
    return rebuilt.rebuild(images(label, flagged), images(label, ~flagged), others)


def _key(result: Result, label: int, flagged: Mask) -> str:
    return stages.rebuilt_key(result.config, label, flagged, result.pictured)


def _keep(result: Result, key: str, found: Rebuilt | None, why: str) -> Artefact:
    if found is None:
        return result.store.write("rebuilt", key, document={"reason": why})
    document = {name: getattr(found, name) for name in ("kind", "strength", "bearers")}
    arrays = {name: getattr(found, name) for name in KINDS}
    return result.store.write("rebuilt", key, arrays=arrays, document={**document, "place": list(found.place)})


def _rebuilt(known: Artefact) -> tuple[Rebuilt | None, str]:
    told = known.document
    if "reason" in told:
        return None, str(told["reason"])
    top, left, height, width = told["place"]
    arrays = {name: known.array(name) for name in KINDS}
    kind, strength, bearers = told["kind"], told["strength"], told["bearers"]
    return Rebuilt(kind=kind, strength=strength, bearers=bearers, place=(top, left, height, width), **arrays), ""


def _transplant(told: Mapping[str, Any]) -> Transplant:
    found, without = Answered(**told["found"]), Answered(**told["without"])
    others = tuple(Answered(**other) for other in told["others"])
    true = None if told["true"] is None else Answered(**told["true"])
    return Transplant(told["label"], told["images"], found, without, others, true)
