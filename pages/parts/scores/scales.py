"""The score axis that all pictures of the Scores screen share, and what is drawn on it, kept."""

from __future__ import annotations

from typing import Any

import core
from core import Result
from pages.parts.around import plots
from pages.parts.around.cuts import Scored


class Scales:
    """The score axis that all pictures share, and what is drawn on it; each made once for a detector's scores."""

    def __init__(self, result: Result, found: Scored, log_scores: bool, log_counts: bool, truth: bool) -> None:
        self._found, self._log_counts = found, log_counts
        self._poisoned = result.poisoned.truth.poisoned if truth else None
        self._names = core.class_names(result.config.dataset.name)
        self._look = log_scores, log_counts, truth
        self.axis = found.once(("axis", log_scores), lambda: plots.axis(found.scores, log_scores))

    def cards(self, labels: tuple[int, ...]) -> list[dict[str, Any]]:
        """These classes in small, in their order."""
        return self._found.once(
            ("cards", *self._look, labels),
            lambda: plots.cards(
                self._found, labels, self._names, self._poisoned, self.axis, log_counts=self._log_counts
            ),
        )

    def picture(self, label: int, stacked: bool) -> dict[str, Any]:
        """One class in large."""
        return self._found.once(
            ("picture", *self._look, label, stacked),
            lambda: plots.picture(
                self._found, label, self._poisoned, self.axis, log_counts=self._log_counts, stacked=stacked
            ),
        )
