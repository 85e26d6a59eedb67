"""One verdict from several tests: `panel`.

All tests that can run on what is there are run: `mirror`, `repeats` and `image-spectral` on images, `split-spectral` on
the features of a network, and once more on its attributions: what of the first blocks its answer for the label rests
on. (A trigger that lies elsewhere in every image shows in no pixel, but there it does.) Each has a p-value of a class
(an e-value e counts as 1 / e, by Markov's inequality), by a null of its own in which no other class serves as the
benign one. A class's p is the smallest of them, times their number (Bonferroni); classes are named at a false discovery
rate of `level` by Benjamini and Yekutieli's procedure. Both hold whatever the dependence between tests and between
classes.

A test speaks of a named class where its own p, times the number of tests, would have named it. What it flags is cut
where that test cuts; the panel flags the union and says of each image who flagged it, and why (findings).

It is as good as the tests' nulls: images that are independent and have no handedness by nature, no colour that repeats
in one place by nature, classes of one kind of image. Each test's docstring says how it is evaded; what evades one is
often seen by another; a trigger that differs from image to image evades all that look at images, but not the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from core.configuration import ATTRIBUTION, DETECTORS
from core.detectors import naming
from core.detectors.classes import Vector
from core.detectors.image_spectral import image_spectral, split, split_spectral
from core.detectors.judged import classes
from core.detectors.members import members_of
from core.detectors.mirror import mirror
from core.detectors.mixtures import standard
from core.detectors.repeats import repeats
from core.types import BadRequest, Detection, Features, Ids, Images, Labels, Logits, Mask, Scores

# Where `repeats` speaks of a class, another test adds images only from this share on of its own scores for those that
# `repeats` flags: an opaque stamp is there to the bit or not at all, and what scores less than nearly all that bear it
# is benign. Chosen on all-to-all, seeds 0 and 1.
EDGE = 0.05

ON_IMAGES: Mapping[str, Callable[..., Detection]] = {
    "repeats": repeats,
    "mirror": mirror,
    "image-spectral": image_spectral,
}
ON_FEATURES, EXACT = "split-spectral", "repeats"
NOTHING_KNOWN: Mapping[str, Detection] = MappingProxyType({})


class Seen(NamedTuple):
    """What there is to judge by; features without columns are none."""

    features: Features
    labels: Labels
    logits: Logits
    images: Images | None
    attributions: Features | None


class Heard(NamedTuple):
    """One test's word: its name, what it found, and its p-values [k], 1 where it judged nothing."""

    test: str
    found: Detection
    p: Vector


def panel(
    features: Features,
    labels: Labels,
    logits: Logits,
    *,
    level: float,
    images: Images | None = None,
    attributions: Features | None = None,
    known: Mapping[str, Detection] = NOTHING_KNOWN,
) -> Detection:
    """Judge classes labels [n] by images [n, h, w, 3] uint8, features [n, d] or attributions [n, a] of a network.

    features without columns are none. class_statistic [k] is -log10 of class_p [k]; scores are in standard deviations
    of the class, above the cut (0) for a flagged image of a named class, and elsewhere those of the test with the
    smallest p. known: what some of the tests said of the same before, at this level. BadRequest where there is no kind
    of evidence.
    """
    seen = Seen(features, labels, logits, images, attributions)
    heard = [Heard(test, found, _p(found)) for test, found in _tests(seen, level, known)]
    if not heard:
        raise BadRequest(
            "panel needs images [n, h, w, 3], features [n, d] or attributions [n, a] of a network, or several; got none"
        )
    unjudged = np.all([_unjudged(one.found, len(one.p)) for one in heard], axis=0)
    every = np.min([one.p for one in heard], axis=0)
    p = np.minimum(1.0, every * len(heard))
    judged = np.flatnonzero((np.bincount(labels) > 0) & ~unjudged)
    limit = naming.threshold_by_p(p[judged], level) if len(judged) else level
    scores, cut, findings = np.zeros(len(labels)), np.full(len(p), np.inf), []
    for label, ids in members_of(labels):
        speaking = [one for one in heard if _speaks(one, label, limit / len(heard))]
        if not speaking or unjudged[label]:
            quietest = min(heard, key=lambda one: one.p[label])
            scores[ids] = standard(quietest.found.scores[ids])
            continue
        cut[label] = 0.0
        scores[ids] = _together(speaking, label, ids)
        told = (finding for one in speaking for finding in one.found.findings if finding.label == label)
        findings += [replace(finding, ids=finding.ids[scores[finding.ids] > 0]) for finding in told]
    statistic, threshold = naming.digits(p), float(naming.digits(np.array([limit]))[0])
    return Detection(
        scores,
        np.where(np.isfinite(cut), statistic, np.minimum(statistic, threshold)),
        float(np.nextafter(threshold, -np.inf)) if np.isfinite(cut).any() else threshold,
        cut=cut,
        unjudged=unjudged if unjudged.any() else None,
        notes=_notes(heard, unjudged),
        class_p=p,
        findings=tuple(sorted(findings, key=lambda told: (told.label, told.p))),
        parts={one.test: one.found for one in heard if one.test in DETECTORS},
    )


def _tests(seen: Seen, level: float, known: Mapping[str, Detection]) -> Iterator[tuple[str, Detection]]:
    features, labels, logits, images, attributions = seen
    if images is not None:
        for test, judge in ON_IMAGES.items():
            yield test, known.get(test) or judge(features, labels, logits, images=images, level=level)
    if features.shape[1]:
        found = known.get(ON_FEATURES) or split_spectral(features, labels, logits, level=level)
        yield ON_FEATURES, found
    if attributions is not None:
        found = split(attributions, labels, level, ATTRIBUTION)
        yield f"{ON_FEATURES} of the {ATTRIBUTION}", found


def _p(found: Detection) -> Vector:
    if found.class_p is None:
        raise AssertionError("a test of the panel has p-values")
    return np.where(_unjudged(found, len(found.class_p)), 1.0, found.class_p)


def _unjudged(found: Detection, count: int) -> Mask:
    return np.zeros(count, bool) if found.unjudged is None else found.unjudged


def _speaks(one: Heard, label: int, limit: float) -> bool:
    return bool(one.p[label] <= limit and one.found.cut is not None and np.isfinite(one.found.cut[label]))


def _together(speaking: Sequence[Heard], label: int, ids: Ids) -> Scores:
    """What the speaking tests say of a class's images [m] together: above 0 for what any flags, but for strays."""
    beyond = {one.test: _beyond(one.found, label, ids) for one in speaking}
    exact = beyond.get(EXACT)
    if exact is not None and (exact > 0).any():
        for test, scores in beyond.items():
            strays = (scores > 0) & (exact <= 0) & (scores < np.quantile(scores[exact > 0], EDGE))
            beyond[test] = np.where(strays, 0.0, scores)
    return np.asarray(np.max(list(beyond.values()), axis=0))


def _beyond(found: Detection, label: int, ids: Ids) -> Scores:
    """How far beyond a test's cut its scores of a class [m] lie, in their standard deviations."""
    assert found.cut is not None
    scores = found.scores[ids]
    return np.asarray((scores - found.cut[label]) / (float(scores.std()) or 1.0))


def _notes(heard: list[Heard], unjudged: Mask) -> tuple[str, ...]:
    """What tests said of classes that they could not judge, once, and that none could judge some."""
    notes = dict.fromkeys(note for one in heard for note in one.found.notes)
    if unjudged.any():
        notes[f"{classes(int(unjudged.sum()))} judged by no test of the panel"] = None
    return (f"tests that ran: {', '.join(one.test for one in heard)}", *notes)
