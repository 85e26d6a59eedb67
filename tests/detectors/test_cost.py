"""What a detector costs is said and grows with what it is given; what does not fit is refused beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from core.configuration.registry import DETECTORS
from core.detectors import cost, detect, expected, members
from core.types import BadRequest
from tests.detectors import made_up
from tests.traced import memory

every_detector = pytest.mark.parametrize("detector", DETECTORS)


@every_detector
def test_more_images_features_and_classes_never_cost_less(detector):
    plain = expected(detector, 20_000, 128, 10)
    assert plain.seconds > 0
    for more in ((40_000, 128, 10), (20_000, 256, 10)):
        found = expected(detector, *more)
        assert found.seconds >= plain.seconds
        assert found.bytes >= plain.bytes


def test_memory_does_not_grow_with_the_number_of_classes_as_a_matrix_for_each_would():
    for detector in DETECTORS:
        assert expected(detector, 30_000, 2_048, 1_000).bytes < 4e9, detector


def test_numbers_below_one_and_unknown_detectors_are_refused():
    with pytest.raises(BadRequest, match="classes must be at least 1, got 0"):
        expected("scan", 10, 10, 0)
    with pytest.raises(BadRequest, match="unknown detector"):
        expected("scam", 10, 10, 1)


@every_detector
def test_what_does_not_fit_is_refused_with_the_size_and_what_would_before_it_is_allocated(detector, monkeypatch):
    features = np.random.default_rng(0).normal(size=(600, 300)).astype(np.float32)
    labels = np.arange(600) % 3
    given = made_up.evidence(detector, features, labels)
    monkeypatch.setattr(cost, "free_memory", lambda: 1e7)
    what = "600 rows of 300 " if DETECTORS[detector].reads_features else "600 images of 64 "
    refusal = rf"{detector} would need about 0\.\d GB of memory for {what}"
    with memory() as taken, pytest.raises(BadRequest, match=refusal):
        detect(detector, features, labels, evidence=given)
    assert taken.peak < 4e6


def test_the_number_of_features_that_would_fit_does(monkeypatch):
    monkeypatch.setattr(cost, "free_memory", lambda: 16e9)
    labels = np.arange(50_000) % 10
    with pytest.raises(BadRequest, match=r"and 16\.0 GB are free; about ") as refused:
        cost.check_fits("whitened-spectral", (50_000, 40_000), labels)
    fits = int(str(refused.value).split("; about ")[1].split()[0].replace(",", ""))
    cost.check_fits("whitened-spectral", (50_000, fits), labels)
    with pytest.raises(BadRequest):
        cost.check_fits("whitened-spectral", (50_000, fits + fits // 20), labels)


def test_who_refuses_says_which_detectors_there_is_memory_for(monkeypatch):
    """A million rows of 512 features in a thousand classes, and 2 GB: only what holds all of them is refused."""
    monkeypatch.setattr(cost, "free_memory", lambda: 2e9)
    labels = np.arange(1_000_000) % 1_000
    shape = (1_000_000, 512)
    refused = []
    for detector, entry in DETECTORS.items():
        if not entry.reads_features or entry.needs:
            continue
        try:
            cost.check_fits(detector, shape, labels)
        except BadRequest as why:
            refused.append(detector)
            said = str(why)
    assert refused == ["scan"]
    assert "scan would need about 8." in said
    assert "GB of memory for 1,000,000 rows of 512 features in 1,000 classes, and 2.0 GB are free; about " in said
    others = said.split(" features would fit, and all of them by ")[1].split(", ")
    assert {"panel", "split-spectral", "whitened-spectral", "spectral", "mahalanobis", "knn"} <= set(others)


def test_of_few_large_classes_those_that_take_them_in_pieces_still_fit(monkeypatch):
    monkeypatch.setattr(cost, "free_memory", lambda: 2e9)
    labels = np.arange(1_000_000) % 10
    for detector in ("panel", "whitened-spectral", "spectral"):
        cost.check_fits(detector, (1_000_000, 512), labels)
    with pytest.raises(BadRequest, match="knn would need about"):
        cost.check_fits("knn", (1_000_000, 512), labels)


@pytest.mark.parametrize(
    ("detector", "classes", "images", "width"),
    [
        ("split-spectral", 10, 100, 1_000),  # a copy of all rows, and second moments a class
        ("whitened-spectral", 1, 10_000, 100),  # by itself: all of the class
        ("spectral", 2, 200, 3_000),  # fewer rows than features: all of them, and none of their second moments
    ],
)
def test_memory_is_not_said_to_be_less_than_it_is(detector, classes, images, width, monkeypatch):
    monkeypatch.setattr(cost, "LEAST", 0.0)
    for module in (cost, members):
        monkeypatch.setattr(module, "WHOLE", 2**20)
        monkeypatch.setattr(module, "FETCHED", 0)
    labels = np.repeat(np.arange(classes), images)
    features = np.random.default_rng(0).normal(size=(len(labels), width)).astype(np.float32)
    detect(detector, features[:: images // 50], labels[:: images // 50])  # what it imports
    with memory() as taken:
        detect(detector, features, labels)
    assert taken.peak <= expected(detector, len(labels), width, classes).bytes <= 4 * taken.peak


def test_free_memory_is_the_systems_word_or_none(monkeypatch):
    free = cost.free_memory()
    assert free is None or free > 0
    monkeypatch.setattr(cost, "_of_system", lambda: None)
    monkeypatch.setattr(cost, "_of_container", lambda: None)
    assert cost.free_memory() is None
    cost.check_fits("scan", (10**6, 10**6), np.zeros(3, int))  # nothing is known, so nothing is refused


def test_looking_for_what_is_not_finite_copies_no_features_whole():
    features = np.random.default_rng(0).normal(size=(40_000, 256))
    labels = np.arange(40_000) % 2
    evidence = {"losses": np.random.default_rng(0).uniform(size=(2, 40_000)).astype(np.float32)}
    with memory() as taken:
        detect("loss-isolation", features, labels, evidence=evidence)
    assert taken.peak < features.nbytes / 2
