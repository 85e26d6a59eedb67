"""What a data set's arrays must be, and how that is checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.configuration import class_names
from core.types import BadRequest, DamagedArtefact, Dataset

Arrays = Mapping[str, NDArray[Any]]
Progress = Callable[[str, float], None]  # what is being done, and how far that is (0 to 1)

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Expected:
    """One array as it must be: shape, dtype, and the SHA-256 (hex) of its C-order bytes."""

    shape: tuple[int, ...]
    sha256: str
    dtype: str = "uint8"


def silent(message: str, fraction: float) -> None:
    """A progress callback that does not look."""


def part(progress: Progress, low: float, high: float) -> Progress:
    """A callback for one part of the work, which fills `progress` from low to high."""
    return lambda message, fraction: progress(message, low + (high - low) * min(max(fraction, 0.0), 1.0))


def digest(array: NDArray[Any]) -> str:
    """The SHA-256, in hex, of an array's C-order bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def whole(name: str, arrays: Arrays) -> Dataset:
    """A registered data set, all of it, of its four arrays; labels become int64, images stay as they are."""
    return Dataset(
        name=name,
        train_images=arrays["train_images"],
        train_labels=arrays["train_labels"].astype(np.int64),
        test_images=arrays["test_images"],
        test_labels=arrays["test_labels"].astype(np.int64),
        class_names=class_names(name),
        train_rows=np.arange(len(arrays["train_labels"])),
    )


def check_form(arrays: Arrays, expected: Mapping[str, Expected]) -> None:
    """Names, shapes and dtypes as expected, or DamagedArtefact."""
    if set(arrays) != set(expected):
        raise DamagedArtefact(f"the arrays must be {sorted(expected)}, got {sorted(arrays)}")
    for name, wanted in expected.items():
        found = arrays[name]
        if found.shape != wanted.shape or found.dtype != np.dtype(wanted.dtype):
            raise DamagedArtefact(
                f"{name} must be {wanted.dtype} of shape {wanted.shape}, got {found.dtype} of shape {found.shape}"
            )


def check(arrays: Arrays, expected: Mapping[str, Expected]) -> None:
    """Form and every byte as expected, or DamagedArtefact."""
    check_form(arrays, expected)
    for name, wanted in expected.items():
        found = digest(arrays[name])
        if found != wanted.sha256:
            raise DamagedArtefact(f"{name} must have SHA-256 {wanted.sha256}, got {found}")


def check_dataset(dataset: object, name: str, class_names: tuple[str, ...]) -> Dataset:
    """The data set as a loader must return it, its arrays made read-only, or BadRequest.

    images [n, h, w, 3] uint8, labels [n] int64 in [0, k), train_rows [n] int64 = 0 to n - 1.
    """
    if not isinstance(dataset, Dataset):
        raise BadRequest(f"the loader of data set {name!r} must return a Dataset, got {type(dataset).__name__}")
    if dataset.name != name or dataset.class_names != class_names:
        raise BadRequest(
            f"the loader of data set {name!r} must return this name and the class names of its registry entry, "
            f"{class_names}, got {dataset.name!r} and {dataset.class_names}"
        )
    for role, images, labels in (
        ("train", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    ):
        _check_pair(f"{name}: {role}", images, labels, len(class_names))
    if dataset.train_images.shape[1:] != dataset.test_images.shape[1:]:
        raise BadRequest(
            f"{name}: training and test images must be of one size, got {dataset.train_images.shape[1:]} "
            f"and {dataset.test_images.shape[1:]}"
        )
    if not np.array_equal(dataset.train_rows, np.arange(len(dataset.train_labels))):
        raise BadRequest(f"{name}: train_rows must count the training images from 0, got {dataset.train_rows}")
    return read_only(dataset)


def _check_pair(role: str, images: NDArray[Any], labels: NDArray[Any], classes: int) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise BadRequest(f"{role} images must be uint8 of shape [n, h, w, 3], got {images.dtype} {images.shape}")
    if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
        raise BadRequest(
            f"{role} labels must be int64 of shape [n] with n = {len(images)}, got {labels.dtype} {labels.shape}"
        )
    counts = np.bincount(labels, minlength=classes) if len(labels) and labels.min() >= 0 else np.zeros(0)
    if len(counts) != classes or not counts.all():
        raise BadRequest(
            f"{role} labels must lie in [0, {classes - 1}] and name every class, got {np.unique(labels).tolist()}"
        )


def read_only(dataset: Dataset) -> Dataset:
    """The same data set behind views that refuse to be written to; copy before you stamp."""
    views = {name: getattr(dataset, name).view(np.ndarray) for name in (*NAMES, "train_rows")}
    for view in views.values():
        view.flags.writeable = False
    return replace(dataset, **views)
