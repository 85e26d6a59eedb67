"""What was said of the same images before: by the panel, and of copies among them. Kept by content, as runs keep it.

Where nothing can be kept (a full disk, a folder that cannot be written) the audit goes on, and says so.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from math import prod
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from core.audits.copies import VERSION, Alike, alike
from core.configuration import DETECTORS, stages
from core.detectors import blocks, by_content, detect, drawn_by, listening
from core.results import detections
from core.store import Store
from core.types import Detection, Features, Images, Labels, PoisonscopeError

ALIKE = "alike"  # the stage of what was said of copies

Tell = Callable[[float], None]  # the share that is done; may raise to end it
Made = TypeVar("Made")


def fingerprint(array: NDArray[Any]) -> str:
    """A digest of an array's shape, dtype and values."""
    held = blake2b(f"{array.shape} {array.dtype.str} ".encode(), digest_size=16)
    for _, rows in blocks(array.reshape(len(array), prod(array.shape[1:]))):
        held.update(np.ascontiguousarray(rows).data)
    return held.hexdigest()


class Evidence(NamedTuple):
    """What a detector is asked about, a row an image: labels [m], features [m, d], images [m, h, w, 3], attributions
    [m, a]; order [m] is what the halves of features are drawn by (Memory.order): the images, and not a network's
    rounding, which another runtime does otherwise.
    """

    labels: Labels
    features: Features | None = None
    order: NDArray[np.uint64] | None = None
    images: Images | None = None
    attributions: Features | None = None

    @property
    def needed(self) -> dict[str, NDArray[Any]]:
        """What `detect` takes as evidence."""
        return {name: one for name in ("images", "attributions") if (one := getattr(self, name)) is not None}


class Memory:
    """What is kept in a store of a set that is audited.

    tell: hears how far what is asked is, and also while another process is at the same. trouble: why something could
    not be kept, the first time.
    """

    def __init__(self, store: Store, tell: Tell) -> None:
        self.store, self.tell, self.trouble = store, tell, ""
        self._digests = _Once(fingerprint)
        self._orders = _Once(by_content)

    def order(self, images: Images) -> NDArray[np.uint64]:
        """A random-looking number of each image [n], from what is in it alone."""
        return self._orders.of(images)

    def alike(self, images: Images) -> Alike:
        """Copies among images [n, h, w, 3] uint8 (core.audits.copies)."""
        key = stages.stage_key(ALIKE, images=self._digests.of(images), version=VERSION)
        with self._alone(ALIKE, key):
            known = self.store.read(ALIKE, key)
            if known is not None:
                return Alike(known.array("groups"), known.array("near") if known.document["near"] else None)
            found = alike(images, self.tell)
            arrays = {"groups": found.groups} | ({} if found.near is None else {"near": found.near})
            document = {"near": found.near is not None}
            self._tried(lambda: self.store.write(ALIKE, key, arrays=arrays, document=document))
        return found

    def said(
        self, detector: str, level: float, of: Evidence, already: Mapping[str, Detection] | None = None
    ) -> Detection:
        """What a detector says at a level. already: what some of its parts have said of these features."""
        given = {name: self._digests.of(one) for name, one in of._asdict().items() if one is not None}
        given |= {f"already {name}": fingerprint(one.scores) for name, one in (already or {}).items()}
        keys = {name: _key(name, level, given) for name in (detector, *DETECTORS[detector].parts)}

        def compute(before: Mapping[str, Detection]) -> Detection:
            known = {**before, **(already or {})}
            return detect(detector, of.features, of.labels, None, {"level": level}, of.needed, known)

        drawing = nullcontext() if of.order is None else drawn_by(of.order)
        with self._alone("scores", keys[detector]), listening(self.tell), drawing:
            found = detections.asked(self.store, detector, keys, compute, self._put)
        assert found is not None
        return found

    def _alone(self, stage: str, key: str) -> AbstractContextManager[None]:
        return self.store.lock(stage, key, lambda: self.tell(0.0), must=False)

    def _put(self, store: Store, key: str, found: Detection) -> None:
        self._tried(lambda: detections.keep(store, key, found))

    def _tried(self, write: Callable[[], object]) -> None:
        try:
            write()
        except (PoisonscopeError, OSError) as error:
            self.trouble = self.trouble or str(error)


def _key(detector: str, level: float, given: Mapping[str, str]) -> str:
    """By what a detector sees of it."""
    parts = DETECTORS[detector].parts
    if not parts:
        seen = ("order", "features") if DETECTORS[detector].reads_features else ("images",)
        said = f"already {detector}"
        given = {name: one for name, one in given.items() if name in ("labels", *seen, said)}
    versions = {name: DETECTORS[name].version for name in (detector, *parts)}
    return stages.stage_key("scores", audited=given, detector=detector, level=level, versions=versions)


class _Once(Generic[Made]):
    """Something that is made of an array, made once as long as the array lives."""

    def __init__(self, make: Callable[[NDArray[Any]], Made]) -> None:
        self._make = make
        self._made: dict[int, tuple[weakref.ref[NDArray[Any]], Made]] = {}

    def of(self, array: NDArray[Any]) -> Made:
        """What is made of it."""
        whose, made = self._made.get(id(array), (None, None))
        if whose is None or whose() is not array:
            made = self._make(array)
            self._made[id(array)] = weakref.ref(array), made
        return cast(Made, made)
