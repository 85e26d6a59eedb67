"""Whitened spectral signatures of the images themselves: `image-spectral`; and of a network's layer: `split-spectral`.

A fixed pattern is small in pixels and enormous in the metric of natural images, whose covariance is smooth. So each
view of the images (core.detectors.views) is a representation, and each has its own test (core.detectors.split). An
e-value of a class is the mean of its views' e-values, half of the weight on the spectra, half on the tiles; classes
are named at a false discovery rate of `level`, by e-BH. A view speaks of a class where its own e-value is at least the
number of views over `level`, its log at least half of the loudest view's, and the two kinds hardly overlap: a mark is
the same in all images that bear it, and stands out as two kinds of handwriting do not. A class of which no view speaks
is not named. What a view flags is cut on a direction refined on the whole class, or on the halves' own where that
sets them further apart, never more than half of a class; the class's flags are the union.

It assumes that a benign class has one mode on a direction that is found without looking, or modes that overlap, and at
least one other class.
It is evaded by patterns that differ from image to image (a warp, a stamp at random places), by less than about 3% of
a class, and by a pattern that is in every class as often as in its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.detectors import naming, unimodal
from core.detectors.classes import Vector
from core.detectors.judged import TooSmall, classes
from core.detectors.lines import Cloud, Fit, Stream, fitted, judged, parted
from core.detectors.lots import drawn
from core.detectors.mixtures import mixture, standard
from core.detectors.narrow import narrow
from core.detectors.side_by_side import side_by_side
from core.detectors.split import FEWEST_IMAGES, Split, by_content, by_order
from core.detectors.views import LARGEST, View, reduced, tile_views, whole_views
from core.types import Detection, Features, Finding, Ids, Images, Labels, Logits, Scores

Seen = Callable[[], NDArray[Any]]  # a representation [n, d], made when it is looked at

AS_LOUD = 0.5  # of the loudest view's log e-value: a view that sees less of a mark cuts it less cleanly
# Ashman's D of the two kinds, on images that the direction has not seen, from which on they hardly overlap. Chosen on
# MNIST (5.8 at most, in the ones) and one seed of sinusoid, clean-label, covered and three pixels (7.3 at least).
APART = 6.0
APART_INSIDE = 4.0  # the same on a network's layer, which gathers what its classes have in common
LEAST = -700.0  # a log e-value, so that all are numbers


class Rule(NamedTuple):
    """When one of so many `views` may speak, at a false discovery rate `level`, of kinds that lie `apart` (D)."""

    level: float
    views: int
    apart: float

    @property
    def loud(self) -> float:
        """The log e-value from which on a view may speak."""
        return float(np.log(self.views / self.level))


class Told(NamedTuple):
    """A view's word on a class: log e-value, scores [m] found by halves, and the cut on the whole class.

    Without a cut it may not speak. mixed: because there are two kinds, but they overlap.
    """

    view: View
    log_e: float
    scores: Scores
    fit: Fit | None
    mixed: bool = False


def image_spectral(features: Features, labels: Labels, logits: Logits, *, images: Images, level: float) -> Detection:
    """Score images [n, h, w, 3] uint8 of classes labels [n]; features and logits are not used.

    Scores are in standard deviations of the class, above the cut (0 in a class that is named), along the view that
    speaks loudest; class_statistic [k] is log10 of the e-value, class_p its bound 1 / e.
    """
    order, images = by_content(images), reduced(images, LARGEST)
    views = views_of(images)
    seen = [(view, partial(view.of, images)) for view in views]
    return _detection(seen, labels, order, Rule(level, len(views), APART), "image-spectral")


def views_of(images: Images) -> list[View]:
    """The views of images [n, h, w, 3] that are at most LARGEST a side."""
    return [*whole_views(), *tile_views(*images.shape[1:3])]


def split_spectral(features: Features, labels: Labels, logits: Logits, *, level: float) -> Detection:
    """The same test on features [n, d] of a network; logits are not used."""
    return split(features, labels, level, "")


def split(features: Features, labels: Labels, level: float, view: str) -> Detection:
    """The same on features [n, d] of a view that is called so in what is found."""
    chosen = drawn(len(features))
    order = by_content(features, np.float32) if chosen is None else chosen
    seen = [(View(view, None), lambda: narrow(features))]
    return _detection(seen, labels, order, Rule(level, 1, APART_INSIDE), "split-spectral", np.float64)


def _detection(
    views: Sequence[tuple[View, Seen]],
    labels: Labels,
    order: NDArray[np.uint64],
    rule: Rule,
    detector: str,
    dtype: type[np.floating] | None = None,
) -> Detection:
    sizes = np.bincount(labels)
    small = TooSmall.of(sizes, FEWEST_IMAGES)
    members = by_order(labels, order)
    ready = [label for label, ids in members.items() if len(ids) >= FEWEST_IMAGES]
    if len(members) < 2 or not ready:
        return _silent(labels, small, detector, rule.level)

    def look(one: tuple[View, Seen]) -> list[Told]:
        split = Split(one[1](), members, order, dtype)
        return [_told(one[0], split, label, points, rule) for label, points in split.whitened(ready)]

    told = side_by_side(look, views)
    heard = {label: [view[place] for view in told] for place, label in enumerate(ready)}
    return _decided(heard, members, labels, small, rule.level, detector)


def _told(view: View, split: Split, label: int, points: Cloud | Stream, rule: Rule) -> Told:
    """What a view says of a whitened class."""
    if not split.varies(label):
        return Told(view, -np.inf, np.zeros(len(split.members[label])), None)
    return told_of(view, points, split.halves(label), rule)


def told_of(view: View, points: Cloud | Stream, halves: tuple[Ids, Ids], rule: Rule) -> Told:
    """What a view says of a whitened class in two halves."""
    log_e, scores = judged(points, halves)
    if log_e < rule.loud:
        return Told(view, log_e, scores, None)
    kinds = mixture(standard(scores))
    if kinds is None or kinds.separation < rule.apart:
        return Told(view, log_e, scores, None, mixed=True)
    best = max(fitted(points), parted(scores), key=lambda one: one.apart)
    if best.apart < rule.apart:
        return Told(view, log_e, scores, None, mixed=True)
    return Told(view, log_e, scores, best)


def speaking(told: Sequence[Told]) -> list[Told]:
    """The views that speak of a class: not those that see much less of a mark than the loudest, and cut it worse."""
    able = [one for one in told if one.fit and np.isfinite(one.fit.cut)]
    loudest = max((one.log_e for one in able), default=0.0)
    return [one for one in able if one.log_e >= AS_LOUD * loudest]


def _decided(
    heard: Mapping[int, list[Told]],
    members: Mapping[int, NDArray[np.int64]],
    labels: Labels,
    small: TooSmall,
    level: float,
    detector: str,
) -> Detection:
    sizes = np.bincount(labels)
    logs = np.full(len(sizes), 0.0)
    for label, told in heard.items():
        log_e = max(LEAST, log_e_of(told))
        logs[label] = log_e if speaking(told) else min(log_e, 0.0)
    threshold = naming.threshold_by_e(logs[list(heard)], level)
    scores, cut, findings = np.zeros(len(labels)), np.full(len(sizes), np.inf), list[Finding]()
    for label, told in heard.items():
        ids = members[label]
        loud_ones = speaking(told)
        if logs[label] < threshold:
            scores[ids] = max(told, key=lambda one: one.log_e).scores
            continue
        cut[label] = 0.0
        scores[ids] = np.max([one.fit.scores - one.fit.cut for one in loud_ones if one.fit], axis=0)
        findings += [_finding(label, one, ids, detector) for one in sorted(loud_ones, key=lambda one: -one.log_e)]
    statistic = logs / naming.NATS_PER_DIGIT
    return Detection(
        scores,
        statistic,
        float(np.nextafter(threshold / naming.NATS_PER_DIGIT, -np.inf)),
        cut=cut,
        unjudged=small.mask,
        notes=(*small.notes, *_mixed(heard, detector)),
        class_p=np.exp(-np.maximum(logs, 0.0)),
        findings=tuple(findings),
    )


def _mixed(heard: Mapping[int, list[Told]], detector: str) -> tuple[str, ...]:
    """That classes are left alone though they are of two kinds."""
    count = sum(not speaking(told) and any(one.mixed for one in told) for told in heard.values())
    if not count:
        return ()
    return (f"{classes(count)} of two kinds of images that overlap, as benign ones may be: not named by {detector}",)


def log_e_of(told: Sequence[Told]) -> float:
    """The log of a class's mean e-value: half of the weight on the whole image, half on its tiles."""
    tiles = np.array([one.view.place is not None for one in told])
    shares = np.where(tiles, 1 / max(tiles.sum(), 1), 1 / max((~tiles).sum(), 1))
    return unimodal.mean_of(np.array([one.log_e for one in told]), shares)


def _finding(label: int, told: Told, ids: NDArray[np.int64], detector: str) -> Finding:
    assert told.fit is not None
    above = ids[told.fit.scores > told.fit.cut]
    words = f"two kinds of images; {len(above):,} of the smaller"
    return Finding(label, detector, told.view.name, told.view.place, float(np.exp(-told.log_e)), above, words)


def _silent(labels: Labels, small: TooSmall, detector: str, level: float) -> Detection:
    present = np.count_nonzero(np.bincount(labels))
    note = f"{detector} sets a class against the others' covariance; there is only one class" if present < 2 else ""
    unjudged = np.bincount(labels) > 0
    notes = tuple(one for one in (*small.notes, note) if one)
    nothing: Vector = np.zeros(len(unjudged))
    return Detection(
        np.zeros(len(labels)), nothing, -np.log10(level), cut=nothing + np.inf, unjudged=unjudged, notes=notes,
        class_p=nothing + 1.0,
    )  # fmt: skip
