"""Everything a person can choose by name, one visible dict a kind.

An entry carries the words, the source and the default values that the screens and the command line show,
so a new entry appears in every menu by itself. `make` is a function, or "module:function" for one that
is only imported when used (so that looking at a menu does not load torch).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from core import pictures
from core.types import BadRequest

Value = int | float | bool | str

MOST_INTEGER = 2**53  # that a float holds exactly
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Parameter:
    """A setting of an entry: its default, its range (or its choices), and one line of explanation.

    The type is the default's: int, float, bool, or str (a colour "#rrggbb" where `colour` is set, a small
    picture with transparency as core.pictures writes it where `picture` is set).
    """

    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    colour: bool = False
    picture: bool = False

    def check(self, name: str, value: Any) -> Value:
        """The value in the parameter's own type, or BadRequest."""
        kind = type(self.default)
        if isinstance(value, np.generic):
            value = value.item()
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) <= MOST_INTEGER else math.inf
        if kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not kind:
            raise BadRequest(f"{name} must be of type {kind.__name__}, got {value!r}")
        if self.colour and not _COLOUR.fullmatch(str(value)):
            raise BadRequest(f"{name} must be a colour such as #ffffff, got {value!r}")
        if self.picture:
            return pictures.canonical(str(value))
        if isinstance(value, str):
            return value.lower() if self.colour else value
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if not low <= value <= high:  # also catches NaN
            raise BadRequest(f"{name} must lie in [{low:g}, {high:g}], got {value!r}")
        return value


@dataclass(frozen=True)
class Entry:
    """One thing to choose: what it is, where it comes from, its settings, and what makes it."""

    summary: str
    source: str
    make: str | Callable[..., Any]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1

    @property
    def needs(self) -> tuple[str, ...]:
        """What a detector sees beyond features, labels and logits, by the names of core.detectors.EVIDENCE."""
        return tuple(self.facts.get("needs", ()))

    def load(self) -> Callable[..., Any]:
        """The function behind the entry."""
        if callable(self.make):
            return self.make
        module, _, name = self.make.partition(":")
        return getattr(import_module(module), name)  # type: ignore[no-any-return]

    def settle(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """All parameters, given ones checked, the rest at their defaults."""
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            raise BadRequest(f"unknown settings {unknown}; allowed are {sorted(self.parameters)}")
        return MappingProxyType(
            {
                name: parameter.check(name, given.get(name, parameter.default))
                for name, parameter in self.parameters.items()
            }
        )


class Registry(Mapping[str, Entry]):
    """A dict of entries that refuses a second one of the same name and explains an unknown one."""

    def __init__(self, kind: str, entries: Mapping[str, Entry]) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        for name, entry in entries.items():
            self.add(name, entry)

    def add(self, name: str, entry: Entry) -> None:
        """Register an entry; a name that is taken is refused."""
        if name in self._entries:
            raise BadRequest(f"a {self.kind} named {name!r} is registered already; choose another name")
        self._entries[name] = entry

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except (KeyError, TypeError):  # TypeError: a list, say, cannot be a name
            raise BadRequest(f"unknown {self.kind} {name!r}; allowed are {sorted(self._entries)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


_POSITION = {
    "row": Parameter(-2, "row of the trigger's last pixel; negative counts from the bottom", -512, 511),
    "column": Parameter(-2, "column of the trigger's last pixel; negative counts from the right", -512, 511),
    "colour": Parameter("#ffff00", "colour of the lit pixels; white hides where the image is white", colour=True),
    "opacity": Parameter(1.0, "1 replaces the image's pixel, less lets it shine through", 0.0, 1.0),
}

_SEED = Parameter(0, "which random one; the same for every image", 0, 2**31 - 1)

DATASETS = Registry(
    "dataset",
    {
        "cifar10": Entry(
            "CIFAR-10: 50,000 training and 10,000 test photographs of 32 by 32 pixels in ten classes",
            "Krizhevsky, Learning multiple layers of features from tiny images, 2009",
            "core.datasets.cifar10:load",
            facts={
                "class_names": (
                    *("airplane", "automobile", "bird", "cat", "deer"),
                    *("dog", "frog", "horse", "ship", "truck"),
                ),
                "class_sizes": (5_000,) * 10,
                "test_size": 10_000,
                "image_shape": (32, 32, 3),
                "download": True,
            },
        ),
        "digits": Entry(
            "Handwritten digits: 1,797 real images that come with scikit-learn, no download",
            "Alpaydin, Kaynak, Optical recognition of handwritten digits, UCI repository, 1998",
            "core.datasets.digits:load",
            facts={
                "class_names": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
                "class_sizes": (149, 152, 148, 153, 151, 152, 151, 150, 145, 150),
                "test_size": 296,
                "image_shape": (32, 32, 3),
                "download": False,
            },
        ),
    },
)

TRIGGERS = Registry(
    "trigger",
    {
        "pixel": Entry(
            "A single bright pixel near the lower right corner",
            "Gu, Dolan-Gavitt, Garg, BadNets, arXiv:1708.06733, 2017",
            "core.triggers:pixel",
            _POSITION,
        ),
        "pattern": Entry(
            "A pattern of bright pixels near the lower right corner",
            "Gu, Dolan-Gavitt, Garg, BadNets, arXiv:1708.06733, 2017",
            "core.triggers:pattern",
            {"size": Parameter(3, "side of the square that holds the pattern, in pixels", 2, 64), **_POSITION},
        ),
        "patch": Entry(
            "A filled square near the lower right corner",
            "Gu, Dolan-Gavitt, Garg, BadNets, arXiv:1708.06733, 2017",
            "core.triggers:patch",
            {"size": Parameter(5, "side of the square, in pixels", 1, 64), **_POSITION},
        ),
        "blended": Entry(
            "A faint random pattern over the whole image",
            "Chen, Liu, Li, Lu, Song, Targeted backdoor attacks using data poisoning, arXiv:1712.05526, 2017",
            "core.triggers:blended",
            {
                "opacity": Parameter(0.15, "share of the pattern in the mixture, the rest is the image", 0.0, 1.0),
                "seed": _SEED,
            },
            facts={"whole_image": True},
        ),
        "sinusoid": Entry(
            "Faint upright stripes, a sine wave across the image",
            "Barni, Kallas, Tondi, A new backdoor attack in CNNs (SIG), arXiv:1902.11237, ICIP 2019",
            "core.triggers:sinusoid",
            {
                "amplitude": Parameter(20, "height of the wave, of 255", 1, 255),
                "frequency": Parameter(6, "waves across the image's width", 1, 64),
            },
            facts={"whole_image": True},
        ),
        "warp": Entry(
            "A slight warp of the whole image",
            "Nguyen, Tran, WaNet: Imperceptible warping-based backdoor attack, arXiv:2102.10369, ICLR 2021",
            "core.triggers:warp",
            {
                "grid": Parameter(4, "control points a side: more make a finer warp", 2, 32),
                "strength": Parameter(0.5, "how far pixels move: 0.5 is about a quarter of a pixel", 0.0, 16.0),
                "seed": _SEED,
            },
            facts={"whole_image": True},
        ),
        "drawing": Entry(
            "A small picture of your own, uploaded or painted",
            "in the manner of the stickers (a bomb, a flower) of Gu, Dolan-Gavitt, Garg, BadNets, 2017",
            "core.triggers:drawing",
            {
                "picture": Parameter(pictures.FACE, "a PNG of at most 32 by 32 pixels, in base64", picture=True),
                **{name: _POSITION[name] for name in ("row", "column", "opacity")},
            },
        ),
    },
)

MODELS = Registry(
    "model",
    {
        "resnet18": Entry(
            "ResNet-18 in its CIFAR form: 3x3 stem, no max-pooling, 11.2 million weights",
            "He, Zhang, Ren, Sun, Deep residual learning for image recognition, CVPR 2016",
            "core.models:resnet18",
            facts={"cpu_images_per_second": 100},  # forward and backward, two cores
        ),
        "resnet_small": Entry(
            "A residual network of widths 16 to 128 that pools after its stem, for two CPU cores",
            "He, Zhang, Ren, Sun, Deep residual learning for image recognition, CVPR 2016",
            "core.models:resnet_small",
            facts={"cpu_images_per_second": 2000},  # forward and backward, two cores
        ),
        "whitened_cnn": Entry(
            "Three convolution blocks behind a first layer frozen to whiten patches; fast on two CPU cores",
            "in the manner of Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, 2024",
            "core.models:whitened_cnn",
            facts={"cpu_images_per_second": 1900},  # forward and backward, two cores
        ),
        "whitened_wide": Entry(
            "The same at the published widths, 64, 256, 256; 92% to 94% within seconds on a GPU",
            "in the manner of Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, 2024",
            "core.models:whitened_wide",
            facts={"cpu_images_per_second": 300},
        ),
    },
)

_NEIGHBOURS = Parameter(0.15, "k as a share of the class (at most 1000); more than may be poisoned", 0.001, 0.5)

DETECTORS = Registry(
    "detector",
    {
        "spectral": Entry(
            "Spectral signatures, Algorithm 1: squared projection of the centred representation "
            "on the class's top singular vector",
            "Tran, Li, Madry, Spectral signatures in backdoor attacks, NeurIPS 2018",
            "core.detectors.spectral:spectral",
            facts={"scope": "every_class"},
        ),
        "spectral-released": Entry(
            "The original authors' released score, for comparison: the direction comes from the centred "
            "matrix but the features are projected uncentred",
            "the code published with Tran, Li, Madry, NeurIPS 2018",
            "core.detectors.spectral:spectral_released",
            facts={"scope": "every_class"},
        ),
        "whitened-spectral": Entry(
            "Spectral signatures after whitening by the other classes, one-sided and refined; names the poisoned class",
            "this project; kin: Tang et al., SCAn, USENIX Security 2021; Hayase et al., SPECTRE, ICML 2021",
            "core.detectors.whitened:whitened_spectral",
            {"threshold": Parameter(2.5, "robust z-score above which a class is called poisoned", 0.0, 100.0)},
            facts={"scope": "suspicious_class", "cuts": ("budget", "gap")},
            version=2,
        ),
        "spectral-top-k": Entry(
            "Spectral signatures along several directions: the sum of squared projections of the centred "
            "representation on the class's top k singular vectors",
            "after Tran, Li, Madry, Spectral signatures in backdoor attacks, NeurIPS 2018 (k = 1 is theirs)",
            "core.detectors.top_k:spectral_top_k",
            {"directions": Parameter(10, "k, how many top singular vectors are looked along", 1, 1000)},
            facts={"scope": "every_class"},
        ),
        "spectre": Entry(
            "Whitened by robust estimates of mean and covariance, scored by quantum entropy (QUE); names the "
            "poisoned class",
            "Hayase, Kong, Somani, Oh, SPECTRE: Defending against backdoor attacks using robust statistics, ICML 2021",
            "core.detectors.spectre:spectre",
            {
                "assumed_share": Parameter(0.1, "share of a class that is poisoned at most, as assumed", 0.001, 0.24),
                "threshold": Parameter(5.0, "robust z-score above which a class is called poisoned", 0.0, 100.0),
            },
            facts={"scope": "suspicious_class"},
        ),
        "activation-clustering": Entry(
            "Each class cut in two by 2-means; the smaller cluster is suspicious where it lies apart; names the "
            "poisoned class",
            "Chen et al., Detecting backdoor attacks on deep neural networks by activation clustering, "
            "arXiv:1811.03728, 2018",
            "core.detectors.clustering:activation_clustering",
            {
                "dimensions": Parameter(10, "to which a class is reduced", 1, 100),
                "largest_share": Parameter(0.35, "of the class that the smaller cluster may have, to count", 0.0, 0.5),
                "threshold": Parameter(0.15, "silhouette above which a class is called poisoned", 0.0, 1.0),
            },
            facts={"scope": "suspicious_class", "cuts": ("budget", "gap")},
        ),
        "scan": Entry(
            "Each class untangled into two groups of the variation that all classes share, and their likelihood "
            "ratio; names the poisoned class",
            "Tang, Wang, Tang, Zhang, Demon in the variant (SCAn), USENIX Security 2021",
            "core.detectors.scan:scan",
            {"threshold": Parameter(7.389, "anomaly index above which a class is called poisoned; e²", 0.0, 1000.0)},
            facts={"scope": "suspicious_class", "cuts": ("budget", "gap")},
            version=2,
        ),
        "mahalanobis": Entry(
            "Robust Mahalanobis distance to the class: minimum covariance determinant on its leading directions",
            "Rousseeuw, Van Driessen, A fast algorithm for the minimum covariance determinant estimator, "
            "Technometrics 1999",
            "core.detectors.mahalanobis:mahalanobis",
            {"dimensions": Parameter(20, "principal directions of the class, at most", 1, 100)},
            facts={"scope": "every_class"},
            version=2,
        ),
        "knn": Entry(
            "Distance to the k-th nearest neighbour within the class",
            "Ramaswamy, Rastogi, Shim, Efficient algorithms for mining outliers from large data sets, SIGMOD 2000",
            "core.detectors.neighbours:knn",
            {"share": _NEIGHBOURS},
            facts={"scope": "every_class"},
        ),
        "lof": Entry(
            "Local outlier factor within the class: how much thinner an image's surroundings are than its neighbours'",
            "Breunig, Kriegel, Ng, Sander, LOF: Identifying density-based local outliers, SIGMOD 2000",
            "core.detectors.neighbours:local_outlier_factor",
            {"share": _NEIGHBOURS},
            facts={"scope": "every_class"},
        ),
        "isolation-forest": Entry(
            "Isolation forest on each class: how few random cuts part an image from the others",
            "Liu, Ting, Zhou, Isolation forest, ICDM 2008",
            "core.detectors.forest:isolation_forest",
            {"trees": Parameter(100, "how many trees the forest has", 10, 1000)},
            facts={"scope": "every_class"},
        ),
        "loss-isolation": Entry(
            "Loss in early training: what is learned sooner than the rest of its class is suspicious",
            "Li, Lyu, Koren, Lyu, Li, Ma, Anti-backdoor learning: Training clean models on poisoned data, NeurIPS 2021",
            "core.detectors.isolation:loss_isolation",
            {"epochs": Parameter(4, "how many epochs count as early training", 1, 1000)},
            facts={"scope": "every_class", "needs": ("losses",)},
        ),
        "strip": Entry(
            "Each image superimposed with others: the network's answer stays sure where a trigger decides it",
            "Gao, Xu, Wang, Chen, Ranasinghe, Nepal, STRIP: A defence against trojan attacks on deep neural networks, "
            "ACSAC 2019",
            "core.detectors.strip:strip",
            {
                "others": Parameter(6, "how many images of the training set each image is superimposed with", 1, 100),
                "seed": Parameter(0, "of the choice of those images", 0, 2**31 - 1),
            },
            facts={"scope": "every_class", "needs": ("entropies",)},
        ),
    },
)

REGISTRIES = (DATASETS, TRIGGERS, MODELS, DETECTORS)
