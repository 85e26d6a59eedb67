"""How every figure is called, what it means, which way is good, and how it is written: screens, report, command line.

A figure has one rounding. Half is rounded away from zero, as browsers do: Python's own `format` rounds 76.25 to the
even digit, and a table that the browser writes would then say 76.3% beside a heading with 76.2%.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple

NONE = "—"  # where a figure is not defined
ARROWS = {"higher": "↑", "lower": "↓", "": ""}
WORDS = {"higher": "higher is better", "lower": "lower is better", "": ""}
WHEN = {
    "1": ("before", "before the defence: the network trained on the poisoned set"),
    "2": ("after", "after the defence: the network trained from scratch on what the filter left"),
}

Unit = Literal["share", "count", "score", "times"]
Good = Literal["higher", "lower", ""]


class Figure(NamedTuple):
    """A figure: plain name, what the field calls it ("" where that is the plain name), meaning, and what is good.

    unit: a "share" in [0, 1] is written in percent, a "count" of images as a whole number, a "score" and "times" as
    they are, with so many digits. good: which way is better for the defender, "" where neither is.
    """

    plain: str
    field: str
    meaning: str
    unit: Unit
    good: Good
    digits: int = 1

    @property
    def name(self) -> str:
        """The plain name, and the field's behind it: Backdoor success (ASR)."""
        return f"{self.plain} ({self.field})" if self.field else self.plain

    @property
    def label(self) -> str:
        """The name and the way that is good, for the head of a column: Backdoor success (ASR) ↓."""
        return f"{self.name} {ARROWS[self.good]}".rstrip()

    @property
    def brief(self) -> str:
        """The field's name alone, or the plain one where it has none, and the way that is good: ASR1 ↓."""
        return f"{self.field or self.plain} {ARROWS[self.good]}".rstrip()

    @property
    def better(self) -> str:
        """The way that is good, in words; empty where neither is."""
        return WORDS[self.good]

    @property
    def says(self) -> str:
        """The meaning and the way that is good, in a line."""
        return f"{self.meaning}; {self.better}" if self.good else self.meaning

    def write(self, value: float | None) -> str:
        """A value as every screen writes it."""
        if self.unit == "share":
            return share(value, self.digits)
        if self.unit == "count":
            return NONE if value is None else f"{rounded(value, 0):,}"
        return NONE if value is None else f"{rounded(value, self.digits)}"

    def change(self, before: float | None, after: float | None) -> str:
        """From one value to another, as the difference of what is written, so that a reader who subtracts agrees."""
        if before is None or after is None:
            return NONE
        digits, scale = (0 if self.unit == "count" else self.digits), (100 if self.unit == "share" else 1)
        way = rounded(scale * after, digits) - rounded(scale * before, digits)
        if not way:
            return "the same"
        return f"{way:+,}{' points' if self.unit == 'share' else ''}"


def rounded(value: float, digits: int) -> Decimal:
    """A value with so many digits behind the point, half away from zero."""
    return Decimal(float(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP) + 0  # not -0.0


def share(value: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage; a dash where it is not defined."""
    return NONE if value is None else f"{rounded(100 * value, digits)}%"


def mean(figure: Figure, value: float, spread: float) -> str:
    """A mean over some runs and their standard deviation; of counts with a digit more than a count has."""
    if figure.unit == "share":
        return f"{share(value, figure.digits).removesuffix('%')} ± {share(spread, figure.digits)}"
    digits = figure.digits or 1
    return f"{rounded(value, digits):,} ± {rounded(spread, digits):,}"


NAT = Figure(
    "Accuracy", "Nat", "natural accuracy: share of the clean test images that the network gets right", "share", "higher"
)
ASR = Figure(
    "Backdoor success", "ASR",
    "attack success rate: share of the triggered test images, of every class but the target, that are taken for the "
    "target; all-to-all, of all that are taken for the class after their own",
    "share", "lower",
)  # fmt: skip


def _at(figure: Figure, number: str) -> Figure:
    """A network's figure before or after the defence."""
    when, meaning = WHEN[number]
    return figure._replace(
        plain=f"{figure.plain} {when}",
        field=f"{figure.field}{number}",
        meaning=f"{figure.meaning}; {number} = {meaning}",
    )


# By their names in a run's summary, in the order in which a run comes to them.
FIGURES: Mapping[str, Figure] = {
    "nat": NAT,
    "asr": ASR,
    "nat1": _at(NAT, "1"),
    "asr1": _at(ASR, "1"),
    "poisons": Figure("Poisoned images", "", "poisoned images in the training set before the filter", "count", ""),
    "auroc": Figure(
        "Ranking", "AUROC",
        "chance that a poisoned image scores higher than a clean one of the target class, whatever the cut; 0.5 is "
        "guessing, 1 is perfect; all-to-all, the mean over the classes",
        "score", "higher", 3,
    ),
    "average_precision": Figure(
        "Average precision", "AP",
        "precision over all cuts through the target class's ranking; 1 is perfect; all-to-all, the mean over the "
        "classes",
        "score", "higher", 3,
    ),
    "tpr_at_1": Figure(
        "Found at 1% FPR", "",
        "share of the poisoned images that score above all but 1% of the clean ones of the target class",
        "share", "higher",
    ),
    "flagged": Figure("Flagged", "", "images that the filter removes, from all classes together", "count", ""),
    "poisons_left": Figure(
        "Poison left", "", "poisoned images that are still in the training set after the filter", "count", "lower"
    ),
    "clean_removed": Figure(
        "Clean lost", "", "clean images that the filter took for poison: the price of the defence", "count", "lower"
    ),
    "tpr": Figure(
        "Poison found", "TPR",
        "true positive rate, recall: share of the poisoned images, of all classes together, that were removed",
        "share", "higher",
    ),
    "fpr": Figure(
        "Clean share lost", "FPR",
        "false positive rate: share of the clean images, of all classes together, that were removed",
        "share", "lower",
    ),
    "precision": Figure(
        "Rightly flagged", "precision", "share of the removed images that were poisoned", "share", "higher"
    ),
    "covers_removed": Figure(
        "Covers removed", "",
        "images that carry the trigger and their true label: not poison, but made by the attacker",
        "count", "",
    ),
    "gap": Figure(
        "Spectral gap", "", "leading singular value of a class's centred representations over the next one", "times",
        "", 2,
    ),
    "nat2": _at(NAT, "2"),
    "asr2": _at(ASR, "2"),
    "benign_asr": Figure(
        "Benign network's rate", "",
        "how often a network that never met poison gives the target for the triggered images: to what ASR can fall",
        "share", "",
    ),
}  # fmt: skip
