"""How much poison a defender fears, and what it costs: ε, the budget, and the clean images that go with the poison."""

from __future__ import annotations

import numpy as np

import core
from core import RunConfig
from pages.parts.around import words

ASKED = "How much poison do I fear? In % of a class"


def told(config: RunConfig) -> str:
    """What the run's assumption takes out of its training set, in Markdown."""
    labels, exact = defended(config)
    defence = config.defence
    epsilon, budget = core.filter.epsilon(labels, defence.assumed_ratio), core.filter.budget(labels, defence)
    sizes = np.bincount(labels)
    about = "" if exact else "about "
    feared = f"So I fear {about}**{words.count(epsilon, 'poisoned image')}** in a class: that is **ε**."
    price = f"{about}**{words.count(max(budget - epsilon, 0), 'clean image')}**"
    if defence.scope == "suspicious_class":
        return (
            f"{feared} From each class that the detector names go {defence.multiplier:g}·ε = {about}**{budget:,}**; "
            f"if ε of them are poisoned, {price} go with them."
        )
    gone = int(np.minimum(budget, sizes).sum())
    clean = max(gone - epsilon, 0)
    return (
        f"{feared} From each of {np.count_nonzero(sizes)} classes go {defence.multiplier:g}·ε = {about}**{budget:,}**, "
        f"in all {about}**{gone:,}**; if ε of them are poisoned, all in one class, {about}**{clean:,}** clean images "
        f"go with them, {words.share(clean / max(len(labels) - epsilon, 1))} of the clean ones."
    )


def defended(config: RunConfig) -> tuple[np.ndarray, bool]:
    """The labels of the poisoned training set, and whether they are known exactly before it is made."""
    sizes = np.array(core.datasets.class_sizes(config.dataset))
    attack = config.attack
    found = core.poison.extent(np.repeat(np.arange(len(sizes)), sizes), attack)
    plain = attack.placement == "add" and not attack.everywhere and not found.covers
    if plain:
        sizes[attack.target] += found.count
    return np.repeat(np.arange(len(sizes)), sizes), plain or not found.count
