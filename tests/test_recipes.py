"""The named recipes: each resolves to explicit numbers for every data set, and an expert may override them."""

from __future__ import annotations

import pytest

from core import datasets
from core.configuration.config import DatasetConfig, TrainingConfig
from core.configuration.recipes import RECIPES, resolve
from core.configuration.registry import DATASETS
from core.types import BadRequest


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_resolves_for_every_data_set_and_its_subset_exists(recipe, dataset):
    chosen, training = resolve(recipe, dataset)
    assert chosen.name == dataset
    assert training.recipe == recipe
    assert max(datasets.class_sizes(chosen)) <= max(DATASETS[dataset].facts["class_sizes"])
    assert RECIPES[recipe].summary


def test_the_recipes():
    assert list(RECIPES) == ["quick", "instant", "fast", "paper"]


def test_the_paper_recipe_has_the_reports_settings():
    chosen, training = resolve("paper", "cifar10")
    assert chosen == DatasetConfig(name="cifar10", per_class=None)
    assert training.model == "resnet18"
    assert (training.optimizer, training.schedule) == ("sgd", "step")
    assert (training.lr, training.momentum, training.weight_decay) == (0.1, 0.9, 2e-4)
    assert training.batch_size == 128


def test_the_quick_recipe_takes_a_part_of_cifar10_and_all_digits():
    assert resolve("quick", "cifar10")[0].per_class == 2_000
    assert resolve("quick", "digits")[0].per_class is None
    assert resolve("quick", "digits")[1].epochs != resolve("quick", "cifar10")[1].epochs


def test_an_override_wins_over_the_recipe_and_over_its_data_sets_own_numbers():
    chosen, training = resolve("quick", "digits", epochs=9, per_class=20, lr=0.5)
    assert chosen.per_class == 20
    assert (training.epochs, training.lr) == (9, 0.5)
    assert training.batch_size == resolve("quick", "digits")[1].batch_size


def test_per_class_none_overrides_a_recipes_subset():
    assert resolve("quick", "cifar10", per_class=None)[0].per_class is None


def test_resolving_changes_no_recipe():
    before = repr(RECIPES)
    resolve("quick", "digits", epochs=1, per_class=3)
    assert repr(RECIPES) == before


def test_what_comes_out_says_all_by_itself():
    training = resolve("quick", "cifar10")[1]
    assert TrainingConfig.model_validate(training.model_dump()) == training


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    with pytest.raises(BadRequest, match=r"unknown recipe 'slow'; allowed are \['fast', 'instant', 'paper', 'quick'\]"):
        resolve("slow", "cifar10")


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(BadRequest, match="unknown dataset 'mnist'; allowed are"):
        resolve("quick", "mnist")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epochs": 0}, "epochs: must be at least 1, got 0"),
        ({"per_class": 1}, "per_class: must be at least 2, got 1"),
        ({"learning_rate": 0.1}, "learning_rate: there is no such setting here, got 0.1"),
        ({"model": "vgg"}, "unknown model 'vgg'; allowed are"),
        ({"momentum": 1.0}, "momentum: .*less than 1, got 1.0"),
    ],
)
def test_a_bad_override_is_refused_with_its_name_and_what_was_got(overrides, message):
    with pytest.raises(BadRequest, match=message):
        resolve("quick", "cifar10", **overrides)
