"""Whether a clean copy is clean: a network trained on what is kept, beside the one that was trained on all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.audits import networks, proving
from core.audits.auditing import Audit
from core.audits.finding import plain
from core.audits.networks import Tell, Witness
from core.evaluation import filter as filtering
from core.types import BadRequest, Ids, Mask


@dataclass(frozen=True)
class Tried:
    """A rebuilt trigger on `images` of other classes: the share answered with its class, before and after."""

    classes: tuple[str, ...]
    images: int
    before: float
    after: float


@dataclass(frozen=True)
class Retrained:
    """Two networks of one recipe and seed: before, of the whole set, and after, of what is kept of it.

    accuracy is the share of labels answered, of `images` held out in splits of their own (held_out), or else of those
    that are kept, which both were trained on.
    """

    kept: int
    held_out: bool
    images: int
    before: float
    after: float
    tried: tuple[Tried, ...]


def retrained(told: Audit, tell: Tell, *, keep: Mask | None = None) -> Retrained:
    """Train on the images that are kept [n], by default all that are not flagged, and ask what the first was asked.

    BadRequest where the audit trained no network that is believed, or nothing of the set would be left out.
    """
    kept = ~told.flagged if keep is None else keep
    if told.network is None or not (told.network.believed and told.network.trained_here):
        raise BadRequest("there must be a network trained here on the whole set to compare with: audit it so first")
    filtering.check_keep(kept, len(told.brought))
    before, after = told.network, networks.trained(told.brought, tell, keep=kept)
    labels, splits = told.brought.labels, told.brought.splits
    first = splits == splits.min()
    rows = np.flatnonzero((labels >= 0) & ~first)
    held_out = len(rows) > 0
    if not held_out:
        rows = np.flatnonzero((labels >= 0) & kept)
    accuracy = [_accuracy(told, witness, rows) for witness in (before, after)]
    return Retrained(int(kept.sum()), held_out, len(rows), accuracy[0], accuracy[1], tuple(_tried(told, before, after)))


def _accuracy(told: Audit, witness: Witness, rows: Ids) -> float:
    answers = witness.ask(told.brought.images[rows]).argmax(1)
    return float((answers == told.brought.labels[rows]).mean())


def _tried(told: Audit, before: Witness, after: Witness) -> Iterator[Tried]:
    for one in told.findings:
        found = told.trigger(one) if one.proof is not None else None
        if found is None:
            continue
        label = told.brought.classes.index(one.classes[0])
        images = found.apply(told.brought.images[proving.others(told.brought, told.flagged, label)])
        shares = [float((witness.ask(images).argmax(1) == label).mean()) for witness in (before, after)]
        yield Tried(one.classes, len(images), *shares)


def compared(found: Retrained) -> Iterator[str]:
    """What a person reads of it."""
    of = "held-out images" if found.held_out else "images that are kept"
    yield (
        f"trained anew on {found.kept:,} images: {found.after:.1%} of {found.images:,} {of} are answered with their "
        f"label ({found.before:.1%} before)"
    )
    for one in found.tried:
        yield (
            f"the mark of class {plain(one.classes[0])}, laid on {one.images:,} images of other classes, is answered "
            f"with it in {one.after:.1%} ({one.before:.1%} before)"
        )
