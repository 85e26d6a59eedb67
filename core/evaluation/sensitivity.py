"""How sensitive a detector's figures are to what the defender assumes: looked up for every epsilon at once.

A detector's scores are ranked once (`profile`); what any budget removes is then a look-up, so that a screen can draw
whole curves as fast as a single cut. Everything here needs the truth, and no detector sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.detectors import NOTHING
from core.evaluation import filter as filtering
from core.evaluation import metrics, views
from core.types import BadRequest, Detection, Labels, Mask

Shares = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_SHARE = 0.5  # of a class that a defender could take for poisoned: the screens' curves end here
FPR = 0.01  # at which TPR is compared


def grid(most: float = MOST_SHARE, steps: int = 50) -> Shares:
    """The assumed ratios of a curve, [steps + 1] from 0 to `most`."""
    return np.round(np.linspace(0.0, most, steps + 1), 6)


@dataclass(frozen=True)
class Decisions:
    """What a filter does at each of many budgets, one a row [s]; metrics' Found has the words' meanings.

    tpr is NaN where nothing is poisoned, fpr where nothing is benign, precision where nothing is flagged.
    """

    flagged: Counts
    poisons_left: Counts
    clean_removed: Counts
    tpr: Shares
    fpr: Shares
    precision: Shares


@dataclass(frozen=True)
class Profile:
    """What a detector's scores come to against the truth, ready for any budget.

    sizes [k] are the classes', scopes the classes that each scope looks at, gap [k] how many images of each class
    lie beyond the detector's own cut (None where it offers none). auroc, average_precision and tpr_at_1 are of the
    class that holds poison, or means over several, and need no budget; None where they are not defined. lots is the
    tally by the random filter's lots instead of the scores.
    """

    tally: views.Tally
    lots: views.Tally
    sizes: Counts
    poisons: int
    scopes: Mapping[str, NDArray[np.int64]]
    gap: Counts | None
    auroc: float | None
    average_precision: float | None
    tpr_at_1: float | None

    @property
    def poisoned_classes(self) -> list[int]:
        """The classes that hold poison."""
        return [label for label, running in enumerate(self.tally.poisons) if running[-1]]

    @property
    def names_classes(self) -> bool:
        """Whether the detector says which classes are poisoned."""
        return "suspicious_class" in self.scopes

    @property
    def by_lot(self) -> Profile:
        """The same classes and budgets, but images go by lot: decisions are those of filter.random_keep."""
        return replace(self, tally=self.lots)

    def perfect(self, at: Decisions) -> Decisions:
        """What filter.perfect_keep removes with the budgets of these decisions: poison alone, and never more of it."""
        hits = np.minimum(at.flagged, self.poisons)
        return decisions(int(self.sizes.sum()), self.poisons, hits, hits)

    def by_budget(self, budgets: Counts, scope: str) -> Decisions:
        """The decisions at budgets [s], so many images a class, over the classes of a scope."""
        return self._decisions(np.broadcast_to(np.asarray(budgets), (len(self.sizes), len(budgets))), scope)

    def at_gap(self, scope: str) -> Decisions:
        """The decision of the detector's own cut, one row; BadRequest where it offers none."""
        if self.gap is None:
            raise BadRequest("this detector finds no gap to cut at")
        return self._decisions(self.gap[:, None], scope)

    def _decisions(self, budgets: Counts, scope: str) -> Decisions:
        """From budgets [k, s]."""
        flagged, hits = np.zeros(budgets.shape[1], np.int64), np.zeros(budgets.shape[1], np.int64)
        for label in self._classes(scope):
            taken = np.minimum(budgets[label], self.sizes[label])
            flagged += taken
            hits += self.tally.poisons[label][taken]
        return decisions(int(self.sizes.sum()), self.poisons, flagged, hits)

    def _classes(self, scope: str) -> NDArray[np.int64]:
        if scope not in self.scopes:
            raise BadRequest(f"scope must be one of {sorted(self.scopes)}, got {scope!r}")
        return self.scopes[scope]


def profile(detection: Detection, labels: Labels, poisoned: Mask, classes: int, seed: int) -> Profile:
    """A detection ranked against the truth: labels [n] below `classes`, poisoned [n]; `seed` is the run's."""
    if len(detection.scores) != len(labels) or len(labels) != len(poisoned):
        raise BadRequest(
            f"scores, labels and poisoned must be as long as each other, got {len(detection.scores):,}, "
            f"{len(labels):,} and {len(poisoned):,}"
        )
    names = detection.class_statistic is not None and detection.class_threshold is not None
    scopes = ("every_class", "suspicious_class") if names else ("every_class",)
    cut = detection.cut
    beyond = None if cut is None else np.bincount(labels[detection.scores > cut[labels]], minlength=classes)
    ranking = metrics.ranking(detection.scores, labels, poisoned)
    return Profile(
        tally=views.tally(views.rank(detection.scores, labels, classes), poisoned),
        lots=views.tally(views.rank(filtering.lots(len(labels), seed), labels, classes), poisoned),
        sizes=np.bincount(labels, minlength=classes),
        poisons=int(poisoned.sum()),
        scopes={scope: filtering.suspicious_classes(labels, detection, scope) for scope in scopes},
        gap=beyond,
        auroc=ranking.auroc,
        average_precision=ranking.average_precision,
        tpr_at_1=metrics.tpr_at(FPR, detection.scores, labels, poisoned),
    )


def budgets(labels: Labels, shares: Shares, multiplier: float) -> Counts:
    """How many images a class loses for each assumed ratio [s]: as filter.budget says, for all of them."""
    sizes = np.bincount(labels)
    epsilon = np.rint(shares * float(np.median(sizes[sizes > 0])))
    return np.asarray(multiplier * epsilon + 1e-9, np.int64)


def decisions(images: int, poisons: int, flagged: Counts, hits: Counts) -> Decisions:
    """Rates from counts [s]: flagged, and of these the poisoned; `images` and `poisons` are of the whole set."""
    clean = flagged - hits
    return Decisions(
        flagged=flagged,
        poisons_left=poisons - hits,
        clean_removed=clean,
        tpr=_share(hits, poisons),
        fpr=_share(clean, images - poisons),
        precision=_share(hits, flagged),
    )


def _share(part: NDArray[Any], whole: NDArray[Any] | int) -> Shares:
    parts, wholes = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    found: Shares = np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
    return found


def spectral_gaps(spectrum: NDArray[np.float64] | None) -> Shares | None:
    """The leading singular value of each class over its next [k], from a detection's spectrum [k, c].

    NaN for a class whose second value is 0 or rounding (it may have no images, or two); None without two values a
    class.
    """
    if spectrum is None or spectrum.shape[1] < 2:
        return None
    first, second = spectrum[:, 0], spectrum[:, 1]
    return _share(first, np.where(second > NOTHING * first, second, 0.0))


def contrast(gaps: Shares, targets: Sequence[int] | Counts) -> tuple[float, float]:
    """The target classes' spectral gap, their mean, and the widest of the others; NaN where there is none."""
    poisoned = np.isin(np.arange(len(gaps)), targets)
    own, others = gaps[poisoned & np.isfinite(gaps)], gaps[~poisoned & np.isfinite(gaps)]
    return float(own.mean()) if len(own) else float("nan"), float(others.max()) if len(others) else float("nan")
