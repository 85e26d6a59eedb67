"""The contract over every detector: aligned, finite scores, whatever the features, and never a word of the truth."""

from __future__ import annotations

import inspect
import typing

import numpy as np
import pytest

from core.configuration.config import DefenceConfig
from core.configuration.registry import DETECTORS
from core.detectors import EVIDENCE, detect
from core.evaluation import filter as filtering
from core.types import BadRequest, Detection, Features, Labels, Logits, PoisonedSet, Truth
from tests.detectors import made_up

every_detector = pytest.mark.parametrize("detector", DETECTORS)
needing_more = pytest.mark.parametrize("detector", [name for name, entry in DETECTORS.items() if entry.needs])


def ordinary(n: int = 240, d: int = 6, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes)
    features = (rng.normal(size=(n, d)) * np.linspace(3, 1, d) + labels[:, None]).astype(np.float32)
    return features, labels, rng.normal(size=(n, classes)).astype(np.float32)


def scored(detector: str, features: np.ndarray, labels: np.ndarray, logits: np.ndarray | None = None) -> Detection:
    """What a detector says at its usual settings, with made-up evidence where it needs some."""
    return detect(detector, features, labels, logits, evidence=made_up.evidence(detector, features, labels))


def check(found: Detection, n: int, classes: int) -> Detection:
    """What holds for every detection of n images in classes 0 to classes - 1."""
    assert found.scores.shape == (n,)
    assert found.scores.dtype == np.float64
    assert np.isfinite(found.scores).all()
    assert (found.class_statistic is None) == (found.class_threshold is None)
    if found.class_statistic is not None:
        assert found.class_statistic.shape == (classes,)
        assert np.isfinite(found.class_statistic).all()
        assert np.isfinite(found.class_threshold)
    if found.cut is not None:
        assert found.cut.shape == (classes,)
        assert not np.isnan(found.cut).any()
    if found.spectrum is not None:
        assert found.spectrum.shape[0] == classes
        assert found.spectrum.shape[1] <= 10
        assert np.isfinite(found.spectrum).all()
        assert (np.diff(found.spectrum, axis=1) <= 1e-9).all(), "largest first"
    return found


@every_detector
def test_scores_are_finite_one_an_image_and_the_same_twice(detector):
    features, labels, logits = ordinary()
    before = features.tobytes(), labels.tobytes(), logits.tobytes()
    found = check(scored(detector, features, labels, logits), 240, 4)
    assert found.scores.std() > 0
    assert np.array_equal(found.scores, scored(detector, features, labels, logits).scores)
    assert (features.tobytes(), labels.tobytes(), logits.tobytes()) == before, "the input is left as it was"


@every_detector
@pytest.mark.parametrize("seed", range(3))
def test_scores_follow_their_rows_wherever_they_stand(detector, seed):
    features, labels, logits = ordinary()
    order = np.random.default_rng(seed).permutation(len(labels))
    straight = scored(detector, features, labels, logits)
    shuffled = scored(detector, features[order], labels[order], logits[order])
    np.testing.assert_allclose(shuffled.scores, straight.scores[order], rtol=1e-6, atol=1e-6)
    if straight.class_statistic is not None:
        np.testing.assert_allclose(shuffled.class_statistic, straight.class_statistic, rtol=1e-6, atol=1e-6)


def test_lots_are_drawn_by_values_where_a_class_is_too_large_for_all_of_it():
    features, labels, _ = ordinary(n=2400)  # the forest's trees see 256 rows of 600 each
    order = np.random.default_rng(0).permutation(len(labels))
    straight = detect("isolation-forest", features, labels).scores
    shuffled = detect("isolation-forest", features[order], labels[order]).scores
    np.testing.assert_allclose(shuffled, straight[order], rtol=1e-9)


@every_detector
def test_the_dtype_has_no_part_in_a_score(detector):
    features, labels, _ = ordinary()
    expected = scored(detector, features, labels).scores
    for dtype in (">f4", "<f8", ">f8"):
        np.testing.assert_allclose(scored(detector, features.astype(dtype), labels).scores, expected, rtol=1e-6)


@every_detector
def test_a_row_far_from_its_class_has_the_highest_score_of_it(detector):
    # Eight of sixty: few enough to be a minority, enough for the class's top direction to be theirs.
    features, labels, logits = ordinary()
    odd = np.flatnonzero(labels == 2)[5:13]
    features[odd] += 40.0
    scores = scored(detector, features, labels, logits).scores
    members = np.flatnonzero(labels == 2)
    assert set(members[np.argsort(-scores[members])[:8]]) == set(odd)


@every_detector
def test_a_detector_is_given_features_labels_logits_what_it_needs_its_settings_and_nothing_else(detector):
    entry = DETECTORS[detector]
    given = list(inspect.signature(entry.load()).parameters)
    known = ["known"] if entry.parts else []
    assert given == ["features", "labels", "logits", *entry.needs, *entry.parameters, *entry.may, *known]
    hints = typing.get_type_hints(entry.load())
    assert [hints[name] for name in given[:3]] == [Features, Labels, Logits]
    assert hints["return"] is Detection
    assert not {Truth, PoisonedSet} & set(hints.values())


@every_detector
def test_a_class_of_two_images_or_of_one_is_no_obstacle(detector):
    features, labels, logits = ordinary()
    labels[labels == 3] = 0
    labels[[4, 9]] = 3
    check(scored(detector, features, labels, logits), 240, 4)
    labels[9] = 0
    check(scored(detector, features, labels, logits), 240, 4)


@every_detector
def test_every_class_may_be_tiny(detector):
    features, labels, logits = ordinary(n=8)
    check(scored(detector, features, labels, logits), 8, 4)


@every_detector
def test_every_class_may_be_one_image(detector):
    features, labels, logits = ordinary(n=4)
    check(scored(detector, features, labels, logits), 4, 4)


@every_detector
@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e-9, 1e-7])
def test_classes_that_have_collapsed_to_points_of_their_own_are_no_obstacle(detector, spread):
    noise, labels, logits = ordinary()
    features = np.eye(4, 6)[labels] + spread * noise
    check(scored(detector, features, labels, logits), 240, 4)


@every_detector
@pytest.mark.parametrize("value", [0.0, 7.0, -1e30, 1e-30])
def test_features_that_never_vary_are_no_obstacle(detector, value):
    _, labels, logits = ordinary()
    check(scored(detector, np.full((240, 6), value, np.float32), labels, logits), 240, 4)


@every_detector
def test_one_class_that_never_varies_among_others_that_do_is_no_obstacle(detector):
    features, labels, logits = ordinary()
    features[labels == 1] = 3.0
    check(scored(detector, features, labels, logits), 240, 4)


@every_detector
def test_some_features_that_never_vary_are_no_obstacle(detector):
    features, labels, logits = ordinary()
    features[:, 2:5] = 0.0  # dead units
    check(scored(detector, features, labels, logits), 240, 4)


@every_detector
def test_many_rows_that_are_the_same_are_no_obstacle(detector):
    rng = np.random.default_rng(0)
    features = rng.integers(0, 2, size=(600, 5)).astype(np.float32)
    labels = np.arange(600) % 3
    features[labels == 0] = 0.0
    features[np.flatnonzero(labels == 0)[:7], 1] = 1.0
    check(scored(detector, features, labels, None), 600, 3)


@every_detector
def test_one_feature_is_enough(detector):
    features, labels, logits = ordinary(d=1)
    check(scored(detector, features, labels, logits), 240, 4)


@every_detector
def test_fewer_images_than_features_are_no_obstacle(detector):
    features, labels, logits = ordinary(n=40, d=64)
    check(scored(detector, features, labels, logits), 40, 4)


@every_detector
def test_a_class_that_is_absent_has_a_place_but_no_say(detector):
    features, labels, logits = ordinary()
    spread = np.array([1, 2, 5, 8])[labels]
    found = check(scored(detector, features, spread, np.zeros((240, 9), np.float32)), 240, 9)
    dense = scored(detector, features, labels, logits)
    np.testing.assert_allclose(found.scores, dense.scores, rtol=1e-9, atol=1e-12)
    for row in (0, 3, 4, 6, 7):
        assert found.spectrum is None or not found.spectrum[row].any()
        assert found.class_statistic is None or found.class_statistic[row] == 0


@every_detector
def test_a_single_class_is_no_obstacle(detector):
    features, _, _ = ordinary()
    check(scored(detector, features, np.zeros(240, int), None), 240, 1)


@every_detector
@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_very_small_and_very_large_features_are_no_obstacle(detector, scale):
    features, labels, logits = ordinary()
    check(scored(detector, features.astype(np.float64) * scale, labels, logits), 240, 4)


@every_detector
def test_the_scope_that_its_entry_names_can_be_carried_out(detector):
    features, labels, logits = ordinary()
    defence = DefenceConfig(detector=detector)
    keep = filtering.keep_mask(scored(detector, features, labels, logits), labels, defence)
    assert keep.shape == labels.shape
    assert keep.dtype == bool


@pytest.mark.parametrize("detector", [n for n, e in DETECTORS.items() if e.facts["scope"] == "suspicious_class"])
@pytest.mark.parametrize("seed", range(3))
def test_on_clean_data_a_detector_that_names_classes_names_none_and_removes_nothing(detector, seed):
    features, labels, logits = ordinary(n=2000, d=16, classes=5, seed=seed)
    found = scored(detector, features, labels, logits)
    for cut in DETECTORS[detector].facts.get("cuts", ("budget",)):
        defence = DefenceConfig(detector=detector, cut=cut)
        assert filtering.suspicious_classes(labels, found, defence.scope).tolist() == []
        assert filtering.keep_mask(found, labels, defence).all()


# ---------------------------------------------------------------- what does not fit together

FEATURES, LABELS, _ = ordinary(n=12, d=3)
SPOILT = FEATURES.copy()
SPOILT[[2, 5], 1] = np.nan, np.inf


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (FEATURES[:, 0], LABELS, r"features must be \[n, d\] and labels \[n\], .*; got shapes \(12,\) and \(12,\)"),
        (FEATURES, LABELS[:5], r"got shapes \(12, 3\) and \(5,\)"),
        (SPOILT, LABELS, "features must be finite, in the range of float32; 2 rows are not"),
        (SPOILT.astype(np.float16), LABELS, "features must be finite, in the range of float32; 2 rows are not"),
        (FEATURES[:0], LABELS[:0], r"labels must have at least one row, got shape \(0,\)"),
        (FEATURES[:, :0], LABELS, r"neither empty; got shapes \(12, 0\) and \(12,\)"),
        (FEATURES.astype(str), LABELS, "features must be real numbers, got dtype <U"),
        (FEATURES.astype(complex), LABELS, "features must be real numbers, got dtype complex128"),
        (FEATURES.astype(float) * 1e200, LABELS, "in the range of float32; 12 rows are not"),
        (FEATURES, LABELS / 2, "labels must be whole numbers or text, got 0.5"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_what_was_got(features, labels, message):
    with pytest.raises(BadRequest, match=message):
        detect("spectral", features, labels)


def test_logits_of_other_images_are_refused():
    with pytest.raises(BadRequest, match=r"logits must be \[n, k\] with n = 12; got shape \(11, 4\)"):
        detect("spectral", FEATURES, LABELS, np.zeros((11, 4), np.float32))


def test_an_unknown_detector_or_setting_is_refused():
    with pytest.raises(BadRequest, match="unknown detector 'spectral-clustering'; allowed are"):
        detect("spectral-clustering", FEATURES, LABELS)
    with pytest.raises(BadRequest, match="threshold must lie in"):
        detect("whitened-spectral", FEATURES, LABELS, parameters={"threshold": -1.0})
    with pytest.raises(BadRequest, match=r"unknown settings \['threshold'\]"):
        detect("spectral", FEATURES, LABELS, parameters={"threshold": 1.0})


def test_lists_and_small_integers_are_taken_as_they_are():
    as_lists = detect("spectral", FEATURES.tolist(), LABELS.astype(np.uint8))
    np.testing.assert_allclose(as_lists.scores, detect("spectral", FEATURES, LABELS).scores)


# ---------------------------------------------------------------- evidence


def test_every_need_is_explained():
    assert {name for entry in DETECTORS.values() for name in (*entry.needs, *entry.may)} == set(EVIDENCE)


@needing_more
def test_missing_evidence_is_asked_for_with_how_to_get_it(detector):
    for name in DETECTORS[detector].needs:
        with pytest.raises(BadRequest, match=f"{detector} needs {name}: the .*; a run (with this detector|has them)"):
            detect(detector, FEATURES, LABELS)


@needing_more
def test_evidence_on_other_images_is_refused(detector):
    made = made_up.evidence(detector, FEATURES, LABELS)
    for name in made:
        axis = EVIDENCE[name].axis
        for wrong in (np.delete(made[name], 0, axis), made[name].take(0, axis), made[name][:0]):
            with pytest.raises(BadRequest, match=f"{name} must be the .*, with n = 12; got shape"):
                detect(detector, FEATURES, LABELS, evidence={**made, name: wrong})
        with pytest.raises(BadRequest, match=f"{name} must be .*, got dtype <U|{name} must be .*, dtype <U"):
            detect(detector, FEATURES, LABELS, evidence={**made, name: made[name].astype(str)})


def test_evidence_that_a_detector_does_not_need_is_not_looked_at():
    found = detect("spectral", FEATURES, LABELS, evidence={"losses": np.zeros(3)})
    assert np.array_equal(found.scores, detect("spectral", FEATURES, LABELS).scores)


@needing_more
def test_evidence_is_left_as_it_was(detector):
    made = made_up.evidence(detector, FEATURES, LABELS)
    before = {name: array.tobytes() for name, array in made.items()}
    detect(detector, FEATURES, LABELS, evidence=made)
    assert {name: array.tobytes() for name, array in made.items()} == before
