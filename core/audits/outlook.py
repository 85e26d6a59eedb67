"""How long an audit takes: said before by what it is to do, and while it runs by how fast it has been.

Its stages cost what they cost, whatever share of the bar they are given: each has an expected time, and what is left is
told from both, the expectation at first and the pace more and more. A range is told, never a second: it counts down,
and another takes its place only where it has turned out wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from core.audits import networks, own
from core.audits.auditing import NONE, OWN, TRAIN, Audit, course_of
from core.configuration import MODELS
from core.jobs import estimates
from core.types import BadRequest

USUAL = 32  # pixels a side that the figures are of
MOST = 128  # from which on a larger image hardly costs the panel more
READING, COPIES = 0.0004, 0.0002  # seconds an image, on two CPU cores
PANEL_FEW, PANEL_MANY = 0.003, (10.0, 0.0013)  # seconds an image; of many, seconds and seconds an image
PLANTING = 2.5  # times the panel
PROVING = 6.0  # seconds
ASKING = 1.2  # passes of a training that asking a network about an image costs
OWN_ASKING, OWN_WAYS = 0.0008, 3  # seconds an image of a ResNet-18 that is brought; ways of asking that are tried
LABELS = 0.0006  # seconds an image and kind of features, of which a network that is trained here has two

KNOWN = 0.15  # the share of a stage from which on its own pace alone tells its time
FIRM = 3.0  # seconds of what is done, from which on it tells more of the machine than was known before
SKIPPED = 0.1  # of its expected time, below which a stage was not done but found in the store
MUCH = 2.0  # times as wide as it needs to be a range is replaced by a narrower one
NARROW = 1.3  # in the second half what is left is told from so many times less to so many times more


class Stage(NamedTuple):
    """What is told of, as `of`; at which shares of the whole it begins and ends; about how many seconds it takes."""

    of: str
    begins: float
    ends: float
    seconds: float


def stages(
    images: int, *, side: int = USUAL, planting: bool = False, network: str = NONE, features: bool = False
) -> list[Stage]:
    """The stages of an audit of so many images, side x side pixels as it looks at them, and what each may take.

    network: none, train (one is trained on the set) or own (one that is brought is asked). features: whether some are
    given. BadRequest for another network.
    """
    if network not in (NONE, TRAIN, OWN):
        raise BadRequest(f"network must be {NONE}, {TRAIN} or {OWN}; got {network!r}")
    asks = network != NONE
    area = (min(side, MOST) / USUAL) ** 2
    panel = area * min(PANEL_FEW * images, PANEL_MANY[0] + PANEL_MANY[1] * images)
    course = course_of(network, planting=planting, features=features)
    told = [
        Stage("reading", 0.0, course.read, READING * images * (side / USUAL) ** 2),
        Stage("looking for copies", course.read, course.copies, COPIES * images * area),
    ]
    if asks:
        begins, share = course.copies, course.network - course.copies
        told += [
            one._replace(begins=begins + share * one.begins, ends=begins + share * one.ends)
            for one in (_network(images, side) if network == TRAIN else [_own(images, side)])
        ]
    told.append(Stage("asking the panel", course.network, course.panel, panel))
    if asks or features:
        told.append(
            Stage("looking for label errors", course.panel, course.labels, LABELS * images * (1 + (network == TRAIN)))
        )
    if planting:
        told.append(Stage("planting known triggers", course.labels, course.planting, PLANTING * panel))
    if asks:
        told.append(Stage("trying what they share", course.planting, 1.0, PROVING))
    return told


def retraining_stages(told: Audit) -> list[Stage]:
    """The same of a network that is trained on what is kept, as `retrained` tells of them."""
    found = _network(len(told.brought), max(told.brought.images.shape[1:3]))
    if told.network is None or not told.network.seconds:
        return found
    return [found[0]._replace(seconds=told.network.seconds), *found[1:]]


def _network(images: int, side: int) -> list[Stage]:
    speed = float(MODELS[networks.settings(images, grey=False).model].facts["cpu_images_per_second"])
    area = (min(side, networks.SIDE) / USUAL) ** 2
    asking = area * ASKING * images / speed
    training = area * networks.expected_seconds(images)
    return [
        Stage("training a network on the set", 0.0, 0.8, training),
        Stage("asking the network", 0.8, 1.0, asking),
    ]


def _own(images: int, side: int) -> Stage:
    asked = OWN_ASKING * (images + OWN_WAYS * min(own.TRIED, images)) * (side / USUAL) ** 2
    return Stage("asking the network", 0.0, 1.0, asked)


class Range(NamedTuple):
    """Seconds, from low to high."""

    low: float
    high: float

    @property
    def wide(self) -> float:
        """How many times more the most is than the least."""
        return self.high / max(self.low, 1.0)


class Outlook:
    """How far something is, and how long it will still take; to be told of every word of it.

    One thread tells it, others may ask. scale: how many times slower than expected it was the last time, None where
    nothing like it was done before.
    """

    def __init__(
        self, ahead: Sequence[Stage], *, scale: float | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._ahead, self._clock = list(ahead), clock
        self._scale, self._measured = scale or 1.0, scale is not None
        self._began = self._ended = self._since = clock()
        self._took: dict[str, float] = {}
        self._at: Stage | None = None
        self._share = 0.0
        self._furthest = 0.0
        self._told: tuple[float, Range] | None = None

    def hear(self, done: float, of: str) -> None:
        """A word: the share of the whole that is done, and of what."""
        now = self._clock()
        if self._at is None or of != self._at.of:
            self._close(now)
            self._at = next((one for one in self._ahead if one.of == of), Stage(of, done, done, 0.0))
        at = self._at
        self._share = 0.0 if at.ends <= at.begins else min(max((done - at.begins) / (at.ends - at.begins), 0.0), 1.0)

    def close(self) -> None:
        """It has ended, however."""
        self._ended = self._clock()
        self._close(self._ended)
        self._at = None

    @property
    def expected(self) -> Range:
        """Between how many seconds the whole lies, as it is said before."""
        return Range(*estimates.span(self._scale * sum(one.seconds for one in self._ahead), self._measured))

    @property
    def took(self) -> Mapping[str, float]:
        """Seconds that each stage took that has ended."""
        return dict(self._took)

    @property
    def seconds(self) -> float:
        """Seconds from the beginning to its end."""
        return self._ended - self._began

    @property
    def scale(self) -> float:
        """How many times slower than expected it has been so far."""
        done = [(self._took[one.of], one.seconds) for one in self._ahead if one.of in self._took]
        if self._at is not None and self._share > 0:
            done.append((self._clock() - self._since, self._share * self._at.seconds))
        real = [(took, expected) for took, expected in done if took > SKIPPED * expected * self._scale]
        spent, expected = sum(took for took, _ in real), sum(expected for _, expected in real)
        return (spent + FIRM * self._scale) / (expected + FIRM)

    def left(self) -> Range:
        """Between how many seconds what is left lies."""
        now = self._clock()
        middle = self._middle(now)
        known = min(1.0, 2 * self._part(now, middle))
        low, high = (at_first ** (1 - known) for at_first in estimates.span(1.0, self._measured))
        newest = Range(middle * low / NARROW**known, middle * high * NARROW**known)
        if self._told is not None:
            since, told = self._told
            counted = Range(told.low - (now - since), told.high - (now - since))
            if 0 < counted.low <= middle <= counted.high and counted.wide <= MUCH * newest.wide:
                return counted
        self._told = now, newest
        return newest

    def fraction(self) -> float:
        """How much of its time has gone, 0 to 1; takes nothing back."""
        now = self._clock()
        self._furthest = max(self._furthest, self._part(now, self._middle(now)))
        return self._furthest

    def _part(self, now: float, left: float) -> float:
        gone = now - self._began
        return gone / (gone + left) if gone + left > 0 else 0.0

    def _middle(self, now: float) -> float:
        """Seconds that are left, as far as can be told: of the stage that it is at, and of those that follow."""
        scale, at = self.scale, self._at
        names = [one.of for one in self._ahead]
        place = names.index(at.of) if at is not None and at.of in names else -1
        coming = [one for one in self._ahead[place + 1 :] if one.of not in self._took]
        rest = scale * sum(one.seconds for one in coming)
        return rest if at is None else rest + _of_stage(at.seconds * scale, now - self._since, self._share)

    def _close(self, now: float) -> None:
        if self._at is not None:
            self._took[self._at.of] = self._took.get(self._at.of, 0.0) + now - self._since
        self._since = now


def _of_stage(expected: float, elapsed: float, share: float) -> float:
    """Seconds that are left of a stage, of which a share is done after so many seconds; of some none is ever told."""
    if share <= 0.0:
        return max(expected - elapsed, elapsed / 4)
    trust = min(1.0, share / KNOWN)
    whole = trust * elapsed / share + (1 - trust) * max(expected, elapsed)
    return max(whole * (1 - share), 0.0)
