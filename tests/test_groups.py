"""Groups of near images: single linkage within a class, at a distance that is usual there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist

import core
from core import BadRequest
from core.results import groups, recorded
from core.results.result import Result
from tests import traced


def parts(numbers: NDArray[np.int64], ids: NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(ids[numbers == number].tolist()) for number in np.unique(numbers)}


def reach(features: NDArray[np.float32]) -> float:
    """Of a class, the slow way."""
    apart = cdist(features, features)
    np.fill_diagonal(apart, np.inf)
    return float(groups.REACH * np.median(apart.min(1)))


@pytest.mark.parametrize("seed", range(12))
def test_groups_are_those_of_single_linkage(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "BLOCK", (3, 17, 512)[seed % 3])  # links within a block and between blocks
    lots = np.random.default_rng(seed)
    labels = np.sort(lots.integers(0, 3, 240))
    features = lots.normal(size=(240, 2)).astype(np.float32) * (1 + labels[:, None])
    ids = lots.permutation(240)[:150]
    wanted = set()
    for label in range(3):
        some = ids[labels[ids] == label]
        tree = linkage(pdist(features[some]), "single")
        wanted |= parts(fcluster(tree, reach(features[labels == label]), "distance"), some)
    found = groups.near(features, labels, ids)
    assert parts(found, ids) == wanted
    sizes = np.bincount(found)
    assert (np.diff(sizes) <= 0).all(), "the largest first"
    begins = np.unique(found, return_index=True)[1]
    alike = np.diff(sizes) == 0
    assert (np.diff(begins)[alike] > 0).all(), "those of one size where they begin"


def test_copies_are_one_group_and_no_label_reaches_into_another() -> None:
    labels = np.repeat([0, 1], 40)
    features = np.random.default_rng(0).normal(0, 1, (80, 6)).astype(np.float32) + 1000
    features[[3, 5, 41]] = features[2]
    found = groups.near(features, labels, np.array([9, 41, 5, 3, 2]))
    assert found.tolist() == [1, 2, 0, 0, 0]
    features[labels == 0] = features[2]  # so that the usual distance is none at all
    features[7] += 1
    assert groups.near(features, labels, np.array([7, 1, 2])).tolist() == [1, 0, 0]


def test_none_and_one_and_more_than_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = np.zeros((20, 2), np.float32), np.zeros(20, np.int64)
    assert groups.near(features, labels, np.array([], np.int64)).tolist() == []
    assert groups.near(features, labels, np.array([4])).tolist() == [0]
    monkeypatch.setattr(groups, "MOST", 3)
    assert groups.near(features, labels, np.array([4, 8, 1, 2, 3])).tolist() == [0, 0, 0, 1, 2]


@pytest.mark.parametrize(("ids", "said"), [([0, 20], r"must lie in \[0, 19\], got 0 to 20"), ([1, 1], "some of them")])
def test_what_does_not_fit_is_refused(ids: list[int], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        groups.near(np.zeros((20, 2), np.float32), np.zeros(20, np.int64), np.array(ids))


def memory(features: NDArray[np.float32], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Groups of images of one class; and the most bytes that it took to find them, the features not counted."""
    with traced.memory() as taken:
        found = groups.near(features, np.zeros(len(features), np.int64), ids)
    return found, taken.peak


def test_ten_thousand_images_take_little_memory() -> None:
    """All of one class, and half of them one crowd: its pairs alone would be 190 MB of links."""
    lots = np.random.default_rng(0)
    features = lots.normal(size=(10_000, 8)).astype(np.float32)
    features[:4_900] *= 1e-3
    found, most = memory(features, np.arange(10_000))
    assert (found[:4_900] == 0).all()
    assert most < 40e6


@pytest.mark.parametrize("crowd", [False, True])
def test_a_large_class_of_many_features_is_not_copied(crowd: bool) -> None:
    """It takes less than the class does, 31 MB; where all that is compared is near, its rows and 50 MB of links."""
    lots = np.random.default_rng(0)
    features = lots.standard_normal((30_000, 256), np.float32)
    if not crowd:
        features /= np.arange(1, 257, dtype=np.float32)  # else in so many dimensions all is about as far from all
    found, most = memory(features, np.arange(groups.MOST))
    assert (found.max() == 0) == crowd
    assert most < (50e6 + features[: groups.MOST].nbytes if crowd else features.nbytes)


def test_a_class_that_is_read_in_pieces_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual distance is that to the nearest of the whole class, and not to the image itself."""
    lots = np.random.default_rng(3)
    features = lots.normal(size=(300, 3)).astype(np.float32) + 50
    monkeypatch.setattr(groups, "PIECE", 7)
    ids = lots.permutation(300)[:200]
    found = groups.near(features, np.zeros(300, np.int64), ids)
    tree = linkage(pdist(features[ids]), "single")
    assert parts(found, ids) == parts(fcluster(tree, reach(features), "distance"), ids)


CLOSE = "1979aa2484c57830"  # of the table's runs the one whose groups mix first, at a reach of 1.5


@pytest.mark.parametrize("key", [*recorded.run_keys(), CLOSE])
def test_groups_of_recorded_runs_are_of_one_kind(key: str) -> None:
    """Of what the cut takes, a large part of what bears the trigger is one group, and nothing benign is with it."""
    core.install_recorded()
    core.open_recorded(key)
    result = Result(next(job.config for job in core.jobs.listing(start=False) if job.key.startswith(key)))
    ids = np.flatnonzero(result.flagged)
    ids = ids[np.argsort(-result.detection().scores[ids])]
    poisoned = result.poisoned.truth.poisoned[ids]
    found = groups.near(result.features, result.poisoned.labels, ids)
    bad, sizes = np.bincount(found, poisoned), np.bincount(found)
    assert set(np.unique(bad / sizes)) == {0.0, 1.0}
    assert bad.max() >= 70
