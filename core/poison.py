"""The attack on the training set: who is stamped, and what label they get (Gu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core import triggers
from core.config import AttackConfig
from core.types import BadRequest, Dataset, Ids, Labels, PoisonedSet, Truth


@dataclass(frozen=True)
class Extent:
    """How much is poisoned: the count, and its share of three wholes (REFERENCE: what "ratio" means)."""

    count: int
    of_clean_target: float
    of_poisoned_target: float
    of_training_set: float


def extent(labels: Labels, attack: AttackConfig) -> Extent:
    """The count and shares of an attack on clean labels [n], or BadRequest where it is impossible."""
    total, in_target = len(labels), int((labels == attack.target).sum())
    whole = in_target if attack.ratio_of == "target_class" else total
    count = round(attack.ratio * whole)
    if attack.ratio > 0 and count == 0:
        raise BadRequest(
            f"ratio must poison at least one image: at least {1 / whole:.4g} of {whole} images, got {attack.ratio:g}"
        )
    candidates = len(_candidates(labels, attack))
    if count > candidates:
        wanted = "any class but the target" if attack.source is None else f"class {attack.source}"
        raise BadRequest(
            f"{count} poisons were asked for, but {wanted} has only {candidates} source images; "
            f"lower the ratio to {candidates / whole:.4g} or less"
        )
    added = count if attack.placement == "add" else 0
    return Extent(
        count=count,
        of_clean_target=count / in_target,
        of_poisoned_target=count / (in_target + count),
        of_training_set=count / (total + added),
    )


def poison(dataset: Dataset, attack: AttackConfig, seed: int) -> PoisonedSet:
    """The training set as the victim gets it.

    Clean rows keep their row as id. Placement "add" appends the stamped copies behind them; "replace"
    stamps the chosen rows where they stand. The same seed chooses the same source images for every
    trigger. Raises BadRequest for what cannot be done.
    """
    count = extent(dataset.train_labels, attack).count
    total = len(dataset.train_labels)
    chosen = _choose(_candidates(dataset.train_labels, attack), count, seed)
    stamped = triggers.apply(attack.trigger, attack.parameters, dataset.train_images[chosen])
    target = np.full(count, attack.target, np.int64)
    everyone = np.arange(total, dtype=np.int64)
    if attack.placement == "add":
        source_ids = np.concatenate([everyone, chosen])
        return PoisonedSet(
            images=np.concatenate([dataset.train_images, stamped]),
            labels=np.concatenate([dataset.train_labels, target]),
            source_ids=source_ids,
            source_labels=dataset.train_labels[source_ids],
            truth=Truth(np.arange(total + count) >= total),
        )
    images, labels = dataset.train_images.copy(), dataset.train_labels.copy()
    images[chosen], labels[chosen] = stamped, target
    return PoisonedSet(images, labels, everyone, dataset.train_labels, Truth(np.isin(everyone, chosen)))


def _candidates(labels: Labels, attack: AttackConfig) -> Ids:
    allowed = labels != attack.target if attack.source is None else labels == attack.source
    return np.flatnonzero(allowed).astype(np.int64)


def _choose(candidates: Ids, count: int, seed: int) -> Ids:
    generator = np.random.default_rng([seed, 0xBAD])
    return np.sort(generator.permutation(candidates)[:count])
