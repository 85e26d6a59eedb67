"""What a run is: dataset, attack, training, defence and one seed, checked before anything starts.

Every field is explicit (recipes are resolved before they get here), so a configuration alone says
what will happen, and its canonical JSON is what the stage keys are made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from core.configuration.reading import shortened, shown, whole
from core.configuration.registry import DATASETS, DETECTORS, MODELS, TRIGGERS
from core.types import BadRequest, Problem

Share = Annotated[float, Field(ge=0.0, le=1.0)]
MOST_TRIGGERS = 8
MOST_FINDINGS = 8  # that one message tells of
Representation = Literal[
    "penultimate", "block3", "block2", "block1", "attribution",
    "image-luminance", "image-blue-yellow", "image-red-green", "image-colours",
    "image-tile-top-left", "image-tile-top", "image-tile-top-right", "image-tile-left", "image-tile-middle",
    "image-tile-right", "image-tile-bottom-left", "image-tile-bottom", "image-tile-bottom-right",
]  # fmt: skip
REPRESENTATIONS: tuple[str, ...] = get_args(Representation)
LAYERS = REPRESENTATIONS[:4]  # of a network, from the answer back to the picture
ATTRIBUTION = REPRESENTATIONS[4]  # what of the first blocks the answer for the label rests on (core.training.Network)
VIEWS = REPRESENTATIONS[5:]  # of the images, without a network (core.detectors.views)


class Frozen(BaseModel):
    """A value: no unknown fields, no changes, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DatasetConfig(Frozen):
    """A data set; per_class takes the first so many training images of every class (None: all)."""

    name: str = "cifar10"
    per_class: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        DATASETS[self.name]
        return self


class TriggerConfig(Frozen):
    """A trigger by name, with its parameters; those not given are at their defaults."""

    trigger: str
    parameters: dict[str, int | float | bool | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> Self:
        object.__setattr__(self, "parameters", dict(TRIGGERS[self.trigger].settle(self.parameters)))
        return self


class AttackConfig(Frozen):
    """A BadNets attack (Gu et al. 2017): stamp a trigger on some images and give them the target label.

    target and source are class numbers; source None means any class but the target. ratio is a share of
    the clean target class or of the whole training set, as ratio_of says; 0 is the clean control.
    placement "add" appends stamped copies, "replace" stamps the originals themselves.

    labels says what label a stamped image gets: "all_to_one", the target's; "clean_label", its own, and only images
    of the target are stamped (Barni et al. 2019; Turner et al. 2019), so that source must be left out;
    "all_to_all", that of the class after its own, the first after the last (Gu et al. 2017). All-to-all has no one
    target: every class gets poison, together ratio times as many images as they have, spread evenly, and a run's target
    is 0. From one source class it is all-to-one to the class after it, and a run says so.

    cover_ratio times as many images as are poisoned are covers: stamped, with their true label kept, so that the
    trigger alone gives no image away (Qi et al. 2023; with a source class Tang et al. 2021).

    also names further triggers: a stamped training image carries one of them all, in turn, a test image every one
    (Xie et al. 2020; Hayase et al. 2021).
    """

    trigger: str = "pixel"
    parameters: dict[str, int | float | bool | str] = Field(default_factory=dict)
    target: Annotated[int, Field(ge=0)]
    source: Annotated[int, Field(ge=0)] | None = None
    ratio: Share = 0.1
    ratio_of: Literal["target_class", "training_set"] = "target_class"
    placement: Literal["add", "replace"] = "add"
    labels: Literal["all_to_one", "clean_label", "all_to_all"] = "all_to_one"
    cover_ratio: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    also: Annotated[tuple[TriggerConfig, ...], Field(max_length=MOST_TRIGGERS - 1)] = ()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        settled = dict(TRIGGERS[self.trigger].settle(self.parameters))
        object.__setattr__(self, "parameters", settled)
        if self.labels == "clean_label":
            if self.source not in (None, self.target):
                raise BadRequest(
                    "a clean-label attack stamps images of the target itself; "
                    f"source must be left out or {self.target}, got {self.source}"
                )
            object.__setattr__(self, "source", None)  # the same request has one spelling
        elif self.labels == "all_to_one" and self.target == self.source:
            raise BadRequest(f"target and source must be different classes, got {self.target} for both")
        return self

    @property
    def triggers(self) -> tuple[TriggerConfig, ...]:
        """All triggers, the first one first."""
        return TriggerConfig(trigger=self.trigger, parameters=self.parameters), *self.also

    @property
    def whole_image(self) -> bool:
        """Whether a trigger changes the whole image, not one place of it."""
        return any(TRIGGERS[one.trigger].facts.get("whole_image") for one in self.triggers)

    @property
    def varied(self) -> bool:
        """Whether training images bear a trigger each in their own way, or otherwise than test images."""
        return any(TRIGGERS[one.trigger].varied for one in self.triggers)

    @property
    def everywhere(self) -> bool:
        """Whether every class gets poison: all-to-all from any class."""
        return self.labels == "all_to_all" and self.source is None

    @property
    def plain(self) -> bool:
        """Whether it is an attack as in the report: one trigger, one target, no covers."""
        return self.labels == "all_to_one" and not self.cover_ratio and not self.also

    @property
    def title(self) -> str:
        """The trigger, with what sets the attack apart from the usual one but for its target."""
        kept = "clean-label " if self.labels == "clean_label" else ""
        more = f" and {len(self.also)} more" if self.also else ""
        return f"{kept}{self.trigger}{more}{' with covers' if self.cover_ratio else ''}"


class TrainingConfig(Frozen):
    """A training in explicit numbers.

    optimizer "muon" gives the convolution filters to Muon and the rest to SGD. lr is the peak rate for the
    mean loss of a batch; the shifts of batch norms and the linear head may have multiples of it. schedule
    "step" divides the rate by 10 at each milestone (shares of the training), "one_cycle" climbs linearly to
    its peak at that share and falls to 0. crop is the largest random shift in pixels (edges reflected),
    flip mirrors half of the images: a shift can push a corner trigger out, a flip moves it.
    """

    recipe: str = "custom"
    model: str
    epochs: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=2, le=8192)]
    optimizer: Literal["sgd", "muon"] = "sgd"
    lr: Annotated[float, Field(gt=0, le=100)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 2e-4
    muon_lr: Annotated[float, Field(gt=0, le=10)] = 0.24
    muon_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.6
    norm_bias_lr_factor: Annotated[float, Field(gt=0, le=1000)] = 1.0
    head_lr_factor: Annotated[float, Field(gt=0, le=1000)] = 1.0
    schedule: Literal["step", "one_cycle"] = "step"
    peak: Share = 0.3
    milestones: tuple[Share, ...] = (0.5, 0.75)
    label_smoothing: Share = 0.0
    flip: bool = False
    crop: Annotated[int, Field(ge=0, le=16)] = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"

    @model_validator(mode="after")
    def _known(self) -> Self:
        MODELS[self.model]
        return self


class DefenceConfig(Frozen):
    """What the defender assumes: detector, representation, and how much to remove.

    epsilon, the assumed upper bound on the number of poisoned images, is assumed_ratio times the median
    class size; multiplier * epsilon images (1.5 in the paper) are removed from every class, or only from
    the classes that the detector calls suspicious, as scope says. cut "gap" needs no epsilon: it removes what
    lies above the detector's own threshold of each class, where the detector offers one. Left out, scope and cut are
    the detector's usual ones.

    representation: a layer of the network, the attribution of its answers, or a view of the images that no network is
    needed for.
    """

    detector: str = "spectral"
    parameters: dict[str, int | float | bool | str] = Field(default_factory=dict)
    representation: Representation = "penultimate"
    assumed_ratio: Share = 0.1
    multiplier: Annotated[float, Field(gt=0, le=10)] = 1.5
    scope: Literal["every_class", "suspicious_class"] = "every_class"
    cut: Literal["budget", "gap"] = "budget"

    @model_validator(mode="before")
    @classmethod
    def _usual_of_detector(cls, given: Any) -> Any:
        if isinstance(given, dict):
            entry = DETECTORS[given.get("detector", "spectral")]
            usual = {"scope": entry.facts.get("scope", "every_class"), "cut": entry.facts.get("cuts", ("budget",))[0]}
            given = {**given, **{name: value for name, value in usual.items() if given.get(name) is None}}
        return given

    @model_validator(mode="after")
    def _known(self) -> Self:
        entry = DETECTORS[self.detector]
        object.__setattr__(self, "parameters", dict(entry.settle(self.parameters)))
        if self.scope == "suspicious_class" and entry.facts.get("scope") != "suspicious_class":
            raise BadRequest(
                f"detector {self.detector!r} does not name a suspicious class; its scope must be 'every_class'"
            )
        if self.cut not in entry.facts.get("cuts", ("budget",)):
            raise BadRequest(f"detector {self.detector!r} finds no gap to cut at; its cut must be 'budget'")
        return self

    @property
    def title(self) -> str:
        """The detector, and the cut where it is not the usual one: two runs that differ in it must not look alike."""
        return f"{self.detector} at the gap" if self.cut == "gap" else self.detector


class RunConfig(Frozen):
    """One run, from the clean data set to the comparison of before and after.

    keep: the SHA-256, in hex, of a keep-list that the retraining goes by in place of the defence's cut: what a person
    made of that cut (core.retraining). None: what the cut leaves.
    """

    dataset: DatasetConfig
    attack: AttackConfig
    training: TrainingConfig
    defence: DefenceConfig
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    keep: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _classes_exist(self) -> Self:
        names = class_names(self.dataset.name)
        for role, number in (("target", self.attack.target), ("source", self.attack.source)):
            if number is not None and number >= len(names):
                raise BadRequest(f"{role} class must lie in [0, {len(names) - 1}], got {number}")
        if self.attack.labels == "all_to_all":
            object.__setattr__(self, "attack", self._settled(len(names)))
        return self

    def _settled(self, classes: int) -> AttackConfig:
        """The all-to-all attack, so that the same request has one spelling: from one class it has one target."""
        if self.attack.source is None:
            return self.attack.model_copy(update={"target": 0})
        follows = (self.attack.source + 1) % classes
        return self.attack.model_copy(update={"target": follows, "labels": "all_to_one"})

    @property
    def base(self) -> RunConfig:
        """The run whose cut a keep-list stands in for; where none does, this one."""
        return self if self.keep is None else self.model_copy(update={"keep": None})

    @property
    def removed_by(self) -> str:
        """Who says what goes: the detector and its cut, and behind them the keep-list that stands in for it."""
        return self.defence.title if self.keep is None else f"{self.defence.title} + verdicts {self.keep[:6]}"

    @property
    def target_name(self) -> str:
        """What stamped images shall be taken for, in words."""
        names = class_names(self.dataset.name)
        return "the next class" if self.attack.everywhere else names[self.attack.target]


def class_names(dataset: str) -> tuple[str, ...]:
    """The class names of a registered data set, without loading it."""
    return tuple(DATASETS[dataset].facts["class_names"])


def class_number(dataset: str, name: str | int) -> int:
    """A class by its name or number."""
    names = class_names(dataset)
    if isinstance(name, str) and name in names:
        return names.index(name)
    last = len(names) - 1
    number: Any = whole(name, 0, last) if isinstance(name, str) else name
    if not isinstance(number, Integral) or not 0 <= int(number) <= last:
        allowed = f"{', '.join(names)} or 0 to {last}"
        raise BadRequest(f"unknown class {shown(name)} of {dataset}; allowed are {allowed}")
    return int(number)


# What pydantic finds, in our words; a name in braces is one of the finding's own.
_SAYS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of names to values",
    "extra_forbidden": "there is no such setting here",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number, and a smaller one",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "mapping_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of names to values",
    "string_pattern_mismatch": "must be a SHA-256, 64 hexadecimal digits",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entry",
    "tuple_type": "must be a list",
}
_SHARES = ("ratio", "assumed_ratio", "peak", "milestones", "label_smoothing")  # the fields of type Share
_OUT_OF_RANGE = ("greater_than_equal", "less_than_equal")
_BOUNDS = (*_OUT_OF_RANGE, "greater_than", "less_than")


def _limits(annotation: Any, metadata: Iterable[Any] = ()) -> dict[str, float]:
    """The ends of a setting's range, by ge, gt, le and lt, however deep they stand in its type."""
    found: dict[str, float] = {}
    for one in (*metadata, *getattr(annotation, "__metadata__", ())):
        found |= _limits(None, one.metadata) if isinstance(one, FieldInfo) else {}
        found |= {end: bound for end in ("ge", "gt", "le", "lt") if (bound := getattr(one, end, None)) is not None}
    for inner in () if get_origin(annotation) is Literal else get_args(annotation):
        found |= _limits(inner)
    return found


# The ranges of all settings that have one; no two settings of the same name have different ones.
LIMITS: Mapping[str, Mapping[str, float]] = {
    name: limits
    for model in (DatasetConfig, AttackConfig, TrainingConfig, DefenceConfig, RunConfig)
    for name, field in model.model_fields.items()
    if (limits := _limits(field.annotation, field.metadata))
}


def explain(error: ValidationError) -> BadRequest:
    """pydantic's findings as one message: field, what is wrong, and what was got."""
    told: dict[str, tuple[Problem, ...]] = {}  # in order, and each once: a union tells of each of its members
    every = error.errors(include_url=False)
    for found in every:
        place, given = found["loc"], found["input"]
        if found["type"] == "too_short" and any(other["loc"][:-1] == place for other in every):
            continue  # it is short only of what is told of anyway
        cause = found.get("ctx", {}).get("error")
        if isinstance(cause, BadRequest):
            told[str(cause)] = cause.problems
        elif found["type"] == "missing":
            told[f"{_dotted(place)}: is missing"] = (_problem(place, "is missing", {}, None, missing=True),)
        elif place and place[-1] in ("int", "float", "bool", "str"):
            says = "must be a finite number, a word, or true or false"
            told[f"{_dotted(place[:-1])}: {says}, got {shown(given)}"] = (_problem(place[:-1], says, {}, given),)
        else:
            limits = LIMITS.get(_name(place), {}) if found["type"] in _BOUNDS else {}
            told[f"{_dotted(place)}: {_says(found)}, got {shown(given)}"] = (
                _problem(place, _says(found), limits, given),
            )
    lines = [*told][:MOST_FINDINGS]
    problems = [problem for line in lines for problem in told[line]] if all(told[line] for line in lines) else []
    if len(told) > len(lines):
        lines, problems = [*lines, f"and {len(told) - len(lines):,} more"], []
    return BadRequest("; ".join(lines), problems=problems)


def _problem(
    place: tuple[int | str, ...], must: str, limits: Mapping[str, float], given: Any, *, missing: bool = False
) -> Problem:
    index = place[-1] if place and isinstance(place[-1], int) else None
    return Problem(_name(place) or "request", index, must, limits, given, missing)


def _name(place: tuple[int | str, ...]) -> str:
    """The setting at a place, without the groups that it stands in."""
    return next((part for part in reversed(place) if isinstance(part, str)), "")


def _says(found: ErrorDetails) -> str:
    """What is wrong; of a share also how it is written, since people think of shares in percent."""
    if _name(found["loc"]) in _SHARES and found["type"] in _OUT_OF_RANGE:
        return "must be a share from 0 to 1 (5% is 0.05)"
    context = {key: _number(value) for key, value in found.get("ctx", {}).items()}
    return _SAYS.get(found["type"], "is not what belongs here").format_map(context)


def _number(value: Any) -> str:
    return f"{int(value):,}" if isinstance(value, int | float) and value == int(value) else str(value)


def _dotted(place: tuple[int | str, ...]) -> str:
    return shortened(".".join(str(part) for part in place)) or "request"
