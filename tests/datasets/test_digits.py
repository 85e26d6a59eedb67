"""The digits: real, small, split by a rule that a person can check."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from core.datasets import digits
from core.datasets.arrays import Expected
from core.types import DataUnavailable


def test_every_sixth_image_of_each_class_is_a_test_image() -> None:
    dataset = digits.load()
    _, labels = load_digits(return_X_y=True)
    for number in range(10):
        rows = np.flatnonzero(labels == number)
        assert (dataset.test_labels == number).sum() == len(rows) // 6
        assert (dataset.train_labels == number).sum() == len(rows) - len(rows) // 6


def test_images_are_the_8_by_8_values_enlarged_grey_and_scaled() -> None:
    dataset = digits.load()
    values, labels = load_digits(return_X_y=True)
    first = values[0].reshape(8, 8)
    image = dataset.train_images[0]
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8
    assert dataset.train_labels[0] == labels[0]
    for row in range(32):
        for column in range(32):
            shade = round(first[row // 4, column // 4] * 255 / 16)
            assert image[row, column].tolist() == [shade] * 3
    assert (dataset.train_images.min(), dataset.train_images.max()) == (0, 255)


def test_types_and_sizes() -> None:
    dataset = digits.load()
    assert (len(dataset.train_images), len(dataset.test_images)) == (1501, 296)
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == dataset.train_rows.dtype == np.int64
    assert dataset.train_rows.tolist() == list(range(1501))
    assert dataset.class_names[3] == "three"
    assert dataset.classes == 10


def test_where_the_file_is_elsewhere_scikit_learn_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = digits.load()
    monkeypatch.setattr(digits, "FILE", "sklearn/datasets/nowhere.csv.gz")
    digits._read.cache_clear()
    asked: list[bool] = []
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda **how: (asked.append(True), load_digits(**how))[1])
    other = digits.load()
    digits._read.cache_clear()
    assert asked == [True]
    assert np.array_equal(usual.train_images, other.train_images)
    assert np.array_equal(usual.test_labels, other.test_labels)


def test_scikit_learn_is_not_loaded_for_them() -> None:
    loads = "import sys; from core.datasets import digits; digits.load(); print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loads], check=True, capture_output=True).stdout.split() == [b"False"]


def test_another_copy_of_the_digits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(digits.EXPECTED, "test_labels", Expected((296,), "0" * 64))
    digits._read.cache_clear()
    with pytest.raises(DataUnavailable, match="test_labels must have SHA-256 0000"):
        digits.load()
