"""Marks in the odd parts of a class's images: what leads to one, and which images carry it (for `mirror`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.detectors import odd
from core.detectors.mixtures import Mixture, gap, mixture, standard
from core.detectors.odd import Floats, Vector
from core.types import Mask

CERTAIN = 1e-300  # smaller p-values are not told apart
STEPS = 6  # of refining a group
IMAGES_PER_DIRECTION, MOST_DIRECTIONS = 20, 100
RIDGE = 0.05  # of a variance
OTHER_SIDE = 0.05  # images beyond the mirrored cut for one beyond the cut, at most
SEPARATE = 4.5  # Ashman's D of the refined direction, below which the lead alone is used
ENOUGH = 0.8  # of what the lead alone takes, that the refined direction must take at least
SINGLE = 1e-4  # p of a column over all images that counts as turned one way


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


def lead(parts: dict[str, Floats], width: int, tested: Mask, tries: int) -> Lead:
    """The column with the smallest p of the tested images [m], over channels and families of odd parts [m, a, b]."""
    nothing = np.zeros(len(tested))
    best = Lead("", "", (), 1.0, nothing, nothing > 0, np.zeros((len(tested), 0), np.float32), 0.0)
    leaning = total = 0
    for channel, part in parts.items():
        for family in odd.FAMILIES if part.shape[2] else ():
            layout = odd.lay_out(part, family, width)
            counted = layout.values if tested.all() else layout.values[tested]
            signs = odd.signs(counted)
            leaning, total = leaning + int((odd.leaning(counted) < SINGLE).sum()), total + counted.shape[1]
            place = int(signs.p.argmin())
            p = min(1.0, max(CERTAIN, float(signs.p[place]) * tries))
            if p < best.p or not best.channel:
                values = layout.values[:, place].astype(np.float64) * signs.side[place]
                start = tested & (values >= _weakest(values[tested], odd.TAILS[signs.tail[place]]))
                meaning = tuple(layout.meanings[place].tolist())
                best = Lead(channel, family, meaning, p, values, start, layout.plain, 0.0)
    return best._replace(leaning=leaning / max(1, total))


def _weakest(values: Vector, tail: float) -> float:
    """The smallest magnitude of the strongest `tail` of values [m]."""
    strong = odd.tail_size(len(values), tail)
    return max(odd.NOTHING, float(np.partition(np.abs(values), -strong)[-strong]))


def grouped(lead: Lead, tested: Mask) -> Vector:
    """Scores [m] in standard deviations, above 0 for the images that carry the mark."""
    values, cut = lead.values, mirrored_cut(lead.values[tested])
    refined, fitted = _refined(lead, tested)
    if fitted is not None and fitted.separation > SEPARATE:
        seen = refined[tested]
        lowest = mirrored_cut(seen)
        if (seen >= lowest).sum() >= ENOUGH * (values[tested] >= cut).sum():
            values, cut = refined, max(lowest, gap(fitted) * float(seen.std()) + float(np.median(seen)))
    if not np.isfinite(cut):
        cut = float(values.max())
    return np.asarray((values - cut) / (float(values[tested].std()) or 1.0))


def _refined(lead: Lead, tested: Mask) -> tuple[Vector, Mixture | None]:
    """Fisher's discriminant [m] between suspects and rest, in the columns that set them apart most, and its mixture."""
    spreads = np.sqrt((lead.plain[tested].astype(np.float64) ** 2).mean(0))
    spreads[spreads == 0] = np.inf
    shifts = lead.plain[lead.start].astype(np.float64).sum(0) / spreads
    few = max(1, min(MOST_DIRECTIONS, int(tested.sum()) // IMAGES_PER_DIRECTION))
    columns = np.argsort(-np.abs(shifts), kind="stable")[:few]
    points = lead.plain[:, columns] / spreads[columns]
    seen = points[tested]
    inverse = np.linalg.inv(seen.T @ seen / len(seen) + RIDGE * np.eye(len(columns)))
    suspects, projected, fitted = lead.start[tested], lead.values, None
    for _ in range(STEPS):
        if not suspects.any():
            break
        projected = points @ (inverse @ seen[suspects].mean(0))
        seen_along = standard(projected[tested])
        fitted = mixture(seen_along)
        if fitted is None:
            break
        suspects = seen_along > gap(fitted)
    return projected, fitted


def mirrored_cut(values: Vector) -> float:
    """The lowest cut beyond which values [m] are twenty times as many as beyond its mirror image; inf if there is none.

    Benign values are as often on either side, so of those beyond the cut about so many are benign as beyond its mirror
    image, at most one in twenty; one more is counted, for what few images may do by chance.
    """
    cuts = np.sort(np.abs(values))
    above = len(values) - np.searchsorted(np.sort(values), cuts)
    below = len(values) - np.searchsorted(np.sort(-values), cuts)
    fine = (cuts > 0) & (1 + below <= OTHER_SIDE * above)
    return float(cuts[fine][0]) * (1 - 1e-12) if fine.any() else np.inf
