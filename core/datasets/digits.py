"""The handwritten digits that come with scikit-learn: small, real, and needing no download.

Every sixth image of each class, in the order of the file, is a test image.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
from numpy.typing import NDArray

from core.configuration import CHECKSUMS
from core.datasets.arrays import Arrays, Expected, Progress, check, silent, whole
from core.types import DamagedArtefact, Dataset, DataUnavailable, Images, Mask

NAME = "digits"
FILE = "sklearn/datasets/data/digits.csv.gz"  # where scikit-learn has them: 64 values and the digit in each line
EVERY = 6  # one image in so many goes to the test set
ENLARGED = 4  # 8 by 8 becomes 32 by 32, the size that the networks are made for

EXPECTED = {
    "train_images": Expected((1501, 32, 32, 3), CHECKSUMS[NAME]["train_images"]),
    "train_labels": Expected((1501,), CHECKSUMS[NAME]["train_labels"]),
    "test_images": Expected((296, 32, 32, 3), CHECKSUMS[NAME]["test_images"]),
    "test_labels": Expected((296,), CHECKSUMS[NAME]["test_labels"]),
}


def load(progress: Progress = silent) -> Dataset:
    """The whole set: images [n, 32, 32, 3] uint8, grey; 1,501 for training and 296 for test.

    Raises DataUnavailable where scikit-learn's copy is not the one that we know.
    """
    progress("reading scikit-learn's digits", 0.0)
    arrays = _read()
    progress("digits are ready", 1.0)
    return whole(NAME, arrays)


@cache
def _read() -> Arrays:
    """The four arrays, checked; read only, since all runs of a process share them."""
    values, digits = _table()
    images, labels = as_images(values), digits.astype(np.uint8)
    test = held_out(labels)
    arrays = {
        "train_images": images[~test],
        "train_labels": labels[~test],
        "test_images": images[test],
        "test_labels": labels[test],
    }
    try:
        check(arrays, EXPECTED)
    except DamagedArtefact as error:
        raise DataUnavailable(
            f"scikit-learn's digits are not the ones that this project knows: {error}. Install scikit-learn anew."
        ) from error
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ink values [n, 64] from 0 to 16, and the digit [n] that each row is.

    From the file itself where it is in its place: scikit-learn takes longer to load than a worker's first steps.
    """
    try:
        file = distribution("scikit-learn").locate_file(FILE)
        rows = np.loadtxt(str(file), dtype=np.int64, delimiter=",")
    except (PackageNotFoundError, OSError):
        from sklearn.datasets import load_digits

        values, digits = load_digits(return_X_y=True)
        return values.astype(np.int64), digits.astype(np.int64)
    return rows[:, :-1], rows[:, -1]


def as_images(values: NDArray[np.int64]) -> Images:
    """Ink values [n, 64] from 0 to 16 as images [n, 32, 32, 3] from 0 to 255, in whole numbers throughout."""
    grey = ((values.reshape(-1, 8, 8) * 255 + 8) // 16).astype(np.uint8)
    large = grey.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)
    return np.repeat(large[..., None], 3, axis=3)


def held_out(labels: NDArray[np.uint8]) -> Mask:
    """Which rows [n] are test images: every sixth of each class."""
    chosen = np.zeros(len(labels), dtype=bool)
    for number in np.unique(labels):
        chosen[np.flatnonzero(labels == number)[EVERY - 1 :: EVERY]] = True
    return chosen
