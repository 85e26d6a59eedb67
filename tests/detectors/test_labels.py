"""Labels as people have them: one grouping, however it is spelled, gives one answer; what is a guess is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.configuration import DefenceConfig
from core.detectors import as_labels, detect
from core.detectors.labels import MOST_CLASSES
from core.evaluation import filter as filtering
from core.types import BadRequest

Spelling = Callable[[np.ndarray], Any]


def objects(values: list[Any]) -> np.ndarray:
    return np.fromiter(values, object, len(values))


def named(name: Callable[[int], Any], none: Any = None) -> Spelling:
    return lambda groups: objects([none if one < 0 else name(one) for one in groups.tolist()])


def one_hot(groups: np.ndarray) -> np.ndarray:
    return np.vstack([np.eye(groups.max() + 1), np.zeros(groups.max() + 1)])[groups]


# Each takes groups [n], 0 to k - 1 and -1 for none, and spells them so that their natural order stays.
SPELLINGS: dict[str, Spelling] = {
    "a list": lambda groups: groups.tolist(),
    "from 1": lambda groups: np.where(groups < 0, -1, groups + 1),
    "int8": lambda groups: groups.astype(np.int8),
    "big endian": lambda groups: groups.astype(">i4"),
    "a column": lambda groups: groups[:, None],
    "far ids": lambda groups: np.where(groups < 0, -1, 10**15 + 10**12 * groups),
    "ids beyond 64 bits": named(lambda one: 2**80 + one),
    "float32": lambda groups: groups.astype(np.float32),
    "NaN": lambda groups: np.where(groups < 0, np.nan, groups),
    "far floats": lambda groups: np.where(groups < 0, np.nan, 2.0**52 + groups),
    "text": lambda groups: np.array(["" if one < 0 else f"class {one}" for one in groups.tolist()]),
    "text with nan": lambda groups: np.array(["nan" if one < 0 else f"class {one}" for one in groups.tolist()]),
    "text with None": named("class {}".format),
    "numbers as text": lambda groups: groups.astype(str),
    "NumPy's text": lambda groups: groups.astype(np.dtypes.StringDType()),
    "bytes": lambda groups: np.array([b"" if one < 0 else b"c%d" % one for one in groups.tolist()]),
    "one-hot": one_hot,
    "one-hot bool": lambda groups: one_hot(groups) > 0,
    "one-hot int": lambda groups: one_hot(groups).astype(np.uint8).tolist(),
    "masked": lambda groups: np.ma.masked_array(np.maximum(groups, 0), groups < 0),
    "pandas numbers": lambda groups: pd.Series(named(int)(groups), dtype="Int64"),
    "pandas text": lambda groups: pd.Series(named("c{}".format)(groups), dtype="str"),
    "pandas categories": lambda groups: pd.Categorical(named("c{}".format)(groups)),
    "a data frame": lambda groups: pd.DataFrame({"label": named("c{}".format, np.nan)(groups)}),
}
each_spelling = pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
groupings = st.lists(st.integers(-1, 12), max_size=40).map(lambda more: np.array([0, 1, 2, 11, *more]))


@each_spelling
@given(groups=groupings)
@settings(max_examples=10)
def test_one_grouping_is_read_alike_however_it_is_spelled(spelled: Spelling, groups: np.ndarray) -> None:
    present, dense = np.unique(groups[groups >= 0], return_inverse=True)
    found = as_labels(spelled(groups))
    assert found.labels.dtype == np.int64
    assert found.labels[groups >= 0].tolist() == dense.tolist()
    assert (found.labels[groups < 0] == -1).all()
    assert found.unlabelled.tolist() == (groups < 0).tolist()
    assert len(found.names) == len(set(found.names)) == len(present)
    assert found.numbers is None or list(map(str, found.numbers)) == list(found.names)
    told = [note for note in found.notes if "no label" in note]
    count = int((groups < 0).sum())
    assert len(told) == min(count, 1)
    assert not told or told[0].startswith(f"{count} row")


@each_spelling
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=2)
def test_one_grouping_has_the_same_scores_and_flags_however_it_is_spelled(spelled: Spelling, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 4, 120)
    features = rng.normal(size=(120, 4)) + groups[:, None]
    features[np.flatnonzero(groups == 2)[:6], 1] += 9.0
    apart = rng.random(120) < 0.1
    for detector in ("spectral", "knn"):
        expected = detect(detector, features[~apart], groups[~apart])
        found = detect(detector, features, spelled(np.where(apart, -1, groups)))
        np.testing.assert_allclose(found.scores[~apart], expected.scores, rtol=1e-9)
        assert np.isnan(found.scores[apart]).all()
        read, defence = as_labels(spelled(np.where(apart, -1, groups))), DefenceConfig(detector=detector)
        flags = ~filtering.keep_mask(expected, groups[~apart], defence)
        dense = detect(detector, features[~apart], read.labels[~apart])
        assert (~filtering.keep_mask(dense, read.labels[~apart], defence)).tolist() == flags.tolist()


def test_true_and_false_are_two_classes() -> None:
    assert as_labels(np.array([True, False, True])).names == ("False", "True")
    assert as_labels([True, None, False]).labels.tolist() == [1, -1, 0]


def test_names_are_kept_and_stand_in_natural_order() -> None:
    found = as_labels(["b10", "b9", "B1", "a", "b9", b"x".decode(), "9" * 5000])
    assert found.names == ("9" * 5000, "a", "B1", "b9", "b10", "x")
    assert found.labels.tolist() == [4, 3, 2, 1, 3, 5, 0]
    assert as_labels(np.array([b"\xff", b"a"])).names == ("\\xff", "a")


def test_what_is_said_of_a_class_stands_at_its_number_and_of_a_name_at_its_place() -> None:
    features = np.random.default_rng(0).normal(size=(90, 3))
    whole = np.array([2, 5, 7])[np.arange(90) % 3]
    by_number = detect("whitened-spectral", features, whole)
    assert by_number.class_statistic.shape == (8,)
    for same in (whole.astype(float), whole.tolist(), whole[:, None], np.eye(9)[whole]):
        assert detect("whitened-spectral", features, same).class_statistic.tolist() == (
            by_number.class_statistic.tolist()
        )
    for others in (whole.astype(str), whole + 10**12):
        found = detect("whitened-spectral", features, others)
        assert found.class_statistic.tolist() == by_number.class_statistic[[2, 5, 7]].tolist()


def test_a_row_without_a_label_has_no_part_in_anything() -> None:
    features = np.random.default_rng(0).normal(size=(60, 3))
    labels = np.arange(60) % 3
    spoilt = np.vstack([features, np.full((2, 3), np.nan)])
    losses = np.random.default_rng(1).random((4, 62)).astype(np.float32)
    found = detect("spectral", spoilt, np.append(labels, [-1, -1]), np.zeros((62, 3)))
    np.testing.assert_array_equal(found.scores[:60], detect("spectral", features, labels).scores)
    assert found.notes[0] == "2 rows have no label (-1) and no score"
    found = detect("loss-isolation", spoilt, np.append(labels, [-1, -1]), evidence={"losses": losses})
    expected = detect("loss-isolation", features, labels, evidence={"losses": losses[:, :60]})
    np.testing.assert_array_equal(found.scores[:60], expected.scores)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, "a"], r"of one kind, got numbers \(1\) and text \('a'\); write all of them as text"),
        ([True, 1], "of one kind, got True and False"),
        ([1, -1, 1], "labels are 1 and -1 only, and -1 is read as no label; .* write 0 and 1"),
        (["1", "-1"], "labels are 1 and -1 only"),
        ([0.5, 1.0], r"got 0.5. Round them, or .* argmax\(1\)"),
        ([np.inf, 1.0], "got inf"),
        (np.full((3, 4), 0.25), r"must be one-hot, 0 and 1 only; row 0 is not. .* labels.argmax\(1\)"),
        (np.ones((3, 2)), "3 rows have several classes, the first is row 0"),
        (np.zeros((1, 3)), "no row has a label; all are -1"),
        (np.zeros((3, 2, 2)), r"must be \[n\], \[n, 1\] or one-hot \[n, k\]; got shape \(3, 2, 2\)"),
        (np.array([["a", "b"]]), r"got shape \(1, 2\); labels.reshape\(-1\) makes them \[n\]"),
        ([[1], [1, 2]], "rows of different lengths"),
        ({"a": 1}, r"got shape \(\)"),
        ([], "at least one row"),
        ([None, np.nan], "no row has a label; all are None"),
        (np.array([1j]), "got dtype complex128"),
        (np.array(["2020-01-01"], "M8[D]"), r"got dtype datetime64\[D\]"),
        (np.zeros(3, [("a", int)]), r"take a field: \('a',\)"),
        ([-100, 3], "got -100. Write -1 where there is no label"),
        ([2.0**60, 1.0], "below 9,007,199,254,740,992, .* save such ids as integers or text"),
        (np.array([2.0**24 + 2], np.float32), "below 16,777,216"),
        (objects([object(), 1]), "got a object"),
        (objects([[1], 2]), "row 0 is a list"),
        (objects([np.zeros(3), 2]), "row 0 is a ndarray"),
        (np.arange(MOST_CLASSES + 1), "at most 10,000 classes, got 10,001 in 10,001 rows"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_can_only_be_guessed_at_is_refused_with_what_to_do(labels: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refused:
        as_labels(labels)
    assert "\n" not in str(refused.value)


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), max_size=5))
@settings(max_examples=100)
def test_any_list_is_read_or_refused_in_words(values: list[Any]) -> None:
    try:
        found = as_labels(values)
    except BadRequest as error:
        refused = str(error)
    else:
        refused = ""
    assert "\n" not in refused
    if refused:
        return
    assert len(found.labels) == len(values)
    assert set(found.labels[~found.unlabelled].tolist()) == set(range(len(found.names)))
