"""Repeats: the same colour in the same place in too many images, which is what an opaque stamp leaves.

Photographs seldom agree on all 24 bits of a pixel. In every class the images of each pair (place, colour) are counted.
Where a colour is common in the class (white corners, black backgrounds) it is so in many places: of a place four times
as many are expected as the colour has in places around it, or in its busiest sixth of all places, or on average
outside its busiest, or in adjacent places of images that do not have it here, whichever is the most, and 0.1 for
images that are alike by chance (docs/repeats.md). More than
that, by Poisson's law with Bonferroni over all pairs that there are in the class, is a hit.

Labels tell poison from covers: a class that has more of the images which show a hit than its share (hypergeometric,
Bonferroni over hits and classes) owns it; where none has, they were stamped whatever their label.

The null assumes that images are taken independently: exact copies are counted once, and images that share hits over
more than a sixth of their pixels are taken for near copies and not counted. Evaded by all that changes the colour
from image to image: an opacity below 1, noise, JPEG, stamping in random places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from core.detectors import naming, pairs
from core.detectors.judged import TooSmall
from core.detectors.members import distinct, members_of
from core.detectors.pairs import Counts, Pairs, Vector
from core.types import Detection, Features, Finding, Ids, Images, Labels, Logits, Mask

Matrix = NDArray[np.float64]

MOST = 1000  # pairs of a class that its images are asked for
COPIED = 6  # parts of an image: sharing more than one of them makes near copies
CERTAIN = 1e-300  # smaller p-values are not told apart
TOLD = 5  # findings of a class, at most
TOGETHER = 0.5  # share of the images of either of two hits that show both, where they are one stamp
FAINT = 400.0  # digits of a p-value that no pair exceeds: scores without a hit are shares of it


class Counted(NamedTuple):
    """The pairs of a class's images without copies, how many pairs there were to be tried, and near copies found."""

    found: Pairs
    tries: int
    alike: int

    @property
    def p(self) -> Vector:
        """The chance of each pair after Bonferroni; 1 where too few images show it."""
        return np.where(self.found.counts >= pairs.FEWEST, np.minimum(1.0, self.found.p * self.tries), 1.0)


class Hits(NamedTuple):
    """Pairs, of any class, that too many images of a class show: places and colours [h].

    repeated [h, k] is p of so many images in each class, against [h, k] what it comes to for a class that the hit
    speaks against: both 1 where it is not a hit, or not the class's. everywhere [h]: no label has more
    than its share, and several have it.
    """

    places: Counts
    colours: Counts
    repeated: Matrix
    against: Matrix
    everywhere: Mask


def repeats(features: Features, labels: Labels, logits: Logits, *, images: Images, level: float) -> Detection:
    """Score images [n, h, w, 3] of classes labels [n]; features and logits are not used.

    A score is the sum of -log10 p over the hits that an image shows, and below 1 where it shows none; 1 is the cut
    [k] of a named class. class_p [k] is of the class's rarest hit, after both corrections; class_statistic is -log10
    of it. A class is named where that is below `level` divided by the number of classes: so the chance that any class
    of a set without a stamp is named is at most `level`, if the null holds.
    """
    limit, once = naming.each(labels, level), distinct(images)
    counted = {label: looked_at(images[ids[once[ids]]], limit) for label, ids in members_of(labels)}
    return decided(counted, images, labels, once, level)


def decided(counted: Mapping[int, Counted], images: Images, labels: Labels, once: Mask, level: float) -> Detection:
    """What comes of the classes (`looked_at`) of images [n, h, w, 3], of which those of `once` [n] are no copies."""
    sizes, limit = np.bincount(labels), naming.each(labels, level)
    small = TooSmall.of(sizes, pairs.FEWEST)
    hits = _hits(counted, images, labels, once, limit)
    scores, cut, p = np.zeros(len(labels)), np.full(len(sizes), np.inf), np.ones(len(sizes))
    findings: list[Finding] = []
    for label, ids in members_of(labels):
        members = images[ids]
        shown = pairs.shown(members, hits.places, hits.colours)
        scores[ids] = _faint(members, counted[label], limit) + shown @ -np.log10(hits.repeated[:, label])
        p[label] = hits.against[:, label].min(initial=1.0)
        if p[label] <= limit:
            cut[label] = 1.0
            findings += _findings(label, ids, shown, hits, images.shape[2], limit)
    notes = (*small.notes, *_notes(sum(one.alike for one in counted.values()), bool(hits.everywhere.any())))
    threshold = float(-np.log10(limit))
    return Detection(scores, naming.digits(p), threshold, None, cut, small.mask, notes, p, tuple(findings))


def _notes(alike: int, everywhere: bool) -> tuple[str, ...]:
    notes = []
    if alike:
        notes.append(f"{alike:,} images are nearly copies of others of their class, and not counted by repeats")
    if everywhere:
        notes.append("the same colours are in the same places whatever the label: images of every class are stamped")
    return tuple(notes)


def looked_at(images: Images, limit: float) -> Counted:
    """The pairs of a class's distinct images [m, h, w, 3]; what is usual beside a pair is asked of the rarest only."""
    counted = Counted(*pairs.count(images), 0)
    near = _near_copies(images, counted, limit)
    if near.any():
        images = images[~near]
        counted = Counted(*pairs.count(images), int(near.sum()))
    hits = np.flatnonzero(counted.p <= limit)
    kept = hits[np.argsort(counted.found.p[hits], kind="stable")]
    usual = counted.found.usual
    usual[kept[MOST:]] = np.inf
    some = kept[:MOST]
    usual[some] = np.maximum(usual[some], pairs.beside(images, counted.found.places[some], counted.found.colours[some]))
    return counted


def _near_copies(images: Images, counted: Counted, limit: float) -> Mask:
    """Which images [m] show hits in more than a sixth of all places."""
    hits = np.flatnonzero(counted.p <= limit)
    places = images.shape[1] * images.shape[2]
    if COPIED * len(np.unique(counted.found.places[hits])) <= max(places, COPIED**2):
        return np.zeros(len(images), bool)
    some = hits[:: -(-len(hits) // MOST)]
    share = pairs.shown(images, counted.found.places[some], counted.found.colours[some]).sum(1) * len(hits) / len(some)
    return np.asarray(COPIED * share > places)


def _faint(images: Images, counted: Counted, limit: float) -> Vector:
    """Below 1: how rare the rarest pair is that each image [m] shows, of those that are no hits; and how many."""
    found = counted.found
    others = np.flatnonzero((counted.p > limit) & (found.counts < len(images)))
    rarest = others[np.argsort(found.p[others], kind="stable")[: pairs.ASKED]]
    if not len(rarest):
        return np.zeros(len(images))
    shown = pairs.shown(images, found.places[rarest], found.colours[rarest])
    rare = -np.log10(np.maximum(found.p[rarest], CERTAIN)) / FAINT
    return np.asarray((shown * rare).max(1) + shown.mean(1) / FAINT)


def _hits(counted: Mapping[int, Counted], images: Images, labels: Labels, once: Mask, limit: float) -> Hits:
    """The hits of all classes, and which classes each speaks against."""
    rarest = {label: np.flatnonzero(one.p <= limit) for label, one in counted.items()}
    keys = {label: counted[label].found.keys[some] for label, some in rarest.items()}
    every = np.unique(np.concatenate(list(keys.values())))
    places, colours = np.divmod(every, pairs.COLOURS)
    sizes = np.bincount(labels[once], minlength=int(labels.max()) + 1)
    repeated, shown = np.ones((len(every), len(sizes))), np.zeros((len(every), len(sizes)), np.int64)
    for label, ids in members_of(labels):
        repeated[np.searchsorted(every, keys[label]), label] = counted[label].p[rarest[label]]
        shown[:, label] = pairs.shown(images[ids[once[ids]]], places, colours).sum(0)
    excess = hypergeom.sf(shown - 1, sizes.sum(), sizes, shown.sum(1, keepdims=True)) * every.size * len(counted)
    alike = (excess > limit).all(1)
    everywhere = alike & ((repeated <= limit).sum(1) > 1)
    against = np.where(alike[:, None], repeated, np.maximum(repeated, np.minimum(excess, 1.0)))
    return Hits(places, colours, np.maximum(repeated, CERTAIN), np.maximum(against, CERTAIN), everywhere)


def _findings(label: int, ids: Ids, shown: Mask, hits: Hits, width: int, limit: float) -> list[Finding]:
    """What speaks against a class of rows ids [m] that show the hits [m, h]: hits that the same images show are one."""
    left = [hit for hit in np.argsort(hits.against[:, label], kind="stable") if hits.against[hit, label] <= limit]
    found: list[Finding] = []
    while left and len(found) < TOLD:
        both = (shown[:, left] & shown[:, left[:1]]).sum(0)
        either = (shown[:, left] | shown[:, left[:1]]).sum(0)
        stamp = [hit for hit, one in zip(left, both >= TOGETHER * either, strict=True) if one]
        left = [hit for hit in left if hit not in set(stamp)]
        found.append(_finding(label, ids[shown[:, stamp[0]]], hits, np.array(stamp), width))
    return found


def _finding(label: int, ids: Ids, hits: Hits, stamp: Ids, width: int) -> Finding:
    """One stamp of several hits, the rarest first, that images ids [m] of a class show."""
    rows, columns = np.divmod(hits.places[stamp], width)
    top, left = int(rows.min()), int(columns.min())
    place = (top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1)
    colours = np.unique(hits.colours[stamp])
    colour = f"colour #{colours[0]:06x}" if len(colours) == 1 else f"{len(colours):,} colours"
    where = "the same place" if len(stamp) == 1 else f"the same {len(stamp):,} places"
    words = f"the same {colour} in {where} in {len(ids):,} images"
    if hits.everywhere[stamp[0]]:
        words += ", and in other classes as often"
    return Finding(label, "repeats", "colours", place, float(hits.against[stamp[0], label]), ids, words)
