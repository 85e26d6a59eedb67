"""Plain faults of features are said, and only those."""

from __future__ import annotations

import numpy as np
import pytest

from core.detectors import plain, plain_faults
from tests.detectors import planted
from tests.traced import memory


def test_clean_features_have_none():
    for seed in range(3):
        assert plain_faults(*planted.clean(seed)) == ()
    rng = np.random.default_rng(0)
    assert plain_faults(rng.standard_t(3, size=(5000, 20)), np.arange(5000) % 5) == ()
    assert plain_faults(rng.normal(size=(4, 3)), np.arange(4)) == ()


def test_copies_zero_rows_and_a_wild_row_are_said():
    features, labels = planted.clean(0)
    features[np.flatnonzero(labels == 3)[:60]] = features[np.flatnonzero(labels == 3)[0]]
    features[np.flatnonzero(labels == 1)[:25]] = 0.0
    features[17] *= 1e6
    copies, wild = "60 rows of class 3 are copies of one another", "row 17 of class 0 is "
    zero, *others = plain_faults(features, labels)
    assert zero == "25 rows are all zero, of class 1"
    assert others[0] == copies
    assert others[1].startswith(wild)
    assert others[1].endswith(" times as far out as the rest of its class")
    assert len(others) == 2
    named = plain_faults(features, labels, ["ant", "bee", "cat", "dog", "elk", "fox"])
    assert named[1] == "60 rows of class dog are copies of one another"


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i4", "<u1"])
def test_the_dtype_has_no_part_in_it(dtype):
    features = np.random.default_rng(0).integers(0, 200, size=(300, 30)).astype(dtype)
    features[5:15] = features[5]
    assert plain_faults(features, np.zeros(300, int)) == ("10 rows of class 0 are copies of one another",)


def test_rows_that_differ_in_one_feature_or_in_their_order_are_no_copies():
    base = np.random.default_rng(0).normal(size=8)
    turned = np.stack([np.roll(base, place) for place in range(8)])
    assert plain_faults(turned, np.zeros(8, int)) == ()
    assert plain_faults(base + np.diag(np.full(8, 1e-9)), np.zeros(8, int)) == ()
    signs = np.tile(base, (6, 1))
    signs[:, 0] = [0.0, -0.0] * 3
    assert plain_faults(signs, np.zeros(6, int)) == ("6 rows of class 0 are copies of one another",)


def test_of_many_groups_the_largest_are_told_and_the_others_counted():
    labels = np.repeat(np.arange(20), 50)
    features = np.random.default_rng(0).normal(size=(1000, 4))
    for label in range(20):
        features[np.flatnonzero(labels == label)[: 5 + label]] = label + 0.5
    found = plain_faults(features, labels)
    assert found[0] == "24 rows of class 19 are copies of one another"
    assert found[-1] == f"{20 - plain.TOLD} more groups of copies"


def test_it_copies_no_features_whole():
    features = np.random.default_rng(0).normal(size=(40_000, 512)).astype(np.float32)
    labels = np.arange(40_000) % 2
    with memory() as taken:
        plain_faults(features, labels)
    assert taken.peak < features.nbytes * 1.6, "a few blocks of 16 MB, and never the whole in double precision"
