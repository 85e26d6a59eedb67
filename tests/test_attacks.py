"""The attacks by name: each is a request on every data set, a value of a sweep, and what its paper says."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from core import datasets
from core.attack.poison import extent, poison
from core.configuration import ATTACKS, DATASETS, TRIGGERS, RunConfig, class_names, configure, grid, stages
from core.results import triggered_images

every_attack = pytest.mark.parametrize("name", ATTACKS)


def request(name: str, **settings: object) -> RunConfig:
    return configure(**{"target": 2, **grid.keywords(ATTACKS[name].settings), **settings})


@every_attack
@pytest.mark.parametrize("dataset", DATASETS)
def test_a_named_attack_can_be_carried_out_on_every_data_set(name, dataset):
    config = request(name, dataset=dataset)
    sizes = datasets.class_sizes(config.dataset)
    found = extent(np.repeat(np.arange(len(sizes)), sizes), config.attack)
    assert found.count == round(ATTACKS[name].ratio * sizes[2])
    assert found.covers == round(config.attack.cover_ratio * found.count)


def test_a_named_attack_poisons_the_digits_and_triggers_their_test_images():
    for name in ATTACKS:
        config = request(name, dataset="digits")
        dataset = datasets.load(config.dataset)
        made = poison(dataset, config.attack, config.seed)
        stamped = made.truth.poisoned | made.truth.covers
        changed = (made.images != dataset.train_images[made.source_ids]).any((1, 2, 3))
        assert np.array_equal(changed, stamped), name
        some = dataset.test_images[:20]
        assert (triggered_images(config, some) != some).any((1, 2, 3)).all(), name


def test_no_two_are_the_same_run():
    keys = {stages.run_key(request(name)) for name in ATTACKS}
    assert len(keys) == len(ATTACKS)


def test_all_are_values_of_a_sweeps_axis():
    content = {
        "base": {"target": "horse"},
        "axes": {"attack": {name: dict(one.settings) for name, one in ATTACKS.items()}},
    }
    sweep = grid.parse(yaml.safe_dump({**content, "seeds": [0]}, sort_keys=False))
    assert [cell.config for cell in grid.cells(sweep)] == [request(name, target="horse") for name in ATTACKS]


@every_attack
def test_a_named_attack_says_what_it_is_and_whose(name):
    one = ATTACKS[name]
    assert one.title
    assert one.shows
    assert one.source
    assert request(name).attack.trigger in TRIGGERS


def test_they_are_what_the_papers_and_benchmarks_have():
    assert [request(f"sig-{height}").attack.parameters["amplitude"] for height in (30, 40)] == [30, 40]
    for name in ("sig-30", "sig-40", "frequency"):
        assert request(name).attack.labels == "clean_label"
    blend, patch, warp, tact = (
        request(name).attack for name in ("adaptive-blend", "adaptive-patch", "warp-noise", "tact")
    )
    assert (blend.parameters["pieces"], blend.parameters["masked"], blend.cover_ratio) == (4, 0.5, 1.0)
    assert (blend.parameters["trained_opacity"], blend.parameters["opacity"]) == (0.15, 0.2)
    assert (patch.parameters["patches"], patch.cover_ratio) == (4, 2.0)
    assert (warp.parameters["grid"], warp.parameters["strength"], warp.cover_ratio) == (4, 0.5, 2.0)
    assert class_names("cifar10")[tact.source] == "automobile"


def test_the_covers_of_tact_are_of_neither_source_nor_target():
    config = request("tact", dataset="digits")
    made = poison(datasets.load(config.dataset), config.attack, 0)
    assert len(set(made.labels[made.truth.covers])) > 2
    assert not set(made.labels[made.truth.covers]) & {1, 2}
    assert set(made.source_labels[made.truth.poisoned]) == {1}


def test_settings_after_a_dot_join_their_group():
    assert grid.keywords({"trigger": "patch", "trigger.size": 3}) == {
        "trigger": "patch",
        "trigger_parameters": {"size": 3},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"trained_opacity": 0.1},
        {"masked": 0.25},
        {"pieces": 2},
        {"opacity": 0.3},
        {"seed": 1},
    ],
)
def test_a_setting_of_training_images_makes_another_network(change):
    one, other = (request("adaptive-blend", trigger_parameters=parameters) for parameters in ({}, change))
    assert stages.model_key(one) != stages.model_key(other)
    assert stages.run_key(one) != stages.run_key(other)
