"""The proof of a trigger: laid on other images, does it make a network answer the class that was named?

An image tells whether something was laid on it, and never whether that does any harm: a watermark of a photographer
looks like a trigger. A network tells. The rebuilt trigger is laid on images of other classes, and the share that is
answered with the class is compared with what other patterns do that are as strong and as fine, but arranged otherwise:
a pattern over the whole image has its waves turned to other directions, a stamp lies in other places in other colours.
Were the trigger nothing but such a pattern, its rank among them would be anything; so p = rank / (N + 1) is exact.

Phases alone are not shuffled: of a single wave, as Barni et al. (2019) add, they are only its place, and a network
answers to it wherever it lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from core.evaluation import natural
from core.evaluation.rebuilt import Rebuilt
from core.types import BadRequest, Images, Labels, Logits

Floats = NDArray[np.float64]
Ask = Callable[[Images], Logits]

IMAGES = 1000  # that are asked about
OTHERS = 19  # patterns to compare with: p can be 1 in 20
LEVEL = 0.05  # of p, up to which a trigger stands out
RAISED = 0.1  # of the ranked share, by which a backdoor must change answers
DRAWS = 8  # of which the pattern least like the trigger is taken
APART = 64  # levels in some channel that another colour must differ by
ROOM = 4  # places that a stamp can lie in, from which on it stays whole


@dataclass(frozen=True)
class Answered:
    """The share of images that a network answers with a class.

    share: of all. most: of the images of that true class where it is largest. rms: the root mean square of the shares
    of the true classes, by which patterns are ranked: a backdoor may be open to one class only (each is to be taken for
    the next), and where it is open to all, single classes are at 100% with much weaker patterns.
    """

    share: float
    most: float
    rms: float


@dataclass(frozen=True)
class Transplant:
    """What a network answers to images that bear a rebuilt trigger: how many of them with the class `label`.

    found: of `images` of other classes with the trigger. without: of the bare images; others: with each of the patterns
    that it is compared with. true: with the attacker's own trigger, where that is known.
    """

    label: int
    images: int
    found: Answered
    without: Answered
    others: tuple[Answered, ...]
    true: Answered | None = None

    @property
    def p(self) -> float:
        """The chance that a pattern of that strength without a meaning ranks as high, in (0, 1]."""
        return (1 + sum(other.rms >= self.found.rms for other in self.others)) / (len(self.others) + 1)

    @property
    def backdoor(self) -> bool:
        """Whether the trigger is proved: it stands out, and changes answers. Else it is a mark, as far as one sees."""
        return self.p <= LEVEL and self.found.rms - self.without.rms >= RAISED


def transplant(
    rebuilt: Rebuilt,
    images: Images,
    label: int,
    ask: Ask,
    *,
    classes: Labels | None = None,
    others: int = OTHERS,
    seed: int = 0,
    true: Callable[[Images], Images] | None = None,
) -> Transplant:
    """Lay a trigger on images [n, h, w, 3] of other classes than `label` and ask a network, ask(images) -> [n, k].

    classes: which each image is of, [n]; None: they are taken for one. others: how many rearranged patterns the trigger
    is compared with; drawn from the seed. true: stamps images with the attacker's trigger. BadRequest without images,
    or with less than one pattern to compare with.
    """
    kinds = np.zeros(len(images), np.int64) if classes is None else classes
    if not len(images) or len(kinds) != len(images):
        raise BadRequest(f"there must be images, each with its class, got {len(images)} and {len(kinds)} classes")
    if others < 1:
        raise BadRequest(f"others must be at least 1, got {others}")

    def answered(seen: Images) -> Answered:
        hits = ask(seen).argmax(1) == label
        shares = np.array([hits[kinds == kind].mean() for kind in np.unique(kinds)])
        return Answered(float(hits.mean()), float(shares.max()), float(np.sqrt((shares**2).mean())))

    generator = np.random.default_rng([seed, 0x7A95])
    return Transplant(
        label=label,
        images=len(images),
        found=answered(rebuilt.apply(images)),
        without=answered(images),
        others=tuple(answered(rearranged(rebuilt, generator).apply(images)) for _ in range(others)),
        true=None if true is None else answered(true(images)),
    )


def rearranged(rebuilt: Rebuilt, generator: np.random.Generator) -> Rebuilt:
    """Another pattern of the same kind, strength and fineness; its picture is still that of the trigger."""
    height, width = rebuilt.mask.shape
    large = rebuilt.place[2] * rebuilt.place[3] > height * width / 2
    return (_turned if large and rebuilt.kind != "opaque" else _moved)(rebuilt, generator)


# --- patterns over the whole image -----------------------------------------------------------------------


def _turned(rebuilt: Rebuilt, generator: np.random.Generator) -> Rebuilt:
    """The waves of a pattern turned to other directions, each as fine as it was."""
    if rebuilt.kind == "additive":
        pattern = _least_alike(natural.spectra(rebuilt.additive), generator)
        return replace(rebuilt, additive=np.asarray(natural.pixels(pattern), np.float32))
    pattern = _least_alike(natural.spectra(rebuilt.colour), generator)
    return replace(rebuilt, colour=natural.pixels(pattern).clip(0, 255))


def _least_alike(waves: Floats, generator: np.random.Generator) -> Floats:
    """Of some rearrangements of waves [h, w, 3] the one whose strong coefficients are where theirs are weak."""
    drawn = [_shuffled(waves, generator) for _ in range(DRAWS)]
    return min(drawn, key=lambda other: float((waves**2 * other**2).sum()))


def _shuffled(waves: Floats, generator: np.random.Generator) -> Floats:
    """Coefficients [h, w, 3] changing places with those that are as fine, with signs drawn anew; colours stay."""
    fineness = np.rint(np.hypot(*np.indices(waves.shape[:2]))).astype(int)
    found = waves.copy()
    for one in np.unique(fineness)[1:]:  # the first is the mean
        rows, columns = np.nonzero(fineness == one)
        order, signs = generator.permutation(len(rows)), generator.choice([-1.0, 1.0], len(rows))
        found[rows, columns] = signs[:, None] * waves[rows[order], columns[order]]
    return found


# --- stamps ----------------------------------------------------------------------------------------------


def _moved(rebuilt: Rebuilt, generator: np.random.Generator) -> Rebuilt:
    """A stamp somewhere else, its pixels in another order and its colours others."""
    top, left, height, width = rebuilt.place
    order, place = generator.permutation(height * width), _elsewhere(rebuilt, generator)
    recolour = _other_colours(rebuilt, generator)

    def moved(whole: Floats) -> Floats:
        part = whole[top : top + height, left : left + width]
        found = np.zeros_like(whole)
        found[np.ix_(*place)] = part.reshape(height * width, -1)[order].reshape(part.shape)
        return found

    added = rebuilt.additive.astype(np.float64)[..., recolour.order] * recolour.signs
    return replace(
        rebuilt,
        mask=moved(rebuilt.mask),
        colour=moved(recolour(rebuilt.colour)),
        additive=np.asarray(moved(added), np.float32),
    )


def _elsewhere(rebuilt: Rebuilt, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of another place for a stamp's box; over the edge where there is no room."""
    sides, (top, left, height, width) = rebuilt.mask.shape, rebuilt.place
    free = [
        (row, column)
        for row in range(sides[0] - height + 1)
        for column in range(sides[1] - width + 1)
        if abs(row - top) >= height or abs(column - left) >= width
    ]
    if len(free) < ROOM:
        free = [(row, column) for row in range(sides[0]) for column in range(sides[1]) if (row, column) != (top, left)]
    row, column = free[generator.integers(len(free))]
    return (row + np.arange(height)) % sides[0], (column + np.arange(width)) % sides[1]


class _Recolour:
    """Channels in another order, some of them inverted."""

    def __init__(self, order: tuple[int, ...], signs: tuple[int, ...]) -> None:
        self.order, self.signs = list(order), np.array(signs)

    def __call__(self, colour: Floats) -> Floats:
        changed = colour[..., self.order]
        return np.where(self.signs > 0, changed, 255 - changed)


_RECOLOURS = [_Recolour(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def _other_colours(rebuilt: Rebuilt, generator: np.random.Generator) -> _Recolour:
    """A way of changing colours by which this trigger's become others, APART levels away in the mean."""
    lit = rebuilt.mask > 0
    if not lit.any():
        return _RECOLOURS[int(generator.integers(1, len(_RECOLOURS)))]
    colours = rebuilt.colour[lit]
    apart = [np.abs(change(colours) - colours).max(1).mean() for change in _RECOLOURS]
    able = np.flatnonzero(np.array(apart) >= min(APART, max(apart)))
    return _RECOLOURS[int(generator.choice(able))]
