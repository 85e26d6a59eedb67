"""Attacks by name, as their papers and the benchmarks have them: the settings of each, beside those of every run.

A name stands for settings as a sweep has them, so that it can be a value on an axis as it is. Each ratio is the share
of the clean target class; of ten equal classes, that of the whole set is a tenth of it. The triggers' own numbers are
at the papers' values by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# As often as a paper stamps the class itself: clean-label attacks take more images than those that change labels.
_CLEAN_LABEL: Mapping[str, Any] = dict(labels="clean_label", placement="replace", ratio=0.4)


@dataclass(frozen=True)
class Attack:
    """An attack in a few words, its settings, and whose numbers they are."""

    title: str
    shows: str
    settings: Mapping[str, Any]
    source: str

    @property
    def ratio(self) -> float:
        """The share of the clean target class that is poisoned; a run's default where the settings say nothing."""
        return float(self.settings.get("ratio", 0.1))


ATTACKS: dict[str, Attack] = {
    "sig-30": Attack(
        "SIG, amplitude 30",
        "The clean-label wave, half as high again",
        {"trigger": "sinusoid", "trigger.amplitude": 30, **_CLEAN_LABEL},
        "Barni et al. 2019, at the amplitude of backdoor-toolbox",
    ),
    "sig-40": Attack(
        "SIG, amplitude 40",
        "The clean-label wave, twice as high",
        {"trigger": "sinusoid", "trigger.amplitude": 40, **_CLEAN_LABEL},
        "Barni et al. 2019, at the amplitude of BackdoorBench",
    ),
    "low-frequency": Attack(
        "Low frequencies (LF)",
        "A smooth pattern, nothing of which stands out in a spectrum",
        {"trigger": "low-frequency"},
        "Zeng et al. 2021; the pattern is drawn, not searched for",
    ),
    "frequency": Attack(
        "Colour frequencies (CTRL)",
        "Two waves in the colours, every label true, fainter in training",
        {"trigger": "frequency", **_CLEAN_LABEL},
        "Li et al. 2023; the strengths are theirs, the ratio is not: theirs is for learning without labels",
    ),
    "tact": Attack(
        "One source class (TaCT)",
        "The trigger works on one class alone: others keep their label",
        {"trigger": "pattern", "source": 1, "cover_ratio": 1.0},
        "Tang et al. 2021; as many covers of other classes",
    ),
    "adaptive-blend": Attack(
        "Adaptive blend",
        "Half of the pieces, others in each image, and covers",
        {"trigger": "adaptive-blend", "cover_ratio": 1.0},
        "Qi et al. 2023, who poison 0.3% of the set",
    ),
    "adaptive-patch": Attack(
        "Adaptive patch",
        "One of four faint squares each, and twice as many covers",
        {"trigger": "adaptive-patch", "cover_ratio": 2.0},
        "Qi et al. 2023, who poison 0.3% of the set",
    ),
    "warp-noise": Attack(
        "Warp and noise (WaNet)",
        "Half of a class, and twice as many covers, warped at random",
        {"trigger": "warp-noise", "ratio": 0.5, "cover_ratio": 2.0},
        "Nguyen & Tran 2021; 5% of the set, as in backdoor-toolbox",
    ),
    "scattered": Attack(
        "Somewhere else each time",
        "The pattern has no place of its own, in testing neither",
        {"trigger": "scattered"},
        "ours, in the manner of Salem et al. 2020",
    ),
    "mirrored": Attack(
        "Mirrored on half",
        "The pattern is on the right or on the left",
        {"trigger": "mirrored"},
        "ours",
    ),
}
