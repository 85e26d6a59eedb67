"""The section on the rebuilt trigger: what the flagged images share, and what the network answers, where stored."""

from __future__ import annotations

from markupsafe import Markup

from core.evaluation import Rebuilt
from core.results import markup, proofs
from core.results.result import Result, triggered_images
from core.results.templates import render
from core.types import Detection, Mask


def proof(result: Result, found: Detection, flagged: Mask, truth: bool) -> list[Markup]:
    """The section of the class that is suspected most, or none where its trigger was not rebuilt before."""
    accused = proofs.accused(result, found, flagged)
    if not accused or not proofs.rebuilt_before(result, accused[0], flagged):
        return []
    rebuilt, _ = proofs.trigger(result, accused[0], flagged)
    if rebuilt is None:
        return []
    truth = truth and bool(result.poisoned.truth.count)
    shown = ["Rebuilt, on plain grey", *(["the attacker's"] if truth else [])]
    return [
        render(
            "report/proof.html.jinja", said=" ".join(_said(result, rebuilt, accused[0], flagged, truth)),
            pictures=_pictures(result, rebuilt, truth), caption=" · ".join(shown),
        )
    ]  # fmt: skip


def _said(result: Result, rebuilt: Rebuilt, label: int, flagged: Mask, truth: bool) -> list[str]:
    name = result.dataset.class_names[label]
    said = [f"Class {name}.", proofs.described(rebuilt)]
    told = proofs.agreement(result, rebuilt) if truth else None
    if told is not None:
        said.append(proofs.agrees(told))
    stored = proofs.stored(result, label, flagged)
    return said if stored is None else [*said, proofs.answered(stored, name, truth)]


def _pictures(result: Result, rebuilt: Rebuilt, truth: bool) -> list[Markup]:
    sides = rebuilt.mask.shape
    shown = [markup.picture(proofs.looks(rebuilt.apply, sides), "The rebuilt trigger on plain grey", 128)]
    if truth:
        true = proofs.looks(lambda images: triggered_images(result.config, images), sides)
        shown.append(markup.picture(true, "The attacker's trigger on plain grey", 128))
    return shown
