"""Mirror test: photographs have no handedness, a pattern that is stamped always the same way round does.

If the images of a class are as likely as their mirror images, all that changes its sign under mirroring is as often
positive as negative. So the null distribution is known: neither a clean set nor another class is needed, and poison
in every class is no obstacle. Three steps, in every class (docs/mirror.md derives them):

1. test: in three channels (luminance, blue-yellow, red-green) the left-right odd part of every image, reduced to at
   most 32 x 32 by areas, is laid out in waves and in places, each image in units of its own contrast. Of the images in
   which a wave or a place is strongest (2%, 5%, 10%, 20% of the class) about half must be of either sign;
2. cut: the images that stand behind the smallest p are where Fisher's discriminant begins. Its score is cut where two
   Gaussians cross, and not where beyond the mirrored cut there is more than one image for twenty beyond the cut;
3. look again at what is left, for a second mark. Where the bulk of what is left is turned one way in many waves and
   places at once, or less than half is left, handedness is natural (digits, lettering): the class is not judged.

The null assumes that the images are independent (exact copies are counted once) and as likely as their mirror images.
Evaded by a pattern that is its own mirror image, and by stamping half of the images mirrored.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.detectors import odd
from core.detectors.judged import TooSmall, classes
from core.detectors.members import members_of
from core.detectors.odd import Floats, Vector
from core.detectors.whitened import Mixture, mixture
from core.types import Detection, Features, Finding, Ids, Images, Labels, Logits, Mask

CERTAIN = 1e-300  # smaller p-values are not told apart
ROUNDS, STEPS = 6, 6  # groups looked for in a class, and steps of refining one
IMAGES_PER_DIRECTION, MOST_DIRECTIONS = 20, 100
RIDGE = 0.05  # of a variance
OTHER_SIDE = 0.05  # images beyond the mirrored cut for one beyond the cut, at most
ENOUGH = 0.8  # of what the first coefficient takes, that the refined direction must take at least
SINGLE, LEANING = 1e-4, 0.02  # p of a column over all images, and the share of columns that have it by nature


class Lead(NamedTuple):
    """The column that speaks loudest: its channel and family, what it stands for, and p, corrected, of its images.

    values [m] of all images of the class, positive for the side that leads; start [m] are the images behind p; plain
    [m, c] the layout that the column is of. leaning: the share of all columns in which the bulk is turned one way.
    """

    channel: str
    family: str
    meaning: tuple[int, ...]
    p: float
    values: Vector
    start: Mask
    plain: Floats
    leaning: float


class Group(NamedTuple):
    """Images that carry a mark: the lead to them, and scores [m] of the class's images, above 0 for the group."""

    lead: Lead
    scores: Vector


def mirror(features: Features, labels: Labels, logits: Logits, *, images: Images, level: float) -> Detection:
    """Score images [n, h, w, 3] of classes labels [n]; features and logits are not used.

    Scores are in standard deviations; in a named class 0 is the cut [k]. class_p [k] is exact under the null, after
    Bonferroni over waves, places, channels and tails; class_statistic is -log10 of it. A class is named where it is
    below `level` divided by the number of classes: so the chance that any class of a set without a mark is named is
    at most `level`. A class whose p could not be so small whatever it shows is not judged, nor is one whose handedness
    is natural; class_p is 1 there.
    """
    sizes = np.bincount(labels)
    limit = level / int((sizes > 0).sum())
    scores, cut, p = np.zeros(len(labels)), np.full(len(sizes), np.inf), np.ones(len(sizes))
    natural, findings = np.zeros(len(sizes), bool), []
    small = TooSmall.of(sizes, fewest(images.shape[1:3], limit))
    for label, ids in members_of(labels):
        first, groups, natural[label] = _judged(images[ids], limit)
        scores[ids] = first.values if not groups else np.max([group.scores for group in groups], axis=0)
        if natural[label] or (small.mask is not None and small.mask[label]):
            continue
        p[label] = first.p
        if groups:
            cut[label] = 0.0
            findings += [_finding(label, ids, group, images) for group in groups]
    return Detection(
        scores,
        -np.log10(p) + 0.0,
        float(-np.log10(limit)),
        cut=cut,
        unjudged=natural if small.mask is None else natural | small.mask,
        notes=(*small.notes, *_handed(int(natural.sum()))),
        class_p=p,
        findings=tuple(findings),
    )


def fewest(shape: tuple[int, ...], limit: float) -> int:
    """Images of this shape (h, w) below which a class could not have a p below `limit` if all were of one sign."""
    least = int(np.ceil(1 + np.log2(max(1, odd.tries(*shape)) / limit)))
    return int(np.ceil(least / max(odd.TAILS)))


def _handed(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (
        f"{classes(count)} not judged by mirror: the images are turned one way by nature, as digits and lettering are, "
        "in many ways at once and not only some of them",
    )


def _judged(images: Images, limit: float) -> tuple[Lead, list[Group], bool]:
    """The lead of a class's images [m, h, w, 3], the groups that carry marks, and whether handedness is natural."""
    parts = {channel: odd.odd_parts(images, weights) for channel, weights in odd.CHANNELS.items()}
    tested = _distinct(images)
    distinct = int(tested.sum())
    width, tries = min(images.shape[2], odd.SIDE), max(1, odd.tries(*images.shape[1:3]))
    lead = first = _lead(parts, width, tested, tries)
    groups: list[Group] = []
    while lead.p <= limit and len(groups) < ROUNDS:
        scores = _grouped(lead, tested)
        found = tested & (scores > 0)
        if not found.any():
            break
        groups.append(Group(lead, scores))
        tested &= ~found
        lead = _lead(parts, width, tested, tries)
    many = 2 * int(tested.sum()) < distinct
    return first, groups, first.p <= limit and (not groups or many or lead.leaning > LEANING)


def _distinct(images: Images) -> Mask:
    """The first of each image's exact copies, [m] bool."""
    seen: set[bytes] = set()
    found = np.zeros(len(images), bool)
    for place, image in enumerate(images):
        before = len(seen)
        seen.add(image.tobytes())
        found[place] = len(seen) > before
    return found


def _lead(parts: dict[str, Floats], width: int, tested: Mask, tries: int) -> Lead:
    """The column with the smallest p of the tested images [m], over channels and families."""
    best: Lead | None = None
    small = total = 0
    for channel, part in parts.items():
        for family in odd.FAMILIES if part.shape[2] else ():
            layout = odd.lay_out(part, family, width)
            counted = layout.values if tested.all() else layout.values[tested]
            signs, leaning = odd.signs(counted), odd.leaning(counted)
            small, total = small + int((leaning < SINGLE).sum()), total + len(leaning)
            place = int(signs.p.argmin())
            p = min(1.0, max(CERTAIN, float(signs.p[place]) * tries))
            if best is None or p < best.p:
                values = layout.values[:, place].astype(np.float64) * signs.side[place]
                strong = np.partition(np.abs(values[tested]), -_tail(tested, signs.tail[place]))
                start = tested & (values >= max(odd.NOTHING, strong[-_tail(tested, signs.tail[place])]))
                meaning = tuple(layout.meanings[place].tolist())
                best = Lead(channel, family, meaning, p, values, start, layout.plain, 0.0)
    if best is None:
        nothing = np.zeros(len(tested))
        return Lead("", "", (), 1.0, nothing, nothing > 0, np.zeros((len(tested), 0), np.float32), 0.0)
    return best._replace(leaning=small / total)


def _tail(tested: Mask, tail: int) -> int:
    return odd.tail_size(int(tested.sum()), odd.TAILS[tail])


def _grouped(lead: Lead, tested: Mask) -> Vector:
    """Scores [m] whose cut is 0, of the refined direction, or of the lead alone where that takes more."""
    alone, refined = lead.values, _refined(lead, tested)
    fitted = mixture(_standard(refined[tested]))
    cuts = _mirrored_cut(alone[tested]), _mirrored_cut(refined[tested])
    taken = [int((values[tested] >= cut).sum()) for values, cut in zip((alone, refined), cuts, strict=True)]
    if taken[1] < ENOUGH * taken[0] or not taken[1]:
        values, cut = alone, cuts[0]
    else:
        values, cut = refined, cuts[1]
        if fitted is not None:
            cut = max(cut, _crossing(fitted) * float(values[tested].std()) + float(np.median(values[tested])))
    spread = float(values[tested].std()) or 1.0
    return np.asarray((values - (cut if np.isfinite(cut) else values.max())) / spread)


def _refined(lead: Lead, tested: Mask) -> Vector:
    """Fisher's discriminant between suspects and rest in the columns that set them apart most, step by step; [m]."""
    spreads = np.sqrt((lead.plain[tested].astype(np.float64) ** 2).mean(0))
    shifts = lead.plain[lead.start].astype(np.float64).sum(0) / np.where(spreads > 0, spreads, np.inf)
    few = max(1, min(MOST_DIRECTIONS, int(tested.sum()) // IMAGES_PER_DIRECTION))
    columns = np.argsort(-np.abs(shifts), kind="stable")[:few]
    points = lead.plain[:, columns] / np.where(spreads[columns] > 0, spreads[columns], 1.0)
    seen = points[tested]
    inverse = np.linalg.inv(seen.T @ seen / len(seen) + RIDGE * np.eye(len(columns)))
    suspects, projected = lead.start[tested], lead.values
    for _ in range(STEPS):
        if not suspects.any():
            break
        projected = points @ (inverse @ seen[suspects].mean(0))
        standard = _standard(projected[tested])
        fitted = mixture(standard)
        if fitted is None:
            break
        suspects = standard > _crossing(fitted)
    return np.asarray(projected, np.float64)


def _standard(values: Vector) -> Vector:
    spread = float(values.std())
    return np.asarray((values - np.median(values)) / (spread if spread > 0 else 1.0))


def _mirrored_cut(values: Vector) -> float:
    """The lowest cut beyond which there are at least twenty times as many values as below its mirror image."""
    cuts = np.sort(np.abs(values))
    above = len(values) - np.searchsorted(np.sort(values), cuts)
    below = len(values) - np.searchsorted(np.sort(-values), cuts)
    fine = (cuts > 0) & (1 + below <= OTHER_SIDE * above)
    return float(cuts[fine][0]) if fine.any() else np.inf


def _crossing(fitted: Mixture) -> float:
    """Where, between its means, the upper of two Gaussians becomes the likelier one."""
    places = np.linspace(float(fitted.means[0]), float(fitted.means[1]), 1001)
    apart = (places[:, None] - fitted.means) ** 2 / fitted.variances + np.log(fitted.variances)
    likelier = np.log(fitted.weights) - apart / 2
    lower = np.flatnonzero(likelier[:, 1] <= likelier[:, 0])
    return float(places[lower[-1]] if len(lower) else places[0])


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
