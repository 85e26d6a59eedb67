"""Every detector on few, small, many and uneven classes, wide features, copies and constants: a right word or answer.

And in bounded memory: no more than core.detectors.expected says.
"""

from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest

from core.configuration.config import DefenceConfig
from core.configuration.registry import DETECTORS
from core.detectors import detect, expected
from core.evaluation import filter as filtering
from core.types import Detection
from tests.detectors import made_up

every_detector = pytest.mark.parametrize("detector", DETECTORS)
ON_FEATURES = [name for name, entry in DETECTORS.items() if not entry.needs]
DRAWING = ("activation-clustering", "isolation-forest", "mahalanobis")  # lots, by the values of features
HALVING = ("split-spectral", "panel")  # by what the rows hold: turned rows are halved otherwise
COMPARING = ("scan", "spectre")
NAMING = [name for name, entry in DETECTORS.items() if entry.facts["scope"] == "suspicious_class"]

SHAPES = {  # the sizes of classes, and the number of features
    "one class": ([120], 6),
    "two classes": ([80, 60], 6),
    "three classes": ([60, 50, 40], 6),
    "500 classes": ([25 if label % 50 == 0 else 2 + label % 7 for label in range(500)], 8),
    "sizes 2 to 2,000": ([2, 3, 5, 12, 20, 50, 200, 2000], 6),
    "wide, one class": ([50], 20_000),
    "wide, small classes": ([8] * 5, 5_000),
    "wide, larger classes": ([40] * 4, 2_000),
}


def gaussian(sizes: list[int], width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 3])
    labels = np.repeat(np.arange(len(sizes)), sizes)
    features = rng.normal(size=(len(labels), width)) + 4 * rng.normal(size=(len(sizes), width))[labels]
    order = rng.permutation(len(labels))
    return features[order].astype(np.float32), labels[order]


def watched(detector: str, features: np.ndarray, labels: np.ndarray) -> tuple[Detection, int]:
    """What a detector says, and the most bytes that it held at once; of a forest few trees, which are slow to watch."""
    DETECTORS[detector].load()
    evidence = made_up.evidence(detector, features, labels)
    parameters = {"trees": 10} if detector == "isolation-forest" else {}
    tracemalloc.start()
    try:
        found = detect(detector, features, labels, parameters=parameters, evidence=evidence)
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@every_detector
@pytest.mark.parametrize("shape", SHAPES)
def test_clean_classes_of_any_shape_are_scored_in_bounded_memory_and_none_is_named(detector, shape):
    features, labels = gaussian(*SHAPES[shape])
    sizes = np.bincount(labels)
    most = expected(detector, *features.shape, len(sizes), int(sizes.max())).bytes
    found, peak = watched(detector, features, labels)
    assert peak <= most
    assert most < 1e9
    assert np.isfinite(found.scores).all()
    usual = DETECTORS[detector].facts["scope"]
    flagged = ~filtering.keep_mask(found, labels, DefenceConfig(detector=detector), "own_class")
    if usual == "suspicious_class":
        assert not flagged.any()
    if (sizes <= 2).any() and detector in ON_FEATURES:
        assert found.unjudged[sizes <= 2].all()
        assert not flagged[np.isin(labels, np.flatnonzero(sizes <= 2))].any()
        assert any("too small to judge" in note for note in found.notes), found.notes
    elif usual == "every_class" and (sizes > 2).all():
        assert found.unjudged is None
        assert flagged.any() == (sizes.max() > 5)


@pytest.mark.parametrize("detector", COMPARING)
@pytest.mark.parametrize("sizes", [[120], [80, 60], [60, 60, 10]])
def test_what_compares_classes_says_so_where_it_cannot(detector, sizes):
    found = detect(detector, *gaussian(sizes, 6))
    assert not found.class_statistic.any()
    assert any(note.startswith(f"{detector} compares classes") for note in found.notes)


@pytest.mark.parametrize("detector", [name for name in NAMING if name in ON_FEATURES])
def test_classes_too_small_are_counted_in_the_notes(detector):
    found = detect(detector, *gaussian([300, 300, 300, 7, 8, 9], 6))
    assert found.unjudged.tolist() == [False] * 3 + [True] * 3
    assert any(note.startswith("3 classes are too small to judge: fewer than ") for note in found.notes)


# ---------------------------------------------------------------- nothing varies


@pytest.mark.parametrize("detector", ON_FEATURES)
def test_features_that_do_not_vary_tell_nothing_and_nothing_is_flagged(detector):
    labels = np.arange(600) % 10
    found = detect(detector, np.full((600, 8), 0.1), labels)
    assert found.notes == ("features do not vary within any class: nothing can be told",)
    cuts = DETECTORS[detector].facts.get("cuts", ("budget",))
    for scope, cut in product(("every_class", DETECTORS[detector].facts["scope"]), cuts):
        defence = DefenceConfig(detector=detector, scope=scope, cut=cut)
        for epsilon_of in ("median_class", "own_class"):
            assert filtering.keep_mask(found, labels, defence, epsilon_of).all()


@pytest.mark.parametrize("detector", ON_FEATURES)
def test_a_class_that_does_not_vary_among_others_is_told_and_left(detector):
    features, labels = gaussian([60] * 4, 5)
    features[labels == 2] = 0.1
    found = detect(detector, features, labels)
    assert found.unjudged.tolist() == [False, False, True, False]
    assert "1 class is not judged: nothing can be told where features do not vary" in found.notes
    defence = DefenceConfig(detector=detector, scope="every_class", cut="budget")
    keep = filtering.keep_mask(found, labels, defence)
    assert keep[labels == 2].all()
    assert not keep[labels == 1].all()


@pytest.mark.parametrize("detector", [name for name, entry in DETECTORS.items() if entry.needs])
def test_evidence_that_does_not_vary_tells_nothing_either(detector):
    features, labels = gaussian([120] * 2, 5)
    evidence = {name: np.ones_like(one) for name, one in made_up.evidence(detector, features, labels).items()}
    found = detect(detector, features, labels, evidence=evidence)
    assert found.unjudged.all()
    assert found.notes == ("2 classes are not judged: nothing can be told where scores do not vary",)
    assert filtering.keep_mask(found, labels, DefenceConfig(detector=detector)).all()


@every_detector
def test_copies_are_no_obstacle_whatever_the_shape(detector):
    for sizes, width in (([90] * 3, 5), ([40] * 3, 400)):
        features, labels = gaussian(sizes, width)
        members = np.flatnonzero(labels == 1)
        features[members[: len(members) * 2 // 3]] = features[members[0]]
        found = detect(detector, features, labels, evidence=made_up.evidence(detector, features, labels))
        assert np.isfinite(found.scores).all()
        alike = found.scores[members[: len(members) * 2 // 3]]
        if detector in ON_FEATURES:
            assert np.ptp(alike) <= 1e-6 * max(1.0, np.abs(found.scores[members]).max()), "copies score alike"


# ---------------------------------------------------------------- wide features


@pytest.mark.parametrize("detector", [name for name in ON_FEATURES if name not in DRAWING + HALVING])
def test_a_turn_into_more_dimensions_than_images_changes_no_score(detector):
    features, labels = gaussian([40] * 3, 7)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(300, 7)))[0].T
    few = detect(detector, np.hstack([features, np.zeros((120, 293))]), labels)
    wide = detect(detector, features.astype(float) @ turn, labels)
    assert np.corrcoef(wide.scores, few.scores)[0, 1] > 0.999999


@pytest.mark.parametrize("detector", [name for name in NAMING if name in ON_FEATURES])
def test_places_have_no_part_in_the_scores_of_wide_features(detector):
    features, labels = gaussian([30] * 4, 500)
    order = np.random.default_rng(0).permutation(len(labels))
    straight, shuffled = detect(detector, features, labels), detect(detector, features[order], labels[order])
    np.testing.assert_allclose(shuffled.scores, straight.scores[order], rtol=1e-6, atol=1e-6)
