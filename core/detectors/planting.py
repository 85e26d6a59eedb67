"""What the panel finds of marks that are planted into a set of images, one class at a time: its power on this very set.

A class with planted marks is judged as the panel judges it, the other classes as they are. The tests are asked in turn,
the quickest first, until the class is named and all but every image with a mark flagged; a test that was not asked
counts as silent, and so does a view. So what is named here the whole panel names, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.detectors import image_spectral, mirror, naming, repeats
from core.detectors.image_spectral import Told
from core.detectors.members import distinct, members_of
from core.detectors.moments import Rows
from core.detectors.panel import ON_IMAGES
from core.detectors.side_by_side import side_by_side
from core.detectors.split import FEWEST_IMAGES, Split, by_content, by_order, in_halves
from core.detectors.views import LARGEST, View, reduced, tile_views, whole_views
from core.types import Detection, Ids, Images, Labels, Mask

Tell = Callable[[float], None]  # of the share that is done, in [0, 1]
ENOUGH = 0.99  # of a plant's images flagged: no further test is asked


class Plant(NamedTuple):
    """Marks in a class: its rows ids [m] that bear one, and what they look like then, [m, h, w, 3] uint8."""

    label: int
    ids: Ids
    pixels: Images


class Grown(NamedTuple):
    """What came of a plant: whether its class is named, and the share of its images that are flagged then."""

    named: bool
    share: float


class _Word(NamedTuple):
    """What a test says of a plant's class: p, and which of the class's rows [c] it flags."""

    p: float
    flagged: Mask


class Ground:
    """The set that marks are planted in: images [n, h, w, 3] uint8 of classes labels [n].

    found: what the panel says of it as it is, at a false discovery rate of `level`. What the tests see in each class as
    it is they look at once, however often something is planted.
    """

    def __init__(self, images: Images, labels: Labels, found: Detection, level: float) -> None:
        assert found.class_p is not None
        self.images, self.labels, self.level, self.p = images, labels, level, found.class_p
        self.members: Mapping[int, Ids] = dict(members_of(labels))
        self.judged: Mask = np.bincount(labels, minlength=len(self.p)) > 0
        self.judged &= True if found.unjudged is None else ~found.unjudged
        self.limit = naming.each(labels, level)

    @cached_property
    def once(self) -> Mask:
        """Which images are no copies of one before, [n]."""
        return distinct(self.images)

    @cached_property
    def counted(self) -> dict[int, repeats.Counted]:
        """What `repeats` counts in each class."""
        every = self.members.items()
        return {label: repeats.looked_at(self.images[ids[self.once[ids]]], self.limit) for label, ids in every}

    @cached_property
    def mirrored(self) -> dict[int, mirror.Judged]:
        """What `mirror` sees in each class."""
        return {label: mirror.looked_at(self.images[ids], self.limit) for label, ids in self.members.items()}

    @cached_property
    def order(self) -> NDArray[np.uint64]:
        """A number of each image, from what is in it, [n]."""
        return by_content(self.images)


def grown(ground: Ground, plants: Sequence[Plant], tell: Tell) -> list[Grown]:
    """What the panel's image side finds of each plant, by itself; tell hears of the share that is done."""
    words: list[list[_Word]] = [[] for _ in plants]
    results = [Grown(False, 0.0)] * len(plants)
    steps = list(_steps(ground.images))
    for done, step in enumerate(steps):
        waiting = [place for place, one in enumerate(results) if one.share < ENOUGH]
        asked = [plants[place] for place in waiting]
        for place, word in zip(waiting, step(ground, asked), strict=True):
            words[place].append(word)
            results[place] = _verdict(ground, plants[place], words[place])
        tell((done + 1) / len(steps))
    return results


def _steps(images: Images) -> Iterator[Callable[[Ground, Sequence[Plant]], list[_Word]]]:
    """The tests, the quickest first."""
    small = reduced(images[:1], LARGEST)
    yield _by_repeats
    yield _by_mirror
    views: list[View] = whole_views()
    yield lambda ground, plants: _by_views(ground, plants, views, [])
    if tiles := tile_views(*small.shape[1:3]):
        yield lambda ground, plants: _by_views(ground, plants, tiles, views)


def _verdict(ground: Ground, plant: Plant, words: Sequence[_Word]) -> Grown:
    """The panel's on a plant's class, of the tests that were asked."""
    tests = len(ON_IMAGES)
    every = ground.p.copy()
    every[plant.label] = min(1.0, tests * min(word.p for word in words))
    limit = naming.threshold_by_p(every[ground.judged | (np.arange(len(every)) == plant.label)], ground.level)
    speaking = [word.flagged for word in words if tests * word.p <= limit and word.flagged.any()]
    if not speaking:
        return Grown(False, 0.0)
    flagged = np.any(speaking, axis=0)
    return Grown(True, float(flagged[_places(ground, plant)].mean()))


def _places(ground: Ground, plant: Plant) -> Ids:
    """Where a plant's rows stand among those of its class."""
    return np.searchsorted(ground.members[plant.label], plant.ids)


def _planted(ground: Ground, plant: Plant) -> Images:
    """A class's images [c, h, w, 3] with the marks."""
    images = ground.images[ground.members[plant.label]]
    images[_places(ground, plant)] = plant.pixels
    return images


def _flags(found: Detection, label: int, ids: Ids) -> _Word:
    assert found.class_p is not None
    assert found.cut is not None
    silent = found.unjudged is not None and bool(found.unjudged[label])
    return _Word(1.0 if silent else float(found.class_p[label]), found.scores[ids] > found.cut[label])


# --- test by test ----------------------------------------------------------------------------------------


def _by_repeats(ground: Ground, plants: Sequence[Plant]) -> list[_Word]:
    counted, limit = ground.counted, ground.limit

    def ask(some: Sequence[Plant]) -> list[_Word]:
        images, still = ground.images.copy(), ground.once.copy()
        found = []
        for plant in some:
            ids = ground.members[plant.label]
            images[ids] = _planted(ground, plant)
            still[ids] = distinct(images[ids])
            again = {**counted, plant.label: repeats.looked_at(images[ids[still[ids]]], limit)}
            found.append(_flags(repeats.decided(again, images, ground.labels, still, ground.level), plant.label, ids))
        return found

    return _class_by_class(ask, plants)


def _by_mirror(ground: Ground, plants: Sequence[Plant]) -> list[_Word]:
    judged, limit = ground.mirrored, ground.limit

    def ask(some: Sequence[Plant]) -> list[_Word]:
        images = ground.images.copy()
        found = []
        for plant in some:
            ids = ground.members[plant.label]
            images[ids] = _planted(ground, plant)
            again = {**judged, plant.label: mirror.looked_at(images[ids], limit)}
            found.append(_flags(mirror.decided(again, images, ground.labels, ground.level), plant.label, ids))
        return found

    return _class_by_class(ask, plants)


def _class_by_class(ask: Callable[[Sequence[Plant]], list[_Word]], plants: Sequence[Plant]) -> list[_Word]:
    """The words on plants, which stand class by class; those of one class are asked one after the other."""
    pieces = [list(some) for _, some in groupby(plants, key=lambda plant: plant.label)]
    return [word for some in (side_by_side(ask, pieces) if pieces else []) for word in some]


def _by_views(ground: Ground, plants: Sequence[Plant], views: Sequence[View], besides: Sequence[View]) -> list[_Word]:
    """What image-spectral says by some of its views; the others, and those `besides`, count as silent."""
    if not plants:
        return []
    images = reduced(ground.images, LARGEST)
    order = ground.order
    members = by_order(ground.labels, order)
    every = image_spectral.views_of(images)
    rule = image_spectral.Rule(ground.level, len(every), image_spectral.APART)

    def look(view: View) -> list[Told]:
        split, told = Split(view.of(images), members, order), []
        for label, some in groupby(plants, key=lambda plant: plant.label):
            metric = split.metric(label)
            told += [_told(ground, plant, split, view, metric, rule) for plant in some]
        return told

    seen = side_by_side(look, views)
    return [_word(ground, plant, [told[place] for told in seen], every) for place, plant in enumerate(plants)]


def _told(ground: Ground, plant: Plant, split: Split, view: View, metric: Rows, rule: image_spectral.Rule) -> Told:
    """A view's word on a plant's class; its scores stand in the order of the class's rows."""
    planted = _planted(ground, plant)
    if len(planted) < FEWEST_IMAGES or not split.varies(plant.label):
        return Told(view, -np.inf, np.zeros(len(planted)), None)
    order = by_content(planted)
    rows = np.argsort(order, kind="stable")
    points = split.placed(view.of(reduced(planted, LARGEST))[rows], metric)
    told = image_spectral.told_of(view, points, in_halves(order[rows]), rule)
    if told.fit is None:
        return told
    back = np.argsort(rows)
    return told._replace(scores=told.scores[back], fit=told.fit._replace(scores=told.fit.scores[back]))


def _word(ground: Ground, plant: Plant, told: Sequence[Told], every: Sequence[View]) -> _Word:
    silent = np.zeros(len(ground.members[plant.label]))
    heard = {one.view.name for one in told}
    unheard = [Told(view, -np.inf, silent, None) for view in every if view.name not in heard]
    log_e = image_spectral.log_e_of([*told, *unheard])
    flags = [one.fit.scores > one.fit.cut for one in image_spectral.speaking(told) if one.fit]
    if not flags:
        return _Word(1.0, silent > 0)
    return _Word(float(np.exp(-max(log_e, 0.0))), np.any(flags, axis=0))
