"""The attack on the training set: who is stamped, and what label they get.

All-to-one and all-to-all from Gu et al. (2017), clean-label from Barni et al. (2019) and Turner et al. (2019), covers
from Qi et al. (2023) and, beside a source class, Tang et al. (2021), several triggers as in Hayase et al. (2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Context

import numpy as np

from core.attack import triggers
from core.configuration import AttackConfig
from core.types import BadRequest, Dataset, Ids, Images, Labels, Mask, PoisonedSet, Truth


@dataclass(frozen=True)
class Extent:
    """How much is poisoned: the count, and its share of three wholes (REFERENCE: what "ratio" means).

    The target class stands for all classes that get poison; covers are not in the count.
    """

    count: int
    of_clean_target: float
    of_poisoned_target: float
    of_training_set: float
    covers: int


def aim(labels: Labels, attack: AttackConfig, classes: int) -> Labels:
    """What the attacker wants stamped images of the true classes [n] to be taken for, [n] int64."""
    if attack.labels == "all_to_all":
        return (labels + 1) % classes
    return np.full(len(labels), attack.target, np.int64)


def targets(attack: AttackConfig, classes: int) -> Labels:
    """The classes that get poison: the target, or all-to-all each that follows a source class; in their order."""
    sources = np.arange(classes) if attack.source is None else np.array([attack.source])
    return np.unique(aim(sources, attack, classes))


def extent(labels: Labels, attack: AttackConfig) -> Extent:
    """The count and shares of an attack on clean labels [n], or BadRequest where it is impossible."""
    total, in_target = len(labels), int(np.isin(labels, targets(attack, int(labels.max()) + 1)).sum())
    if not in_target:
        raise BadRequest(f"target must be a class with images, one of {np.unique(labels)}, got {attack.target}")
    whole = in_target if attack.ratio_of == "target_class" else total
    count = round(attack.ratio * whole)
    if attack.ratio > 0 and count == 0:
        raise BadRequest(
            f"ratio must poison at least one image: at least {1 / whole:.4g} ({100 / whole:.4g}%) of {whole} images, "
            f"got {attack.ratio:g} ({100 * attack.ratio:.4g}%)"
        )
    candidates = int(sources(labels, attack).sum())
    if count > candidates:
        raise BadRequest(
            f"{count} poisons were asked for, but {_wanted(attack)} has only {candidates} source images; "
            f"lower the ratio to {_at_most(candidates / whole)} ({_at_most(100 * candidates / whole)}%) or less"
        )
    covers = _covers(labels, attack, count)
    added = count + covers if attack.placement == "add" else 0
    # What is stamped where it stands may leave one of the classes that get poison; covers may be added to them.
    moved = count if attack.placement == "replace" and (attack.everywhere or attack.labels == "clean_label") else 0
    beside = covers if attack.placement == "add" and attack.everywhere else 0
    return Extent(
        count=count,
        of_clean_target=count / in_target,
        of_poisoned_target=count / (in_target + count - moved + beside),
        of_training_set=count / (total + added),
        covers=covers,
    )


def _at_most(value: float) -> str:
    """A number in four digits that is not above it: what is advised must be allowed."""
    return f"{float(Context(prec=4, rounding=ROUND_DOWN).create_decimal_from_float(value)):g}"


def _wanted(attack: AttackConfig) -> str:
    if attack.source is not None:
        return f"class {attack.source}"
    wanted = {"all_to_one": "any class but the target", "clean_label": "the target class", "all_to_all": "the set"}
    return wanted[attack.labels]


def _covers(labels: Labels, attack: AttackConfig, count: int) -> int:
    """How many covers there are beside `count` poisons, or BadRequest where that cannot be."""
    covers = round(attack.cover_ratio * count)
    if attack.cover_ratio > 0 and count and not covers:
        raise BadRequest(
            f"cover_ratio must make at least one cover: at least {1 / count:.4g} times {count} poisons, "
            f"got {attack.cover_ratio:g}"
        )
    coverable = _coverable(labels, attack)
    shared = count if (coverable & sources(labels, attack)).any() else 0  # no image is poison and cover
    left = int(coverable.sum()) - shared
    if covers > left:
        raise BadRequest(
            f"{covers} covers were asked for, but only {left} images are left for them; "
            f"lower cover_ratio to {_at_most(left / count)} or less"
        )
    return covers


def poison(dataset: Dataset, attack: AttackConfig, seed: int) -> PoisonedSet:
    """The training set as the victim gets it.

    Clean rows keep their row as id. Placement "add" appends the stamped copies behind them, covers last; "replace"
    stamps the chosen rows where they stand. The same seed chooses the same source images for every
    trigger; all-to-all the same number of every source class, or one more. What varies from one stamped image to the
    next comes from the seed, too. Raises BadRequest for what cannot be done.
    """
    clean, total = dataset.train_labels, len(dataset.train_labels)
    told = extent(clean, attack)
    chosen = _choose(clean, attack, told.count, seed)
    covers = _choose_covers(clean, attack, chosen, told.covers, seed)
    rows = np.concatenate([np.sort(chosen), np.sort(covers)])
    stamped = np.concatenate([_stamp(dataset, chosen, attack, seed), _stamp(dataset, covers, attack, seed, cover=True)])
    given = np.concatenate([aim(clean[np.sort(chosen)], attack, dataset.classes), clean[np.sort(covers)]])
    everyone = np.arange(total, dtype=np.int64)
    if attack.placement == "add":
        source_ids, ids = np.concatenate([everyone, rows]), np.arange(total + len(rows))
        return PoisonedSet(
            images=np.concatenate([dataset.train_images, stamped]),
            labels=np.concatenate([clean, given]),
            source_ids=source_ids,
            source_labels=clean[source_ids],
            truth=Truth((ids >= total) & (ids < total + told.count), ids >= total + told.count),
        )
    images, labels = dataset.train_images.copy(), clean.copy()
    images[rows], labels[rows] = stamped, given
    truth = Truth(np.isin(everyone, chosen), np.isin(everyone, covers))
    return PoisonedSet(images, labels, everyone, clean, truth)


def sources(labels: Labels, attack: AttackConfig) -> Mask:
    """Which images [n] may be poisoned."""
    if attack.everywhere:
        return np.ones(len(labels), bool)
    if attack.labels == "all_to_one" and attack.source is None:
        return np.not_equal(labels, attack.target)
    return np.equal(labels, attack.target if attack.source is None else attack.source)


def _coverable(labels: Labels, attack: AttackConfig) -> Mask:
    """Which images [n] may be covers unless they are poisoned: of no class that gets poison, where there is one.

    Beside a source class they are of the others, so that the trigger works on that class alone (Tang et al. 2021).
    """
    if attack.everywhere:
        return np.ones(len(labels), bool)
    spared = targets(attack, int(labels.max()) + 1)
    if attack.source is not None:
        spared = np.append(spared, attack.source)
    return ~np.isin(labels, spared)


def _choose(labels: Labels, attack: AttackConfig, count: int, seed: int) -> Ids:
    """Rows to poison, in the order of the seed's permutation."""
    generator = np.random.default_rng([seed, 0xBAD])
    order = generator.permutation(np.flatnonzero(sources(labels, attack)).astype(np.int64))
    if attack.labels == "all_to_all":
        order = _in_turn(order, labels[order])
    return order[:count]


def _in_turn(order: Ids, labels: Labels) -> Ids:
    """Rows so that each class comes once before one comes twice, and so on; else in their order."""
    turn = np.empty(len(order), np.int64)
    for label in np.unique(labels):
        members = labels == label
        turn[members] = np.arange(members.sum())
    return order[np.argsort(turn, kind="stable")]


def _choose_covers(labels: Labels, attack: AttackConfig, poisons: Ids, count: int, seed: int) -> Ids:
    """Rows to cover with, in the order of a permutation of their own."""
    free = _coverable(labels, attack)
    free[poisons] = False
    return np.random.default_rng([seed, 0xC0E]).permutation(np.flatnonzero(free).astype(np.int64))[:count]


def _stamp(dataset: Dataset, rows: Ids, attack: AttackConfig, seed: int, *, cover: bool = False) -> Images:
    """Copies of the rows [c] of training images, each with one trigger in turn, in the order of the sorted rows."""
    images, named = dataset.train_images, dataset.train_rows
    stamped = np.empty((len(rows), *images.shape[1:]), np.uint8)
    turns = len(attack.triggers)
    for turn, one in enumerate(attack.triggers):
        some = rows[turn::turns]
        stamped[turn::turns] = triggers.apply_training(one, images[some], named[some], seed, cover=cover)
    return stamped[np.argsort(rows)]
