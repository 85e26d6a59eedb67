"""What a run is, in the few facts that the sentences of the Story and its slides hang on."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

import core
from core import Result
from core.results import triggered_images
from pages.parts.around import words
from pages.parts.common import sees
from pages.parts.story import pictures

TAKES = 0.5  # ASR from which an attack is said to work
APART, MIXED = 0.9, 0.6  # AUROC from which poison stands apart, and below which it cannot be told


def took(found: dict[str, Any]) -> bool:
    """Whether an attack worked before anything was cleaned, by a run's summary."""
    return bool(found["poisons"] and words.success(found, 1) >= TAKES)


def failed(found: dict[str, Any]) -> bool:
    """Whether an attack that worked still does after cleaning."""
    return took(found) and words.success(found, 2) >= words.GONE


def asr_of(quality: core.metrics.Quality) -> float:
    """A network's ASR on the images that the attacker aims at: those of the source class, where there is one."""
    return quality.asr if quality.source_asr is None else quality.source_asr


class Facts:
    """One finished run. Nothing here is computed by a network."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.config = result.config
        self.found: dict[str, Any] = result.summary or {}

    @property
    def control(self) -> bool:
        """Whether nothing is poisoned."""
        return not self.found["poisons"]

    @property
    def took(self) -> bool:
        """Whether the attack worked before anything was cleaned."""
        return took(self.found)

    @property
    def beaten(self) -> bool:
        """Whether an attack that worked no longer does."""
        return self.took and not self.failed

    @property
    def failed(self) -> bool:
        """Whether an attack that worked still does."""
        return failed(self.found)

    @property
    def before(self) -> float:
        """ASR of the first network, on the images that the attacker aims at."""
        return words.success(self.found, 1)

    @property
    def after(self) -> float:
        """ASR of the second network, on the same images."""
        return words.success(self.found, 2)

    @property
    def whose(self) -> str:
        """Behind "images": the class that the trigger shall work on, where it is one alone."""
        return words.whose(self.config)

    @property
    def target(self) -> str:
        """What triggered images shall be taken for."""
        return "the class after their own" if self.config.attack.everywhere else self.config.target_name

    @property
    def shown(self) -> str:
        """The class whose scores are drawn: the target; all-to-all the first."""
        return pictures.name(self.result, self.config.attack.target)

    @property
    def trigger(self) -> str:
        """The trigger in a few words."""
        attack = self.config.attack
        return f"all {1 + len(attack.also)} triggers" if attack.also else f"the {attack.trigger} trigger"

    @property
    def detector(self) -> str:
        return self.config.defence.detector

    @property
    def sees(self) -> sees.Sees:
        return sees.of(self.config.defence)

    @cached_property
    def source(self) -> int | None:
        """The poisoned image that is shown."""
        return pictures.stamped(self.result)

    @cached_property
    def test(self) -> int | None:
        """The test image that both networks are asked about."""
        known = None if self.source is None else int(self.result.poisoned.source_labels[self.source])
        return pictures.test_image(self.result, known)

    @cached_property
    def pair(self) -> tuple[pictures.Pixels, pictures.Pixels] | None:
        """One image without and with the trigger: of the training set, in the control a test image; None without."""
        if self.source is not None:
            row = self.result.poisoned.source_ids[self.source]
            return self.result.dataset.train_images[row], self.result.poisoned.images[self.source]
        rows = np.flatnonzero(self.result.test_pictured)[:1]
        if not len(rows):
            return None
        plain = self.result.dataset.test_images[rows]
        return plain[0], triggered_images(self.config, plain)[0]

    @property
    def labels(self) -> tuple[str, str] | None:
        """The shown poisoned image's true label and the one that it is given."""
        if self.source is None:
            return None
        was, given = self.result.poisoned.source_labels, self.result.poisoned.labels
        return pictures.name(self.result, int(was[self.source])), pictures.name(self.result, int(given[self.source]))

    @property
    def unchanged(self) -> bool:
        """Whether nothing was removed, so that both networks are one and the same."""
        return not self.found["flagged"]

    @property
    def removed(self) -> int:
        return int(self.found["poisons"] - self.found["poisons_left"])

    def share(self, figure: str, digits: int = 1) -> str:
        return words.share(self.found[figure], digits)
