"""The contract over every entry of every registry, and the registry itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core import datasets
from core.attack import triggers
from core.configuration import pictures
from core.configuration.checksums import CHECKSUMS
from core.configuration.config import DatasetConfig
from core.configuration.registry import DATASETS, DETECTORS, MODELS, REGISTRIES, TRIGGERS, Entry, Parameter, Registry
from core.types import BadRequest, Images

ENTRIES = [(registry, name) for registry in REGISTRIES for name in registry]
every_entry = pytest.mark.parametrize(("registry", "name"), ENTRIES, ids=[f"{r.kind}-{n}" for r, n in ENTRIES])
every_registry = pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
every_trigger = pytest.mark.parametrize("trigger", TRIGGERS)
every_placed_trigger = pytest.mark.parametrize(
    "trigger", [name for name, entry in TRIGGERS.items() if {"row", "column"} <= set(entry.parameters)]
)
every_dataset = pytest.mark.parametrize("name", DATASETS)

# ---------------------------------------------------------------- every entry


@every_entry
def test_an_entry_says_what_it_is_and_where_it_comes_from(registry, name):
    entry = registry[name]
    assert len(entry.summary.split()) >= 3
    assert len(entry.source.split()) >= 2
    assert not entry.summary.endswith(".")
    assert entry.version >= 1
    assert name == name.lower()
    assert not any(character.isspace() for character in name)


@every_entry
def test_an_entry_leads_to_something_callable(registry, name):
    assert callable(registry[name].load())


@every_entry
def test_an_entrys_defaults_lie_in_their_ranges(registry, name):
    entry = registry[name]
    for field, parameter in entry.parameters.items():
        assert parameter.help, f"{field} has no word of explanation"
        assert parameter.check(field, parameter.default) == parameter.default
    assert entry.settle({}) == {field: parameter.default for field, parameter in entry.parameters.items()}


@every_entry
def test_an_entry_refuses_values_outside_its_ranges(registry, name):
    entry = registry[name]
    for field, parameter in entry.parameters.items():
        for bound, beyond in ((parameter.low, -1), (parameter.high, 1)):
            if bound is not None:
                value = type(parameter.default)(bound + beyond)
                with pytest.raises(BadRequest, match=rf"{field} must lie in \[.*\], got {value}"):
                    entry.settle({field: value})


@every_entry
def test_an_entry_refuses_settings_that_it_does_not_have(registry, name):
    with pytest.raises(BadRequest, match=r"unknown settings \['no_such_setting'\]; allowed are \["):
        registry[name].settle({"no_such_setting": 1})


@every_registry
def test_a_name_that_is_taken_is_refused(registry):
    name = next(iter(registry))
    before = registry[name]
    with pytest.raises(BadRequest, match=f"{registry.kind} named '{name}' is registered already"):
        registry.add(name, Entry("another thing altogether", "a source", print))
    assert registry[name] is before


@every_registry
def test_an_unknown_names_message_lists_the_allowed_ones(registry):
    with pytest.raises(BadRequest) as refused:
        registry["no such name"]
    assert f"unknown {registry.kind} 'no such name'" in str(refused.value)
    for name in registry:
        assert repr(name) in str(refused.value)
    assert "no such name" not in registry


@every_registry
def test_a_registry_reads_like_a_dict(registry):
    assert set(registry) == set(registry.keys())
    assert len(registry) == len(list(registry)) > 0
    assert all(name in registry for name in registry)


def test_a_new_entry_is_found_under_its_name_and_in_the_order_of_adding():
    registry = Registry("thing", {"first": Entry("one thing here", "a source", print)})
    second = Entry("another thing here", "a source", "core.attack.triggers:pixel")
    registry.add("second", second)
    assert list(registry) == ["first", "second"]
    assert registry["second"] is second
    assert second.load() is triggers.pixel


# ---------------------------------------------------------------- one parameter

FLOAT = Parameter(0.5, "a share", 0.0, 1.0)
INTEGER = Parameter(3, "a count", 1, 9)
SWITCH = Parameter(True, "a switch")
COLOUR = Parameter("#ffffff", "a colour", colour=True)
PICTURE = Parameter(pictures.FACE, "a picture", picture=True)
WORD = Parameter("word", "a word")


@pytest.mark.parametrize(
    ("parameter", "given", "settled"),
    [
        (FLOAT, 1, 1.0),
        (FLOAT, 0.25, 0.25),
        (FLOAT, np.float64(0.25), 0.25),
        (INTEGER, np.int64(4), 4),
        (SWITCH, np.bool_(False), False),
        (INTEGER, 9, 9),
        (INTEGER, 4.0, 4),
        (SWITCH, False, False),
        (COLOUR, "#AbCdEf", "#abcdef"),
        (WORD, "Other", "Other"),
        (PICTURE, pictures.FACE, pictures.FACE),
    ],
)
def test_a_value_that_fits_is_given_its_parameters_own_type(parameter, given, settled):
    found = parameter.check("it", given)
    assert found == settled
    assert type(found) is type(parameter.default)


@pytest.mark.parametrize(
    ("parameter", "given", "message"),
    [
        (FLOAT, 1.01, r"it must lie in \[0, 1\], got 1.01"),
        (FLOAT, float("nan"), r"it must lie in \[0, 1\], got nan"),
        (FLOAT, float("inf"), r"it must lie in \[0, 1\], got inf"),
        (FLOAT, "0.5", "it must be of type float, got '0.5'"),
        (FLOAT, True, "it must be of type float, got True"),
        (INTEGER, 0, r"it must lie in \[1, 9\], got 0"),
        (INTEGER, 2.5, "it must be of type int, got 2.5"),
        (INTEGER, True, "it must be of type int, got True"),
        (INTEGER, None, "it must be of type int, got None"),
        (SWITCH, 1, "it must be of type bool, got 1"),
        (COLOUR, "white", "it must be a colour such as #ffffff, got 'white'"),
        (COLOUR, "#fffffff", "it must be a colour"),
        (COLOUR, "#fffffg", "it must be a colour"),
        (COLOUR, 0xFFFFFF, "it must be of type str"),
        (WORD, 1, "it must be of type str, got 1"),
        (PICTURE, 1, "it must be of type str, got 1"),
        (PICTURE, "", "the picture must have at least one visible pixel, got an empty one"),
        (PICTURE, "no base64", "a picture must be a PNG in base64, got 'no base64'"),
        (PICTURE, "aGVsbG8=", "the picture must be a PNG file, got 5 bytes that are none"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_is_allowed_and_what_was_got(parameter, given, message):
    with pytest.raises(BadRequest, match=message):
        parameter.check("it", given)


# ---------------------------------------------------------------- every trigger


@pytest.fixture
def images() -> Images:
    """Random images, none of whose pixels is as bright or as dark as can be."""
    return np.random.default_rng(0).integers(1, 255, (6, 32, 32, 3), dtype=np.uint8)


@every_trigger
def test_a_trigger_keeps_shape_and_dtype_and_leaves_its_input_untouched(trigger, images):
    before = images.copy()
    images.flags.writeable = False  # as the data sets' arrays are
    stamped = triggers.apply(trigger, {}, images)
    assert stamped.shape == images.shape
    assert stamped.dtype == np.uint8
    assert not np.shares_memory(stamped, images)
    assert np.array_equal(images, before)
    assert (stamped != images).any((1, 2, 3)).all(), "every image must bear the trigger"


@every_trigger
def test_a_trigger_gives_the_same_twice_and_the_same_one_image_at_a_time(trigger, images):
    stamped = triggers.apply(trigger, {}, images)
    assert np.array_equal(stamped, triggers.apply(trigger, {}, images))
    alone = np.concatenate([triggers.apply(trigger, {}, images[i : i + 1]) for i in range(len(images))])
    assert np.array_equal(stamped, alone)


@every_trigger
def test_a_trigger_stamps_no_images_at_all_without_complaint(trigger, images):
    assert triggers.apply(trigger, {}, images[:0]).shape == (0, 32, 32, 3)


@every_trigger
def test_a_trigger_with_opacity_0_changes_nothing(trigger, images):
    if "opacity" not in TRIGGERS[trigger].parameters:
        with pytest.raises(BadRequest, match="unknown settings"):
            triggers.apply(trigger, {"opacity": 0.0}, images)
    else:
        assert np.array_equal(triggers.apply(trigger, {"opacity": 0.0}, images), images)


@every_placed_trigger
def test_a_trigger_changes_no_pixel_below_or_right_of_its_last_one(trigger, images):
    row, column = 20, 17
    changed = (triggers.apply(trigger, {"row": row, "column": column}, images) != images).any((0, 3))
    assert changed[row, column], "the last pixel is part of the trigger"
    assert not changed[row + 1 :].any()
    assert not changed[:, column + 1 :].any()
    size = TRIGGERS[trigger].settle({}).get("size", 1)
    if trigger == "drawing":
        size = len(pictures.decode(pictures.FACE))
    assert not changed[: row - size + 1].any()
    assert not changed[:, : column - size + 1].any()


@every_placed_trigger
@pytest.mark.parametrize("place", [{"row": 32}, {"column": 32}, {"row": -33}, {"column": -33}, {"row": 500}])
def test_a_trigger_outside_the_image_is_refused(trigger, place, images):
    with pytest.raises(BadRequest, match=r"must lie inside the image: rows 0 to 31, columns 0 to 31; got rows"):
        triggers.apply(trigger, place, images)


# ---------------------------------------------------------------- every data set


def check_facts(name: str) -> None:
    """Load a data set whole and compare it with what its entry says of it."""
    facts, dataset = DATASETS[name].facts, datasets.load(DatasetConfig(name=name))
    assert dataset.name == name
    assert dataset.class_names == tuple(facts["class_names"])
    assert np.bincount(dataset.train_labels, minlength=dataset.classes).tolist() == list(facts["class_sizes"])
    assert len(dataset.test_images) == len(dataset.test_labels) == facts["test_size"]
    assert set(np.unique(dataset.test_labels)) == set(range(dataset.classes))
    for images in (dataset.train_images, dataset.test_images):
        assert images.shape[1:] == tuple(facts["image_shape"])
        assert images.dtype == np.uint8
        assert not images.flags.writeable
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == np.int64
    assert np.array_equal(dataset.train_rows, np.arange(sum(facts["class_sizes"])))


@every_dataset
def test_a_data_sets_facts_agree_with_each_other_and_it_has_a_checksum(name):
    facts = DATASETS[name].facts
    assert len(facts["class_names"]) == len(facts["class_sizes"]) == len(set(facts["class_names"]))
    assert set(CHECKSUMS[name]) >= {"train_images", "train_labels"}
    assert facts["download"] in (True, False)


@pytest.mark.parametrize("name", [name for name in DATASETS if not DATASETS[name].facts["download"]])
def test_a_data_set_that_needs_no_download_is_there_and_its_facts_are_true(name):
    assert datasets.available(name)
    check_facts(name)


def test_cifar10s_facts_are_true(cifar10_home: Path):
    check_facts("cifar10")


# ---------------------------------------------------------------- facts that others rely on


def test_every_detector_says_which_classes_its_filter_looks_at():
    assert {entry.facts["scope"] for entry in DETECTORS.values()} <= {"every_class", "suspicious_class"}


def test_every_model_says_how_fast_it_is_on_two_cores():
    assert all(entry.facts["cpu_images_per_second"] > 0 for entry in MODELS.values())
