"""What a run may be: every bad value is refused with its field, what is allowed and what was got."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core import configure
from core.configuration import config
from core.configuration.config import (
    ATTRIBUTION,
    LAYERS,
    REPRESENTATIONS,
    VIEWS,
    AttackConfig,
    DatasetConfig,
    DefenceConfig,
    RunConfig,
    TrainingConfig,
    TriggerConfig,
    class_names,
    class_number,
    explain,
)
from core.configuration.registry import DATASETS, DETECTORS, MODELS, TRIGGERS
from core.types import BadRequest

TRAINING: dict[str, Any] = dict(model="resnet_small", epochs=1, batch_size=100, lr=0.1)

# ---------------------------------------------------------------- bad values, each on its own

LOW, HIGH, ABOVE, BELOW = "must be at least", "must be at most", "must be more than", "must be less than"
SHARE = r"must be a share from 0 to 1 \(5% is 0\.05\), got"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(dataset="mnist"), r"unknown dataset 'mnist'; allowed are \['cifar10', 'digits'\]"),
        (dict(recipe="slow"), r"unknown recipe 'slow'; allowed are \['fast', 'instant', 'paper', 'quick'\]"),
        (
            dict(trigger="sticker"),
            r"unknown trigger 'sticker'; allowed are \['adaptive-blend', .*'patch', .*'warp', 'warp-noise'\]",
        ),
        (dict(detector="autoencoder"), "unknown detector 'autoencoder'; allowed are .*'spectral'"),
        (dict(detector=["spectral"]), r"unknown detector \['spectral'\]; allowed are .*'spectral'"),
        (dict(training={"model": "vgg"}), "unknown model 'vgg'; allowed are .*'resnet18'"),
        (dict(target="unicorn"), "unknown class 'unicorn' of cifar10; allowed are airplane, .*, truck or 0 to 9"),
        (dict(target=10), "unknown class 10 of cifar10; allowed are .* or 0 to 9"),
        (dict(target=-1), "unknown class -1 of cifar10"),
        (dict(target="-1"), "unknown class '-1' of cifar10"),
        (dict(target=2.5), "unknown class 2.5 of cifar10"),
        (dict(target=None), "unknown class None of cifar10"),
        (dict(source="unicorn"), "unknown class 'unicorn' of cifar10"),
        (dict(target="bird", source=2), "target and source must be different classes, got 2 for both"),
        (dict(ratio=-0.1), f"ratio: {SHARE} -0.1"),
        (dict(ratio=1.1), f"ratio: {SHARE} 1.1"),
        (dict(ratio=float("nan")), "ratio: .*finite number, got nan"),
        (dict(ratio="much"), "ratio: must be a number, got 'much'"),
        (dict(ratio_of="batch"), "ratio_of: .*'target_class' or 'training_set', got 'batch'"),
        (dict(placement="move"), "placement: .*'add' or 'replace', got 'move'"),
        (dict(labels="swap"), "labels: .*'all_to_one', 'clean_label' or 'all_to_all', got 'swap'"),
        (
            dict(labels="clean_label", target="bird", source="cat"),
            "clean-label attack stamps images of the target itself; source must be left out or 2, got 3",
        ),
        (dict(cover_ratio=-1), f"cover_ratio: .*{LOW} 0, got -1"),
        (dict(cover_ratio=101), f"cover_ratio: .*{HIGH} 100, got 101"),
        (dict(also=[{"trigger": "sticker"}]), r"unknown trigger 'sticker'; allowed are"),
        (dict(also=[{"trigger": "pixel", "parameters": {"size": 3}}]), r"unknown settings \['size'\]"),
        (dict(also=[{"parameters": {}}]), "also.0.trigger: is missing"),
        (dict(also=["pixel"]), "also.0: .*got 'pixel'"),
        (dict(also=[{"trigger": "pixel"}] * 8), "also: must have at most 7 entries"),
        (dict(trigger_parameters={"size": 3}), r"unknown settings \['size'\]; allowed are \['colour', 'column'"),
        (dict(trigger_parameters={"row": 900}), r"row must lie in \[-512, 511\], got 900"),
        (dict(trigger_parameters={"colour": "red"}), "colour must be a colour such as #ffffff, got 'red'"),
        (dict(trigger_parameters={"opacity": True}), "opacity must be of type float, got True"),
        (dict(trigger="pattern", trigger_parameters={"size": 1}), r"size must lie in \[2, 64\], got 1"),
        (dict(training={"epochs": 0}), f"epochs: .*{LOW} 1, got 0"),
        (dict(training={"epochs": 1001}), f"epochs: .*{HIGH} 1,000, got 1001"),
        (dict(training={"batch_size": 1}), f"batch_size: .*{LOW} 2, got 1"),
        (dict(training={"lr": 0}), f"lr: .*{ABOVE} 0, got 0"),
        (dict(training={"lr": float("inf")}), "lr: .*finite number, got inf"),
        (dict(training={"momentum": 1}), f"momentum: .*{BELOW} 1, got 1"),
        (dict(training={"weight_decay": -1}), f"weight_decay: .*{LOW} 0, got -1"),
        (dict(training={"optimizer": "adam"}), "optimizer: .*'sgd' or 'muon', got 'adam'"),
        (dict(training={"schedule": "cosine"}), "schedule: .*'step' or 'one_cycle', got 'cosine'"),
        (dict(training={"milestones": (0.5, 2)}), f"milestones.1: {SHARE} 2"),
        (dict(training={"label_smoothing": 2}), f"label_smoothing: {SHARE} 2"),
        (dict(training={"crop": 17}), f"crop: .*{HIGH} 16, got 17"),
        (dict(training={"precision": "fp16"}), "precision: .*'auto', 'fp32' or 'bf16', got 'fp16'"),
        (dict(training={"dropout": 0.5}), "dropout: there is no such setting here, got 0.5"),
        (dict(training={"per_class": 1}), f"per_class: .*{LOW} 2, got 1"),
        (dict(representation="logits"), "representation: .*'penultimate', 'block3', .* got 'logits'"),
        (dict(assumed_ratio=2), f"assumed_ratio: {SHARE} 2"),
        (dict(multiplier=0), f"multiplier: .*{ABOVE} 0, got 0"),
        (dict(multiplier=11), f"multiplier: .*{HIGH} 10, got 11"),
        (dict(scope="some"), "scope: .*'every_class' or 'suspicious_class', got 'some'"),
        (
            dict(scope="suspicious_class"),
            "'spectral' does not name a suspicious class; .* 'every_class'",
        ),
        (dict(detector_parameters={"threshold": 1}), r"unknown settings \['threshold'\]; allowed are \[\]"),
        (
            dict(detector="whitened-spectral", detector_parameters={"threshold": -1}),
            r"threshold must lie in \[0, 100\], got -1.0",
        ),
        (dict(seed=-1), f"seed: .*{LOW} 0, got -1"),
        (dict(seed=2**31), f"seed: .*{BELOW} 2,147,483,648, got 2147483648"),
        (dict(seed=0.5), "seed: must be a whole number, got 0.5"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_value_is_refused_with_what_is_allowed_and_what_was_got(given, message):
    with pytest.raises(BadRequest, match=message):
        configure(**given)


def test_all_that_is_wrong_in_one_part_is_said_at_once():
    with pytest.raises(BadRequest) as refused:
        configure(ratio=2, placement="move", ratio_of="batch")
    assert all(word in str(refused.value) for word in ("ratio: ", "placement: ", "ratio_of: "))


def test_no_message_sends_the_reader_to_pydantic():
    with pytest.raises(BadRequest) as refused:
        configure(ratio=2)
    assert "pydantic" not in str(refused.value)


# ---------------------------------------------------------------- values


PARTS = {
    "dataset": DatasetConfig(name="digits"),
    "attack": AttackConfig(target=2),
    "training": TrainingConfig(**TRAINING),
    "defence": DefenceConfig(),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_configuration_cannot_be_changed_and_knows_no_other_fields(part):
    for field in type(part).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, field, getattr(part, field))
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        type(part).model_validate({**part.model_dump(), "colour_of_the_sky": "blue"})


def test_a_run_cannot_be_changed_and_knows_no_other_fields():
    run = RunConfig(**PARTS)
    with pytest.raises(ValidationError, match="frozen"):
        run.seed = 3
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        RunConfig(**PARTS, device="cuda")


def test_what_is_not_given_has_the_published_defaults():
    run = configure()
    assert (run.dataset.name, run.attack.trigger, run.attack.target) == ("cifar10", "pixel", 2)
    assert (run.attack.ratio, run.attack.ratio_of, run.attack.placement) == (0.1, "target_class", "add")
    assert run.attack.source is None
    assert (run.defence.detector, run.defence.representation) == ("spectral", "penultimate")
    assert (run.defence.multiplier, run.defence.assumed_ratio, run.defence.scope) == (1.5, 0.1, "every_class")
    assert run.seed == 0
    assert run.training.recipe == "quick"


def test_the_triggers_parameters_are_all_there_in_their_own_types():
    run = configure(trigger="pattern", trigger_parameters={"opacity": 1, "size": 4.0, "colour": "#FF0000"})
    assert run.attack.parameters == {"size": 4, "row": -2, "column": -2, "colour": "#ff0000", "opacity": 1.0}
    assert [type(value) for value in run.attack.parameters.values()] == [int, int, int, str, float]
    assert list(run.attack.parameters) == list(TRIGGERS["pattern"].parameters)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        dict(dataset="digits", target="seven", source=3, placement="replace", seed=5),
        dict(detector="whitened-spectral", training={"milestones": (0.1, 0.2)}, trigger="pattern"),
    ],
)
def test_a_run_survives_json(settings):
    run = configure(**settings)
    assert RunConfig.model_validate_json(run.model_dump_json()) == run


def test_the_representations_are_those_that_the_defence_accepts():
    for name in REPRESENTATIONS:
        assert DefenceConfig(representation=name).representation == name
    schema = DefenceConfig.model_json_schema()["properties"]["representation"]
    assert tuple(schema["enum"]) == REPRESENTATIONS == (*LAYERS, ATTRIBUTION, *VIEWS)


@pytest.mark.parametrize("model", MODELS)
def test_every_registered_model_may_be_trained(model):
    assert configure(training={"model": model}).training.model == model


# ---------------------------------------------------------------- classes by name and number


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_class_goes_by_its_name_or_its_number(dataset):
    for number, name in enumerate(class_names(dataset)):
        for spelling in (name, number, str(number), np.int64(number)):
            assert class_number(dataset, spelling) == number


def test_configure_takes_classes_by_name_and_by_number():
    assert configure(target="dog", source="cat") == configure(target=5, source=3) == configure(target="5", source="3")
    assert configure(target="dog", source=0).attack.source == 0


def test_a_class_that_the_data_set_does_not_have_is_refused_however_the_run_is_made():
    for role in ({"target": 11}, {"target": 1, "source": 10}):
        with pytest.raises(ValidationError) as refused:
            RunConfig(**{**PARTS, "attack": AttackConfig(**role)})
        said = str(explain(refused.value))
        assert said == f"{list(role)[-1]} class must lie in [0, 9], got {list(role.values())[-1]}"


# ---------------------------------------------------------------- what a refusal says


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(ratio=5), "ratio: must be a share from 0 to 1 (5% is 0.05), got 5"),
        (dict(placement="foo"), "placement: must be 'add' or 'replace', got 'foo'"),
        (dict(training={"flip": "maybe"}), "flip: must be true or false, got 'maybe'"),
        (dict(also=[{"trigger": 5}]), "also.0.trigger: must be text, got 5"),
        (dict(also=[5]), "also.0: must be a mapping of names to values, got 5"),
        (dict(also=[{"trigger": "pixel"}] * 9), "also: must have at most 7 entries, got ("),
    ],
)
def test_a_refusal_says_in_our_words_what_is_allowed(given, said):
    with pytest.raises(BadRequest) as refused:
        configure(**given)
    assert str(refused.value).startswith(said)
    assert len(str(refused.value)) < 200, "what was got is shortened"


def test_every_bound_and_type_of_a_setting_has_its_words():
    """What a field's rules can find is among what is said in our words, and every share is known as one."""
    found = []
    for model in (DatasetConfig, TriggerConfig, AttackConfig, TrainingConfig, DefenceConfig, RunConfig):
        for name in model.model_fields:
            for wrong in (None, "word", -1e9, 1e9, float("nan"), 1.5, [1, {}], {"a": 1}, object()):
                try:
                    model.model_validate({name: wrong})
                except ValidationError as error:
                    found.append(str(explain(error)))
                except BadRequest:
                    continue
    assert len(found) > 100
    assert not [said for said in found if "is not what belongs here" in said]
    shares = {
        name
        for model in (AttackConfig, TrainingConfig, DefenceConfig)
        for name, written in model.__annotations__.items()
        if "Share" in str(written)
    }
    assert shares == set(config._SHARES)


# ---------------------------------------------------------------- scope


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_scope_is_the_detectors_own_where_none_is_given(detector):
    expected = DETECTORS[detector].facts["scope"]
    assert configure(detector=detector).defence.scope == expected
    assert DefenceConfig(detector=detector).scope == expected
    assert DefenceConfig.model_validate({"detector": detector, "scope": None}).scope == expected


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_may_be_used_on_every_class(detector):
    assert configure(detector=detector, scope="every_class").defence.scope == "every_class"


def test_a_run_cut_at_the_gap_is_named_so():
    titles = [configure(detector="whitened-spectral", cut=cut).defence.title for cut in ("budget", "gap")]
    assert titles == ["whitened-spectral", "whitened-spectral at the gap"]
    assert "title" not in configure().defence.model_dump()  # or it would be a part of the run's key
