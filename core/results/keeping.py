"""Keep-lists: which images stay after a cut and a person's verdicts on it, and the runs that are trained on them.

Such a run (`retraining`) is named by the run whose cut was reviewed and by the list's digest, so that the same verdicts
are the same run, whoever gave them. The list itself lies in the store under that digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.configuration import RunConfig, reading, stages
from core.evaluation import filter as filtering
from core.results.result import Result
from core.store import Store
from core.types import BadRequest, DataUnavailable, Mask

STAGE, ARRAY = "keep", "keep"  # in the store


@dataclass(frozen=True)
class Decision:
    """What a cut takes, flagged [n] bool, and what stays after verdicts on it, keep [n] bool."""

    flagged: Mask
    keep: Mask

    @property
    def spared(self) -> int:
        """How many images the cut takes and the verdicts keep."""
        return int((self.flagged & self.keep).sum())

    @property
    def added(self) -> int:
        """How many images the cut leaves and the verdicts take."""
        return int((~self.flagged & ~self.keep).sum())

    @property
    def removed(self) -> int:
        """How many images go in the end."""
        return int((~self.keep).sum())

    @property
    def figures(self) -> str:
        """The counts in words: 300 cut, 3 kept after all, 2 added."""
        return f"{int(self.flagged.sum()):,} cut, {self.spared:,} kept after all, {self.added:,} added"


def decided(flagged: Mask, verdicts: Mapping[int, str]) -> Decision:
    """A cut [n] with a reviewer's verdicts by id: all stays but the cut less what is "clean", and what is "poisoned".

    "unsure" leaves an image as the cut has it; ids that the set does not have are passed over.
    """
    known = {id: verdict for id, verdict in verdicts.items() if 0 <= id < len(flagged)}
    clean, poisoned = ([id for id, one in known.items() if one == wanted] for wanted in ("clean", "poisoned"))
    return Decision(flagged, filtering.reviewed_keep(flagged, clean, poisoned))


def cut_of(result: Result) -> Mask | None:
    """What the detector's cut takes in a run, [n], whatever a keep-list made of it; None where it is not scored."""
    if result.config.keep is None and result.flagged is not None:
        return result.flagged
    found = result.detection()
    return None if found is None else ~filtering.keep_mask(found, result.poisoned.labels, result.config.defence)


def asked(result: Result, keep: Mask) -> RunConfig:
    """The run that trains on a keep-mask [n] in place of what the cut leaves; what leaves the same is the run itself.

    BadRequest where the mask is none of this set, keeps everything, or nothing.
    """
    base = result.config.base
    filtering.check_keep(keep, len(result.poisoned))
    own = (result if result.config.keep is None else Result(base, result.store)).flagged
    if own is not None and (keep == ~own).all():
        return base
    return base.model_copy(update={"keep": stages.keep_digest(keep)})


def retraining(config: RunConfig, keep: Mask, *, store: Store | None = None) -> RunConfig:
    """The run that trains on a keep-mask [n] bool in place of what a run's cut leaves, ready to be run or submitted.

    The mask is put into the store; only what comes after the cut is computed. The run's own keep-list is the run
    itself. BadRequest where the mask is none of this set, keeps everything, or nothing.
    """
    result = Result(config, store)
    wanted = asked(result, keep)
    if wanted.keep is not None:
        result.store.write(STAGE, wanted.keep, arrays={ARRAY: keep})
    return wanted


def stored(config: RunConfig, store: Store, images: int) -> Mask:
    """The keep-mask [n] that a run is named by. DataUnavailable where it is not in this store."""
    artefact = None if config.keep is None else store.read(STAGE, config.keep)
    keep: Mask | None = None if artefact is None else artefact.array(ARRAY)
    if keep is None or keep.shape != (images,) or stages.keep_digest(keep) != config.keep:
        raise DataUnavailable(
            f"the keep-list {str(config.keep)[:12]} that this run trains on is not in the store here; give it again: "
            "python -m core retrain RUN keep.txt"
        )
    return keep


def parsed(text: str, images: int) -> Mask:
    """A keep-list as it is exported, the ids that stay, one a line, as a mask of so many images.

    BadRequest names the first line that is no id of the set.
    """
    keep = np.zeros(images, bool)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        id = reading.whole(line.strip(), 0, images - 1)
        if id is None:
            raise BadRequest(
                f"line {number} of a keep-list must be the id of an image, 0 to {images - 1}, got {reading.shown(line)}"
            )
        keep[id] = True
    return keep
