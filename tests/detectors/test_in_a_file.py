"""Features that lie in a file: the same words as of those in memory, a class at a time, and nothing held or left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.configuration.registry import DETECTORS
from core.detectors import detect, judged, members, plain_faults, taken
from core.store import lies_in, on_disk
from core.types import BadRequest
from tests.traced import memory

ON_FEATURES = [name for name, entry in DETECTORS.items() if not entry.needs]
SIZES = [90, 60, 45, 45, 20, 3]


def set_of(sizes: list[int] = SIZES, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes in a random order; in the first of them a fifth of the rows share a shift."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = (generator.normal(size=(len(labels), width)) + 3 * labels[:, None]).astype(np.float32)
    features[np.flatnonzero(labels == 0)[: sizes[0] // 5], 0] += 12.0
    return features, labels


def mapped(features: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "features.npy", features)
    return np.asarray(np.load(folder / "features.npy", mmap_mode="r"))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two or three classes are fetched together, and few rows of the file are looked at together."""
    monkeypatch.setattr(members, "FETCHED", 6_000)
    monkeypatch.setattr(members, "TOUCHED", 1_000)


@pytest.mark.parametrize("detector", ON_FEATURES)
def test_a_detector_says_the_same_of_features_in_a_file(detector, tmp_path, small_steps):
    features, labels = set_of()
    parameters = {"trees": 10} if detector == "isolation-forest" else {}
    here = detect(detector, features, labels, parameters=parameters)
    there = detect(detector, mapped(features, tmp_path), labels, parameters=parameters)
    assert there.notes == here.notes
    for name in ("scores", "class_statistic", "cut", "class_p", "spectrum", "unjudged"):
        found, expected = getattr(there, name), getattr(here, name)
        if expected is None:
            assert found is None, name
        else:  # in memory second moments are held, and few rows taken away from them: another rounding
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("detector", ["panel", "split-spectral", "whitened-spectral", "spectral", "spectral-released"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_class_that_comes_in_pieces_is_told_as_a_whole_one_is(detector, in_memory, tmp_path, monkeypatch):
    features, labels = set_of([500, 300, 300, 45, 20, 3])
    monkeypatch.setattr(members, "FETCHED", 6_000)
    monkeypatch.setattr(members, "WHOLE", 8 * 12 * 50)  # two of the classes are larger
    monkeypatch.setattr(members, "PIECE", 8 * 12 * 17)
    cut = detect(detector, features if in_memory else mapped(features, tmp_path), labels)
    monkeypatch.undo()
    whole = detect(detector, features, labels)
    np.testing.assert_allclose(cut.scores, whole.scores, rtol=1e-9, atol=1e-9)
    for name in ("class_statistic", "cut", "class_p", "spectrum"):
        if getattr(whole, name) is not None:
            np.testing.assert_allclose(getattr(cut, name), getattr(whole, name), rtol=1e-9, atol=1e-9)
    if whole.class_statistic is not None:
        assert (whole.class_statistic > whole.class_threshold).tolist() == [True] + [False] * 5


@pytest.mark.parametrize(("detector", "times"), [("split-spectral", 10), ("whitened-spectral", 4), ("spectral", 3)])
def test_a_class_that_comes_in_pieces_is_read_no_more_often_than_needed(detector, times, tmp_path, monkeypatch):
    features, labels = set_of([500, 300, 300, 45, 20, 3])
    read, real = np.zeros(len(labels), int), members.rows_of

    def rows_of(features, some):
        for label, ids, rows in real(features, some):
            read[ids] += 1
            yield label, ids, rows

    monkeypatch.setattr(members, "WHOLE", 8 * 12 * 50)
    monkeypatch.setattr(members, "PIECE", 8 * 12 * 17)
    monkeypatch.setattr(members, "rows_of", rows_of)
    detect(detector, mapped(features, tmp_path), labels)
    assert read[labels == 0].tolist() == [times] * 500


def test_of_few_rows_and_many_features_no_second_moments_are_made(tmp_path, monkeypatch):
    features, labels = set_of([90, 60], 3_000)
    expected = detect("spectral", features, labels).scores
    monkeypatch.setattr(members, "WHOLE", 8 * 3_000 * 50)
    monkeypatch.setattr(members, "PIECE", 8 * 3_000 * 17)
    there = mapped(features, tmp_path)
    with memory() as taken:
        found = detect("spectral", there, labels).scores
    assert taken.peak < 8 * 3_000**2 / 4
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cut", [True, False])
def test_faults_of_a_class_that_is_looked_at_in_pieces_are_the_same(cut, tmp_path, monkeypatch):
    features, labels = set_of([500, 300, 20])
    features[np.flatnonzero(labels == 0)[100:120]] = features[np.flatnonzero(labels == 0)[400]]
    features[np.flatnonzero(labels == 0)[200:207]] = features[np.flatnonzero(labels == 0)[0]]
    features[np.flatnonzero(labels == 1)[[3, 250]]] = [[1e6], [2e6]]
    features[labels == 2] = 0.5
    told, still = plain_faults(features, labels), judged.still(features, labels)
    assert len(told) == 5
    assert still.tolist() == [False, False, True]
    if cut:
        monkeypatch.setattr(members, "WHOLE", 8 * 12 * 15)
        monkeypatch.setattr(members, "PIECE", 8 * 12 * 7)
    sizes, real = [0], members.rows_of

    def rows_of(features, some):
        for label, ids, rows in real(features, some):
            sizes.append(len(rows))
            yield label, ids, rows

    monkeypatch.setattr(members, "rows_of", rows_of)
    there = mapped(features, tmp_path)
    assert plain_faults(there, labels) == told
    assert judged.still(there, labels).tolist() == still.tolist()
    assert max(sizes) == (7 if cut else 500)


def test_rows_without_a_label_are_left_in_the_file(tmp_path, small_steps, own_home):
    features, labels = set_of()
    labels[::7] = -1
    whole = mapped(features, tmp_path)
    some = taken("some", whole, np.flatnonzero(labels >= 0))
    assert lies_in(some) is not None
    np.testing.assert_array_equal(some, features[labels >= 0])
    assert taken("all", whole, np.arange(len(whole))) is whole
    there, here = (detect("split-spectral", one, labels).scores for one in (whole, features))
    np.testing.assert_allclose(there, here, rtol=1e-7, atol=1e-9)


def test_plain_faults_are_the_same_in_a_file(tmp_path, small_steps):
    features, labels = set_of()
    features[np.flatnonzero(labels == 1)[:9]] = features[np.flatnonzero(labels == 1)[0]]
    features[np.flatnonzero(labels == 2)[3]] = 1e6
    features[5] = 0.0
    told = plain_faults(features, labels)
    assert len(told) == 3
    assert plain_faults(mapped(features, tmp_path), labels) == told


def test_classes_that_do_not_vary_are_seen_in_a_file(tmp_path, small_steps):
    features, labels = set_of()
    features[labels == 3] = 0.25
    features[np.flatnonzero(labels == 4)[[0, -1]]] = 0.25  # its ends alone
    expected = [False, False, False, True, False, False]
    assert judged.still(features, labels).tolist() == expected
    assert judged.still(mapped(features, tmp_path), labels).tolist() == expected


def test_what_is_fetched_is_read_in_the_order_of_the_file_and_comes_in_the_order_asked(tmp_path, small_steps):
    features, _ = set_of()
    generator = np.random.default_rng(1)
    asked = [(label, generator.permutation(len(features))[:size]) for label, size in ((7, 100), (2, 1), (5, 30))]
    for (label, ids, rows), (given, wanted) in zip(
        members.rows_of(mapped(features, tmp_path), asked), asked, strict=True
    ):
        assert label == given
        assert ids is wanted
        np.testing.assert_array_equal(rows, features[wanted])


@pytest.mark.parametrize("detector", ["panel", "whitened-spectral", "spectral", "knn"])
def test_memory_is_that_of_a_class_and_not_that_of_the_features(detector, tmp_path, monkeypatch):
    monkeypatch.setattr(members, "FETCHED", 2**19)
    labels = np.arange(12_000) % 40
    features = np.random.default_rng(0).normal(size=(12_000, 160)).astype(np.float32)
    there = mapped(features, tmp_path)
    few = np.arange(12_000) < 200
    detect(detector, features[few], labels[few])  # what it imports
    with memory() as taken:
        detect(detector, there, labels)
    assert there.nbytes > 7e6
    assert taken.peak < there.nbytes / 2


def test_a_map_that_can_be_written_is_no_file_of_ours(tmp_path):
    """What is written into a private map is nowhere else: it must not be let go."""
    features, labels = set_of()
    mapped(features, tmp_path)
    private = np.load(tmp_path / "features.npy", mmap_mode="c")
    private[0] = 77.0
    frozen = private[:]
    frozen.setflags(write=False)
    for array in (private, frozen, np.asarray(private)):
        assert lies_in(array) is None
        detect("spectral", array, labels)
        assert (array[0] == 77.0).all()


def test_what_has_no_room_on_the_disk_is_refused_before_it_is_written(own_home, monkeypatch):
    def blocks():
        raise AssertionError("something was read")
        yield

    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10**6})())
    with pytest.raises(BadRequest, match=r"x holds 4\.0 GB of numbers, .* and 0\.0 GB are free in"):
        on_disk("x", blocks(), (10**6, 1_000), np.float32)


def test_nothing_is_left_on_the_disk(own_home):
    before = sorted(Path(own_home).rglob("*"))
    array = on_disk("x", [np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32)], (3, 3), np.float32)
    assert array.tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert sorted(Path(own_home).rglob("*")) == before
