"""Faint patterns: what the flagged images have more of than the images that they were made from would have.

What the mean of the flagged has beyond that of the mixture of classes (core.evaluation.natural) and beyond chance is
kept, in coefficients of the cosine transform or in pixels: which of the two, held-out images say. Then the flagged that
do not have it are left out, and it is measured again.

A mixture x' = (1 - a) x + a t also takes the share a of every spread, at every fineness alike; a sum x' = x + d takes
none, and a blur takes of the fine ones only. So a is read off the spreads (Chen et al. 2017 blend; Barni et al. 2019
add).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from core.evaluation import natural
from core.evaluation.natural import Class, Mixture
from core.types import Mask

Floats = NDArray[np.float64]
Basis = Callable[[Floats, Mixture], Floats]

CHANCE = 0.01  # of a coefficient or more kept where there is no pattern
EFFECT = 0.25  # spreads by which a coefficient must differ: less may be natural, of some part of a class
PARTED = 9.0  # squared distance of the two groups, in spreads, from which on images can be told apart one by one
FEWEST = 8  # images that must have the pattern
OPAQUE = 0.08  # least opacity that is told from none
UNEVEN = 0.15  # how far the opacities at different fineness may lie apart
PLACE = 0.1  # of a change's largest value, below which it is not its place
RINGS = (0, 0.1, 0.25, 0.5, 0.75, 2)  # fineness, in half waves a pixel


class Faint(NamedTuple):
    """A pattern: the mean change it makes [h, w, 3], how opaque it is [h, w], and which images [m] bear it.

    base [h, w, 3] is the mean image that it is laid on.
    """

    change: Floats
    opacity: Floats
    base: Floats
    bearers: Mask


def find(waves: Floats, known: Sequence[Class], basis: Basis) -> Faint | None:
    """The pattern, seen in a basis, of images with coefficients [m, h, w, 3] against the classes'; None without one."""
    bears = np.ones(len(waves), bool)
    for _ in range(3):
        mixed = natural.mixture(waves[bears], known)
        change = basis(waves[bears], mixed)
        bears = _bearers(waves, mixed, change)
        if bears.sum() < FEWEST or not change.any():
            return None
    opacity = _everywhere(waves[bears], mixed) if basis is in_waves else _somewhere(waves[bears], mixed, change)
    return Faint(natural.pixels(change), opacity, natural.pixels(mixed.mean), bears)


def gain(made: Floats, held: Floats, known: Sequence[Class], basis: Basis) -> Floats:
    """What the pattern of some images adds to the log-likelihood of others, in nats, [n]; coefficients all."""
    mixed = natural.mixture(made, known)
    change = basis(made, mixed)
    return natural.matches(mixed, held, change) - natural.length(mixed, change) / 2


def in_waves(waves: Floats, mixed: Mixture) -> Floats:
    """What the mean of waves [m, h, w, 3] has beyond the mixture's, kept where it is more than chance, [h, w, 3].

    By Benjamini and Hochberg (1995): where there is a pattern all over, a coefficient needs less to be of it; where
    there is none, the chance that any is kept is CHANCE.
    """
    change = waves.mean(0, dtype=np.float64) - mixed.mean
    chances = false_discovery_control(_chances(change, mixed.error).ravel()).reshape(change.shape)
    return np.where((chances < CHANCE) & (np.abs(change) > EFFECT * mixed.spread), change, 0.0)


def in_pixels(waves: Floats, mixed: Mixture) -> Floats:
    """The same, kept where pixels differ by more than chance; as coefficients, too.

    By Bonferroni: a place should have no pixels strewn around it.
    """
    change = natural.pixels(waves.mean(0, dtype=np.float64) - mixed.mean)
    spread = np.maximum(natural.pixels(waves).std(0, dtype=np.float64), natural.LEVEL)
    chances = change.size * _chances(change, spread / np.sqrt(len(waves)))
    return natural.spectra(np.where((chances < CHANCE) & (np.abs(change) > EFFECT * spread), change, 0.0))


def _chances(change: Floats, error: Floats) -> Floats:
    """The chance of a change at least as large, up or down, from its standard error."""
    chances: Floats = 2 * norm.sf(np.abs(change) / error)
    return chances


def _bearers(waves: Floats, mixed: Mixture, change: Floats) -> Mask:
    """Which images bear a change: those beyond the middle, where the two kinds are far enough apart to be told."""
    length = natural.length(mixed, change)
    if length < PARTED:
        return np.ones(len(waves), bool)
    return natural.matches(mixed, waves, change) > length / 2


def _everywhere(waves: Floats, mixed: Mixture) -> Floats:
    """How much of every spread of the images is missing, at every fineness alike, [h, w]; 0 where that is not so."""
    shares = [1 - natural.deviation(part) / mixed.deviation for part in (waves[::2], waves[1::2], waves)]
    by_ring = [float(shares[-1][ring].mean()) for ring in _rings(waves.shape[1:3]) if ring.any()]
    found = min(float(share.mean()) for share in shares) > OPAQUE and max(by_ring) - min(by_ring) < UNEVEN
    return np.full(waves.shape[1:3], float(shares[-1].mean()) if found else 0.0)


def _rings(sides: tuple[int, ...]) -> list[Mask]:
    """Coefficients by their fineness, [h, w] each."""
    finer = natural.fineness(sides)
    return [(finer >= low) & (finer < high) for low, high in pairwise(RINGS)]


def _somewhere(waves: Floats, mixed: Mixture, change: Floats) -> Floats:
    """How much of the pixels' spread is missing where a change [h, w, 3] has its place, [h, w], beside elsewhere."""
    size = np.abs(natural.pixels(change)).max(-1)
    place = size > PLACE * size.max()
    opacity = np.zeros(place.shape)
    kept = [natural.deviation(natural.pixels(part)) / mixed.seen for part in (waves[::2], waves[1::2], waves)]
    found = [1 - one[place].mean() / one[~place].mean() if not place.all() else 0.0 for one in kept]
    if min(found) > OPAQUE:
        opacity[place] = found[-1]
    return opacity
