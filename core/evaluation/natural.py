"""What images look like that nobody changed: the mixture of classes that the flagged of a class were made from.

Images are seen as coefficients of the orthonormal 2-D cosine transform of each channel: those of photographs hardly
depend on each other, and are the smaller the finer. Here they are taken for independent Gaussians. Flagged images may
come of any class, so that they are compared with the mixture of classes whose mean is most like theirs: a class's own
look is then no pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.optimize import nnls

from core.types import Images, Mask

Floats = NDArray[np.float64]

COARSE = 0.25  # fineness, in half waves a pixel, below which classes differ in their mean
LEVEL = 1.0  # of 255: no spread is taken for less
FAR = 3.0  # standard errors beyond which a coefficient is taken for changed, and no guide to the mixture


class Class(NamedTuple):
    """A class: coefficients' mean, variance and mean absolute deviation, pixels' deviation, [h, w, 3]; how many."""

    mean: Floats
    variance: Floats
    deviation: Floats
    seen: Floats
    images: int


class Mixture(NamedTuple):
    """What images were made from, [h, w, 3] each: coefficients' mean and its standard error, their spread.

    deviation and seen are the mean absolute deviations of coefficients and of pixels.
    """

    mean: Floats
    error: Floats
    spread: Floats
    deviation: Floats
    seen: Floats


def spectra(images: NDArray[np.generic]) -> Floats:
    """The coefficients of images [n, h, w, 3], likewise [n, h, w, 3], in levels of 255."""
    waves: Floats = dctn(images.astype(np.float32), axes=(-3, -2), norm="ortho")
    return waves


def pixels(waves: Floats) -> Floats:
    """The images [..., h, w, 3] of coefficients."""
    images: Floats = idctn(waves, axes=(-3, -2), norm="ortho")
    return images


def moments(images: Images) -> Class:
    """A class's moments from images [n, h, w, 3] of it."""
    waves = spectra(images)
    variance = waves.var(0, dtype=np.float64)
    return Class(waves.mean(0, dtype=np.float64), variance, deviation(waves), deviation(images), len(images))


def deviation(values: NDArray[np.generic]) -> Floats:
    """The mean absolute deviation of values [n, ...] from their mean: few of them estimate it without a bias."""
    apart: Floats = np.abs(values - values.mean(0, dtype=np.float64).astype(np.float32)).mean(0, dtype=np.float64)
    return apart


def mixture(waves: Floats, known: Sequence[Class]) -> Mixture:
    """The mixture of classes whose mean is most like that of waves [m, h, w, 3], but for what differs beyond chance.

    Only coarse coefficients are compared: the mean of a class of photographs has hardly any others. Weights are at
    least 0 and come to 1. Coefficients that a trigger has changed are left out: it is begun with all, and with those
    that fit the first class alone; taken is which comes nearer, where what lies far off counts no more than FAR.
    """
    found = waves.mean(0, dtype=np.float64)
    alone, coarse = _mixed(np.eye(len(known))[0], known, len(waves)), fineness(found.shape[:2]) < COARSE
    begun = (coarse[..., None] & fits for fits in (np.ones(found.shape, bool), _fits(alone, found)))
    mixed = [alone, *(_settled(fits, coarse, found, known, len(waves)) for fits in begun)]
    apart = (np.minimum(np.abs(found - one.mean) / alone.error, FAR)[coarse].sum() for one in mixed)
    return mixed[int(np.argmin(list(apart)))]


def fineness(sides: tuple[int, ...]) -> Floats:
    """How fine the coefficients of images of these sides are, in half waves a pixel, [h, w]."""
    rows, columns = np.indices(sides)
    finer: Floats = np.hypot(rows / sides[0], columns / sides[1])
    return finer


def _settled(fits: Mask, coarse: Mask, found: Floats, known: Sequence[Class], count: int) -> Mixture:
    """The mixture most like a mean [h, w, 3] of `count` images where it fits, and fitting where it is like it."""
    means, scale = np.stack([one.mean for one in known]), np.maximum(np.sqrt(known[0].variance), LEVEL)
    for _ in range(4):
        if fits.sum() < len(known):
            break
        mixed = _mixed(_weights((means / scale)[:, fits], (found / scale)[fits]), known, count)
        fits = coarse[..., None] & _fits(mixed, found)
    else:
        return mixed
    return _mixed(np.eye(len(known))[0], known, count)


def _fits(mixed: Mixture, found: Floats) -> Mask:
    """Which coefficients of a mean [h, w, 3] differ from a mixture's by no more than chance."""
    fits: Mask = np.abs(found - mixed.mean) < FAR * mixed.error
    return fits


def _weights(means: Floats, wanted: Floats) -> Floats:
    """Weights [c], at least 0 and 1 in all, with which means [c, d] come nearest to the one that is wanted, [d]."""
    heavy = 1e3 * float(np.abs(means).max()) + 1  # on their sum
    weights, _ = nnls(np.vstack([means.T, np.full(len(means), heavy)]), np.append(wanted, heavy))
    found: Floats = weights / weights.sum()
    return found


def _mixed(weights: Floats, known: Sequence[Class], count: int) -> Mixture:
    """The mixture of classes by weights [c], of which `count` images were drawn."""
    means, variances, deviations, seen = (
        np.stack([getattr(one, name) for one in known]) for name in ("mean", "variance", "deviation", "seen")
    )
    counts = np.array([one.images for one in known])
    mean = np.tensordot(weights, means, 1)
    spread = np.maximum(np.sqrt(np.tensordot(weights, variances + (means - mean) ** 2, 1)), LEVEL)
    error = np.sqrt(spread**2 / count + np.tensordot(weights**2 / counts, variances, 1))
    alike = (np.maximum(np.tensordot(weights, each, 1), LEVEL) for each in (deviations, seen))
    return Mixture(mean, error, spread, *alike)


def matches(mixed: Mixture, waves: Floats, change: Floats) -> Floats:
    """The matched filter: how far along a change [h, w, 3] waves [n, h, w, 3] lie, in squared spreads, [n]."""
    filtered = change / mixed.spread**2
    found: Floats = np.tensordot(waves, filtered, 3) - float((mixed.mean * filtered).sum())
    return found


def length(mixed: Mixture, change: Floats) -> float:
    """The squared length of a change [h, w, 3] in spreads."""
    return float(((change / mixed.spread) ** 2).sum())


def surprise(mixed: Mixture, waves: Floats, lit: Mask) -> Floats:
    """-ln of the density of the pixels `lit` [h, w] of images with coefficients [n, h, w, 3], given all others, [n]."""
    height, width = lit.shape
    waves_of = dctn(np.eye(height), axes=0, norm="ortho"), dctn(np.eye(width), axes=0, norm="ortho")
    rows, columns = np.nonzero(lit)
    at = (waves_of[0][:, rows][:, None] * waves_of[1][:, columns][None]).reshape(height * width, -1)
    total = np.zeros(len(waves))
    for channel in range(3):
        precision = 1 / mixed.spread[..., channel].reshape(-1) ** 2
        inner = (at.T * precision) @ at
        pull = ((waves - mixed.mean)[..., channel].reshape(len(waves), -1) * precision) @ at
        chance = np.linalg.slogdet(inner)[1] - at.shape[1] * np.log(2 * np.pi)
        total += 0.5 * ((pull * np.linalg.solve(inner, pull.T).T).sum(1) - chance)
    return total
