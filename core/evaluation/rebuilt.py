"""The trigger rebuilt from what the flagged images of a class share and the others do not, and how true it is.

Three kinds of change are looked for, each as it was made: pixels painted over ("opaque", core.evaluation.stamps), a
pattern mixed in ("blended") or added ("additive", core.evaluation.faint). A stamp comes first: a pixel whose colour is
always the same cannot come of anything else. A change that differs from image to image, as a warp's, leaves nothing in
common, and that is said. Nothing here knows the truth but `agreement`, which compares with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.evaluation import faint, natural, stamps
from core.types import BadRequest, Images, Mask

Floats = NDArray[np.float64]

KINDS = ("opaque", "blended", "additive")
FEWEST = 12  # flagged images, from which on anything is rebuilt
MOST = 1000  # images of a class that are looked at
SHOWN = 0.25  # of a change's largest value: what is less is not its place
GREY = 128
NEARLY = 0.95  # of a pattern's gain, from which on a stamp is as good: it is the simpler
SURE = 4.0  # standard errors by which images that a pattern was not made from must speak for it
BASES = (faint.in_waves, faint.in_pixels)


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A trigger as it was rebuilt.

    kind: one of KINDS. mask [h, w] in [0, 1]: how much of each pixel is replaced. colour [h, w, 3] in 0..255: by what.
    additive [h, w, 3] float32, in levels of 255: what is added then. place: (top, left, height, width) in pixels.
    strength: the opacity in [0, 1], of the additive kind the largest change in levels. bearers: the share of the
    flagged images that show it. picture [h, w, 4] uint8: how it looks, the rest transparent; what is added is
    magnified around grey.
    """

    kind: str
    mask: Floats
    colour: Floats
    additive: NDArray[np.float32]
    place: tuple[int, int, int, int]
    strength: float
    bearers: float
    picture: NDArray[np.uint8]

    def apply(self, images: Images) -> Images:
        """Copies of images [n, h, w, 3] that bear the trigger. BadRequest for images of another size."""
        if images.ndim != 4 or images.shape[1:] != self.colour.shape:
            raise BadRequest(f"images must be [n, {', '.join(map(str, self.colour.shape))}], got {list(images.shape)}")
        kept, laid = 1 - self.mask[..., None], self.mask[..., None] * self.colour + self.additive
        stamped = np.empty_like(images)
        for start in range(0, len(images), MOST):
            some = slice(start, start + MOST)
            stamped[some] = np.rint(kept * images[some] + laid).clip(0, 255)
        return stamped


@dataclass(frozen=True)
class Agreement:
    """How like the true trigger a rebuilt one is.

    correlation in [-1, 1]: of the changes that both make to the same images. overlap in [0, 1]: pixels that both change
    (more than SHOWN of the most changed one) over those that either does. colour in 0..255: how many levels the two
    differ by on those pixels, a mean.
    """

    correlation: float
    overlap: float
    colour: float


def rebuild(flagged: Images, rest: Images, others: Sequence[Images] = ()) -> tuple[Rebuilt | None, str]:
    """The trigger that a class's flagged images [m, h, w, 3] share and its rest [r, h, w, 3] do not.

    others: images of the other classes, an array each; poison is made from them where labels were changed, and without
    them their natural look may be taken for the trigger's. Returns what was rebuilt and, where it is None, why. Of each
    class at most MOST images are looked at. BadRequest for images of other kinds or sizes.
    """
    _check(flagged, rest, *others)
    if min(len(flagged), len(rest)) < FEWEST:
        few = f"{len(flagged)} flagged images and {len(rest)} others"
        return None, f"{few} are too few to tell what they share: at least {FEWEST} of both are needed"
    flagged, classes = _some(flagged), [_some(rest), *(_some(one) for one in others if len(one) >= FEWEST)]
    waves, known = natural.spectra(flagged), [natural.moments(images) for images in classes]
    stamp = stamps.find(flagged, classes)
    gains: dict[faint.Basis | None, float] = {basis: _pattern_gain(waves, known, basis) for basis in BASES}
    gains[None] = 0.0 if stamp is None else _stamp_gain(stamp, flagged, waves, known) / NEARLY
    best = max(gains, key=lambda basis: gains[basis])
    pattern = None if best is None or gains[best] <= 0 else faint.find(waves, known, best)
    if pattern is not None:
        return _mixed(pattern), ""
    if stamp is not None:
        return _stamped(stamp), ""
    return None, (
        f"the {len(flagged):,} flagged images share no place, colour or pattern that the others lack: a change of each "
        "image's own, as a warp is, leaves nothing to rebuild, and neither do images that nobody changed"
    )


def _pattern_gain(waves: Floats, known: Sequence[natural.Class], basis: faint.Basis) -> float:
    """What a pattern adds to the log-likelihood of the half of images that it was not made from; 0 if not surely."""
    halves = waves[::2], waves[1::2]
    gains = [faint.gain(made, held, known, basis) for made, held in (halves, halves[::-1])]
    sure = all(gain.mean() > SURE * gain.std() / np.sqrt(len(gain)) for gain in gains)
    share = max(float((np.concatenate(gains) > 0).mean()), 0.01)
    return _mean_of_some(np.concatenate(gains), share) if sure else 0.0


def _stamp_gain(stamp: stamps.Stamp, flagged: Images, waves: Floats, known: Sequence[natural.Class]) -> float:
    """The same of a stamp: its pixels are no longer surprising, but for the few levels that they may differ by."""
    mixed = natural.mixture(waves, known)
    certain = np.log1p(2 * np.e * stamps.looseness(flagged, stamp)).sum()  # nats for a level that is so far off, a mean
    gains = np.where(stamp.bearers, natural.surprise(mixed, waves, stamp.lit) - certain, -np.inf)
    return _mean_of_some(gains, float(stamp.bearers.mean()))


def _mean_of_some(gains: Floats, share: float) -> float:
    """The mean gain where only a share of the images bears the trigger, and nobody says which."""
    return float(np.logaddexp(gains + np.log(share), np.log1p(-share) if share < 1 else -np.inf).mean())


def agreement(rebuilt: Rebuilt, images: Images, stamped: Images) -> Agreement:
    """How like the true trigger, which makes `stamped` of images (both [n, h, w, 3]), a rebuilt one is."""
    _check(images, stamped)
    if len(images) != len(stamped) or not len(images):
        raise BadRequest(f"as many stamped images as images must be given, got {len(stamped)} and {len(images)}")
    ours = rebuilt.apply(images).astype(np.float64)
    changes = ours - images, stamped.astype(np.float64) - images
    places = [_place(np.abs(change).mean(0)) for change in changes]
    either = places[0] | places[1]
    apart = np.abs(ours - stamped)[:, either]
    return Agreement(
        correlation=_correlation(*changes),
        overlap=float((places[0] & places[1]).sum() / max(1, either.sum())),
        colour=float(apart.mean()) if apart.size else 0.0,
    )


def _check(*groups: Images) -> None:
    for images in groups:
        if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
            raise BadRequest(f"images must be [n, h, w, 3] uint8, got {list(images.shape)} {images.dtype}")
    sizes = {images.shape[1:] for images in groups}
    if len(sizes) > 1:
        raise BadRequest(f"all images must have one size, got {sorted(sizes)}")


def _some(images: Images) -> Images:
    """At most MOST of images [n, h, w, 3], evenly spread."""
    return images[np.linspace(0, len(images) - 1, MOST).astype(int)] if len(images) > MOST else images


def _stamped(stamp: stamps.Stamp) -> Rebuilt:
    shown = np.dstack([np.rint(stamp.colour), np.where(stamp.lit, 255, 0)]).astype(np.uint8)
    return Rebuilt(
        kind="opaque",
        mask=stamp.lit.astype(np.float64),
        colour=stamp.colour,
        additive=np.zeros(stamp.colour.shape, np.float32),
        place=_box(stamp.lit),
        strength=1.0,
        bearers=float(stamp.bearers.mean()),
        picture=shown,
    )


def _mixed(found: faint.Faint) -> Rebuilt:
    """A pattern that is mixed in where it takes some of what was there, else added."""
    blended = bool(found.opacity.any())
    share = np.where(found.opacity > 0, found.opacity, np.inf)[..., None]
    colour = np.clip(found.base + found.change / share, 0, 255) if blended else np.zeros(found.change.shape)
    laid = np.where(found.opacity[..., None] > 0, 0.0, found.change)
    place = _place(np.abs(found.change))
    if blended:
        place = found.opacity > 0
    return Rebuilt(
        kind="blended" if blended else "additive",
        mask=found.opacity,
        colour=np.where(found.opacity[..., None] > 0, colour, 0.0),
        additive=np.asarray(0 * laid if blended else laid, np.float32),
        place=_box(place),
        strength=float(found.opacity.max() if blended else np.abs(found.change).max()),
        bearers=float(found.bearers.mean()),
        picture=_shown(colour if blended else _magnified(found.change), place),
    )


def _magnified(change: Floats) -> Floats:
    return GREY + change * (127 / max(float(np.abs(change).max()), 1e-9))


def _shown(colour: Floats, place: Mask) -> NDArray[np.uint8]:
    """Colours [h, w, 3] as a picture, transparent outside the place's box."""
    top, left, height, width = _box(place)
    alpha = np.zeros(place.shape)
    alpha[top : top + height, left : left + width] = 255
    shown: NDArray[np.uint8] = np.rint(np.dstack([colour.clip(0, 255), alpha])).astype(np.uint8)
    return shown


def _place(change: Floats) -> Mask:
    """Where a change [h, w, 3] is a good part of its largest, [h, w]."""
    size = change.max(-1)
    return np.asarray(size > SHOWN * size.max()) if size.any() else np.zeros(size.shape, bool)


def _box(place: Mask) -> tuple[int, int, int, int]:
    """The box around pixels [h, w]: (top, left, height, width)."""
    rows, columns = np.flatnonzero(place.any(1)), np.flatnonzero(place.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def _correlation(one: Floats, other: Floats) -> float:
    """Of two changes [n, h, w, 3], pixel by pixel; 0 where either does nothing."""
    one, other = one.ravel() - one.mean(), other.ravel() - other.mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else 0.0
