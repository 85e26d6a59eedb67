"""What the flagged images of a class share, laid on other images before a network that was trained on the set.

An image tells that something was laid on it, a network whether that does any harm. So a mark that is answered with its
class is a backdoor, and one that a network which knows the marked images does not answer is a mark, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from core.audits.brought import Brought
from core.audits.finding import ACCUSED, Found, plain
from core.audits.networks import Witness
from core.evaluation import Rebuilt, Transplant, transplant
from core.results import proofs
from core.types import Ids, Mask

MOST = 12  # findings that are tried: each takes seconds
KNOWN = 0.5  # of the flagged images, from which on the network has learned to answer them with their label


class Suspects(NamedTuple):
    """A set and which of its images [n] are flagged; what a finding's images share; what is called before each try."""

    brought: Brought
    flagged: Mask
    trigger: Callable[[Found], Rebuilt | None]
    about: Callable[[], None]


def proved(findings: Sequence[Found], told: Suspects, witness: Witness) -> Iterator[Found]:
    """The findings, those of marks with what the network answers."""
    tried = 0
    for one in findings:
        if one.cause not in ACCUSED or tried >= MOST:
            yield one
            continue
        tried += 1
        told.about()
        yield _proved(told, one, witness)


def _proved(told: Suspects, one: Found, witness: Witness) -> Found:
    found = told.trigger(one)
    if found is None:
        return replace(one, sentence=f"{one.sentence} What they share could not be rebuilt, so no network was asked.")
    label = told.brought.classes.index(one.classes[0])
    answers = witness.answers[np.isin(witness.ids, one.ids)]
    proof = _asked(told, found, label, witness)
    if proof is None:
        return one
    said = proofs.answered(proof, plain(one.classes[0]), truth=False, of="images")
    if proof.backdoor:
        return replace(one, cause="backdoor", proof=proof, sentence=f"{one.sentence} {said}")
    if len(answers) and (answers == label).mean() < KNOWN:
        said = f"{said} It has not learned these images, so that says little."
        return replace(one, proof=proof, sentence=f"{one.sentence} {said}")
    return replace(one, cause="mark", proof=proof, sentence=f"{one.sentence} {said}")


def _asked(told: Suspects, found: Rebuilt, label: int, witness: Witness) -> Transplant | None:
    """The network's answers to a trigger on images of other classes; None where there are none."""
    rows = others(told.brought, told.flagged, label)
    if not len(rows):
        return None
    images, classes = told.brought.images[rows], told.brought.labels[rows]
    return transplant.transplant(found, images, label, witness.ask, classes=classes)


def others(brought: Brought, flagged: Mask, label: int) -> Ids:
    """Images of other classes that nothing was said against, those of later splits first; at most so many as needed."""
    labels, splits = brought.labels, brought.splits
    able = np.flatnonzero((labels >= 0) & (labels != label) & ~flagged)
    drawn = np.random.default_rng(0).permutation(able)
    held_out = splits[drawn] != splits.min()
    return np.concatenate([drawn[held_out], drawn[~held_out]])[: transplant.IMAGES]
