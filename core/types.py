"""The words of the project as types. Imports nothing of ours.

Array aliases name what is inside; the shape stands in each docstring that uses them.
A sample's *id* is its row in the poisoned training set: `images[i]`, `labels[i]`,
`features[i]`, `scores[i]` and `keep[i]` are always the same image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # [n, h, w, 3], 0 to 255
Labels = NDArray[np.int64]  # [n]
Ids = NDArray[np.int64]  # [n], rows of a poisoned training set
Mask = NDArray[np.bool_]  # [n]
Features = NDArray[np.float32]  # [n, d]
Logits = NDArray[np.float32]  # [n, k]
Entropies = NDArray[np.float32]  # [n, m], of the softmax, in bits, for each image superimposed with m others
Losses = NDArray[np.float32]  # [epochs, n], cross-entropy in training; NaN where an id was not seen in an epoch
Scores = NDArray[np.float64]  # [n], higher = more suspicious


class PoisonscopeError(Exception):
    """Anything that the user can act on; the message says what, what is allowed and what was got."""


class Problem(NamedTuple):
    """One setting that does not fit, for who tells it in words and units of their own.

    name: the setting's own, without the groups that it stands in; place: which of its values, None where it is one.
    must: what it has to be, as "must be true or false". limits: its range, by ge, gt, le and lt; empty where it is not
    out of one. given: what was got; missing where nothing was.
    """

    name: str
    place: int | None
    must: str
    limits: Mapping[str, float]
    given: Any
    missing: bool = False


class BadRequest(PoisonscopeError, ValueError):
    """A request that cannot be carried out; raised before anything starts. problems: the settings that it is about."""

    def __init__(self, *told: object, problems: Sequence[Problem] = ()) -> None:
        super().__init__(*told)
        self.problems = tuple(problems)


class DataUnavailable(PoisonscopeError):
    """A data set could not be had from any of its sources."""


class DamagedArtefact(PoisonscopeError):
    """Something stored is truncated or altered; it has been set aside."""


class DeviceLost(PoisonscopeError):
    """A device answers nothing any more; another process may find it well, this one does not."""


class Cancelled(PoisonscopeError):
    """The person asked for the run to stop."""


@dataclass(frozen=True)
class Dataset:
    """A clean image data set, whole or a class-balanced subset of one.

    train_images [n, h, w, 3] uint8, train_labels [n] int64, the same for test; class_names [k];
    train_rows [n] int64 says which row of the full data set each training image is. pictured [n] and
    test_pictured [m] bool say which images have their pixels here, where not all have (a recorded run
    ships a few hundred, the others are grey); None means all.
    """

    name: str
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    class_names: tuple[str, ...]
    train_rows: Ids
    pictured: Mask | None = None
    test_pictured: Mask | None = None

    @property
    def classes(self) -> int:
        """The number of classes, k."""
        return len(self.class_names)


@dataclass(frozen=True)
class Truth:
    """Which rows the attacker poisoned, [n] bool, and which are covers, [n] bool: stamped, but labelled rightly.

    A cover is not poisoned: its label teaches no backdoor. Only the attack, the metrics and the screens that say so
    may read either; a detector never sees them.
    """

    poisoned: Mask
    covers: Mask

    @property
    def count(self) -> int:
        """The number of poisoned rows."""
        return int(self.poisoned.sum())


@dataclass(frozen=True)
class PoisonedSet:
    """The training set after the attack: clean rows first, in their order, stamped copies behind, covers last.

    images [n, h, w, 3] uint8; labels [n] int64 as the victim sees them; source_ids [n] int64, the row
    that each was made from (its own id for a clean row); source_labels [n] int64, that row's true class.
    """

    images: Images
    labels: Labels
    source_ids: Ids
    source_labels: Labels
    truth: Truth

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Finding:
    """One test that speaks against a class: which, what it looked at, how sure it is, and the images that it means.

    label: the class. detector: its name in the registry. view: what of the images or the network it looked at, as
    "luminance DCT", or "" where there is but one. place: (top, left, height, width) in pixels of the images, where
    what was seen has a place. p: as Detection.class_p, of this test alone. ids: the images of the class that it means,
    [m] int64. words: what was seen, in a few words without a full stop.
    """

    label: int
    detector: str
    view: str
    place: tuple[int, int, int, int] | None
    p: float
    ids: Ids
    words: str


@dataclass(frozen=True)
class Detection:
    """What a detector says: scores [n] float64, higher = more suspicious, and a verdict on each class.

    class_statistic [k] float64 (higher = more suspicious) with the threshold above which the detector
    calls a class poisoned; both None where it has no such opinion. spectrum [k, up to 10] float64 holds
    the leading singular values of each class, largest first, where the detector computes them. cut [k]
    float64 is the score above which an image of the class is likelier poisoned than benign, if any is (inf
    where there is no telling); None where the detector offers none.

    unjudged [k] bool are the classes of which nothing can be told (too small, or their features do not vary), None
    where there are none; no filter takes from these. notes say in sentences what the detector could not do, and why.

    class_p [k] float64 in [0, 1]: the chance of a benign class to look like this one or worse, by the null that the
    detector's docstring states; None where it has none. findings say what speaks against each named class, and where.

    parts: of a detector that is made of others, what each of these says at the same settings, by its name.
    """

    scores: Scores
    class_statistic: NDArray[np.float64] | None = None
    class_threshold: float | None = None
    spectrum: NDArray[np.float64] | None = None
    cut: NDArray[np.float64] | None = None
    unjudged: Mask | None = None
    notes: tuple[str, ...] = ()
    class_p: NDArray[np.float64] | None = None
    findings: tuple[Finding, ...] = ()
    parts: Mapping[str, Detection] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """A word from a running pipeline: which stage, how far (0 to 1 of that stage), and figures if any."""

    stage: str
    fraction: float
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


Watcher = Callable[[Event], None]
NOTES = "notes"  # in an event's data and in documents: what a training could not do as wished, in sentences


def ignore(event: Event) -> None:
    """A watcher that does not look."""
