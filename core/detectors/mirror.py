"""Mirror test: photographs have no handedness, a pattern that is stamped always the same way round does.

If the images of a class are as likely as their mirror images, all that changes its sign under mirroring is as often
positive as negative. So the null distribution is known: neither a clean set nor another class is needed, and poison
in every class is no obstacle. Three steps, in every class (docs/mirror.md derives them):

1. test: in three channels (luminance, blue-yellow, red-green) the left-right odd part of every image, reduced to at
   most 32 x 32 by areas, is laid out in waves and in places, each image in units of its own contrast. Of the images in
   which a wave or a place is strongest (2%, 5%, 10%, 20% of the class) about half must be of either sign;
2. cut: the images that stand behind the smallest p are where Fisher's discriminant begins. Its score is cut where two
   Gaussians cross, but not where beyond the mirrored cut there is more than one image for twenty beyond the cut; where
   the Gaussians are not apart, the wave or place alone is cut so;
3. look again at what is left, for a second mark. Where the bulk of what is left is turned one way in many waves and
   places at once, or less than half is left, handedness is natural (digits, lettering): the class is not judged.
   Nor is any, where half of the classes are so; nor one with a mark of its own, where half of the classes have marks.

Labels tell poison from covers: of the classes that bear one mark those own it that have more of the images which bear
it than their share (hypergeometric, Bonferroni over classes); the others are not named. Where none has more, all are.

The null assumes that the images are independent (exact copies are counted once) and as likely as their mirror images.
Near copies (frames of a film) are a mark to it. Evaded by a pattern that is its own mirror image, and by stamping half
of the images mirrored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import hypergeom

from core.detectors import marks, naming, odd
from core.detectors.judged import TooSmall, classes
from core.detectors.marks import Lead
from core.detectors.members import distinct, members_of
from core.detectors.odd import Floats, Vector
from core.types import Detection, Features, Finding, Ids, Images, Labels, Logits, Mask

ROUNDS = 6  # groups looked for in a class
LEANING = 0.02  # share of the columns in which the bulk is turned one way, above which handedness is natural
KIN = 0.5  # cosine of two classes' marks, above which they are one mark


class Group(NamedTuple):
    """Images that carry a mark: the lead to them, and scores [m] of the class's images, above 0 for the group."""

    lead: Lead
    scores: Vector


class Judged(NamedTuple):
    """A class: the lead of all its images, the groups that carry marks, whether handedness is natural, and the mark:
    how the odd parts of the first group differ from the others', flat.
    """

    lead: Lead
    groups: tuple[Group, ...]
    natural: bool
    mark: Floats


def mirror(features: Features, labels: Labels, logits: Logits, *, images: Images, level: float) -> Detection:
    """Score images [n, h, w, 3] of classes labels [n]; features and logits are not used.

    Scores are in standard deviations; in a named class 0 is the cut [k]. class_p [k] is exact under the null, after
    Bonferroni over waves, places, channels and tails; class_statistic is -log10 of it. A class is named where it is
    below `level` divided by the number of classes: so the chance that any class of a set without a mark is named is
    at most `level`. A class whose p could not be so small whatever it shows is not judged, nor is one whose handedness
    is natural; class_p is 1 there.
    """
    limit = naming.each(labels, level)
    judged = {label: looked_at(images[ids], limit) for label, ids in members_of(labels)}
    return decided(judged, images, labels, level)


def decided(judged: Mapping[int, Judged], images: Images, labels: Labels, level: float) -> Detection:
    """What comes of the classes (`looked_at`) of images [n, h, w, 3], as in `mirror`."""
    sizes, limit = np.bincount(labels), naming.each(labels, level)
    small = TooSmall.of(sizes, fewest(images.shape[1:3], limit))
    natural = _handed(judged, len(sizes))
    covers = _covers(judged, np.flatnonzero(~natural), sizes, limit)
    scores, cut, p = np.zeros(len(labels)), np.full(len(sizes), np.inf), np.ones(len(sizes))
    findings: list[Finding] = []
    for label, ids in members_of(labels):
        one = judged[label]
        scores[ids] = np.max([group.scores for group in one.groups], axis=0) if one.groups else one.lead.values
        if natural[label] or (small.mask is not None and small.mask[label]):
            continue
        p[label] = max(one.lead.p, covers.get(label, 0.0))
        if p[label] <= limit and one.groups:
            cut[label] = 0.0
            findings += [_finding(label, ids, group, images) for group in one.groups]
    return Detection(
        scores,
        naming.digits(p),
        float(-np.log10(limit)),
        cut=cut,
        unjudged=natural if small.mask is None else natural | small.mask,
        notes=(*small.notes, *_notes(int(natural.sum()))),
        class_p=p,
        findings=tuple(findings),
    )


def fewest(shape: tuple[int, ...], limit: float) -> int:
    """Images of this shape (h, w) below which a class could not have a p below `limit` if all were of one sign."""
    least = int(np.ceil(1 + np.log2(max(1, odd.tries(*shape)) / limit)))
    return int(np.ceil(least / max(odd.TAILS)))


def _notes(natural: int) -> tuple[str, ...]:
    if not natural:
        return ()
    return (
        f"{classes(natural)} not judged by mirror: the images are turned one way by nature, as digits and lettering "
        "are, in many ways at once and not only some of them",
    )


def looked_at(images: Images, limit: float) -> Judged:
    """What is said of a class's images [m, h, w, 3]; marks are looked for up to a p of `limit`."""
    parts = {channel: odd.odd_parts(images, weights) for channel, weights in odd.CHANNELS.items()}
    tested = distinct(images)
    images_tested = int(tested.sum())
    width, tries = min(images.shape[2], odd.SIDE), max(1, odd.tries(*images.shape[1:3]))
    lead = first = marks.lead(parts, width, tested, tries)
    groups: list[Group] = []
    while lead.p <= limit and len(groups) < ROUNDS:
        scores = marks.grouped(lead, tested)
        found = tested & (scores > 0)
        if not found.any():
            break
        groups.append(Group(lead, scores))
        tested &= ~found
        if not tested.any():
            break
        lead = marks.lead(parts, width, tested, tries)
    many = 2 * int(tested.sum()) < images_tested
    natural = first.p <= limit and (not groups or many or lead.leaning > LEANING)
    return Judged(
        first, tuple(groups), natural, _mark(parts, groups[0].scores > 0) if groups else np.zeros(0, np.float32)
    )


def _mark(parts: dict[str, Floats], marked: Mask) -> Floats:
    """By how much the odd parts of marked images differ from the others', of length 1."""
    apart = [part[marked].mean(0) - part[~marked].mean(0) for part in parts.values()] if not marked.all() else []
    flat = np.concatenate([part.ravel() for part in apart]) if apart else np.zeros(1, np.float32)
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-12), np.float32)


def _handed(judged: Mapping[int, Judged], count: int) -> Mask:
    """The classes whose handedness is natural, [k]: by themselves, or because that of every second class is, or because
    every second class has a mark of its own.
    """
    natural = np.zeros(count, bool)
    natural[[label for label, one in judged.items() if one.natural]] = True
    named = np.array([label for label, one in judged.items() if one.groups and not one.natural], np.int64)
    of_their_own = np.zeros(len(named), bool)
    if len(named) > 1 and 2 * len(named) >= len(judged):
        alike = np.stack([judged[label].mark for label in named])
        of_their_own = (alike @ alike.T > KIN).sum(1) < 2
    natural[named[of_their_own | (2 * int(natural.sum()) >= len(judged))]] = True
    return natural


def _covers(judged: Mapping[int, Judged], able: Ids, sizes: Ids, limit: float) -> dict[int, float]:
    """The classes that do not own the mark they bear, and the chance of their having so many of the images with it."""
    bearing = [int(label) for label in able if label in judged and judged[label].groups]
    if len(bearing) < 2:
        return {}
    alike = np.stack([judged[label].mark for label in bearing])
    kin = alike @ alike.T > KIN
    counts = np.array([np.any([group.scores > 0 for group in judged[label].groups], axis=0).sum() for label in bearing])
    own = sizes[bearing]
    every = kin @ counts
    excess = np.minimum(1.0, hypergeom.sf(counts - 1, sizes.sum(), own, every) * len(judged))
    owned = (kin & (excess <= limit)).any(1)  # by one of its kin, or by itself
    return {label: float(excess[place]) for place, label in enumerate(bearing) if owned[place]}


def _finding(label: int, ids: Ids, group: Group, images: Images) -> Finding:
    """What speaks against a class of rows ids [m]."""
    lead, marked = group.lead, group.scores > 0
    place = None
    if lead.family == "waves":
        down, across = lead.meaning[:2]
        what = f"a wave, {across} across and {down} down,"
    else:
        place = _place(images, ids, marked, lead)
        what = "a spot"
    words = f"{what} the same way round in {int(marked.sum())} images"
    return Finding(label, "mirror", f"{lead.channel} {lead.family}", place, lead.p, ids[marked], words)


def _place(images: Images, ids: Ids, marked: Mask, lead: Lead) -> tuple[int, int, int, int]:
    """Where the spot is, in pixels: on the side on which the marked images are less alike the others."""
    height, width = images.shape[1:3]
    rows, columns = min(height, odd.SIDE), min(width, odd.SIDE)
    row, column = lead.meaning
    top, bottom = row * height // rows, max(row * height // rows + 1, (row + 1) * height // rows)
    sides = []
    for at in (column, columns - 1 - column):
        left, right = at * width // columns, max(at * width // columns + 1, (at + 1) * width // columns)
        seen = images[ids, top:bottom, left:right].astype(np.float64).mean((1, 2)) @ odd.CHANNELS[lead.channel]
        apart = abs(float(seen[marked].mean() - seen[~marked].mean())) if not marked.all() else 0.0
        sides.append((apart, (top, left, bottom - top, right - left)))
    return max(sides, key=lambda side: side[0])[1]
