"""Features that cannot be right: each fault by its own word, none accused, and poison found among the others."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import numpy as np
import pytest

import core
from core import audits
from core.types import BadRequest
from tests.detectors import planted
from tests.detectors.pictures import photographs

CLASSES, EACH = 5, 130
LABELS = np.repeat(np.arange(CLASSES), EACH)
OF_THREE = np.flatnonzero(LABELS == 3)


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return photographs(len(LABELS), 16, seed=5)


def features(seed: int = 0) -> np.ndarray:
    return planted.clean(seed, (EACH,) * CLASSES)[0]


def zero(seen: np.ndarray) -> None:
    seen[OF_THREE[:25]] = 0.0


def not_a_number(seen: np.ndarray) -> None:
    seen[OF_THREE[:25], 4] = np.nan


def too_large(seen: np.ndarray) -> None:
    seen[OF_THREE[:25], 4] = 1e300


def wild(seen: np.ndarray) -> None:
    seen[OF_THREE[7]] = 1e6


def same(seen: np.ndarray) -> None:
    seen[OF_THREE[:60]] = seen[OF_THREE[0]]


FAULTS = {
    zero: (25, "Failed embeddings: 25 rows are all zero, of class 3; they are left out of every test on features."),
    not_a_number: (25, "Failed embeddings: 25 rows are not finite in float32, of class 3; they are left out"),
    too_large: (25, "Failed embeddings: 25 rows are not finite in float32, of class 3; they are left out"),
    wild: (1, "1 row is far out of class 3, "),
    same: (60, "60 images of class 3 have the same features, though their pictures differ."),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.__name__)
def test_each_fault_has_its_word_and_nothing_is_accused(
    photos: np.ndarray, fault: Callable[[np.ndarray], None]
) -> None:
    seen = features()
    fault(seen)
    told = core.audit(photos, LABELS, features=seen)
    (found,) = told.findings
    count, sentence = FAULTS[fault]
    assert (found.cause, found.classes, len(found.ids)) == ("wild", ("3",), count)
    assert found.sentence.startswith(sentence)
    assert set(found.ids) <= set(OF_THREE)
    assert told.named == ()
    table = list(csv.DictReader(io.StringIO(audits.FILES["audit.csv"](told).decode())))
    assert [row for row, line in enumerate(table) if line["reason"] == "wild"] == found.ids.tolist()


def test_features_that_do_not_vary_are_told_and_not_asked(photos: np.ndarray) -> None:
    told = core.audit(photos, LABELS, features=np.full((len(LABELS), 20), 1.5))
    (found,) = told.findings
    assert (found.cause, found.sentence) == (
        "wild",
        "The features do not vary within any class: nothing can be told from them.",
    )
    assert told.named == ()
    assert not told.flagged.any()
    assert not any("split-spectral" in note for note in told.notes), "features had no part in it"


def test_without_any_row_that_is_one_images_are_judged(photos: np.ndarray) -> None:
    told = core.audit(photos, LABELS, features=np.full((len(LABELS), 20), np.nan))
    (found,) = told.findings
    assert (found.cause, len(found.ids)) == ("wild", len(LABELS))
    assert "of 5 classes" in found.sentence
    assert any("mirror" in note for note in told.notes)


def test_poison_is_found_among_the_rows_that_are_right(photos: np.ndarray) -> None:
    seen = features()[:, :6]
    poison, failed = OF_THREE[40:80], np.r_[OF_THREE[:10], np.flatnonzero(LABELS == 4)]
    seen[poison, 2] += 25
    seen[failed[::2]], seen[failed[1::2]] = np.nan, 0.0
    told = core.audit(photos, LABELS, features=seen)
    assert told.named == ("3",)
    assert set(np.flatnonzero(told.flagged)) == set(poison)
    assert np.isfinite(told.judged.scores(len(LABELS))).all()


def test_a_benign_group_is_not_accused(photos: np.ndarray) -> None:
    generator = np.random.default_rng(9)
    for seed in range(3):
        seen = features(seed)
        away = generator.normal(size=seen.shape[1])
        seen[OF_THREE[:20]] += 4 * away / np.linalg.norm(away)
        assert core.audit(photos, LABELS, features=seen).named == ()


def test_copies_of_an_image_have_the_same_features_and_that_is_no_fault_of_these(photos: np.ndarray) -> None:
    images, seen = photos.copy(), features()
    images[OF_THREE[:60]], seen[OF_THREE[:60]] = images[OF_THREE[0]], seen[OF_THREE[0]]
    told = core.audit(images, LABELS, features=seen)
    assert [one.cause for one in told.findings] == ["copies"]


def test_uneven_classes_are_not_named(photos: np.ndarray) -> None:
    sizes = (380, *[30] * 9)
    seen, labels = planted.clean(3, sizes)
    told = core.audit(photos, labels, features=seen)
    assert told.named == ()
    (small,) = told.findings
    assert (small.cause, "0" in small.classes) == ("small", False)
    few = core.audit(photos, np.r_[np.zeros(647, int), 1, 2, 2], features=planted.clean(4, (647, 1, 2))[0])
    (small,) = (one for one in few.findings if one.cause == "small")
    assert small.classes == ("1", "2")


@pytest.mark.parametrize("classes", [1, 2])
def test_of_one_or_two_classes_what_can_be_judged_is(photos: np.ndarray, classes: int) -> None:
    seen, labels = planted.clean(2, (len(photos) // classes,) * classes)
    seen[:50, 1] += 40
    told = core.audit(photos, labels, features=seen)
    if classes == 2:
        assert told.named == ("0",)
        assert set(np.flatnonzero(told.flagged)) == set(range(50))
    else:
        assert told.named == ()
        assert any("there is only one class" in note for note in told.notes)


def test_features_that_are_no_numbers_are_refused(photos: np.ndarray) -> None:
    with pytest.raises(BadRequest, match="features must be real numbers, got dtype <U"):
        core.audit(photos, LABELS, features=np.full((len(LABELS), 2), "a"))
