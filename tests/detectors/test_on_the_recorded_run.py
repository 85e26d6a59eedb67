"""On real representations, those of the recorded run: what each detector finds of its 200 poisoned images."""

from __future__ import annotations

import pytest
from sklearn.metrics import roc_auc_score

import core
from core.detectors import detect
from core.evaluation import filter as filtering
from core.results import recorded
from core.results.result import Result

# AUROC within the poisoned class, rounded down; one network, one seed: what to expect of this run, not elsewhere.
FOUND = {
    "spectral-top-k": 0.94,
    "spectre": 0.97,
    "activation-clustering": 0.99,
    "scan": 0.99,
    "mahalanobis": 0.98,
    "knn": 0.98,
    "lof": 0.98,
    "isolation-forest": 0.94,
}
NAMING = ("spectre", "activation-clustering", "scan")


@pytest.fixture
def result(own_home: object) -> Result:
    core.install_recorded()
    return Result(recorded.runs()[0][1])


@pytest.mark.parametrize("detector", FOUND)
def test_it_ranks_the_poison(result: Result, detector: str) -> None:
    labels, truth, target = result.poisoned.labels, result.poisoned.truth.poisoned, result.config.attack.target
    members = labels == target
    seen = members | (detector in NAMING)  # the others look at each class by itself
    found = detect(detector, result.features[seen], labels[seen])
    assert roc_auc_score(truth[members], found.scores[members[seen]]) > FOUND[detector]


@pytest.mark.parametrize("detector", NAMING)
def test_it_names_the_poisoned_class_only(result: Result, detector: str) -> None:
    labels = result.poisoned.labels
    found = detect(detector, result.features, labels)
    named = filtering.suspicious_classes(labels, found, "suspicious_class").tolist()
    assert named == [result.config.attack.target]


@pytest.mark.parametrize("detector", NAMING)
def test_without_the_poisoned_images_it_names_no_class(result: Result, detector: str) -> None:
    clean = ~result.poisoned.truth.poisoned
    labels = result.poisoned.labels[clean]
    found = detect(detector, result.features[clean], labels)
    assert filtering.suspicious_classes(labels, found, "suspicious_class").tolist() == []
