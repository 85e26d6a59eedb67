"""What was said of the same images before: by the panel, and of copies among them. Kept by content, as runs keep it.

Where nothing can be kept (a full disk, a folder that cannot be written) the audit goes on, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.audits.copies import VERSION, Alike, alike
from core.configuration import DETECTORS, stages
from core.detectors import detect, drawn_by, listening
from core.results import detections
from core.store import Store
from core.types import Detection, Features, Images, Labels, PoisonscopeError

ALIKE = "alike"  # the stage of what was said of copies
ON_IMAGES = ("repeats", "mirror", "image-spectral")  # parts of the panel that read no features

Tell = Callable[[float], None]  # the share that is done; may raise to end it


def fingerprint(array: NDArray[Any]) -> str:
    """A digest of an array's shape, dtype and values."""
    held = blake2b(f"{array.shape} {array.dtype.str} ".encode(), digest_size=16)
    held.update(np.ascontiguousarray(array).data)
    return held.hexdigest()


class Memory:
    """What is kept in a store of a set that is audited.

    tell: hears how far what is asked is, and also while another process is at the same. trouble: why something could
    not be kept, the first time.
    """

    def __init__(self, store: Store, tell: Tell) -> None:
        self.store, self.tell, self.trouble = store, tell, ""

    def alike(self, images: Images) -> Alike:
        """Copies among images [n, h, w, 3] uint8 (core.audits.copies)."""
        key = stages.stage_key(ALIKE, images=fingerprint(images), version=VERSION)
        with self._alone(ALIKE, key):
            known = self.store.read(ALIKE, key)
            if known is not None:
                return Alike(known.array("groups"), known.array("near") if known.document["near"] else None)
            found = alike(images)
            arrays = {"groups": found.groups} | ({} if found.near is None else {"near": found.near})
            document = {"near": found.near is not None}
            self._tried(lambda: self.store.write(ALIKE, key, arrays=arrays, document=document))
        return found

    def said(
        self,
        detector: str,
        level: float,
        labels: Labels,
        images: Images,
        features: Features | None,
        attributions: Features | None,
        already: Mapping[str, Detection],
    ) -> Detection:
        """What a detector of images says at a level, of images, features [n, d] and attributions [n, a] where given.

        already: what some of its parts have said of these features.
        """
        evidence = {"images": images} | ({} if attributions is None else {"attributions": attributions})
        given = {name: fingerprint(array) for name, array in (("labels", labels), *evidence.items())}
        given |= {} if features is None else {"features": fingerprint(features)}
        given |= {f"already {name}": fingerprint(one.scores) for name, one in already.items()}
        keys = {name: _key(name, level, given) for name in (detector, *DETECTORS[detector].parts)}

        def compute(before: Mapping[str, Detection]) -> Detection:
            return detect(detector, features, labels, None, {"level": level}, evidence, {**before, **already})

        # Halves are drawn by the images: a network's rounding, which another runtime does otherwise, draws nothing.
        with self._alone("scores", keys[detector]), listening(self.tell), drawn_by(images):
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
        except PoisonscopeError as error:
            self.trouble = self.trouble or str(error)


def _key(detector: str, level: float, given: Mapping[str, str]) -> str:
    """By what a detector sees of it."""
    parts = DETECTORS[detector].parts
    if not parts:
        seen = ("images",) if detector in ON_IMAGES else ("images", "features")  # by the first halves are drawn
        said = f"already {detector}"
        given = {name: one for name, one in given.items() if name in ("labels", *seen, said)}
    versions = {name: DETECTORS[name].version for name in (detector, *parts)}
    return stages.stage_key("scores", audited=given, detector=detector, level=level, versions=versions)
