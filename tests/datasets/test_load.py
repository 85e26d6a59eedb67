"""The doors of the data sets: subsets, custom sets, refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import datasets
from core.configuration.config import DatasetConfig
from core.configuration.registry import DATASETS, Entry
from core.datasets import first_rows
from core.types import BadRequest, Dataset

COLOURS = ("red", "green")


def colours() -> Dataset:
    """Two classes of plain 4 by 4 images; the labels run 0 1 0 1 0 0 0 1."""
    labels = np.array([0, 1, 0, 1, 0, 0, 0, 1])
    images = np.zeros((8, 4, 4, 3), dtype=np.uint8)
    images[np.arange(8), :, :, labels] = np.arange(8, dtype=np.uint8)[:, None, None]
    return Dataset("colours", images, labels, images[:2].copy(), labels[:2].copy(), COLOURS, np.arange(8))


@pytest.fixture
def register() -> Iterator[Callable[..., None]]:
    """Registers data sets, and takes them off the menu again."""
    before = dict(DATASETS._entries)

    def add(make: Callable[..., Any], name: str = "colours", **facts: Any) -> None:
        DATASETS.add(name, Entry("test images", "this test", make, facts={"class_names": COLOURS, **facts}))

    yield add
    DATASETS._entries.clear()
    DATASETS._entries.update(before)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.integers(1, 8),
)
@settings(max_examples=200)
def test_a_subset_is_the_first_images_of_every_class_in_order(labels: list[int], per_class: int) -> None:
    array = np.array(labels)
    rows = first_rows(array, per_class)
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()
    for number in set(labels):
        own = np.flatnonzero(array == number)
        assert rows[array[rows] == number].tolist() == own[:per_class].tolist()


def test_digits_subset_tells_its_rows() -> None:
    whole = datasets.load(DatasetConfig(name="digits"))
    part = datasets.load(DatasetConfig(name="digits", per_class=20))
    assert np.bincount(part.train_labels).tolist() == [20] * 10
    assert np.array_equal(part.train_images, whole.train_images[part.train_rows])
    assert np.array_equal(part.train_labels, whole.train_labels[part.train_rows])
    assert np.array_equal(part.test_images, whole.test_images)
    assert np.array_equal(part.test_labels, whole.test_labels)


def test_the_largest_subset_and_one_beyond() -> None:
    assert len(datasets.load(DatasetConfig(name="digits", per_class=145)).train_labels) == 1450
    wanted = r"per_class must lie in \[2, 145\] for digits \(its smallest class is eight\), got 146"
    with pytest.raises(BadRequest, match=wanted):
        datasets.load(DatasetConfig(name="digits", per_class=146))
    with pytest.raises(BadRequest, match=wanted):
        datasets.class_sizes(DatasetConfig(name="digits", per_class=146))


def test_class_sizes_of_cifar10_need_no_data() -> None:
    assert datasets.class_sizes(DatasetConfig(name="cifar10")) == (5000,) * 10
    assert datasets.class_sizes(DatasetConfig(name="cifar10", per_class=7)) == (7,) * 10
    with pytest.raises(BadRequest, match=r"\[2, 5000\].*got 5001"):
        datasets.class_sizes(DatasetConfig(name="cifar10", per_class=5001))
    assert not datasets.available("cifar10")


def test_class_sizes_of_digits_are_those_of_the_labels() -> None:
    labels = datasets.load(DatasetConfig(name="digits")).train_labels
    assert datasets.class_sizes(DatasetConfig(name="digits")) == tuple(np.bincount(labels).tolist())


@pytest.mark.parametrize("per_class", [None, 20])
def test_arrays_cannot_be_written_to(per_class: int | None) -> None:
    dataset = datasets.load(DatasetConfig(name="digits", per_class=per_class))
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.train_rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_custom_data_set_is_one_function_and_one_line(register: Callable[..., None]) -> None:
    register(colours)
    assert datasets.available("colours")
    datasets.prepare("colours")
    assert datasets.class_sizes(DatasetConfig(name="colours")) == (5, 3)
    part = datasets.load(DatasetConfig(name="colours", per_class=2))
    assert part.train_rows.tolist() == [0, 1, 2, 3]
    assert part.class_names == COLOURS


def test_a_custom_loader_may_tell_progress(register: Callable[..., None]) -> None:
    def make(progress: Callable[[str, float], None]) -> Dataset:
        progress("painting", 0.5)
        return colours()

    register(make, download=True)  # with nothing beside it that fetches
    told: list[tuple[str, float]] = []
    datasets.load(DatasetConfig(name="colours"), lambda *said: told.append(said))
    assert told == [("painting", 0.5)]
    assert datasets.available("colours")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "must return this name"),
        ({"class_names": ("red", "blue")}, "class names of its registry entry"),
        ({"train_images": np.zeros((8, 4, 4, 3))}, "train images must be uint8 of shape .* got float64"),
        ({"train_images": np.zeros((8, 4, 4), np.uint8)}, r"train images must be uint8 of shape .* \(8, 4, 4\)"),
        ({"test_labels": np.zeros(2, np.uint8)}, "test labels must be int64 .* got uint8"),
        ({"test_labels": np.array([0, 1, 1])}, r"with n = 2, got int64 \(3,\)"),
        ({"test_labels": np.array([0, 2])}, r"must lie in \[0, 1\] and name every class, got \[0, 2\]"),
        ({"test_labels": np.array([-1, 1])}, r"got \[-1, 1\]"),
        ({"test_labels": np.array([0, 0])}, r"name every class, got \[0\]"),
        ({"test_images": np.zeros((2, 5, 4, 3), np.uint8)}, r"one size, got \(4, 4, 3\) and \(5, 4, 3\)"),
        ({"train_rows": np.arange(1, 9)}, "train_rows must count the training images from 0"),
    ],
)
def test_what_a_loader_must_not_return(register: Callable[..., None], change: dict[str, Any], message: str) -> None:
    register(lambda: replace(colours(), **change))
    with pytest.raises(BadRequest, match=message):
        datasets.load(DatasetConfig(name="colours"))


def test_a_loader_must_return_a_dataset(register: Callable[..., None]) -> None:
    register(lambda: ([], []))
    with pytest.raises(BadRequest, match="must return a Dataset, got tuple"):
        datasets.load(DatasetConfig(name="colours"))


def test_unknown_names_and_needless_folders_are_refused(tmp_path: Path) -> None:
    for door in (datasets.available, datasets.prepare):
        with pytest.raises(BadRequest, match=r"unknown dataset 'mnist'; allowed are \['cifar10', 'digits'\]"):
            door("mnist")
    with pytest.raises(BadRequest, match="'digits' needs no files"):
        datasets.prepare("digits", tmp_path)


def test_looking_at_the_doors_loads_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, core.datasets as d; d.available('cifar10'); d.available('digits'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "PIL", "streamlit"} & set(loaded.stdout.split())
